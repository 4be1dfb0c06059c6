package report

import (
	"io"
	"strings"
)

// sink is a writer that is left alone after its first error, which it keeps.
type sink struct {
	w   io.Writer
	err error
}

func (s *sink) write(text string) {
	if s.err == nil {
		_, s.err = io.WriteString(s.w, text)
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

	drawn string // the bar as it stands on the screen; "" = there is none
}

// Terminal control sequences (ECMA-48: EL, SGR).
const (
	clearLine = "\r\x1b[K"
	red       = "\x1b[1;31m"
	yellow    = "\x1b[1;33m"
	cyan      = "\x1b[36m"
	plain     = "\x1b[0m"
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
	if c.drawn != "" {
		c.err.write(clearLine)
		c.drawn = ""
	}
}

// paint shows the bar of what began last; one line is all there is.
func (c *console) paint(running []*meter) {
	if c.cols == nil {
		return
	}
	if len(running) == 0 {
		c.clear()
		return
	}
	// In the last column some terminals would wrap already.
	bar := running[len(running)-1].bar(c.cols() - 1)
	if bar != c.drawn {
		c.err.write("\r" + strings.TrimRight(bar, " ") + "\x1b[K")
		c.drawn = bar
	}
}
