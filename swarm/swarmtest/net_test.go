package swarmtest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

var (
	addrA = netip.MustParseAddr("10.0.0.1")
	addrB = netip.MustParseAddr("10.0.0.2")
	addrC = netip.MustParseAddr("10.0.0.3")
)

// connect returns both ends of a connection from a to b.
func connect(t *testing.T, a, b *Host) (net.Conn, net.Conn) {
	t.Helper()
	l := b.Listen(1000)
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	var accepting sync.WaitGroup
	accepting.Go(func() {
		if c, err := l.Accept(); err == nil {
			accepted <- c
		}
	})
	ours, err := a.Dial(t.Context(), netip.AddrPortFrom(b.addr, 1000))
	if err != nil {
		t.Fatal(err)
	}
	accepting.Wait()
	theirs := <-accepted
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	return ours, theirs
}

// send writes n bytes, closes, and returns how long it takes until they are read.
func send(t *testing.T, from, to net.Conn, n int) time.Duration {
	t.Helper()
	began := time.Now()
	var writing sync.WaitGroup
	writing.Go(func() {
		if _, err := from.Write(make([]byte, n)); err != nil {
			t.Error(err)
		}
		from.Close()
	})
	got, err := io.Copy(io.Discard, to)
	if err != nil || got != int64(n) {
		t.Errorf("got %d bytes of %d, %v", got, n, err)
	}
	writing.Wait()
	return time.Since(began)
}

// about tells whether a time is what it should be, but for a segment or two.
func about(got, want time.Duration) bool {
	return got > want-want/100 && got < want+want/20
}

func TestRates(t *testing.T) {
	tests := map[string]struct {
		a, b Line
		want time.Duration
	}{
		"uplink":   {Line{Up: 1e6}, Line{}, 10 * time.Second},
		"downlink": {Line{}, Line{Down: 2e6}, 5 * time.Second},
		"the narrower one": {Line{Up: 5e6, Delay: 50 * time.Millisecond}, Line{Down: 1e6, Delay: 50 * time.Millisecond},
			10*time.Second + 100*time.Millisecond},
		"only delay": {Line{Delay: time.Second}, Line{Delay: time.Second}, 20 * time.Second}, // 1 MB a trip there and not yet back
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := New(1)
				ca, cb := connect(t, n.Host(addrA, tt.a), n.Host(addrB, tt.b))
				if got := send(t, ca, cb, 10_000_000); !about(got, tt.want) {
					t.Errorf("it took %v, not %v", got, tt.want)
				}
			})
		})
	}
}

func TestShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(1)
		a := n.Host(addrA, Line{Up: 1e6})
		ab, ba := connect(t, a, n.Host(addrB, Line{}))
		ac, ca := connect(t, a, n.Host(addrC, Line{}))
		var both sync.WaitGroup
		for _, ends := range [][2]net.Conn{{ab, ba}, {ac, ca}} {
			both.Go(func() {
				if got := send(t, ends[0], ends[1], 1_000_000); !about(got, 2*time.Second) {
					t.Errorf("it took %v for each, not 2s", got)
				}
			})
		}
		both.Wait()
		if a.Sent() != 2_000_000 {
			t.Errorf("sent %d bytes", a.Sent())
		}
	})
}

func TestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(1)
		a, b := n.Host(addrA, Line{}), n.Host(addrB, Line{Delay: time.Second})
		if _, err := a.Dial(t.Context(), netip.AddrPortFrom(addrB, 9)); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial where nobody listens: %v", err)
		}
		ca, cb := connect(t, a, b)
		cb.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := cb.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read past the deadline: %v", err)
		}
		cb.Close()
		if _, err := ca.Write([]byte("x")); err == nil {
			t.Error("could write to nobody")
		}
		if _, err := ca.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("read from nobody: %v", err)
		}
	})
}

func TestVanish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(1)
		a, b := n.Host(addrA, Line{}), n.Host(addrB, Line{})
		ca, cb := connect(t, a, b)
		b.Vanish()
		cb.Close()
		ca.SetDeadline(time.Now().Add(time.Hour))
		if _, err := ca.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read from who has vanished: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if _, err := a.Dial(ctx, netip.AddrPortFrom(addrB, 1000)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dial who has vanished: %v", err)
		}
	})
}
