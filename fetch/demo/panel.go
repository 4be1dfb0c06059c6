package demo

import (
	"fmt"
	"strings"

	"github.com/shoal-dl/shoal/fetch/report"
)

// mapWidth is how many pieces there are in a line of the map, and barWidth how
// many cells a bar has.
const (
	mapWidth = 64
	barWidth = 24
)

// colorOf tells the sources apart by their marks.
func colorOf(mark byte) report.Color {
	switch mark {
	case 'a':
		return report.Green
	case 'b':
		return report.Cyan
	case 'c':
		return report.Blue
	case 'L':
		return report.Red
	}
	return report.Magenta
}

// draw is the panel: how far it is, who brings what, and the pieces as they come.
func (b *books) draw(p report.Pen) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.Columns < leastColumns {
		return []string{p.Bar(b.label, b.done, b.size, max(0, p.Columns-leastBar))}
	}
	head := fmt.Sprintf("%s  %s of %s", p.Bar(fmt.Sprintf("%-5s", b.label), b.done, b.size, barWidth), report.Bytes(b.done), report.Bytes(b.size))
	if b.rate > 0 {
		head += "  " + report.Bytes(b.rate) + "/s"
	}
	lines := []string{"", head, ""}
	for _, s := range b.sources {
		end := strings.Repeat("=", int(s.bytes*barWidth/max(b.size, 1)))
		if s.banned != "" {
			end = rejected(s.rejected) + ", banned"
		}
		lines = append(lines, p.Paint(colorOf(s.mark),
			fmt.Sprintf("%c  %-12s  %-15s  %10s  %s", s.mark, s.what, s.at, report.Bytes(s.bytes), end)))
	}
	lines = append(lines, "")
	for _, row := range rows(b.pieces) {
		lines = append(lines, "   "+paintRow(p, row))
	}
	return lines
}

// leastColumns is what all lines need, and leastBar what stands beside the bar of
// the first.
const (
	leastColumns = 79
	leastBar     = len("fetch 100% []")
)

// rows breaks the pieces into lines.
func rows(pieces []byte) (lines []string) {
	for len(pieces) > 0 {
		n := min(len(pieces), mapWidth)
		lines = append(lines, string(pieces[:n]))
		pieces = pieces[n:]
	}
	return lines
}

// paintRow gives each mark its colour.
func paintRow(p report.Pen, row string) string {
	var text strings.Builder
	for len(row) > 0 {
		n := len(row) - len(strings.TrimLeft(row, row[:1]))
		if row[0] == noMark {
			text.WriteString(row[:n])
		} else {
			text.WriteString(p.Paint(colorOf(row[0]), row[:n]))
		}
		row = row[n:]
	}
	return text.String()
}

// rejected says how many pieces were.
func rejected(n int) string {
	if n == 1 {
		return "1 piece rejected"
	}
	return fmt.Sprintf("%d pieces rejected", n)
}
