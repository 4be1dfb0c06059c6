package swarm

import "time"

const (
	meterStep  = 100 * time.Millisecond // over which a rate is taken at least
	meterSmear = time.Second            // over which it is smoothed
)

// meter measures bytes a second. The zero value is ready. It has no lock.
type meter struct {
	rate  float64
	bytes int
	since time.Time // from when bytes are counted; zero while nothing is expected
}

// start tells that bytes are expected from now on, if they were not.
func (m *meter) start(now time.Time) {
	if m.since.IsZero() {
		m.since = now
	}
}

// stop tells that none are expected for now. The rate stays.
func (m *meter) stop(now time.Time) {
	m.add(0, now)
	m.since, m.bytes = time.Time{}, 0
}

// add counts n bytes.
func (m *meter) add(n int, now time.Time) {
	m.start(now)
	m.bytes += n
	past := now.Sub(m.since)
	if past < meterStep {
		return
	}
	latest := float64(m.bytes) / past.Seconds()
	weight := min(past.Seconds()/meterSmear.Seconds(), 1)
	if m.rate == 0 {
		weight = 1
	}
	m.rate += (latest - m.rate) * weight
	m.since, m.bytes = now, 0
}
