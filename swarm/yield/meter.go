package yield

import "time"

// meter measures bytes a second over a short while.
type meter struct {
	rate  float64
	past  [2]float64 // what it was before
	since time.Duration
	bytes int
}

func (m *meter) add(n int, now time.Duration) {
	m.bytes += n
	if past := now - m.since; past >= memory {
		m.past[0], m.past[1] = m.rate, m.past[0]
		m.rate = float64(m.bytes) / past.Seconds()
		m.since, m.bytes = now, 0
	}
}

// best is the best rate of the last moments: in one of them, the processor may have
// been busy with something else.
func (m *meter) best() float64 { return max(m.rate, m.past[0], m.past[1]) }

// peak is the highest rate of the last ten minutes, or of the twenty last.
type peak struct {
	now, before float64
	since       time.Duration
}

func (p *peak) see(rate float64, now time.Duration) {
	if now-p.since > minutes*time.Minute {
		p.since, p.before, p.now = now, p.now, 0
	}
	p.now = max(p.now, rate)
}

func (p *peak) rate() float64 { return max(p.now, p.before) }
