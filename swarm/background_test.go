package swarm

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"
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
