package swarm

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"
)

// TestPause pauses a seed while it is asked for something. It gives nothing more
// until it goes on; then who was turned away finds it again on the same connection.
func TestPause(t *testing.T) {
	c := newContent(t, 8<<20, 64<<10, false)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.machine(near)
		s := w.node(m, Options{Share: true, LimitUp: perSecond(1 << 20)}).Join(c.seed())
		_, l := w.leech(c, Options{}, m)
		p := firstPeer(t, l)
		time.AfterFunc(2*time.Second, func() {
			s.Pause(true)
			s.Pause(true) // is no more than once
		})
		got, err := bring(t.Context(), p, lease(upTo(c.NumPieces())...))
		if e, ok := errors.AsType[*Error](err); !ok || !e.Lasting || len(got) == 0 || len(got) == c.NumPieces() {
			t.Fatalf("got %d pieces, %v", len(got), err)
		}
		before := s.Uploaded()
		time.Sleep(10 * time.Minute)
		if n := s.Uploaded(); n != before {
			t.Errorf("%d bytes were sent meanwhile", n-before)
		}
		if len(l.Peers()) != 0 || l.Stats().Peers != 1 {
			t.Errorf("the paused seed is one of %d sources and %d neighbours", len(l.Peers()), l.Stats().Peers)
		}
		if on, why := s.Shares(); !on {
			t.Errorf("it is said not to share: %s", why)
		}
		s.Pause(false)
		if again := firstPeer(t, l); again != p {
			t.Error("it is another connection")
		}
		got, err = bring(t.Context(), p, lease(upTo(c.NumPieces())...))
		if err != nil {
			t.Error(err)
		}
		c.check(t, got, upTo(c.NumPieces()))
	})
}

// TestPauseTurnsAwayAtOnce has whoever waits for a turn that would come in seconds
// know at once that there will be none.
func TestPauseTurnsAwayAtOnce(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.machine(near)
		s := w.node(m, Options{Share: true, LimitUp: perSecond(1 << 10)}).Join(c.seed())
		_, l := w.leech(c, Options{}, m)
		p := firstPeer(t, l)
		var paused time.Time
		time.AfterFunc(time.Second, func() { paused = time.Now(); s.Pause(true) })
		if _, err := bring(t.Context(), p, lease(upTo(c.NumPieces())...)); !refused(err) {
			t.Error(err)
		}
		if took := time.Since(paused); took > time.Second/2 {
			t.Errorf("it took %v", took)
		}
	})
}

// TestPausedStranger connects to a paused seed, and is served when it goes on.
func TestPausedStranger(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m, s := w.seed(c, near)
		s.Pause(true)
		_, l := w.leech(c, Options{}, m)
		time.Sleep(time.Minute)
		if len(l.Peers()) != 0 || l.Stats().Peers != 1 {
			t.Errorf("there are %d sources and %d neighbours", len(l.Peers()), l.Stats().Peers)
		}
		s.Pause(false)
		got, err := bring(t.Context(), firstPeer(t, l), lease(upTo(16)...))
		if err != nil {
			t.Error(err)
		}
		c.check(t, got, upTo(16))
	})
}

// TestLimitsChange serves at a limit that comes, is lowered and goes.
func TestLimitsChange(t *testing.T) {
	c := newContent(t, 8<<20, 64<<10, false)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.machine(near)
		limit := perSecond(1 << 20)
		n := w.node(m, Options{Share: true, LimitUp: limit})
		s := n.Join(c.seed())
		_, l := w.leech(c, Options{}, m)
		p := firstPeer(t, l)
		for _, kib := range []int{1024, 256, 2048} {
			limit.SetLimit(rate.Limit(kib << 10))
			began := time.Now()
			if _, err := bring(t.Context(), p, lease(upTo(64)...)); err != nil {
				t.Fatal(err)
			}
			want := 4096 / float64(kib)
			if took := time.Since(began).Seconds(); took < 0.8*want-1 || took > 1.1*want+1 {
				t.Errorf("4 MiB at %d KiB/s took %.1f s", kib, took)
			}
		}
		n.SetMaxUpload(s.Uploaded() + 1<<20)
		if got, err := bring(t.Context(), p, lease(upTo(64)...)); err == nil || len(got) > 16 {
			t.Errorf("got %d pieces, %v", len(got), err)
		}
	})
}

// TestRestIsShort pauses a seed that is asked for something, and holds one, for less
// time than there is between two news to neighbours: who was turned away finds it
// again all the same.
func TestRestIsShort(t *testing.T) {
	for name, rest := range map[string]func(*Swarm, bool){"pause": (*Swarm).Pause, "hold": (*Swarm).Hold} {
		t.Run(name, func(t *testing.T) {
			c := newContent(t, 1<<20, 64<<10, false)
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				m := w.machine(near)
				s := w.node(m, Options{Share: true, LimitUp: perSecond(1 << 20)}).Join(c.seed())
				_, l := w.leech(c, Options{}, m)
				p := firstPeer(t, l)
				away := 0
				for i := range 20 {
					time.AfterFunc(time.Duration(300+5*i)*time.Millisecond, func() {
						signal(s.dirty) // as when somebody comes
						time.Sleep(time.Millisecond)
						rest(s, true)
						time.Sleep(tellEvery / 2)
						rest(s, false)
					})
					if _, err := bring(t.Context(), p, lease(upTo(16)...)); refused(err) {
						away++
					} else if err != nil {
						t.Error(err)
					}
					time.Sleep(time.Second)
					if now := l.Peers(); len(now) != 1 || now[0] != p {
						t.Fatalf("the sources are %v", now)
					}
				}
				if away == 0 {
					t.Error("nobody was ever turned away")
				}
			})
		})
	}
}

// TestPauseAndHold ends one of the two: nothing is served before the other ends too.
func TestPauseAndHold(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m, s := w.seed(c, near)
		s.Pause(true)
		s.Hold(true)
		_, l := w.leech(c, Options{}, m)
		for _, end := range []func(bool){s.Hold, s.Pause} {
			time.Sleep(time.Minute)
			if len(l.Peers()) != 0 || l.Stats().Peers != 1 {
				t.Errorf("there are %d sources and %d neighbours", len(l.Peers()), l.Stats().Peers)
			}
			end(false)
		}
		got, err := bring(t.Context(), firstPeer(t, l), lease(upTo(16)...))
		if err != nil {
			t.Error(err)
		}
		c.check(t, got, upTo(16))
	})
}
