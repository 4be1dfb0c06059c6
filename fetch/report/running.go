package report

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/rivo/uniseg"
	"golang.org/x/term"

	"github.com/shoal-dl/shoal/fetch/argv"
	"github.com/shoal-dl/shoal/fetch/control"
	"github.com/shoal-dl/shoal/verify"
)

// watchEvery is the time between two looks.
const watchEvery = time.Second

// Watch answers with what processes are doing, as look finds them: once, or again
// and again until ctx ends, which is then no error. On a terminal each picture
// takes the place of the one before.
func (r *Reporter) Watch(ctx context.Context, stdout *os.File, again bool, look func() ([]control.Process, error)) error {
	size := func() (cols, rows int) {
		if cols, rows, err := term.GetSize(int(stdout.Fd())); err == nil && cols > 0 {
			return cols, rows
		}
		return 80, 0
	}
	screen := again && term.IsTerminal(int(stdout.Fd()))
	clock := time.NewTicker(watchEvery)
	defer clock.Stop()
	for first := true; ; first = false {
		found, err := look()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !again && len(found) == 0 {
			return err // which says more than that there is nothing
		}
		cols, rows := size()
		r.processes(found, cols, rows, screen, again && !first)
		switch {
		case !again:
			return err
		case r.unread():
			return nil // Close says so
		}
		select {
		case <-clock.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// unread tells whether results cannot be written any more.
func (r *Reporter) unread() bool {
	failed := make(chan bool, 1)
	r.post(func() { failed <- r.out.err != nil })
	return <-failed
}

// processes shows them all once.
func (r *Reporter) processes(all []control.Process, cols, rows int, screen, apart bool) {
	lines := picture(all, cols, time.Now())
	switch {
	case screen:
		if rows > 1 && len(lines) >= rows {
			lines = append(lines[:rows-2], fmt.Sprintf("... and %d lines more", len(lines)-rows+2))
		}
		r.Result(top + strings.Join(lines, clearRight+"\n") + clearRight + clearBelow)
	default:
		if apart {
			r.Result("")
		}
		for _, line := range lines {
			r.Result(line)
		}
	}
	for _, p := range all {
		r.processEvents(p)
	}
}

type statusFields struct {
	PID  int    `json:"pid"`
	Verb string `json:"verb"`
	control.Transfer
	ID      any `json:"id,omitempty"`      // nil: all events have it
	Sources any `json:"sources,omitempty"` // nil: those are events of their own
}

type trafficFields struct {
	PID int `json:"pid"`
	control.Source
}

type limitFields struct {
	PID int `json:"pid"`
	control.Limit
}

// processEvents says what a process is doing as events: status for each transfer,
// each followed by traffic for each of its sources; then a limit for each.
func (r *Reporter) processEvents(p control.Process) {
	for _, t := range p.Transfers {
		id, _ := verify.ParseID(t.ID) // else it is the zero one
		r.Event("status", id, statusFields{PID: p.PID, Verb: p.Verb, Transfer: t})
		for _, s := range t.Sources {
			r.Event("traffic", id, trafficFields{p.PID, s})
		}
	}
	for _, l := range p.Limits {
		r.Event("limit", verify.ID{}, limitFields{p.PID, l})
	}
}

// picture is what processes are doing, for people.
func picture(all []control.Process, cols int, now time.Time) (lines []string) {
	for i, p := range all {
		for j, t := range p.Transfers {
			if i+j > 0 {
				lines = append(lines, "")
			}
			lines = append(lines, transferLines(p, t, cols, now)...)
		}
		if len(p.Transfers) == 0 {
			if i > 0 {
				lines = append(lines, "")
			}
			lines = append(lines, fmt.Sprintf("shoal %s is getting ready", p.Verb), field("process", fmt.Sprint(p.PID)))
		}
		lines = append(lines, limitLines(p.Limits)...)
	}
	if len(all) == 0 {
		return []string{"nothing is being transferred"}
	}
	for i := range lines {
		lines[i] = shorten(strings.TrimRight(lines[i], " "), cols)
	}
	return lines
}

// field is a line with a label.
func field(label, text string) string { return fmt.Sprintf("  %-9s %s", label, text) }

func transferLines(p control.Process, t control.Transfer, cols int, now time.Time) []string {
	head := string(t.State) + ", " + Bytes(t.Size)
	if t.State != control.Seeding {
		head = fmt.Sprintf("%s, %d %% of %s", t.State, percent(t.Done, t.Size), Bytes(t.Size))
	}
	rates := "down " + speed(t.Down) + ", up " + speed(t.Up)
	if left, known := eta(t.Size-t.Done, t.Down); known && t.State == control.Fetching {
		rates += ", " + span(left) + " left"
	}
	lines := []string{shorten(Safe(t.Name), max(cols-len(head)-2, leastLabel)) + "  " + head}
	for _, f := range []struct{ label, text string }{
		{"now", rates},
		{"id", fmt.Sprintf("%s, process %d (%s)", shortID(t.ID), p.PID, p.Verb)},
		{"path", Safe(t.Path)},
		{"from", amounts("mirrors", t.FromMirrors, "LAN", t.FromLAN, "peers", t.FromPeers-t.FromLAN, "disk", t.FromDisk, "wasted", t.Wasted)},
		{"to", amounts("LAN", t.ToLAN, "peers", t.Uploaded-t.ToLAN)},
		{"shared", shared(t, now)},
	} {
		for i, text := range wrap(f.text, cols-len(field("", ""))) {
			if i > 0 {
				f.label = ""
			}
			lines = append(lines, field(f.label, text))
		}
	}
	return append(lines, sourceLines(t.Sources, cols)...)
}

func percent(done, size int64) int {
	if size == 0 {
		return 100
	}
	return int(float64(done) / float64(size) * 100)
}

// shortID is as much of a content id as people need.
func shortID(id string) string { return Safe(id[:min(len(id), len("b3:")+12)]) }

// amounts is pairs of a word and bytes, those of none left out.
func amounts(pairs ...any) string {
	var parts []string
	for i := 0; i < len(pairs); i += 2 {
		if n := pairs[i+1].(int64); n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", pairs[i], Bytes(n)))
		}
	}
	if parts == nil {
		return "nothing yet"
	}
	return strings.Join(parts, ", ")
}

// shared says whether something is shared, until when and why that long.
func shared(t control.Transfer, now time.Time) string {
	switch {
	case !t.Sharing:
		return "no: " + Safe(t.Why)
	case t.Until != nil:
		left := span(int64(max(t.Until.Sub(now), 0).Seconds()))
		return fmt.Sprintf("until %s (%s), %s", t.Until.Local().Format("15:04:05"), left, Safe(t.Why))
	}
	return Safe(t.Why)
}

// wrap cuts text between words into lines of at most so many columns.
func wrap(text string, cols int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && uniseg.StringWidth(line+" "+word) > cols {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	return append(lines, line)
}

// mostName is how wide the name of a source may be, in columns.
const mostName = 60

// sourceLines is the table of mirrors and peers.
func sourceLines(sources []control.Source, cols int) []string {
	if len(sources) == 0 {
		return nil
	}
	row := func(kind, name string, figures ...string) string {
		text := fmt.Sprintf("  %-6s ", kind)
		width := max(leastLabel, min(mostName, cols-len(text)-11*len(figures)))
		text += fmt.Sprintf("%-*s", width, tail(name, width))
		for _, f := range figures {
			text += fmt.Sprintf(" %10s", f)
		}
		return text
	}
	lines := []string{row("", "", "down/s", "up/s", "from", "to")}
	for _, s := range sources {
		figures := []string{"-", "-", "-", "-"}
		for i, n := range []int64{int64(s.Down), int64(s.Up), s.From, s.To} {
			if n > 0 {
				figures[i] = Bytes(n)
			}
		}
		lines = append(lines, row(Safe(s.Kind), Safe(s.Name), figures...))
	}
	return lines
}

// tail is the last of a name, which tells most about it, in so many columns.
func tail(name string, cols int) string {
	if runes := []rune(name); len(runes) > cols {
		return "..." + string(runes[len(runes)-cols+3:])
	}
	return name
}

func limitLines(limits []control.Limit) (lines []string) {
	label := "limits"
	for _, l := range limits {
		text := fmt.Sprintf("%-14s %-10s %s", Safe(l.Key), Safe(l.Value), Safe(strings.TrimSpace(l.Origin+" "+l.Where)))
		lines = append(lines, field(label, text))
		label = ""
	}
	return lines
}

// Obeyed answers with what running transfers were told.
func (r *Reporter) Obeyed(o *argv.Order, told []control.Target) {
	for _, t := range told {
		r.obeyed(o, t)
	}
}

func (r *Reporter) obeyed(o *argv.Order, t control.Target) {
	did := map[string]string{"stop": "stopped", "pause": "paused", "continue": "continued"}[o.Verb]
	var settings []string
	for _, s := range o.Settings {
		settings = append(settings, s.Key+"="+s.Value)
	}
	if o.Verb == "set" {
		did = "set " + strings.Join(settings, ", ") + " of"
	}
	name := Safe(t.Name())
	if name != "" {
		name += ", "
	}
	r.Result(fmt.Sprintf("%s %sprocess %d", did, name, t.PID))
	id, _ := verify.ParseID(t.ID()) // else it is the zero one
	r.Event("obeyed", id, struct {
		Order    string   `json:"order"`
		PID      int      `json:"pid"`
		Name     string   `json:"name"`
		Settings []string `json:"settings"`
	}{o.Verb, t.PID, t.Name(), append([]string{}, settings...)})
}
