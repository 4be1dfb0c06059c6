package swarm

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-dl/shoal/swarm/swarmtest"
)

// busyLine is what is sent over it by how many are served at once.
type busyLine struct {
	breadth
	now  time.Time
	rate map[bool]float64 // bytes a second, by whether many are
}

func newBusy(few, many float64) *busyLine {
	return &busyLine{now: time.Unix(1e9, 0), rate: map[bool]float64{false: few, true: many}}
}

// run returns for what part of so many seconds many or few are served.
func (l *busyLine) run(seconds int, many bool) float64 {
	n := 0
	for range seconds {
		l.now = l.now.Add(time.Second)
		l.sent += int64(l.rate[l.many])
		l.weigh(l.now)
		if l.many == many {
			n++
		}
	}
	return float64(n) / float64(seconds)
}

// TestBreadth serves many if that sends more, and else few.
func TestBreadth(t *testing.T) {
	const mb = 1 << 20
	for name, tt := range map[string]struct {
		few, many float64 // bytes a second
		want      bool
	}{
		"few fill the line":          {16 * mb, 16 * mb, false},
		"few do not":                 {16 * mb, 42 * mb, true},
		"many send a little more":    {16 * mb, 18 * mb, false},
		"many send less":             {16 * mb, 12 * mb, false},
		"a slow line":                {mb / 16, mb / 16, false},
		"slow ones at a faster line": {mb / 16, mb / 6, true},
		"nobody takes anything":      {0, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := newBusy(tt.few, tt.many)
			if l.run(int(trialFirst.Seconds()), false) < 1 {
				t.Error("many are served before much is known of few")
			}
			l.run(1000, false)
			if part := l.run(300, tt.want); part < 0.8 {
				t.Errorf("many %v: so it is for %.0f %% of the time", tt.want, 100*part)
			}
		})
	}
}

// TestBreadthChanges with the line.
func TestBreadthChanges(t *testing.T) {
	for _, many := range []bool{true, false} {
		l := newBusy(16<<20, 16<<20)
		l.rate[!many] = 32 << 20
		l.run(1000, many)
		l.rate[many], l.rate[!many] = l.rate[!many], l.rate[many]
		l.run(200, many)
		if part := l.run(300, many); part < 0.8 {
			t.Errorf("many %v: so it is for %.0f %% of the time", many, 100*part)
		}
	}
}

// TestTrialEnds when no more than few want something, and is not held against anybody.
func TestTrialEnds(t *testing.T) {
	l := newBusy(16<<20, 42<<20)
	if l.run(int(trialFirst.Seconds())+1, true); !l.many {
		t.Fatal("there is no trial")
	}
	l.enough()
	if l.many {
		t.Error("the trial goes on")
	}
	if l.run(10, true); !l.many {
		t.Error("there is no other trial")
	}
	l.enough()
	if !l.many {
		t.Error("what a trial has shown is forgotten")
	}
}

// TestFewServed: few have their turns at once, and who takes too long is none of them.
func TestFewServed(t *testing.T) {
	tb := newTable(newTurns(nil))
	tb.breadth.many = false
	tb.asks("a1", "b1", "c1", "d1", "e1", "f1")
	if got := tb.served(); got != "[a1 b1 c1]" {
		t.Errorf("served are %s", got)
	}
	tb.spends("b1", quantum)
	if got := tb.served(); got != "[a1 c1 d1]" {
		t.Errorf("then, served are %s", got)
	}
	tb.stall("c1")
	if got := tb.served(); got != "[b1 e1 f1]" {
		t.Errorf("instead of those who take too long, served are %s", got)
	}
}

// TestTrialNeedsMany who want something, or it ends.
func TestTrialNeedsMany(t *testing.T) {
	tb := newTable(newTurns(nil))
	tb.asks("a1", "b1", "c1", "d1", "e1")
	tb.breadth.before = 1
	if tb.done(tb.turn["e1"], tb.now); !tb.breadth.many {
		t.Error("the trial is over with four")
	}
	if tb.done(tb.turn["d1"], tb.now); tb.breadth.many {
		t.Error("the trial goes on with three")
	}
}

// TestServesAsManyAsItTakes has ten hosts with a slow line each want something of one
// that is as fast as two of them, and of one with a fast line: what can be sent is.
func TestServesAsManyAsItTakes(t *testing.T) {
	c := newContent(t, 16<<20, 256<<10, false)
	const theirs = 192 << 10
	for name, tt := range map[string]struct {
		up   float64
		many bool
		want float64 // bytes a second
	}{
		"few fill it": {2 * theirs, false, 2 * theirs}, "many do": {20 * theirs, true, mostServed * theirs},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				m := w.machine(swarmtest.Line{Up: tt.up, Delay: 5 * time.Millisecond})
				n := w.node(m, Options{Share: true})
				n.Join(c.seed())
				synctest.Wait()
				var all sync.WaitGroup
				var got atomic.Int64
				for range 10 {
					s := w.dialled(w.machine(swarmtest.Line{Down: theirs, Socket: 64 << 10}), m, c)
					all.Go(func() { got.Add(int64(s.greedy(c, time.Minute))) })
				}
				all.Wait()
				if rate := float64(got.Load()) / 60; rate < 0.85*tt.want {
					t.Errorf("%.0f KiB/s are sent, want %.0f", rate/1024, tt.want/1024)
				}
				n.turns.mu.Lock()
				defer n.turns.mu.Unlock()
				b := n.turns.breadth
				if settled := b.many != (b.before > 0); settled != tt.many { // a trial is on, or not
					t.Errorf("many are served: %v, want %v", settled, tt.many)
				}
			})
		})
	}
}
