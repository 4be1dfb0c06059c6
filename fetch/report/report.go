// Package report shows what happens: the bar and the lines for people, the
// JSON events for programs. Events are pushed and keep their order, gauges are
// pulled by a timer, and one goroutine owns both stdout and stderr.
package report

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/shoal-dl/shoal/verify"
)

// Options say who is to be told what, and where.
type Options struct {
	Stdout, Stderr io.Writer

	JSON       bool // events for programs instead of lines for people
	Quiet      bool // for people nothing but errors and results
	Verbose    bool // for people every detail too
	NoProgress bool // neither a bar nor the plain lines that replace it

	Terminal bool                    // Stderr is a terminal
	Color    string                  // "always", "never" or, the same as "", "auto"
	Getenv   func(key string) string // for NO_COLOR, TERM and a password; nil = neither is set
	Width    func() int              // columns of the terminal now; nil or 0 = 80
	Height   func() int              // and its lines; nil or 0 = 24

	// Stop is closed when the work is to end. From then on what nobody reads is
	// not waited for long. nil = never.
	Stop <-chan struct{}

	// Wishes receives a value whenever a status line is wished for; nil = never.
	Wishes <-chan os.Signal

	// ContentOnStdout says that the content itself goes to Stdout: events
	// then go to Stderr, and the final path nowhere.
	ContentOnStdout bool
}

// ErrUnread says that the output was not read, and that the work was to end.
var ErrUnread = errors.New("nobody reads it")

// Reporter tells the user how things go. Its methods may be called by any
// goroutine, return at once however slow the reader is, and do nothing after
// Close. What they say is printed in the order of the calls.
type Reporter struct {
	wg   sync.WaitGroup
	wake chan struct{} // holds at most one token: the mail or closed changed

	mu     sync.Mutex
	mail   []func() // guarded by mu. Unbounded: events are few, and none may be lost
	closed bool     // guarded by mu

	everyPiece bool                    // a program is told of each piece; set by New
	getenv     func(key string) string // set by New

	// The rest is set by New and then touched only by loop, save out.err
	// once that has ended.
	period  time.Duration
	view    view
	console *console
	out     *sink // results and events
	running []*meter
	restore func() // puts the terminal back as it was
	wishes  <-chan os.Signal
}

// How often gauges are read: for a bar that moves, and for lines.
const (
	barPeriod  = 100 * time.Millisecond
	linePeriod = time.Second
)

// New starts a reporter. It must be closed.
func New(o Options) *Reporter {
	if o.Getenv == nil {
		o.Getenv = func(string) string { return "" }
	}
	restore, ansi := func() {}, false
	if o.Terminal && o.Getenv("TERM") != "dumb" {
		restore, ansi = enableANSI(o.Stderr)
	}
	r := &Reporter{
		wake:   make(chan struct{}, 1),
		period: linePeriod,
		console: &console{
			err:     &sink{w: o.Stderr, stop: o.Stop},
			muted:   o.JSON && o.ContentOnStdout,
			quiet:   o.Quiet,
			verbose: o.Verbose,
			color:   o.Color == "always" || o.Color != "never" && ansi && o.Getenv("NO_COLOR") == "",
		},
		out:     &sink{w: o.Stdout, stop: o.Stop},
		restore: restore,
		wishes:  o.Wishes,

		everyPiece: o.JSON && o.Verbose,
		getenv:     o.Getenv,
	}
	if o.ContentOnStdout {
		r.out = r.console.err
	}
	r.view = r.newView(o, ansi)
	r.wg.Go(r.loop)
	return r
}

// newView chooses who is told, and whether there is a bar.
func (r *Reporter) newView(o Options, ansi bool) view {
	if o.JSON {
		return &programs{out: r.out, console: r.console}
	}
	progress := !o.Quiet && !o.NoProgress
	if progress && ansi {
		r.period = barPeriod
		r.console.cols, r.console.rows = known(o.Width, 80), known(o.Height, 24)
	}
	return &people{
		out:     r.out,
		console: r.console,
		noPath:  o.ContentOnStdout,
		lines:   progress && !ansi,
	}
}

// known is a measure of the terminal, or the usual one where it cannot be had.
func known(measure func() int, usual int) func() int {
	return func() int {
		if measure == nil {
			return usual
		}
		return cmp.Or(max(measure(), 0), usual)
	}
}

// Close waits until all that was said is printed, takes the bar away and ends
// the reporter. It returns the first error of writing results or events, ErrUnread
// among them; what cannot be written to stderr for people is lost silently.
func (r *Reporter) Close() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.nudge()
	r.wg.Wait()
	if r.out.err != nil {
		return fmt.Errorf("write output: %w", r.out.err)
	}
	return nil
}

// post has the reporter's goroutine run f, after all that was posted before.
func (r *Reporter) post(f func()) {
	r.mu.Lock()
	if !r.closed {
		r.mail = append(r.mail, f)
	}
	r.mu.Unlock()
	r.nudge()
}

func (r *Reporter) nudge() {
	select {
	case r.wake <- struct{}{}:
	default: // a token is there already
	}
}

// loop owns the terminal. When writing blocks, events wait in the mail and
// ticks are lost, so a reader that is behind gets every event but not a
// backlog of progress.
func (r *Reporter) loop() {
	defer r.restore()
	ticker := time.NewTicker(r.period)
	defer ticker.Stop()
	for {
		ticked := false
		select {
		case <-ticker.C:
			ticked = true
		case <-r.wishes:
			r.Status()
		case <-r.wake:
		}
		// Before the tick, or what happened earlier would be told later.
		if closed := r.deliver(); closed {
			r.console.clear()
			return
		}
		if ticked {
			r.tick(time.Now())
		}
		r.console.paint(r.running)
	}
}

// deliver runs what was posted, and tells whether that was all there will be.
func (r *Reporter) deliver() (closed bool) {
	r.mu.Lock()
	mail, closed := r.mail, r.closed
	r.mail = nil
	r.mu.Unlock()
	for _, f := range mail {
		f()
	}
	return closed
}

func (r *Reporter) tick(now time.Time) {
	for _, m := range r.running {
		m.sample(now)
	}
	r.view.tick(now, r.running)
}

// start and stop are called by the reporter's goroutine.
func (r *Reporter) start(m *meter, now time.Time) {
	m.begin(now)
	r.running = append(r.running, m)
}

// stop tells whether m was running.
func (r *Reporter) stop(m *meter) bool {
	i := slices.Index(r.running, m)
	if i < 0 {
		return false
	}
	r.running = slices.Delete(r.running, i, i+1)
	return true
}

// Error says on stderr what went wrong and, unless hint is empty, what to do.
// Neither -q nor --json silences it, save when stderr carries the events.
func (r *Reporter) Error(err error, hint string) {
	r.post(func() { r.console.fail(err.Error(), hint) })
}

// Warn says on stderr what went wrong though the work goes on; as the event
// warning if stderr carries the events. -q silences it.
func (r *Reporter) Warn(text string, hint ...string) { r.warn("", text, hint) }

func (r *Reporter) warn(id, text string, hints []string) {
	e := newEvent("warning", id, time.Now(), warningFields{text, strings.Join(hints, "; ")})
	r.post(func() {
		if r.console.muted && !r.console.quiet {
			r.view.show(e)
			return
		}
		r.console.warn(text, hints...)
	})
}

// Verbosef says on stderr what only --verbose asks for.
func (r *Reporter) Verbosef(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.post(func() { r.console.detail(text) })
}

// Result prints a line of the command's answer on stdout, as it is; with JSON
// it prints nothing. Writing to stdout past the reporter would meet the bar.
func (r *Reporter) Result(line string) {
	r.post(func() { r.view.result(line) })
}

// Event prints a JSON event of the caller's own; without JSON it prints
// nothing. The fields, a struct or a map, follow schema, time, event and id,
// which is empty for the zero id.
func (r *Reporter) Event(name string, id verify.ID, fields any) {
	e := newEvent(name, idText(id), time.Now(), fields)
	r.post(func() { r.view.show(e) })
}

// Exit says how a command ended for which there is no Transfer: the JSON event
// exit, which must be the last, and for people what Error says. A nil err is
// success and says nothing to people.
func (r *Reporter) Exit(err error, v Verdict) {
	fields := newExit(err, v)
	e := newEvent("exit", "", time.Now(), fields)
	r.post(func() { r.exited(e, fields) })
}

// exited says how something ended, in the reporter's goroutine.
func (r *Reporter) exited(e event, fields exitFields) {
	if fields.Error != "" {
		r.console.fail(fields.Error, fields.Hint)
	}
	r.view.show(e)
}

// Status prints a line for all that is under way, as SIGUSR1 asks for: on
// stderr, also with -q, or as progress events if stderr carries the events.
func (r *Reporter) Status() {
	r.post(func() {
		now := time.Now()
		for _, m := range r.running {
			m.sample(now)
		}
		r.view.status(now, r.running)
	})
}
