package swarm

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-dl/shoal/swarm/swarmtest"
)

func TestShrink(t *testing.T) {
	const size = 8 << 20
	text, noise := newContent(t, size, 256<<10, true), newContent(t, size, 256<<10, false)
	tests := map[string]struct {
		content     *content
		line        swarmtest.Line
		options     Options
		least, most int64 // bytes that may be sent
	}{
		"text, limit":  {text, near, Options{LimitUp: perSecond(4 << 20)}, size / 8, size * 6 / 10},
		"text, narrow": {text, swarmtest.Line{Up: 4 << 20, Delay: time.Millisecond}, Options{}, size / 8, size * 7 / 10},
		"text, wide":   {text, near, Options{}, size, size * 102 / 100},
		"noise, limit": {noise, near, Options{LimitUp: perSecond(4 << 20)}, size, size * 102 / 100},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				m := w.machine(tt.line)
				tt.options.Share = true
				seeding := w.node(m, tt.options).Join(tt.content.seed())
				_, s := w.leech(tt.content, Options{}, m)
				pieces := upTo(tt.content.NumPieces())
				got, err := bring(t.Context(), firstPeer(t, s), lease(pieces...))
				if err != nil {
					t.Fatal(err)
				}
				tt.content.check(t, got, pieces)
				if n := m.Sent(); n < tt.least || n > tt.most {
					t.Errorf("%d bytes were sent for %d", n, size)
				}
				if n := seeding.Stats().Uploaded; n > m.Sent() || n < m.Sent()*98/100 {
					t.Errorf("%d bytes were counted, %d sent", n, m.Sent())
				}
			})
		})
	}
}

func TestLimits(t *testing.T) {
	const size, limit = 8 << 20, 1 << 20
	c := newContent(t, size, 256<<10, false)
	tests := map[string]struct{ up, down Options }{
		"up":   {up: Options{LimitUp: perSecond(limit)}},
		"down": {down: Options{LimitDown: perSecond(limit)}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				m := w.machine(near)
				tt.up.Share = true
				w.node(m, tt.up).Join(c.seed())
				_, s := w.leech(c, tt.down, m)
				p := firstPeer(t, s)
				began := time.Now()
				if _, err := bring(t.Context(), p, lease(upTo(c.NumPieces())...)); err != nil {
					t.Fatal(err)
				}
				const want = size / limit * time.Second
				if took := time.Since(began); took < want*97/100 || took > want*103/100 {
					t.Errorf("it took %v, not %v", took, want)
				}
			})
		})
	}
}
