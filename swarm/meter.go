package swarm

import "time"

const (
	meterStep  = 100 * time.Millisecond // over which a rate is taken at least
	meterSmear = time.Second            // over which it is smoothed
)

// meter measures bytes a second. The zero value is ready. It has no lock.
type meter struct {
	rate  float64
	bytes int           // not yet part of the rate
	took  time.Duration // for those, until since
	since time.Time     // from when bytes are expected; zero while none are
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
	m.took += now.Sub(m.since)
	m.since = time.Time{}
}

// add counts n bytes.
func (m *meter) add(n int, now time.Time) {
	m.start(now)
	m.bytes += n
	took := m.took + now.Sub(m.since)
	if took < meterStep {
		return
	}
	latest := float64(m.bytes) / took.Seconds()
	weight := min(took.Seconds()/meterSmear.Seconds(), 1)
	if m.rate == 0 {
		weight = 1
	}
	m.rate += (latest - m.rate) * weight
	m.since, m.bytes, m.took = now, 0, 0
}
