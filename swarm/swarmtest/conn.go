package swarmtest

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	// segment is how many bytes pass a line at once, in turn with those of
	// other connections.
	segment = 16 << 10
	// socket is how many bytes may be on the way or unread, unless a Line says so.
	socket = 1 << 20
)

// conn is one end of a connection. It implements net.Conn.
type conn struct {
	out, in       *half
	local, remote net.Addr
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) { return c.in.read(p) }

// Write implements net.Conn. It returns when the last byte has passed the uplink.
func (c *conn) Write(p []byte) (int, error) { return c.out.write(p) }

// LocalAddr implements net.Conn.
func (c *conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements net.Conn.
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// Close ends both directions. What is on the way out still arrives.
func (c *conn) Close() error {
	c.out.change(func() { c.out.ended = true })
	c.in.change(func() { c.in.unread = true })
	return nil
}

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.in.change(func() { c.in.readBy = t })
	return nil
}

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.out.change(func() { c.out.writeBy = t })
	return nil
}

// half is one direction of a connection.
type half struct {
	from, to *Host

	mu      sync.Mutex
	changed chan struct{} // closed and replaced with every change
	arrival []bytesAt     // on the way or unread
	size    int           // bytes of them
	latest  time.Time     // when the last of them arrives
	ended   bool          // by the writer: there will be no more
	unread  bool          // by the reader: more would be in vain
	readBy  time.Time     // deadlines; zero for none
	writeBy time.Time
}

// bytesAt is bytes and when they arrive.
type bytesAt struct {
	data []byte
	at   time.Time
}

func newHalf(from, to *Host) *half {
	return &half{from: from, to: to, changed: make(chan struct{})}
}

// change changes something and wakes who waits.
func (h *half) change(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
	h.wake()
}

func (h *half) wake() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// write sends p, segment by segment.
func (h *half) write(p []byte) (int, error) {
	sent := 0
	for sent < len(p) {
		part := p[sent:min(sent+segment, len(p))]
		passed, err := h.send(part)
		if err != nil {
			return sent, err
		}
		sent += len(part)
		if err := h.waitUntil(passed); err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// send puts part on the way as soon as there is room.
func (h *half) send(part []byte) (passed time.Time, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.size+len(part) > h.to.line.Socket || h.from.vanished.Load() {
		if err := h.wait(time.Time{}, &h.writeBy); err != nil {
			return passed, err
		}
		if h.ended || h.unread {
			break
		}
	}
	switch {
	case h.ended:
		return passed, net.ErrClosed
	case h.unread:
		return passed, syscall.EPIPE
	}
	passed = h.from.up.pass(len(part))
	at := passed.Add(h.from.net.delay(h.from, h.to))
	if at.Before(h.latest) {
		at = h.latest
	}
	h.latest = at
	h.arrival = append(h.arrival, bytesAt{append([]byte(nil), part...), at})
	h.size += len(part)
	h.wake()
	return passed, nil
}

// waitUntil waits for a time, as a write does.
func (h *half) waitUntil(t time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for time.Now().Before(t) && !h.ended && !h.unread {
		if err := h.wait(t, &h.writeBy); err != nil {
			return err
		}
	}
	return nil
}

// read returns what has arrived, once it has passed the downlink.
func (h *half) read(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.arrived(); err != nil {
		return 0, err
	}
	first := &h.arrival[0]
	n := copy(p, first.data)
	if first.data = first.data[n:]; len(first.data) == 0 {
		h.arrival = h.arrival[1:]
	}
	h.size -= n
	h.wake()
	for passed := h.to.down.pass(n); time.Now().Before(passed) && !h.unread; {
		if err := h.wait(passed, nil); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// arrived waits until there is something to read. The caller holds h.mu.
func (h *half) arrived() error {
	for {
		var at time.Time
		if len(h.arrival) > 0 {
			at = h.arrival[0].at
		}
		gone := h.from.vanished.Load() || h.to.vanished.Load()
		switch {
		case h.unread:
			return net.ErrClosed
		case expired(h.readBy):
			return os.ErrDeadlineExceeded
		case !at.IsZero() && !time.Now().Before(at) && !gone:
			return nil
		case at.IsZero() && h.ended && !gone:
			return io.EOF
		}
		if gone || !time.Now().Before(at) {
			at = time.Time{}
		}
		if err := h.wait(at, &h.readBy); err != nil {
			return err
		}
	}
}

func expired(deadline time.Time) bool { return !deadline.IsZero() && !time.Now().Before(deadline) }

// wait waits for a change, for a time unless it is zero, or for the deadline,
// which is an error. The caller holds h.mu, and must look again.
func (h *half) wait(until time.Time, deadline *time.Time) error {
	if deadline != nil && !deadline.IsZero() && (until.IsZero() || deadline.Before(until)) {
		until = *deadline
	}
	var alarm <-chan time.Time
	if !until.IsZero() {
		t := time.NewTimer(time.Until(until))
		defer t.Stop()
		alarm = t.C
	}
	changed := h.changed
	h.mu.Unlock()
	select {
	case <-changed:
	case <-alarm:
	}
	h.mu.Lock()
	if deadline != nil && expired(*deadline) {
		return os.ErrDeadlineExceeded
	}
	return nil
}
