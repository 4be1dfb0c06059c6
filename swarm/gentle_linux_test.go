package swarm

import (
	"testing"

	"golang.org/x/sys/unix"
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
