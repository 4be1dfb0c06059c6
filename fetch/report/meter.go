package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/shoal-dl/shoal/fetch"
)

// meter is one thing under way whose counters are pulled: a transfer or a
// task. Only the reporter's goroutine touches it.
type meter struct {
	label    string       // safe to show
	total    func() int64 // bytes; 0 = not known
	done     func() int64 // bytes, of total
	moved    func() int64 // bytes that count as speed
	transfer *Transfer    // nil for a task
	sources  map[string]fetch.Kind

	rate  rate
	begun time.Time
	said  time.Time // when its last plain line was written, or it began
}

// begin starts the clock.
func (m *meter) begin(now time.Time) {
	m.begun, m.said = now, now
	m.sample(now)
}

// sample feeds the rate.
func (m *meter) sample(now time.Time) { m.rate.add(now, m.moved()) }

// perSecond returns the rate in bytes a second.
func (m *meter) perSecond() float64 { return m.rate.perSecond() }

// position returns how many bytes of how many are done.
func (m *meter) position() (done, total int64) {
	done, total = m.done(), m.total()
	if total > 0 {
		done = min(done, total) // a file may grow while it is hashed
	}
	return done, total
}

// left returns the seconds until it is done, if they can be foreseen.
func (m *meter) left() (seconds int64, known bool) {
	done, total := m.position()
	if total == 0 {
		return 0, false
	}
	return eta(total-done, m.perSecond())
}

// helpers tells how many sources bring something; it is empty for a task.
func (m *meter) helpers() string {
	if m.transfer == nil {
		return ""
	}
	mirrors := 0
	for _, kind := range m.sources {
		if kind == fetch.KindMirror {
			mirrors++
		}
	}
	var parts []string
	if mirrors > 0 {
		parts = append(parts, count(mirrors, "mirror"))
	}
	if peers := len(m.sources) - mirrors; peers > 0 {
		parts = append(parts, count(peers, "peer"))
	}
	if parts == nil {
		return "no source"
	}
	return strings.Join(parts, ", ")
}

// line says how far it is in a sentence, for pipes, logs and SIGUSR1.
func (m *meter) line() string {
	done, total := m.position()
	text := m.label + ": " + Bytes(done)
	if total > 0 {
		percent := float64(done) / float64(total) * 100
		text = fmt.Sprintf("%s: %d %% of %s", m.label, int(percent), Bytes(total))
	}
	text += ", " + speed(m.perSecond())
	if seconds, known := m.left(); known {
		text += ", " + span(seconds) + " left"
	}
	if helpers := m.helpers(); helpers != "" {
		text += ", " + helpers
	}
	return text
}
