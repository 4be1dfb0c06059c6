package fetch

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestPause pauses a job for a minute: nothing comes, nobody is blamed, and it
// takes a minute longer.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, rate = 16 << 20, 2 << 20
		s := play(t, size, 256<<10, &fake{name: "http://a/", rate: rate, latency: 20 * time.Millisecond})
		s.Steer = NewSteer()
		var driving sync.WaitGroup
		driving.Go(func() {
			time.Sleep(3 * time.Second)
			s.Steer.Pause(true)
			time.Sleep(time.Second) // what came whole is being stored
			before := s.Gauges.Done.Load()
			time.Sleep(58 * time.Second)
			if after := s.Gauges.Done.Load(); before == 0 || after != before || s.Gauges.Connections.Load() != 0 {
				t.Errorf("%d bytes were there, then %d, over %d connections", before, after, s.Gauges.Connections.Load())
			}
			time.Sleep(time.Second)
			s.Steer.Pause(false)
		})
		s.run(t.Context()).complete(t, size/rate+60, 1.1)
		driving.Wait()
		if s.diary.has("left") {
			t.Errorf("somebody was blamed: %v", s.diary.lines)
		}
	})
}

// TestPauseFromTheStart pauses a job before it begins, until its only source lives.
func TestPauseFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{name: "http://a/", rate: 8 << 20, dead: 1, reborn: time.Hour}
		s := play(t, 1<<20, 256<<10, f)
		s.Steer = NewSteer()
		s.Steer.Pause(true)
		time.AfterFunc(2*time.Hour, func() { s.Steer.Pause(false) })
		s.run(t.Context()).complete(t, 2*3600, 1.01)
		if f.leases > 10 {
			t.Errorf("it was asked %d times", f.leases)
		}
	})
}

// TestPauseIsNoReproach to politeness: nothing could come meanwhile.
func TestPauseIsNoReproach(t *testing.T) {
	r := &running{Job: &Job{Steer: NewSteer()}, ledger: newBoard(t, 1).ledger, started: time.Now().Add(-time.Hour), paused: true}
	r.ledger.slow = slowFor
	r.steer()
	if r.ledger.weigh(r.now()); r.ledger.hedging {
		t.Error("mirrors are not spared after a pause")
	}
}

// TestConnectionsChange gives a mirror that is as fast as it has connections more
// of them, and then fewer.
func TestConnectionsChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{name: "http://a/", rate: 64 << 20, each: 256 << 10}
		s := play(t, 96<<20, 256<<10, f)
		s.Steer = NewSteer()
		most := func() (most int) { // open at once in the coming ten seconds
			for range 100 {
				time.Sleep(100 * time.Millisecond)
				f.mu.Lock()
				most = max(most, f.open)
				f.mu.Unlock()
			}
			return most
		}
		var driving sync.WaitGroup
		driving.Go(func() {
			for _, allowed := range []int{8, 2} {
				time.Sleep(10 * time.Second)
				s.Steer.Connections(allowed)
				time.Sleep(10 * time.Second)
				if n := most(); n > allowed || allowed > 4 && n <= 4 {
					t.Errorf("%d connections of %d are used", n, allowed)
				}
			}
			s.Steer.Connections(4)
		})
		s.run(t.Context())
		driving.Wait()
		if s.err != nil {
			t.Error(s.err)
		}
	})
}

// TestPauseLeavesARefusalRemembered: that more connections were allowed is heard
// once, and not again with each pause, when the server has refused them meanwhile.
func TestPauseLeavesARefusalRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{name: "http://a/", rate: 64 << 20, each: 256 << 10, refuse: 2}
		s := play(t, 32<<20, 256<<10, f)
		s.Steer = NewSteer()
		s.Steer.Connections(8)
		before := 0
		var driving sync.WaitGroup
		driving.Go(func() {
			time.Sleep(20 * time.Second)
			f.mu.Lock()
			before = f.refused
			f.mu.Unlock()
			for _, on := range []bool{true, false} {
				s.Steer.Pause(on)
				time.Sleep(time.Second)
			}
		})
		s.run(t.Context())
		driving.Wait()
		if s.err != nil || before == 0 || f.refused != before {
			t.Errorf("%v; the server refused %d connections, and %d after the pause", s.err, before, f.refused-before)
		}
	})
}
