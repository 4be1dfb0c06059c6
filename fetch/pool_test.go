package fetch

import (
	"context"
	"math"
	"testing"
)

func TestPoolSize(t *testing.T) {
	for _, test := range []struct {
		size            int64
		sources, window int
		want            int // buffers
	}{
		{256 << 10, 2, math.MaxInt - racing, 96},
		{2 << 20, 2, math.MaxInt - racing, 12},
		{2 << 20, 40, math.MaxInt - racing, 24}, // no more than poolMost
		{2 << 20, 2, 6, 6 + racing},             // what a Stream holds comes on top
		{64 << 20, 9, 2, fewestPooled},
		{256 << 10, 2, 0, fewestPooled}, // an empty file
	} {
		if p := newPool(test.size, test.sources, test.window); cap(p.free) != test.want {
			t.Errorf("%d buffers of %d bytes for %d sources and a window of %d, want %d",
				cap(p.free), test.size, test.sources, test.window, test.want)
		}
	}
}

// TestPeersLeaveMemoryToMirrors, for as long as they take for a piece.
func TestPeersLeaveMemoryToMirrors(t *testing.T) {
	m, _ := testContent(t, 20*64<<10, 64<<10)
	m.PieceSize = 8 << 20
	job := &Job{Manifest: m, Sources: []Source{&Mirror{}}, Crowd: noCrowd{}}
	p := job.memory()
	now, stop := context.WithCancel(t.Context())
	stop()
	borrow := func(peer bool) (all [][]byte) {
		for {
			ctx := now // ended: all that is there is given, or nothing more
			if len(p.free) > 0 && (!peer || len(p.shared) > 0) {
				ctx = t.Context()
			}
			b, err := p.get(ctx, 1, peer)
			if err != nil {
				return all
			}
			all = append(all, b)
		}
	}
	for range 2 {
		slow, quick := borrow(true), borrow(false)
		if len(slow) != cap(p.free)-forMirrors || len(slow) < 4 || len(quick) != forMirrors {
			t.Errorf("of %d buffers peers have %d and mirrors %d", cap(p.free), len(slow), len(quick))
		}
		for _, b := range slow {
			p.put(b, true)
		}
		for _, b := range quick {
			p.put(b, false)
		}
	}
	if job.Sources = nil; job.memory().shared != nil {
		t.Error("something is kept, though there are no mirrors")
	}
}

// noCrowd is a crowd of nobody.
type noCrowd struct{ Crowd }
