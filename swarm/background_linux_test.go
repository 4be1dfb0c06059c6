package swarm

import (
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestBackgroundLooks has a controller decide on what comes over TCP, for as long
// as the connection lasts.
func TestBackgroundLooks(t *testing.T) {
	ours, theirs := tcpPair(t)
	var sending sync.WaitGroup
	defer func() { _ = theirs.Close(); sending.Wait() }()
	sending.Go(func() {
		for data := make([]byte, 64<<10); ; {
			if _, err := theirs.Write(data); err != nil {
				return
			}
		}
	})
	b := NewBackground(false)
	c := &quietConn{Conn: ours, raw: rawConn(ours), all: b, stop: make(chan struct{}), halt: func() {}}
	b.conns = append(b.conns, c)
	buf := make([]byte, 64<<10)
	for now := windowEvery; c.path.Trip() == 0; now += gentleEvery {
		for range 16 {
			if _, err := c.Read(buf); err != nil {
				t.Fatal(err)
			}
		}
		if b.look(now); now > time.Minute {
			t.Fatal("no round trip is known")
		}
	}
	if got, want := float64(b.limit.Limit()), b.control.Rate(); got != want {
		t.Errorf("%.0f bytes a second may come, want %.0f", got, want)
	}
	most := int(b.control.Rate()*(2*c.path.Trip()+windowExtra).Seconds()) + windowLeast
	err := c.raw.Control(func(fd uintptr) {
		if window, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_WINDOW_CLAMP); err != nil || window == 0 || window > most {
			t.Errorf("a window of %d, %v; want at most %d", window, err, most)
		}
	})
	if err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil || len(b.conns) > 0 {
		t.Errorf("%d connections are left (%v)", len(b.conns), err)
	}
}
