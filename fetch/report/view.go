package report

import (
	"fmt"
	"time"

	"github.com/shoal-dl/shoal/fetch"
)

// view is who the output is for. One is chosen at the start, so that nothing
// else asks whether it is JSON. Only the reporter's goroutine calls it.
type view interface {
	// show tells what happened.
	show(e event)
	// result prints a line that is the command's answer.
	result(line string)
	// tick is called once a period with what is under way, just sampled.
	tick(now time.Time, running []*meter)
	// status answers SIGUSR1.
	status(now time.Time, running []*meter)
}

// programs is the view of a parent program: one JSON object a line.
type programs struct {
	out     *sink
	console *console // muted when events go to stderr
}

func (p *programs) show(e event) {
	line, err := e.line()
	if err != nil {
		p.out.fail(err)
		return
	}
	p.out.write(line)
}

// result prints nothing: the events say it all.
func (p *programs) result(string) {}

func (p *programs) tick(now time.Time, running []*meter) {
	for _, m := range running {
		if m.transfer != nil {
			p.show(m.transfer.progress(now))
		}
	}
}

func (p *programs) status(now time.Time, running []*meter) {
	if p.console.muted {
		p.tick(now, running)
		return
	}
	p.console.status(running)
}

// people is the view of whoever reads stderr, and of a script that takes the
// final path from stdout.
type people struct {
	out     *sink
	console *console
	noPath  bool // the content itself is on stdout
	lines   bool // a plain line now and then: there is no bar and not -q
}

// lineEvery is the time between two plain lines.
const lineEvery = 10 * time.Second

func (p *people) show(e event) {
	switch fields := e.fields.(type) {
	case sourceFields:
		p.source(fields)
	case stepFields:
		p.console.note(fields.Text)
	case badPieceFields:
		p.console.detail(fmt.Sprintf("%s sent wrong bytes for piece %d", fields.Source, fields.Piece))
	case completeFields:
		p.console.note(summary(e.label, fields))
		if !p.noPath && fields.Path != "" {
			p.result(fields.Path)
		}
	}
}

// source mentions what a source did: who is lost is worth a warning, who came
// is a detail.
func (p *people) source(fields sourceFields) {
	text := fmt.Sprintf("%s %s %s", fields.Kind, fields.Source, fields.State)
	if fields.Reason == "" {
		p.console.detail(text)
		return
	}
	text += ": " + fields.Reason
	if fields.State == fetch.StateJoined {
		p.console.detail(text)
		return
	}
	p.console.warn(text)
}

func (p *people) result(line string) {
	p.console.clear()
	p.out.write(line + "\n")
}

func (p *people) tick(now time.Time, running []*meter) {
	if !p.lines {
		return
	}
	for _, m := range running {
		if now.Sub(m.said) >= lineEvery {
			m.said = now
			p.console.note(m.line())
		}
	}
}

func (p *people) status(_ time.Time, running []*meter) { p.console.status(running) }

// summary says in a sentence what a download took and who brought it.
func summary(label string, f completeFields) string {
	moved := f.FromMirrors + f.FromPeers
	text := fmt.Sprintf("%s: %s", label, Bytes(moved+f.FromDisk))
	switch {
	case moved+f.FromDisk == 0:
		return text // nothing tells whether an empty file was here
	case moved == 0:
		return text + ", already here"
	}
	text += fmt.Sprintf(" in %s", duration(f.Seconds))
	if f.Seconds > 0 {
		text += ", " + speed(float64(moved)/f.Seconds)
	}
	for _, part := range []struct {
		bytes int64
		where string
	}{
		{f.FromMirrors, "from mirrors"}, {f.FromPeers, "from peers"},
		{f.FromDisk, "already here"}, {f.Wasted, "wasted"},
	} {
		if part.bytes > 0 {
			text += fmt.Sprintf(", %s %s", Bytes(part.bytes), part.where)
		}
	}
	return text
}
