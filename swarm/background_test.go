package swarm

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/shoal-dl/shoal/swarm/wire"
)

// TestBackgroundReads lets all come at first, then no more than is allowed, and a
// reader go at once when the connection is given up.
func TestBackgroundReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		b := NewBackground(true)
		c := &quietConn{Conn: ours, all: b, stop: make(chan struct{})}
		c.halt = func() { close(c.stop) }
		go func() {
			for data := make([]byte, 64<<10); ; {
				if _, err := theirs.Write(data); err != nil {
					return
				}
			}
		}()
		buf := make([]byte, 64<<10)
		if n, err := c.Read(buf); n != len(buf) || err != nil {
			t.Errorf("while nothing is held back, a read brings %d bytes (%v)", n, err)
		}
		b.limit = rate.NewLimiter(64<<10, leastQuantum)
		start, got := time.Now(), 0
		for time.Since(start) < 10*time.Second {
			n, err := c.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			got += n
		}
		if want := 10 * 64 << 10; got < want*9/10 || got > want*11/10 {
			t.Errorf("%d bytes came, want about %d", got, want)
		}
		b.limit.SetLimit(1)
		time.AfterFunc(time.Second, func() { _ = c.SetReadDeadline(time.Now()) })
		start = time.Now()
		_, _ = c.Read(buf)
		if took := time.Since(start); took > time.Second {
			t.Errorf("the reader was held for %v", took)
		}
		_ = theirs.Close()
		_ = ours.Close()
	})
}

// TestBackgroundExempts leaves alone what never leaves the machine.
func TestBackgroundExempts(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if got := NewBackground(false).Wrap(nc); got != nc {
		t.Error("a connection on loopback is held back")
	}
}

// farConn is a connection on loopback that seems to lead elsewhere.
type farConn struct{ *net.TCPConn }

// RemoteAddr implements net.Conn.
func (farConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 9), Port: 7411} }

// farListener accepts such connections.
type farListener struct{ net.Listener }

// Accept implements net.Listener.
func (l farListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return farConn{nc.(*net.TCPConn)}, nil
}

// TestBackgroundForgets forgets connections that did not get as far as a peer's.
func TestBackgroundForgets(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	b := NewBackground(false)
	n := runNode(t, Options{Share: true, Background: b, Listener: farListener{l}, Dial: func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, "tcp", at)
		if err != nil {
			return nil, err
		}
		return farConn{nc.(*net.TCPConn)}, nil
	}})
	n.Join(c.seed())
	for range 4 {
		visit(t, c, at, 0)
		if _, _, err := n.connect(t.Context(), netip.MustParseAddrPort("192.0.2.9:7411"), wire.Content{PSK: c.Keys().PSK}); err == nil {
			t.Error("it has met itself")
		}
	}
	waitFor(t, func() bool { n.gate.mu.Lock(); defer n.gate.mu.Unlock(); return len(n.gate.places) == 0 })
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.conns) > 0 {
		t.Errorf("%d connections are remembered after all have gone", len(b.conns))
	}
}

// tcpPair is a connection on loopback.
func tcpPair(t *testing.T) (ours, theirs net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if ours, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if theirs, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ours.Close(); _ = theirs.Close() })
	return ours, theirs
}
