package swarm

import (
	"testing"
	"time"
)

// TestTraffic takes for that of others what an interface has counted and is not
// ours, once it has been so for two spans.
func TestTraffic(t *testing.T) {
	const here = "127.0.0.1"
	if deviceOf(here) == "" {
		t.Skip("there is no loopback")
	}
	var tr traffic
	var now time.Duration
	counted := uint64(1e6)
	look := func(all, ours uint64) float64 {
		counted += all
		now += trafficEvery
		return tr.others(here, now, func(device string) (uint64, bool) { return counted, device == deviceOf(here) }, func() uint64 { return ours })
	}
	for i, step := range []struct {
		all, ours uint64
		want      float64
	}{
		{9e6, 0, 0},       // who knows since when
		{1e6, 4e5, 0},     // it may be some of ours, from before
		{1e6, 4e5, 1.2e6}, // in half a second
		{2e6, 4e5, 1.2e6},
		{4e5, 4e5, 0},
		{4e5, 5e5, 0}, // some of ours is yet to be counted
		{6e5, 5e5, 0},
		{6e5, 5e5, 2e5},
	} {
		if got := look(step.all, step.ours); got != step.want {
			t.Errorf("step %d: %.0f bytes a second of others, want %.0f", i, got, step.want)
		}
	}
	never := func() uint64 { t.Error("it was asked for too soon, or in vain"); return 0 }
	count := func(string) (uint64, bool) { return never(), true }
	if got := tr.others(here, now+trafficEvery/2, count, never); got != 2e5 {
		t.Errorf("between two spans: %.0f bytes a second", got)
	}
	if got := tr.others("192.0.2.1", now+trafficEvery, count, never); got != 0 {
		t.Errorf("at an address that no interface has: %.0f bytes a second", got)
	}
}
