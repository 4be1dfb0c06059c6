package report

import (
	"io"
	"slices"
	"strings"

	"github.com/rivo/uniseg"
	"github.com/schollz/progressbar/v3"
)

// Widths of the bar's line, in columns.
const (
	leastLabel, mostLabel = 8, 32
	leastBar, mostBar     = 6, 40
	barFrame              = len(" 100% []") + len("  ")
)

// bar draws how far it is in at most cols columns. What does not fit is left
// out from the right, the number of sources first.
func (m *meter) bar(cols int) string {
	done, total := m.position()
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
	_ = bar.Set64(done)
	return strings.TrimRight(strings.TrimPrefix(bar.String(), "\r"), " ")
}
