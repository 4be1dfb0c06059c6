package swarm

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shoal-dl/shoal/swarm/yield"
)

// TestPace has the system send evenly, at twice a connection's part of the rate,
// and keep little. It is not told of every small change.
func TestPace(t *testing.T) {
	ours, _ := tcpPair(t)
	p := &Peer{stream: newStream(ours)}
	for _, step := range []struct {
		rate       float64
		pace, kept int
	}{
		{1e6, 500e3, 25e3}, {1.2e6, 500e3, 25e3}, {2e6, 1e6, 50e3}, {1e3, paceLeast, keptLeast}, {100e6, 50e6, keptMost},
	} {
		p.setPace(step.rate, 4)
		err := p.stream.await.raw.Control(func(fd uintptr) {
			pace, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MAX_PACING_RATE)
			if err != nil || pace != step.pace {
				t.Errorf("at %.0f: a pace of %d, %v; want %d", step.rate, pace, err, step.pace)
			}
			kept, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT)
			if err != nil || kept != step.kept {
				t.Errorf("at %.0f: %d bytes may be kept, %v; want %d", step.rate, kept, err, step.kept)
			}
		})
		if err != nil {
			t.Error(err)
		}
	}
	checkLower(t, p.stream.await.raw)
}

// TestHandshakeHasNotQueued: if the first round trip that we see has, that shows by what the
// system knows from before.
func TestHandshakeHasNotQueued(t *testing.T) {
	l, peers := newLine(t, 1)
	m, ok := measure(peers[0].stream.await.raw)
	if !ok || m.least <= 0 || m.least >= time.Second {
		t.Fatalf("the shortest round trip was %v, known %v", m.least, ok)
	}
	const now = 300 * time.Millisecond
	l.control.Step(yield.Look{})
	m.acked, m.trip = trueTrip, time.Second
	l.listen(peers[0], m, now)
	l.control.Step(yield.Look{Now: now, Bytes: yield.First, Paths: []*yield.Path{&peers[0].gentle.path}})
	if rate := l.control.Rate(); rate >= yield.First {
		t.Errorf("a rate of %.0f, as if there were no queue", rate)
	}
}
