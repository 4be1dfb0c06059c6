package fetch

import (
	"cmp"
	"math"
	"time"
)

// meterSpan is how far back a meter looks: after a second of silence about a
// third of a rate is left of it.
const meterSpan = time.Second

// meter measures a rate in bytes a second as an exponentially weighted average
// that is honest from its first sample on (the weights it lacks are divided
// out), and falls when nothing comes.
type meter struct {
	span        time.Duration // how far back it looks; 0 for meterSpan
	sum, weight float64
	last        time.Duration // time of the last sample
	total       float64       // bytes at the last sample
}

// sample takes the count of bytes received so far.
func (m *meter) sample(now time.Duration, total float64) {
	dt := now - m.last
	if dt <= 0 {
		return
	}
	keep := math.Exp(-float64(dt) / float64(cmp.Or(m.span, meterSpan)))
	m.sum = m.sum*keep + (total-m.total)/dt.Seconds()*(1-keep)
	m.weight = m.weight*keep + 1 - keep
	m.last, m.total = now, total
}

// pause makes the time since the last sample count as if it had not been.
func (m *meter) pause(now time.Duration) { m.last = now }

// rate is in bytes a second; 0 before the first sample.
func (m *meter) rate() float64 {
	if m.weight == 0 {
		return 0
	}
	return m.sum / m.weight
}
