package control

import (
	"cmp"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/shoal-dl/shoal/fetch"
	"github.com/shoal-dl/shoal/fetch/argv"
	"github.com/shoal-dl/shoal/verify"
)

// Crowd is the peers of a transfer.
type Crowd interface {
	// Neighbours are the peers now, and how many bytes all peers were sent in
	// all, and those in the local network.
	Neighbours() (peers []Source, uploaded, toLAN int64)
	// Pause stops serving them, until it is called with false.
	Pause(on bool)
	// Leave ends what we have to do with them.
	Leave()
	// Shares tells whether they are served anything, and why or why not.
	Shares() (bool, string)
}

// Entry is a transfer of a Desk. All its methods may be called on a nil Entry.
type Entry struct {
	desk     *Desk
	manifest *verify.Manifest
	path     string
	steer    *fetch.Steer

	mu      sync.Mutex
	state   State
	paused  bool
	gauges  *fetch.Gauges
	mirrors []*counted
	crowd   Crowd // nil without peers
	tell    func(paused bool)
	until   time.Time
}

// Steer is what the job of the transfer is to obey.
func (e *Entry) Steer() *fetch.Steer {
	if e == nil {
		return nil
	}
	return e.steer
}

// Count returns sources whose bytes are counted, to be used instead.
func (e *Entry) Count(sources []fetch.Source) []fetch.Source {
	if e == nil {
		return sources
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []fetch.Source
	for _, s := range sources {
		c := &counted{Source: s}
		e.mirrors = append(e.mirrors, c)
		all = append(all, c)
	}
	return all
}

// Fetching tells that the content is being fetched, from peers too unless crowd
// is nil. From here on g is read, and tell is told when the transfer is paused
// and when it goes on.
func (e *Entry) Fetching(g *fetch.Gauges, crowd Crowd, tell func(paused bool)) {
	e.begin(Fetching, g, crowd, tell)
}

// Seeding tells that the content is in place and served; a nil g is the one that
// is read already.
func (e *Entry) Seeding(g *fetch.Gauges, crowd Crowd, tell func(paused bool)) {
	e.begin(Seeding, g, crowd, tell)
}

func (e *Entry) begin(state State, g *fetch.Gauges, crowd Crowd, tell func(paused bool)) {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.state, e.crowd, e.tell = state, crowd, tell
	if g != nil {
		e.gauges = g
	}
	if e.paused {
		e.pass()
	}
}

// Until tells when sharing ends at the latest; the zero time if that is never.
func (e *Entry) Until(t time.Time) {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.until = t
}

// Done takes the transfer off the desk.
func (e *Entry) Done() {
	if e != nil {
		e.desk.remove(e)
	}
}

// pause stops all traffic of the transfer, or lets it go on.
func (e *Entry) pause(on bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.paused != on {
		e.paused = on
		e.pass()
	}
}

// pass passes on that the transfer is paused or not. It is called with mu held, so
// that all hear the last word last.
func (e *Entry) pass() {
	e.steer.Pause(e.paused)
	if e.crowd != nil {
		e.crowd.Pause(e.paused)
	}
	if e.tell != nil {
		e.tell(e.paused)
	}
}

// end ends a content that is only being served, and tells whether it is one.
func (e *Entry) end() bool {
	e.mu.Lock()
	crowd, seeding := e.crowd, e.state == Seeding
	e.mu.Unlock()
	if !seeding || crowd == nil {
		return false
	}
	crowd.Leave()
	return true
}

// published is how far the publisher lets peers find one another, if that is a
// limit.
func (e *Entry) published() (Limit, bool) {
	ways := e.manifest.Discovery
	return Limit{"discovery", cmp.Or(strings.Join(ways, ","), "none"), fromManifest, e.manifest.Name}, len(ways) < 2
}

// fromManifest is where a limit came from that the publisher has set.
const fromManifest = "manifest"

func (e *Entry) status(now time.Time, limits argv.Live, origins argv.Origins) Transfer {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := Transfer{
		ID: e.manifest.ID().String(), Name: e.manifest.Name, Path: e.path, State: e.state, Size: e.manifest.Size(),
		Pieces:  e.manifest.NumPieces(),
		Sources: []Source{},
	}
	if e.paused {
		t.State = Paused
	}
	if g := e.gauges; g != nil {
		t.FromMirrors, t.FromPeers, t.FromLAN, t.FromDisk = g.FromMirrors.Load(), g.FromPeers.Load(), g.FromLAN.Load(), g.FromDisk.Load()
		t.Wasted, t.Connections = g.Wasted.Load(), int(g.Connections.Load())
		t.Done = t.FromDisk + t.FromMirrors + t.FromPeers
	}
	for _, m := range e.mirrors {
		s := Source{Name: m.Name(), Kind: string(m.Kind())}
		s.Down, s.From = m.meter.read(now)
		t.Sources = append(t.Sources, s)
	}
	if e.crowd != nil {
		var peers []Source
		peers, t.Uploaded, t.ToLAN = e.crowd.Neighbours()
		t.Sources, t.Peers = append(t.Sources, peers...), len(peers)
	}
	for i := range t.Sources {
		s := &t.Sources[i]
		s.Down, s.Up = math.Round(s.Down), math.Round(s.Up)
		t.Down += s.Down
		t.Up += s.Up
	}
	e.share(&t, limits, origins)
	return t
}

// share says whether, until when and why that long the content is shared.
func (e *Entry) share(t *Transfer, limits argv.Live, origins argv.Origins) {
	if e.crowd == nil {
		t.Why = "there is no way to peers"
		return
	}
	if e.path == "-" {
		t.Why = "it goes to stdout, and is not kept"
		return
	}
	if t.Sharing, t.Why = e.crowd.Shares(); !t.Sharing {
		return
	}
	if !e.until.IsZero() {
		until := e.until.UTC()
		t.Until = &until
	}
	because := func(key string) string {
		return fmt.Sprintf("%s %s (%s)", key, limits.Get(key), origins[key].From)
	}
	var ends []string
	for _, key := range []string{"seed-time", "seed-idle", "seed-ratio", "max-upload"} {
		if limits.Get(key) != "" {
			ends = append(ends, because(key))
		}
	}
	switch first := strings.Join(ends, ", "); {
	case e.state == Seeding && first == "":
		t.Why = "until it is stopped"
	case e.state == Seeding:
		t.Why = "until the first of " + first
	case limits.SeedTime == 0:
		t.Why = "while it downloads: " + because("seed-time")
	default:
		t.Why = "while it downloads, then until the first of " + first
	}
	if e.paused {
		t.Why = "paused; else " + t.Why
	}
}
