package swarm

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// lastWords is how long a BYE may take.
const lastWords = 500 * time.Millisecond

// stream is a connection to a peer below the wire: it obeys the limit for what
// comes in, and knows whether anything moves.
type stream struct {
	net.Conn
	limit *rate.Limiter // of what is read; nil for none
	began time.Time
	await await // the reader's
	burst int   // bytes that the system may send in one go; 0 = as it likes

	once   sync.Once
	hungUp chan struct{} // closed by hangUp

	// Durations since began, in nanoseconds, as no clock goes back.
	lastRead atomic.Int64 // of the last byte
	writing  atomic.Int64 // since when a Write has been waiting; 0 if none is
	blocked  atomic.Int64 // in all Writes together

	written atomic.Int64 // bytes
}

// newStream returns one without a limit: what a stranger sends is not taken from
// what others may be sent.
func newStream(nc net.Conn) *stream {
	setUnsent(nc)
	s := &stream{Conn: nc, began: time.Now(), hungUp: make(chan struct{})}
	s.await.raw = rawConn(nc)
	s.burst = burstOf(s.await.raw)
	return s
}

// heed has all that follows obey the user's limits. It must come before a second
// goroutine uses the stream.
func (s *stream) heed(o *Options) {
	s.limit = o.LimitDown
	if o.Background != nil {
		s.Conn = o.Background.Wrap(s.Conn)
	}
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	p = atOnce(s.limit, p)
	s.await.tell()
	n, err := s.Conn.Read(p)
	if n > 0 {
		now := s.age()
		s.lastRead.Store(int64(now))
		s.await.got(n, now)
	}
	// To be late with the next bytes is what slows the sender down.
	sleep(debt(s.limit, n), s.hungUp)
	return n, err
}

// limited tells whether there is a limit now; it may change at any time.
func limited(l *rate.Limiter) bool { return l != nil && l.Limit() != rate.Inf }

// atOnce is as much of p as the limit lets come at once.
func atOnce(l *rate.Limiter, p []byte) []byte {
	if limited(l) {
		p = p[:min(len(p), max(l.Burst(), 1))]
	}
	return p
}

// debt takes n bytes from the limit and returns how long to wait for them.
func debt(l *rate.Limiter, n int) (wait time.Duration) {
	for n > 0 && limited(l) {
		now, part := time.Now(), min(n, max(l.Burst(), 1))
		if r := l.ReserveN(now, part); r.OK() {
			wait = r.DelayFrom(now)
			n -= part
		}
	}
	return wait
}

// Await makes the next Reads wait for n bytes or, from a slow peer, for what he
// sends in a tenth of a second.
func (s *stream) Await(n int) { s.await.begin(n, s.age()) }

// sleep waits, or until a channel is closed.
func sleep(d time.Duration, until <-chan struct{}) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-until:
	}
}

// hangUp ends all reading, and writing after a moment for the last words.
func (s *stream) hangUp() {
	s.once.Do(func() {
		close(s.hungUp)
		_ = s.SetReadDeadline(time.Now())
		_ = s.SetWriteDeadline(time.Now().Add(lastWords))
	})
}

// Write implements io.Writer.
func (s *stream) Write(p []byte) (int, error) {
	start := s.age()
	s.writing.Store(max(int64(start), 1))
	n, err := s.write(p)
	s.writing.Store(0)
	s.blocked.Add(int64(s.age() - start))
	s.written.Add(int64(n))
	return n, err
}

// age is how long the stream has been there.
func (s *stream) age() time.Duration { return time.Since(s.began) }

// quiet is how long no byte has come.
func (s *stream) quiet() time.Duration { return s.age() - time.Duration(s.lastRead.Load()) }

// stuck is how long the Write under way has been waiting.
func (s *stream) stuck() time.Duration {
	if since := s.writing.Load(); since != 0 {
		return s.age() - time.Duration(since)
	}
	return 0
}
