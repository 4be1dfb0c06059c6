package report

import (
	"math"
	"slices"
	"time"
)

// rateWindow is the time over which a rate is averaged: long enough to be
// read, short enough that a stall shows.
const rateWindow = 5 * time.Second

// rate measures how fast a counter grows, averaged over the last rateWindow.
// It knows no clock: who samples the counter says when. The zero value is
// ready.
type rate struct {
	// samples in order of time: the last one taken at or before the window's
	// start, and all within.
	samples []sample
}

type sample struct {
	at    time.Time
	bytes int64
}

// add notes what the counter stood at. It must be called again and again even
// if the counter stands still, or the rate does not fall.
func (r *rate) add(now time.Time, bytes int64) {
	if n := len(r.samples); n > 0 && !now.After(r.samples[n-1].at) {
		r.samples[n-1].bytes = bytes
		return
	}
	r.samples = append(r.samples, sample{now, bytes})
	inside := slices.IndexFunc(r.samples, func(s sample) bool {
		return s.at.After(now.Add(-rateWindow))
	})
	if outside := inside - 1; outside > 0 {
		r.samples = slices.Delete(r.samples, 0, outside)
	}
}

// perSecond returns the growth in bytes a second; 0 before the second sample.
func (r *rate) perSecond() float64 {
	if len(r.samples) < 2 {
		return 0
	}
	first, last := r.samples[0], r.samples[len(r.samples)-1]
	return max(0, float64(last.bytes-first.bytes)/last.at.Sub(first.at).Seconds())
}

// eta returns the seconds until left more bytes have come, rounded up. It is
// not known when next to nothing comes.
func eta(left int64, perSecond float64) (seconds int64, known bool) {
	if left <= 0 {
		return 0, true
	}
	if perSecond < 1 {
		return 0, false
	}
	return int64(math.Ceil(float64(left) / perSecond)), true
}
