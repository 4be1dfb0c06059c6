package swarm

import (
	"testing"
	"time"
)

// TestMeter has bytes come now and then, and nothing be expected in between.
func TestMeter(t *testing.T) {
	const ms = time.Millisecond
	type stretch struct {
		bytes      int
		took, rest time.Duration
	}
	for name, tt := range map[string]struct {
		stretches []stretch
		times     int
		want      float64 // bytes a second
	}{
		"too short to tell":                   {[]stretch{{1000, 99 * ms, 0}}, 1, 0},
		"long enough":                         {[]stretch{{1000, 100 * ms, time.Hour}}, 1, 10000},
		"each too short, with long rests":     {[]stretch{{100, 10 * ms, time.Second}}, 10, 10000},
		"rests do not count":                  {[]stretch{{1000, 40 * ms, time.Minute}, {1000, 60 * ms, time.Hour}}, 1, 20000},
		"what is new counts for its duration": {[]stretch{{1000, 100 * ms, 0}, {0, 500 * ms, 0}}, 1, 5000},
	} {
		t.Run(name, func(t *testing.T) {
			var m meter
			now := time.Unix(1, 0)
			for range tt.times {
				for _, s := range tt.stretches {
					m.start(now)
					now = now.Add(s.took)
					m.add(s.bytes, now)
					m.stop(now)
					now = now.Add(s.rest)
				}
			}
			if m.rate != tt.want {
				t.Errorf("%.0f bytes a second, want %.0f", m.rate, tt.want)
			}
		})
	}
}
