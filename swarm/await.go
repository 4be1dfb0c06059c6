package swarm

import (
	"net"
	"syscall"
	"time"
)

const (
	// awaitSpan is how long bytes may gather before the reader is woken.
	awaitSpan = 100 * time.Millisecond
	// awaitLeast bytes are the fewest worth two system calls to wait for.
	awaitLeast = 8 << 10
	// awaitBrief is the shortest time from which a pace is told.
	awaitBrief = time.Millisecond
)

// await keeps the system from waking the reader for every packet of a block that
// is of no use before it is whole (SO_RCVLOWAT). At most what comes in awaitSpan,
// as the last blocks did, is waited for, so that a peer who has become slow is
// not taken for a silent one.
type await struct {
	raw   syscall.RawConn // nil where the system cannot be told
	block bool            // what comes is worth waiting for
	want  int             // bytes that the next Reads are to bring
	low   int             // bytes, as the system was last told; 0 = never
	since time.Duration   // start of the span under way
	bytes int             // received in it
	pace  int             // received in the one before
}

// begin begins to wait for n bytes at the given age of the connection. The time
// between two blocks says nothing about how fast they come.
func (a *await) begin(n int, now time.Duration) {
	a.want, a.block = n, n >= awaitLeast
	a.since, a.bytes = now, 0
}

// got counts n more bytes, received at the given age of the connection.
func (a *await) got(n int, now time.Duration) {
	a.want -= n
	a.bytes += n
	if d := now - a.since; a.block && (a.want <= 0 || d >= awaitSpan) {
		a.pace = int(int64(a.bytes) * int64(awaitSpan) / int64(max(d, awaitBrief)))
		a.since, a.bytes = now, 0
	}
}

// tell tells the system for how many bytes to wake the reader: never for more
// than are wanted, which may be the last the peer has to say.
func (a *await) tell() {
	low := min(a.want, a.pace)
	if low < awaitLeast {
		low = 1
	}
	if a.raw == nil || low == max(a.low, 1) {
		return
	}
	a.low = low
	setLowWater(a.raw, low)
}

func rawConn(nc net.Conn) syscall.RawConn {
	tcp, ok := nc.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}
