package yield

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

var lines = []struct {
	rate float64 // bytes a second
	trip time.Duration
}{
	{60e3, 20 * time.Millisecond},
	{125e3, 80 * time.Millisecond},
	{625e3, 20 * time.Millisecond},
	{2.5e6, 5 * time.Millisecond},
	{2.5e6, 20 * time.Millisecond},
	{2.5e6, 200 * time.Millisecond},
	{12.5e6, 20 * time.Millisecond},
	{12.5e6, 80 * time.Millisecond},
	{125e6, 10 * time.Millisecond},
}

// TestAlone wants a line that nobody else uses to be used, without a queue that
// anybody who comes would notice.
func TestAlone(t *testing.T) {
	for _, tt := range lines {
		for _, jitter := range []time.Duration{0, 10 * time.Millisecond} {
			t.Run(fmt.Sprint(tt.rate*8/1e6, "Mbit/s,", tt.trip, ",", jitter), func(t *testing.T) {
				l := newLine(tt.rate, tt.trip)
				l.jitter = jitter
				l.run(10*time.Second, nil)
				l.run(time.Minute, nil)
				used, wait := l.ours/60/tt.rate, l.wait(time.Minute)
				t.Logf("used %.1f %%, queue %v", 100*used, wait)
				if used < 0.9 {
					t.Errorf("used %.1f %%", 100*used)
				}
				if wait > 20*time.Millisecond {
					t.Errorf("queue of %v", wait)
				}
			})
		}
	}
}

// TestBeginning wants a slow line not to be full before we can see that.
func TestBeginning(t *testing.T) {
	const long = 500 * time.Millisecond
	l := newLine(62.5e3, 20*time.Millisecond)
	if l.run(long, nil); l.wait(long) > 100*time.Millisecond {
		t.Errorf("queue of %v", l.wait(long))
	}
}

// TestRival wants a TCP flow to get what it would without us, soon and for as long
// as it lasts, and the line to be used again soon after it has ended.
func TestRival(t *testing.T) {
	for _, tt := range lines {
		t.Run(fmt.Sprint(tt.rate*8/1e6, "Mbit/s,", tt.trip), func(t *testing.T) {
			alone := newLine(tt.rate, tt.trip)
			alone.mute = true
			alone.rival = &rival{window: 14480}
			l := newLine(tt.rate, tt.trip)
			l.run(10*time.Second, nil)
			l.rival = &rival{window: 14480}
			for _, long := range []time.Duration{20 * time.Second, 20 * time.Second, 15 * time.Minute} {
				alone.run(long, nil)
				l.run(long, nil)
				got := l.theirs / alone.theirs
				t.Logf("the rival got %.1f %%", 100*got)
				if got < 1-max(0.1, 1.5*Least/tt.rate) {
					t.Errorf("the rival got %.1f %% in %v", 100*got, long)
				}
			}
			l.rival = nil
			l.run(20*time.Second, nil)
			l.run(10*time.Second, nil)
			if after := l.ours / 10 / tt.rate; after < 0.9 {
				t.Errorf("used %.1f %% afterwards", 100*after)
			}
		})
	}
}

// TestTrickle wants us to know, from the little we send beside a rival, that it is
// still there.
func TestTrickle(t *testing.T) {
	l := newLine(2.5e6, 20*time.Millisecond)
	l.run(5*time.Second, nil)
	l.rival = &rival{window: 500e3}
	l.run(10*time.Second, nil)
	if rate := l.us.Rate(); rate != Least {
		t.Errorf("%.0f bytes a second beside a rival, want %d", rate, Least)
	}
	if want := 140 * time.Millisecond; l.us.queue < want {
		t.Errorf("a queue of %v is seen, want more than %v", l.us.queue, want)
	}
}

// TestSmallRival wants what somebody needs who needs little to cost us that, not
// the line.
func TestSmallRival(t *testing.T) {
	l := newLine(2.5e6, 20*time.Millisecond)
	l.run(5*time.Second, nil)
	l.rival = &rival{window: 500e3, most: 0.5e6}
	l.run(10*time.Second, nil)
	l.run(20*time.Second, nil)
	if got := l.theirs / 20 / 0.5e6; got < 0.97 {
		t.Errorf("the rival got %.1f %%", 100*got)
	}
	if used := (l.ours + l.theirs) / 20 / l.rate; used < 0.9 {
		t.Errorf("used %.1f %%", 100*used)
	}
}

// TestShortBuffer has a bottleneck drop before the queue is long, as active queue
// management does: there only the machine's counters tell of a rival.
func TestShortBuffer(t *testing.T) {
	tests := map[string]struct {
		most         float64 // that the rival wants; 0 for all
		least, total float64
	}{
		"one that wants all":    {0, 0.85, 0.85},
		"one that wants little": {0.5e6, 0.9, 0.8},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			l := newLine(2.5e6, 20*time.Millisecond)
			l.buffer = 10 * time.Millisecond
			last, at := 0.0, l.now
			counters := func() float64 {
				defer func() { last, at = l.theirs, l.now }()
				return max(l.theirs-last, 0) / (l.now - at).Seconds()
			}
			l.us.full, l.us.settled = l.rate, true
			l.run(10*time.Second, counters)
			last = 0
			l.rival = &rival{window: 100e3, most: tt.most}
			l.run(10*time.Second, counters)
			last = 0
			l.run(20*time.Second, counters)
			want := l.rate
			if tt.most > 0 {
				want = tt.most
			}
			if got := l.theirs / 20 / want; got < tt.least {
				t.Errorf("the rival got %.1f %%", 100*got)
			}
			if used := (l.ours + l.theirs) / 20 / l.rate; used < tt.total {
				t.Errorf("used %.1f %%", 100*used)
			}
		})
	}
}

// play makes a controller that has seen trips on a path, one each tick, with all
// that it may send sent.
func play(c *Controller, p *Path, start time.Duration, trips ...time.Duration) time.Duration {
	for _, trip := range trips {
		start += tick
		c.Saw(p, trip, start)
		c.Step(Look{Now: start, Bytes: int(c.Rate() * tick.Seconds()), Paths: []*Path{p}})
	}
	return start
}

func repeat(n int, trip time.Duration) []time.Duration {
	return slices.Repeat([]time.Duration{trip}, n)
}

func TestDecisions(t *testing.T) {
	const ms = time.Millisecond
	tests := map[string]struct {
		play func(c *Controller, p *Path)
		want func(rate float64) bool
	}{
		"begins carefully": {func(c *Controller, p *Path) {}, func(r float64) bool { return r == First }},
		"grows while there is no queue": {func(c *Controller, p *Path) {
			play(c, p, 0, repeat(20, 20*ms)...)
		}, func(r float64) bool { return r > 5*First }},
		"does not grow by what nobody takes": {func(c *Controller, p *Path) {
			for now := tick; now < time.Minute; now += tick {
				c.Saw(p, 20*ms, now)
				c.Step(Look{Now: now, Bytes: 100, Paths: []*Path{p}})
			}
		}, func(r float64) bool { return r == First }},
		"does not grow without knowing": {func(c *Controller, p *Path) {
			for now := tick; now < time.Minute; now += tick {
				c.Step(Look{Now: now, Bytes: 1 << 20})
			}
		}, func(r float64) bool { return r == First }},
		"one late answer is no queue": {func(c *Controller, p *Path) {
			now := play(c, p, 0, repeat(20, 20*ms)...)
			before := c.Rate()
			play(c, p, now, 60*ms)
			if c.Rate() < before {
				c.rate = 0 // a fault
			}
		}, func(r float64) bool { return r > 5*First }},
		"makes way for a queue": {func(c *Controller, p *Path) {
			now := play(c, p, 0, repeat(20, 20*ms)...)
			play(c, p, now, repeat(200, 150*ms)...)
		}, func(r float64) bool { return r == Least }},
		"and comes back": {func(c *Controller, p *Path) {
			now := play(c, p, 0, repeat(20, 20*ms)...)
			now = play(c, p, now, repeat(200, 150*ms)...)
			play(c, p, now, repeat(200, 20*ms)...)
		}, func(r float64) bool { return r > First }},
		"begins anew after a rest": {func(c *Controller, p *Path) {
			now := play(c, p, 0, repeat(60, 20*ms)...)
			play(c, p, now+2*pause, 20*ms)
		}, func(r float64) bool { return r == First }},
		"drains now and then": {func(c *Controller, p *Path) {
			now := play(c, p, 0, 20*ms)
			play(c, p, now, repeat(int(drainEvery/tick)+4, 38*ms)...)
		}, func(r float64) bool { return r < First }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var c Controller
			c.Step(Look{})
			tt.play(&c, &Path{})
			if got := c.Rate(); !tt.want(got) {
				t.Errorf("%.0f bytes a second, queue %v", got, c.queue)
			}
		})
	}
}
