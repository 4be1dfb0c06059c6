package swarm

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/shoal-dl/shoal/swarm/swarmtest"
	"github.com/shoal-dl/shoal/swarm/wire"
)

// readies counts the READYs that come from now on.
func (s *stranger) readies() *atomic.Int32 {
	var n atomic.Int32
	go func() {
		for next[wire.Ready](s) != nil {
			n.Add(1)
		}
	}()
	return &n
}

// others has so many others wait for all of c.
func others(w *world, m *machine, c *content, n int) {
	for range n {
		s := w.dialled(w.machine(near), m, c)
		for i := range uint32(c.NumPieces()) {
			s.say(wire.Request{ID: i, Piece: int(i), Length: 64 << 10}.Append(nil))
		}
		s.readies()
	}
}

// TestReady has a seed with nothing to do tell those who could use it, more and more
// seldom.
func TestReady(t *testing.T) {
	c := newContent(t, 4*64<<10, 64<<10, false)
	for name, tt := range map[string]struct {
		limit *rate.Limiter
		play  func(w *world, m *machine, seed *Swarm, s *stranger)
		want  int32 // in ten seconds, the first apart
	}{
		"it lacks all":   {nil, func(*world, *machine, *Swarm, *stranger) {}, 4}, // after 0.5, 1.5, 3.5 and 7.5
		"it lacks one":   {nil, func(_ *world, _ *machine, _ *Swarm, s *stranger) { s.say(wire.Have{Pieces: upTo(2)}.Append(nil)) }, 4},
		"it has as much": {nil, func(_ *world, _ *machine, _ *Swarm, s *stranger) { s.say(wire.Have{Pieces: upTo(3)}.Append(nil)) }, 0},
		"it has all":     {nil, func(_ *world, _ *machine, _ *Swarm, s *stranger) { s.say(wire.Have{Pieces: upTo(4)}.Append(nil)) }, 0},
		"it is paused":   {nil, func(_ *world, _ *machine, seed *Swarm, _ *stranger) { seed.Pause(true) }, 0},
		"it waits for a piece": {perSecond(4 << 10), func(_ *world, _ *machine, _ *Swarm, s *stranger) {
			s.say(wire.Request{ID: 1, Length: 64 << 10}.Append(nil))
		}, 0},
		"enough wait": {perSecond(16 << 10), func(w *world, m *machine, _ *Swarm, _ *stranger) { others(w, m, c, fewServed+spareHosts) }, 0},
		"not enough":  {perSecond(16 << 10), func(w *world, m *machine, _ *Swarm, _ *stranger) { others(w, m, c, fewServed+spareHosts-1) }, 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				m := w.machine(near)
				content := c.seed()
				content.Have = content.Have.Clone().Clear(3) // which nobody has
				seed := w.node(m, Options{Share: true, LimitUp: tt.limit}).Join(content)
				synctest.Wait()
				s := w.dialled(w.machine(near), m, c)
				told := s.readies()
				time.Sleep(readyEvery)
				if n := told.Swap(0); n != 1 {
					t.Errorf("it is greeted with %d", n)
				}
				tt.play(w, m, seed, s)
				time.Sleep(10 * time.Second)
				if n := told.Load(); n != tt.want {
					t.Errorf("%d times, want %d", n, tt.want)
				}
			})
		})
	}
}

// TestReadyAgain: who asks for something is told soon again when it has come.
func TestReadyAgain(t *testing.T) {
	c := newContent(t, 4*64<<10, 64<<10, false)
	synctest.Test(t, func(t *testing.T) {
		s := newWorld(t).visited(c, near, Options{Share: true})
		told := s.readies()
		time.Sleep(20 * time.Second)
		told.Store(0)
		s.say(wire.Request{ID: 1, Length: 64 << 10}.Append(nil))
		time.Sleep(readyFirst / 2)
		if n := told.Load(); n != 1 {
			t.Errorf("it is told %d times", n)
		}
	})
}

// TestReadyWithNews: who had nothing to give has, and tells so together with it, few at a
// time.
func TestReadyWithNews(t *testing.T) {
	const few, all = fewServed + spareHosts, 2*(fewServed+spareHosts) - 1
	c := newContent(t, 4*64<<10, 64<<10, false)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.machine(near)
		leech := w.node(m, Options{Share: true}).Join(Content{Manifest: c.Manifest, Read: c.read})
		synctest.Wait()
		var told []*atomic.Int32
		for range all {
			told = append(told, w.dialled(w.machine(near), m, c).readies())
		}
		expect := func(want int32) {
			t.Helper()
			n := int32(0)
			for _, one := range told {
				n += one.Load()
			}
			if n != want {
				t.Errorf("%d are told, want %d", n, want)
			}
		}
		time.Sleep(time.Second)
		expect(0)
		leech.Have(2)
		time.Sleep(readyEvery / 2)
		expect(few)
		time.Sleep(readyEvery)
		expect(all)
	})
}

// TestReadyTooOften: who says so all the time is heard now and then.
func TestReadyTooOften(t *testing.T) {
	p := &Peer{swarm: &Swarm{ready: make(chan struct{}, 1)}, stream: &stream{began: time.Now()}}
	heard := 0
	for age := time.Duration(0); age < readyFirst; age += time.Millisecond {
		p.takeReady(int64(age))
		select {
		case <-p.swarm.ready:
			heard++
		default:
		}
	}
	if heard != 2 {
		t.Errorf("it is heard %d times", heard)
	}
}

// TestWithdraw takes a piece back that waits, and one of which a part is on its way.
func TestWithdraw(t *testing.T) {
	c := newContent(t, 1<<20, 256<<10, false)
	synctest.Test(t, func(t *testing.T) {
		s := newWorld(t).visited(c, swarmtest.Line{Up: 64 << 10, Delay: time.Millisecond}, Options{Share: true})
		for id := range uint32(8) {
			_ = s.Write(wire.Request{ID: id, Piece: int(id) / 4, Length: 64 << 10, Offset: int(id) % 4 * 64 << 10}.Append(nil))
		}
		_ = s.Flush()
		time.Sleep(500 * time.Millisecond)
		s.say(wire.Withdraw{Piece: 0}.Append(wire.Withdraw{Piece: 1}.Append(wire.Withdraw{Piece: 2}.Append(nil))))
		var blocks, rejects uint32
		for blocks+rejects < 8 {
			f, err := s.Next()
			if err != nil {
				t.Fatal(err)
			}
			switch f := f.(type) {
			case *wire.Data:
				if f.ID != blocks {
					t.Errorf("instead of block %d came %d", blocks, f.ID)
				}
				blocks++
			case *wire.Reject:
				if f.ID != 4+rejects || f.Reason != wire.RejectCancelled {
					t.Errorf("rejected was %+v", f)
				}
				rejects++
			}
		}
		if blocks != 4 || rejects != 4 {
			t.Errorf("%d blocks came, %d were rejected", blocks, rejects)
		}
		s.say(wire.Request{ID: 9, Piece: 1, Length: 64 << 10}.Append(nil))
		if d := next[wire.Data](s); d == nil || d.ID != 9 {
			t.Errorf("what was withdrawn is answered %v later", d)
		}
	})
}

// TestWithdrawAmongOthers: the requests for few pieces may alternate.
func TestWithdrawAmongOthers(t *testing.T) {
	var u upload
	for id := range uint32(4) {
		u.queue = append(u.queue, wire.Request{ID: id, Piece: int(id % 2), Offset: int(id) / 2 * 10, Length: 10})
		u.bytes += 10
	}
	for id := range uint32(2) {
		u.begin(wire.Data{ID: id, Size: 10})
	}
	if ids := u.withdraw(0); len(ids) > 0 {
		t.Errorf("taken back are %v of a piece that has begun", ids)
	}
	for piece := range begunKept {
		u.noteBegun(10 + piece)
	}
	if ids := u.withdraw(1); len(ids) != 1 || u.bytes != 10 || len(u.begun) != begunKept {
		t.Errorf("taken back are %v, %d bytes are left; %d pieces are known", ids, u.bytes, len(u.begun))
	}
}

// TestWithdrawLease ends a lease that waits for its turn, and lets one go on that has
// begun.
func TestWithdrawLease(t *testing.T) {
	testPair(t, swarmtest.Line{Up: 64 << 10, Delay: time.Millisecond}, 8*256<<10, func(t *testing.T, c *content, p *Peer) {
		first := make(chan error, 1)
		go func() {
			got, err := bring(t.Context(), p, lease(1))
			c.check(t, got, []int{1})
			first <- err
		}()
		time.Sleep(100 * time.Millisecond)
		time.AfterFunc(100*time.Millisecond, func() { p.Withdraw(1); p.Withdraw(2) })
		began := time.Now()
		_, err := bring(t.Context(), p, lease(2))
		if e, ok := errors.AsType[*Error](err); !ok || !e.Withdrawn {
			t.Errorf("the second ends with %v", err)
		}
		// The answer comes behind the block that is on its way.
		if took := time.Since(began); took > 1500*time.Millisecond {
			t.Errorf("and only after %v", took)
		}
		if err := <-first; err != nil {
			t.Errorf("the first ends with %v", err)
		}
	})
}

// TestWithdrawUnasked: what waits for memory is not even asked for.
func TestWithdrawUnasked(t *testing.T) {
	testPair(t, near, 8*64<<10, func(t *testing.T, _ *content, p *Peer) {
		l, lent := lease(1, 2), 0
		l.Buffer = func(ctx context.Context, n int) ([]byte, error) {
			if lent++; lent == 1 {
				return make([]byte, n), nil
			}
			<-ctx.Done() // there is no more
			return nil, context.Cause(ctx)
		}
		time.AfterFunc(time.Second, func() { p.Withdraw(2) })
		n := 0
		for _, err := range p.Pieces(t.Context(), l) {
			if n++; n == 1 {
				continue
			}
			if e, ok := errors.AsType[*Error](err); !ok || !e.Withdrawn {
				t.Errorf("it ends with %v", err)
			}
		}
		if n != 2 {
			t.Errorf("%d elements", n)
		}
	})
}
