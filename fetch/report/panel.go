package report

import "strings"

// Panel is a few lines that stand at the bottom of the terminal instead of the
// bar, for a story with more in it than one line tells. Where there is no bar,
// there is no panel either.
type Panel struct {
	r    *Reporter
	draw func(p Pen) []string
}

// Panel shows what draw returns, again and again, until the panel is closed.
// draw runs in the reporter's goroutine. Its lines must be safe to show, and no
// wider than the pen's columns.
func (r *Reporter) Panel(draw func(p Pen) []string) *Panel {
	p := &Panel{r, draw}
	r.post(func() { r.console.panel = p })
	return p
}

// Close takes the panel off the screen.
func (p *Panel) Close() {
	p.r.post(func() {
		if p.r.console.panel == p {
			p.r.console.panel = nil
		}
	})
}

// Pen draws what a panel is made of.
type Pen struct {
	Columns int // of the terminal, less one
	color   bool
}

// Color is one of the terminal's own.
type Color string

// The colours that can be told apart on dark and on light terminals.
const (
	Red     Color = "\x1b[31m"
	Green   Color = "\x1b[32m"
	Blue    Color = "\x1b[34m"
	Magenta Color = "\x1b[35m"
	Cyan    Color = "\x1b[36m"
)

// Paint returns text in a colour, if the user has nothing against it.
func (p Pen) Paint(c Color, text string) string {
	if !p.color || strings.TrimSpace(text) == "" {
		return text
	}
	return string(c) + text + plain
}

// Bar returns a label and how far it is, with a bar of so many cells.
func (p Pen) Bar(label string, done, total int64, cells int) string {
	return draw(label, done, max(total, 1), cells)
}
