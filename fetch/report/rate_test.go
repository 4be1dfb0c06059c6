package report

import (
	"testing"
	"time"
)

func TestRate(t *testing.T) {
	second := func(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
	// grow returns a counter sampled every second: at0 bytes, then more each time.
	grow := func(at0 int64, more ...int64) []int64 {
		bytes := []int64{at0}
		for _, n := range more {
			at0 += n
			bytes = append(bytes, at0)
		}
		return bytes
	}
	for _, c := range []struct {
		name  string
		every time.Duration
		bytes []int64
		want  float64
	}{
		{"nothing sampled", second(1), nil, 0},
		{"one sample", second(1), grow(1000), 0},
		{"steady", second(1), grow(0, 100, 100, 100), 100},
		{"ten a second", second(.1), grow(0, 100, 100, 100), 1000},
		{"what was there is no speed", second(1), grow(1<<40, 100, 100), 100},
		{"half of the window stalled", second(1), grow(0, 100, 100, 100, 0, 0), 60},
		{"stalled", second(1), grow(0, 900, 900, 0, 0, 0, 0, 0), 0},
		{"what is older than the window is forgotten", second(1), grow(0, 900, 900, 10, 10, 10, 10, 10), 10},
		{"a pause of the sampler counts whole", second(60), grow(0, 100, 600), 10},
		{"the clock stands", 0, grow(0, 100, 100), 0},
		{"the counter falls", second(1), grow(100, -50), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r rate
			now := time.Unix(0, 0)
			for _, n := range c.bytes {
				r.add(now, n)
				now = now.Add(c.every)
			}
			if got := r.perSecond(); got < c.want-1e-6 || got > c.want+1e-6 {
				t.Errorf("rate is %v, want %v", got, c.want)
			}
		})
	}
}

func TestRateKeepsNoMoreThanItsWindow(t *testing.T) {
	var r rate
	for i := range 10_000 {
		r.add(time.Unix(0, int64(i)*int64(barPeriod)), int64(i))
	}
	if most := int(rateWindow/barPeriod) + 1; len(r.samples) > most {
		t.Errorf("%d samples are kept, want at most %d", len(r.samples), most)
	}
}

func TestETA(t *testing.T) {
	for _, c := range []struct {
		left      int64
		perSecond float64
		seconds   int64
		known     bool
	}{
		{0, 0, 0, true},
		{-1, 10, 0, true},
		{100, 0, 0, false},
		{100, 0.9, 0, false},
		{100, 10, 10, true},
		{101, 10, 11, true},
		{1 << 62, 1, 1 << 62, true},
	} {
		seconds, known := eta(c.left, c.perSecond)
		if seconds != c.seconds || known != c.known {
			t.Errorf("eta(%d, %v) = %d, %t, want %d, %t", c.left, c.perSecond, seconds, known, c.seconds, c.known)
		}
	}
}
