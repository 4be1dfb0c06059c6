package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rivo/uniseg"
	"github.com/schollz/progressbar/v3"

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

// left returns the seconds until it is done, if they can be foreseen.
func (m *meter) left() (seconds int64, known bool) {
	total := m.total()
	if total == 0 {
		return 0, false
	}
	return eta(total-m.done(), m.perSecond())
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
	done, total := m.done(), m.total()
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

// Widths of the bar's line, in columns.
const (
	leastLabel, mostLabel = 8, 32
	leastBar, mostBar     = 6, 40
	barFrame              = len(" 100% []") + len("  ")
)

// bar draws how far it is in at most cols columns. What does not fit is left
// out from the right, the number of sources first.
func (m *meter) bar(cols int) string {
	done, total := m.done(), m.total()
	if total == 0 {
		return shorten(m.label+"  "+Bytes(done)+"  "+speed(m.perSecond()), cols)
	}
	figures := m.figures(done, total)
	room := cols - barFrame - leastBar
	for len(figures) > 0 && leastLabel+columns(figures) > room {
		figures = figures[:len(figures)-1]
	}
	label := shorten(m.label, max(leastLabel, min(mostLabel, room-columns(figures))))
	width := cols - barFrame - uniseg.StringWidth(label) - columns(figures)
	drawn := draw(label, done, total, max(0, min(mostBar, width)))
	return shorten(drawn+"  "+strings.Join(figures, "  "), cols)
}

// figures returns what stands to the right of the bar, the dearest first.
func (m *meter) figures(done, total int64) []string {
	remaining := "--"
	if seconds, known := m.left(); known {
		remaining = span(seconds)
	}
	figures := []string{ratio(done, total), speed(m.perSecond()), remaining, m.helpers()}
	return slices.DeleteFunc(figures, func(f string) bool { return f == "" })
}

// columns returns how wide figures are when joined.
func columns(figures []string) int {
	return uniseg.StringWidth(strings.Join(figures, "  "))
}

// draw returns label, percentage and a bar of so many cells. Each call makes a
// new progressbar that writes nowhere: it would keep its own clock and count
// resumed bytes as speed, and fsync the terminal.
func draw(label string, done, total int64, cells int) string {
	bar := progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(io.Discard),
		progressbar.OptionSetDescription(label),
		progressbar.OptionSetWidth(cells),
		progressbar.OptionSetTheme(progressbar.Theme{
			Saucer: "=", SaucerHead: ">", SaucerPadding: " ", BarStart: "[", BarEnd: "]",
		}),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetRenderBlankState(true),
	)
	// Fails only on a total of 0, which has no bar, and past the total.
	_ = bar.Set64(min(done, total))
	return strings.TrimRight(strings.TrimPrefix(bar.String(), "\r"), " ")
}
