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

// TestLastAsked tells when it was by a clock that does not jump with the wall's.
func TestLastAsked(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	n := runNode(t, Options{Listen: "127.0.0.1:0", Share: true})
	s := n.Join(c.seed())
	waitFor(t, func() bool { return len(n.contents()) > 0 })
	began := time.Now()
	visit(t, c, n.sockets.tcp.Addr().String(), 2)
	at := s.Stats().LastAsked
	if at.Before(began) || at.After(time.Now()) {
		t.Errorf("it was asked at %v", at)
	}
	if at.String() == at.Round(0).String() {
		t.Errorf("%v has no monotonic reading", at)
	}
}
