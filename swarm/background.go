package swarm

import (
	"context"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/time/rate"

	"github.com/shoal-dl/shoal/swarm/discovery"
	"github.com/shoal-dl/shoal/swarm/yield"
)

const (
	windowLeast = 16 << 10 // bytes that a sender may always have on the way
	windowMost  = 1 << 30  // the largest that is worth naming
	windowEvery = time.Second
	windowExtra = 50 * time.Millisecond // beyond twice a round trip
	awakeFor    = 500 * time.Millisecond
)

// Background keeps what is received from being in the way of the user's other
// traffic. It does so for all connections that are handed to Wrap, whoever made
// them: those of a Node, and those to HTTP servers.
//
// What queues on its way to us is seen by the round trips of who receives, where
// the system knows them, and by what others on this machine receive. Elsewhere,
// by neither, and nothing is held back.
type Background struct {
	running running // if OpenBackground was called
	lan     bool
	began   time.Time
	limit   *rate.Limiter
	control yield.Controller // the looker's
	traffic traffic          // likewise
	bytes   atomic.Int64     // received in all
	looked  int64            // of those, when we last looked

	mu    sync.Mutex
	conns []*quietConn
}

// NewBackground returns one. lan exempts what comes from private addresses.
func NewBackground(lan bool) *Background {
	return &Background{lan: lan, began: time.Now(), limit: rate.NewLimiter(rate.Inf, 0)}
}

// Run looks at the line until ctx ends.
func (b *Background) Run(ctx context.Context) {
	clock := time.NewTicker(gentleEvery)
	defer clock.Stop()
	for {
		select {
		case <-clock.C:
			b.look(time.Since(b.began))
		case <-ctx.Done():
			return
		}
	}
}

// Wrap returns a connection that receives in the background.
func (b *Background) Wrap(nc net.Conn) net.Conn {
	raw := rawConn(nc)
	addr := addressOf(nc).Addr()
	if raw == nil || addr.IsLoopback() {
		return nc
	}
	c := &quietConn{Conn: nc, raw: raw, all: b, exempt: b.lan && !discovery.Public(addr), stop: make(chan struct{})}
	c.halt = sync.OnceFunc(func() { close(c.stop) })
	b.mu.Lock()
	defer b.mu.Unlock()
	b.conns = append(b.conns, c)
	return c
}

// look takes one look at the line, if anything has come since the last.
func (b *Background) look(now time.Duration) {
	b.mu.Lock()
	conns := slices.Clone(b.conns)
	b.mu.Unlock()
	look := yield.Look{Now: now}
	var awake []*quietConn
	known := false
	for _, c := range conns {
		if c.exempt {
			continue
		}
		look.Bytes += c.listen(now)
		if now-c.last < awakeFor && c.last > 0 {
			awake = append(awake, c)
			look.Paths = append(look.Paths, &c.path)
			known = known || c.path.Trip() > 0
		}
	}
	if !known { // that the line is full could not be seen
		return
	}
	look.Others = b.traffic.others(localOf(awake[0]), now, receivedBy, b.onTheLine)
	b.control.Step(look)
	b.obey()
	for _, c := range awake {
		c.narrow(b.control.Rate()/float64(len(awake)), now)
	}
}

// onTheLine is what has come since this was last asked, with what it took to
// send it in full segments.
func (b *Background) onTheLine() uint64 {
	all := b.bytes.Load()
	came := uint64(all - b.looked)
	b.looked = all
	return came * (segmentBytes + headBytes) / segmentBytes
}

// obey lets no more come than is decided.
func (b *Background) obey() {
	most := b.control.Rate()
	b.limit.SetBurst(max(int(most*gentleEvery.Seconds()), leastQuantum))
	b.limit.SetLimit(rate.Limit(most))
}

// quietConn is a connection that receives in the background.
type quietConn struct {
	net.Conn
	raw    syscall.RawConn
	all    *Background
	exempt bool
	bytes  atomic.Int64 // received
	stop   chan struct{}
	halt   func() // ends waiting for the limit

	// The looker's.
	path    yield.Path
	seen    int64         // bytes, when it last looked
	last    time.Duration // when there were more
	clamped time.Duration // when the window was last set
}

// Read implements net.Conn.
func (c *quietConn) Read(p []byte) (int, error) {
	if !c.exempt {
		p = atOnce(c.all.limit, p)
	}
	n, err := c.Conn.Read(p)
	c.bytes.Add(int64(n))
	c.all.bytes.Add(int64(n))
	if !c.exempt {
		// To be late with the next bytes is what slows the sender down.
		sleep(debt(c.all.limit, n), c.stop)
	}
	return n, err
}

// Close implements net.Conn.
func (c *quietConn) Close() error {
	c.halt()
	b := c.all
	b.mu.Lock()
	b.conns = slices.DeleteFunc(b.conns, func(o *quietConn) bool { return o == c })
	b.mu.Unlock()
	return c.Conn.Close()
}

// SetReadDeadline implements net.Conn. One that has passed ends all waiting.
func (c *quietConn) SetReadDeadline(t time.Time) error {
	if !t.IsZero() && !t.After(time.Now()) {
		c.halt()
	}
	return c.Conn.SetReadDeadline(t)
}

// SyscallConn implements syscall.Conn.
func (c *quietConn) SyscallConn() (syscall.RawConn, error) { return c.raw, nil }

// listen takes in the latest round trip, and returns how many bytes have come.
func (c *quietConn) listen(now time.Duration) int {
	all := c.bytes.Load()
	came := all - c.seen
	c.seen = all
	if came == 0 {
		return 0
	}
	c.last = now
	if m, ok := measure(c.raw); ok && m.incoming > 0 {
		c.all.control.Saw(&c.path, m.incoming, now)
	}
	return int(came)
}

// narrow lets no more be on the way than what is to come in two round trips.
func (c *quietConn) narrow(rate float64, now time.Duration) {
	if now-c.clamped < windowEvery {
		return
	}
	c.clamped = now
	trip := c.path.Trip()
	if trip == 0 {
		return
	}
	setWindow(c.raw, max(int(min(rate*(2*trip+windowExtra).Seconds(), windowMost)), windowLeast))
}

// localOf is the address of ours that a connection has.
func localOf(c net.Conn) string {
	if a, ok := c.LocalAddr().(*net.TCPAddr); ok {
		return a.IP.String()
	}
	return ""
}
