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
	many []bool           // after each second
}

func newBusy(few, many float64) *busyLine {
	return &busyLine{now: time.Unix(1e9, 0), rate: map[bool]float64{false: few, true: many}}
}

func (l *busyLine) run(seconds int) {
	for range seconds {
		l.now = l.now.Add(time.Second)
		l.sent += int64(l.rate[l.breadth.many])
		l.weigh(l.now)
		l.many = append(l.many, l.breadth.many)
	}
}

// share is the part of the last seconds that many were served.
func (l *busyLine) share(seconds int) float64 {
	n := 0
	for _, many := range l.many[len(l.many)-seconds:] {
		if many {
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
	} {
		t.Run(name, func(t *testing.T) {
			l := newBusy(tt.few, tt.many)
			if l.run(int(trialFirst.Seconds())); l.breadth.many {
				t.Error("many are served before much is known of few")
			}
			l.run(1000)
			if part := l.share(300); (part > 0.8) != tt.want || (part < 0.2) == tt.want {
				t.Errorf("many are served for %.0f %% of the time", 100*part)
			}
			// The line is another one now.
			l.rate[false], l.rate[true] = l.rate[true], l.rate[false]
			if tt.few > 1.2*tt.many || tt.many > 1.2*tt.few {
				l.run(300)
				if part := l.share(100); (part > 0.8) == tt.want {
					t.Errorf("then, many are served for %.0f %% of the time", 100*part)
				}
			}
		})
	}
}

// TestTrialEnds when no more than few want something, and is not held against anybody.
func TestTrialEnds(t *testing.T) {
	l := newBusy(16<<20, 42<<20)
	if l.run(int(trialFirst.Seconds()) + 1); !l.breadth.many {
		t.Fatal("there is no trial")
	}
	l.enough()
	if l.breadth.many {
		t.Error("the trial goes on")
	}
	if l.run(10); !l.breadth.many {
		t.Error("there is no other trial")
	}
	l.enough()
	if !l.breadth.many {
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

// TestServesAsManyAsItTakes has ten hosts with a slow line each want something of one
// with a fast line, and of one that is as fast as two of them: what can be sent is.
func TestServesAsManyAsItTakes(t *testing.T) {
	c := newContent(t, 16<<20, 256<<10, false)
	const theirs = 192 << 10
	for name, tt := range map[string]struct {
		up   float64
		want float64 // bytes a second
	}{
		"few fill it": {2 * theirs, 2 * theirs}, "many do": {20 * theirs, mostServed * theirs},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				m := w.machine(swarmtest.Line{Up: tt.up, Delay: 5 * time.Millisecond})
				w.node(m, Options{Share: true}).Join(c.seed())
				synctest.Wait()
				var all sync.WaitGroup
				var got atomic.Int64
				for range 10 {
					s := w.dialled(w.machine(swarmtest.Line{Down: theirs, Socket: 64 << 10}), m, c)
					all.Go(func() { got.Add(int64(s.greedy(c, time.Minute))) })
				}
				all.Wait()
				rate := float64(got.Load()) / 60
				if rate < 0.85*tt.want {
					t.Errorf("%.0f KiB/s are sent, want %.0f", rate/1024, tt.want/1024)
				}
			})
		})
	}
}
