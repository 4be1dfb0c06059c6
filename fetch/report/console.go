package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// sink is a writer that is left alone after its first error, which it keeps.
type sink struct {
	w    io.Writer
	stop <-chan struct{} // closed when the work is to end; nil = never
	err  error
}

// unread is how long a write may take once the work is to end: nobody may read
// what is written, and nothing can interrupt it.
const unread = time.Second

func (s *sink) write(text string) {
	if s.err != nil {
		return
	}
	done := make(chan error, 1)
	go func() {
		_, err := io.WriteString(s.w, text)
		done <- err
	}()
	select {
	case s.err = <-done:
		return
	case <-s.stop:
	}
	select {
	case s.err = <-done:
	case <-time.After(unread):
		s.err = ErrUnread
	}
}

func (s *sink) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// console is stderr as people see it: lines, and below them the bar if there is
// one. All text given to it may come from outside. Only the reporter's
// goroutine touches it.
type console struct {
	err     *sink
	muted   bool // stderr belongs to the JSON events
	quiet   bool
	verbose bool
	color   bool
	cols    func() int // width of the terminal; nil = no bar
	rows    func() int // and its height
	panel   *Panel     // stands where the bar would; nil = there is none

	drawn []string // the bar or the panel as it stands on the screen, in lines
}

// Terminal control sequences (ECMA-48: EL, ED, CUP, CUU, SGR).
const (
	clearRight = "\x1b[K"
	clearBelow = "\x1b[J"
	top        = "\x1b[H" // of the screen
	up         = "\x1b[%dA"
	red        = "\x1b[1;31m"
	yellow     = "\x1b[1;33m"
	cyan       = "\x1b[36m"
	plain      = "\x1b[0m"
)

// fail says what went wrong and what to do about it. It is never silenced.
func (c *console) fail(text, hint string) {
	c.say(red, "shoal:", text)
	if hint != "" {
		c.say(cyan, "hint:", hint)
	}
}

// warn says what went wrong though the work goes on.
func (c *console) warn(text string, hints ...string) {
	if c.quiet {
		return
	}
	c.say(yellow, "shoal:", text)
	for _, hint := range hints {
		c.say(cyan, "hint:", hint)
	}
}

// detail says what only --verbose asks for.
func (c *console) detail(text string) {
	if c.verbose {
		c.say("", "shoal:", text)
	}
}

// note says how things stand.
func (c *console) note(text string) {
	if !c.quiet {
		c.line(Safe(text))
	}
}

// status says how far everything is; it was asked for, so -q is no objection.
func (c *console) status(running []*meter) {
	if len(running) == 0 {
		c.say("", "shoal:", "nothing is being transferred at the moment")
	}
	for _, m := range running {
		c.line(m.line())
	}
}

// say prints a line that begins with a coloured word.
func (c *console) say(color, word, text string) {
	if c.color && color != "" {
		word = color + word + plain
	}
	c.line(word + " " + Safe(text))
}

// line prints a line, which must be safe, where the bar was.
func (c *console) line(text string) {
	if c.muted {
		return
	}
	c.clear()
	c.err.write(text + "\n")
}

// clear takes the bar off the screen, leaving the cursor at the line's start.
func (c *console) clear() {
	if len(c.drawn) > 0 {
		c.err.write(c.home() + c.erase())
		c.drawn = nil
	}
}

// home moves the cursor to where the first line that is drawn begins.
func (c *console) home() string {
	if n := len(c.drawn) - 1; n > 0 {
		return "\r" + fmt.Sprintf(up, n)
	}
	return "\r"
}

// erase clears all that is drawn, from its beginning.
func (c *console) erase() string {
	if len(c.drawn) > 1 {
		return clearBelow
	}
	return clearRight
}

// paint shows the panel, or else the bar of what began last; one line is all
// there is for those.
func (c *console) paint(running []*meter) {
	if c.cols == nil {
		return
	}
	var lines []string
	cols := c.cols() - 1 // in the last column some terminals would wrap already
	switch {
	case c.panel != nil:
		lines = c.panel.draw(Pen{Columns: cols, color: c.color})
		lines = lines[max(0, len(lines)-c.rows()+1):] // the cursor cannot leave the screen
	case len(running) > 0:
		lines = []string{running[len(running)-1].bar(cols)}
	}
	if len(lines) == 0 {
		c.clear()
		return
	}
	if !slices.Equal(lines, c.drawn) {
		c.redraw(lines)
	}
}

// redraw writes each line over the one that stood there, so that nothing
// flickers.
func (c *console) redraw(lines []string) {
	text := c.home()
	if len(c.drawn) > len(lines) {
		text += c.erase()
	}
	for i, line := range lines {
		if i > 0 {
			text += "\n"
		}
		text += strings.TrimRight(line, " ") + clearRight
	}
	c.err.write(text)
	c.drawn = lines
}
