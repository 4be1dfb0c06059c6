package swarm

import (
	"testing"
	"time"
)

// TestAwait has blocks come at several paces, and looks how much the system is
// told to wait for at the beginning of the next one.
func TestAwait(t *testing.T) {
	const block = 64 << 10
	steady := func(d time.Duration) []time.Duration { return []time.Duration{d / 4, d / 4, d / 4, d / 4} }
	for _, c := range []struct {
		name   string
		blocks [][]time.Duration // when the quarters of each came, after one another
		low    int               // bytes
	}{
		{"the first", nil, 1},
		{"fast", [][]time.Duration{steady(90 * time.Millisecond)}, block},
		{"at once", [][]time.Duration{steady(0)}, block},
		{"half a block in a span", [][]time.Duration{steady(200 * time.Millisecond)}, block / 2},
		{"too slow to be worth it", [][]time.Duration{steady(2 * time.Second)}, 1},
		{"fast, then slow", [][]time.Duration{steady(0), steady(2 * time.Second)}, 1},
		{"slow, then fast", [][]time.Duration{steady(2 * time.Second), steady(0)}, block},
		{"ever slower", [][]time.Duration{{0, 0, 200 * time.Millisecond, 400 * time.Millisecond}}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			ours, _ := tcpPair(t)
			a := await{raw: rawConn(ours)}
			var now time.Duration
			for _, quarters := range c.blocks {
				now += time.Second // without a word
				a.begin(2, now)
				a.tell()
				a.got(2, now)
				a.begin(block, now)
				for _, d := range quarters {
					a.tell()
					now += d
					a.got(block/4, now)
				}
			}
			now += time.Minute
			a.begin(2, now)
			if a.tell(); a.low > 1 {
				t.Errorf("waits for %d bytes where two are the next", a.low)
			}
			a.got(2, now)
			a.begin(block, now)
			if a.tell(); max(a.low, 1) != c.low {
				t.Errorf("waits for %d bytes, want %d", a.low, c.low)
			}
			a.got(block-100, now)
			if a.tell(); a.low > 1 {
				t.Errorf("waits for %d bytes where 100 are left", a.low)
			}
		})
	}
}
