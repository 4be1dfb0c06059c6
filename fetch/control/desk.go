package control

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/shoal-dl/shoal/fetch"
	"github.com/shoal-dl/shoal/fetch/argv"
	"github.com/shoal-dl/shoal/verify"
)

// Options are what a Desk is made of.
type Options struct {
	Verb     string
	Limits   argv.Live
	Fixed    []argv.Setting // more limits in force
	Origins  argv.Origins
	Down, Up *rate.Limiter // made by fetch.NewLimit; obey limit-down and limit-up
	Stop     func()        // ends the process, as a signal does

	// For Open.
	Folders []string // see the function of that name
	Metrics string   // HOST:PORT to serve them at; empty = nowhere
	Verbose func(format string, args ...any)
}

// Desk is all that a process lets be seen and done. Its methods may be called by
// several goroutines at once.
type Desk struct {
	options   Options
	started   time.Time
	answering sync.WaitGroup     // since Open
	shut      context.CancelFunc // ends that

	mu        sync.Mutex
	limits    argv.Live
	set       map[string]bool // keys that were changed by Set
	maxUpload func(bytes int64)
	rules     func(argv.Live)
	entries   []*Entry
}

// newDesk makes a Desk without transfers.
func newDesk(o Options) *Desk {
	return &Desk{options: o, started: time.Now(), limits: o.Limits, set: map[string]bool{}}
}

// Limits are those in force now.
func (d *Desk) Limits() argv.Live {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.limits
}

// ObeyMaxUpload has f told of max-upload, now and whenever it changes.
func (d *Desk) ObeyMaxUpload(f func(bytes int64)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.maxUpload = f
	f(d.limits.MaxUpload)
}

// ObeyRules has f told of the limits when it is called, and whenever monthly-upload,
// quiet-hours or share-anyway has changed.
func (d *Desk) ObeyRules(f func(argv.Live)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rules = f
	f(d.limits)
}

// Add enters a transfer; the path is where its content goes or lies, or "-". A nil
// Desk returns a nil Entry, which does nothing.
func (d *Desk) Add(m *verify.Manifest, path string) *Entry {
	if d == nil {
		return nil
	}
	if abs, err := filepath.Abs(path); err == nil && path != "-" {
		path = abs
	}
	e := &Entry{desk: d, manifest: m, path: path, state: Checking, steer: fetch.NewSteer()}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.set["connections"] {
		e.steer.Connections(d.limits.Connections)
	}
	d.entries = append(d.entries, e)
	return e
}

// remove takes a transfer out.
func (d *Desk) remove(e *Entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries = slices.DeleteFunc(d.entries, func(o *Entry) bool { return o == e })
}

// about returns the transfers that a request is about.
func (d *Desk) about(id string) []*Entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(d.entries), func(e *Entry) bool {
		return id != "" && e.manifest.ID().String() != id
	})
}

// Handle implements [Handler].
func (d *Desk) Handle(r Request) Answer {
	entries := d.about(r.ID)
	if r.ID != "" && len(entries) == 0 {
		return Answer{Error: "it is not transferred any more"}
	}
	switch r.Do {
	case DoStatus:
		return Answer{Process: d.status(entries)}
	case DoStop:
		return d.stop(r.ID, entries)
	case DoPause, DoContinue:
		for _, e := range entries {
			e.pause(r.Do == DoPause)
		}
		return Answer{}
	case DoSet:
		if err := d.change(r.Key, r.Value); err != nil {
			return Answer{Error: err.Error()}
		}
		return Answer{}
	}
	return Answer{Error: fmt.Sprintf("cannot %q", r.Do)}
}

// stop ends the process; or one content alone, if it is only being served while
// there are others.
func (d *Desk) stop(id string, entries []*Entry) Answer {
	others := len(d.about("")) > len(entries)
	if id != "" && others && entries[0].end() {
		return Answer{}
	}
	d.options.Stop()
	return Answer{Ending: true}
}

// change sets a limit.
func (d *Desk) change(key, value string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.limits.Set(key, value); err != nil {
		return err
	}
	d.set[key] = true
	l := d.limits
	switch key {
	case "limit-down":
		fetch.SetLimit(d.options.Down, l.LimitDown)
	case "limit-up":
		fetch.SetLimit(d.options.Up, l.LimitUp)
	case "max-upload":
		if d.maxUpload != nil {
			d.maxUpload(l.MaxUpload)
		}
	case "monthly-upload", "quiet-hours", "share-anyway":
		if d.rules != nil {
			d.rules(l)
		}
	case "connections":
		for _, e := range d.entries {
			e.steer.Connections(l.Connections)
		}
	}
	return nil // the others are looked at as they are needed
}

// status describes the process, and some of its transfers.
func (d *Desk) status(entries []*Entry) *Process {
	limits, origins := d.known()
	p := &Process{PID: os.Getpid(), Verb: d.options.Verb, Started: d.started, Transfers: []Transfer{}, Limits: []Limit{}}
	for _, key := range limits.Keys() {
		if value := limits.Get(key); value != "" {
			p.Limits = append(p.Limits, Limit{key, value, string(origins[key].From), origins[key].Where})
		}
	}
	for _, f := range d.options.Fixed {
		o := cmp.Or(d.options.Origins[f.Key], argv.Origin{From: argv.FromDefault})
		p.Limits = append(p.Limits, Limit{f.Key, f.Value, string(o.From), o.Where})
	}
	now := time.Now()
	for _, e := range entries {
		if l, ok := e.published(); ok {
			p.Limits = append(p.Limits, l)
		}
		p.Transfers = append(p.Transfers, e.status(now, limits, origins))
	}
	return p
}

// fromSet is where a limit came from that another process has changed.
const fromSet argv.Layer = "set"

// known returns the limits in force, and where they came from.
func (d *Desk) known() (argv.Live, argv.Origins) {
	d.mu.Lock()
	defer d.mu.Unlock()
	origins := argv.Origins{}
	for _, key := range d.limits.Keys() {
		origins[key] = cmp.Or(d.options.Origins[key], argv.Origin{From: argv.FromDefault})
		if d.set[key] {
			origins[key] = argv.Origin{From: fromSet}
		}
	}
	return d.limits, origins
}
