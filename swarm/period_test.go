package swarm

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-dl/shoal/swarm/swarmtest"
)

// TestRatio has several take from who gives a part of the content, over lines that
// bring much between two looks at the clock.
func TestRatio(t *testing.T) {
	c := newContent(t, 16<<20, 256<<10, false)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m, s := w.seed(c, swarmtest.Line{Up: 400 << 20})
		for range 3 {
			_, taker := w.leech(c, Options{}, m)
			go func() { _, _ = bring(t.Context(), firstPeer(t, taker), lease(upTo(c.NumPieces())...)) }()
		}
		s.Serve(t.Context(), func() Period { return Period{Time: time.Hour, Ratio: 0.25} }, func(time.Time, Stats) {})
		s.Leave()
		least := c.Size() / 4
		if n := s.Uploaded(); n < least || n > least+mostServed*quantum {
			t.Errorf("%d KiB were sent, want %d", n>>10, least>>10)
		}
	})
}
