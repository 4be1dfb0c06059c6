package yield

import (
	"testing"
	"time"
)

func TestPaths(t *testing.T) {
	const ms = time.Millisecond
	tests := map[string]struct {
		play func(c *Controller) ([]*Path, time.Duration)
		want time.Duration
	}{
		"beyond the shortest trip": {func(c *Controller) ([]*Path, time.Duration) {
			p := &Path{}
			return []*Path{p}, play(c, p, 0, 20*ms, 60*ms, 70*ms, 55*ms)
		}, 35 * ms},
		"a queue of one peer's own does not count": {func(c *Controller) ([]*Path, time.Duration) {
			a, b := &Path{}, &Path{}
			play(c, b, 0, 20*ms, 25*ms, 25*ms, 25*ms)
			return []*Path{a, b}, play(c, a, 0, 20*ms, 120*ms, 120*ms, 120*ms)
		}, 5 * ms},
		"who comes late has queued too": {func(c *Controller) ([]*Path, time.Duration) {
			a, b := &Path{}, &Path{}
			now := play(c, a, 0, 20*ms, 120*ms, 120*ms, 120*ms)
			now = play(c, b, now, 200*ms)
			return []*Path{b}, now
		}, 100 * ms},
		"what is seen first has queued, as the system knows": {func(c *Controller) ([]*Path, time.Duration) {
			p := &Path{}
			p.Least(20 * ms)
			now := play(c, p, 0, 120*ms)
			p.Least(10 * ms) // from then on we know ourselves
			return []*Path{p}, play(c, p, now, 120*ms)
		}, 100 * ms},
		"a first trip without a queue": {func(c *Controller) ([]*Path, time.Duration) {
			p := &Path{}
			p.Least(20 * ms)
			return []*Path{p}, play(c, p, 0, 15*ms, 25*ms, 25*ms, 25*ms)
		}, 10 * ms},
		"what was seen too long ago says nothing": {func(c *Controller) ([]*Path, time.Duration) {
			p := &Path{}
			return []*Path{p}, play(c, p, 0, 20*ms, 60*ms, 60*ms, 60*ms) + freshFor + 1
		}, 0},
		"a way that has become longer is learnt": {func(c *Controller) ([]*Path, time.Duration) {
			p := &Path{}
			now := play(c, p, 0, repeat(20, 20*ms)...)
			return []*Path{p}, play(c, p, now, repeat(int(11*time.Minute/tick), 90*ms)...)
		}, 0},
		"but not at once": {func(c *Controller) ([]*Path, time.Duration) {
			p := &Path{}
			now := play(c, p, 0, repeat(20, 20*ms)...)
			return []*Path{p}, play(c, p, now, repeat(int(8*time.Minute/tick), 90*ms)...)
		}, 70 * ms},
		"a queue that somebody keeps filled is not": {func(c *Controller) ([]*Path, time.Duration) {
			p := &Path{}
			now := play(c, p, 0, repeat(20, 20*ms)...)
			for range 30 * 60 / 4 {
				for up := range 80 { // a sawtooth of 4 s
					now = play(c, p, now, 120*ms+time.Duration(up)*ms)
				}
			}
			return []*Path{p}, now
		}, 177 * ms},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var c Controller
			c.Step(Look{})
			paths, now := tt.play(&c)
			if got, _, _ := delay(paths, now); got != tt.want {
				t.Errorf("queue %v, want %v", got, tt.want)
			}
		})
	}
}
