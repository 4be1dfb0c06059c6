package fetch

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/bits-and-blooms/bitset"

	"github.com/shoal-dl/shoal/verify"
)

const (
	// tick is how often the loop looks at the clock and the gauges.
	tick = 100 * time.Millisecond
	// gather is how long news of the crowd wait for more at least, and gatherEach for
	// how long for each peer: he has some several times a second.
	gather     = 20 * time.Millisecond
	gatherEach = 2 * time.Millisecond
)

var (
	// ErrNoSource says that no source could bring what is missing.
	ErrNoSource = errors.New("no source could bring what is missing")
	// ErrWrongContent says that the sources are used up, and some of them sent
	// wrong bytes.
	ErrWrongContent = errors.New("no source has the right content")
	// ErrDeadline is the cause with which the caller ends the context of a job
	// whose time is up.
	ErrDeadline = errors.New("the deadline has passed")

	errCalledOff = errors.New("called off: somebody else brought it")
	// errPutOff ends a lease whose pieces may be asked of the same source later: what
	// has come of one is not to be asked for again.
	errPutOff = errors.New("put off: others come first")
)

// Store keeps proven pieces. Put is called from several goroutines; the piece's
// bytes may be used only until it returns. Its errors end the job.
type Store interface {
	Put(p verify.Piece) error
}

// Windowed is a Store that can take pieces only some way ahead of what it has
// handed on.
type Windowed interface {
	Store
	// Window is the first piece that it cannot take yet, and how many pieces
	// it can hold at most; or the error that ended it.
	Window() (end, most int, err error)
	// Moved receives a value when the window has moved or ended.
	Moved() <-chan struct{}
	// Await waits while the piece is beyond the window, and fails only when
	// ctx ends.
	Await(ctx context.Context, piece int) error
}

// Job brings what is missing of one content into a store. The fields are set
// before Run and left alone after.
type Job struct {
	Manifest *verify.Manifest
	Store    Store
	Have     *bitset.BitSet // pieces already there; nil for none
	Sources  []Source       // in order of preference
	Unusable []error        // why other mirrors are no sources
	Observer Observer
	Gauges   *Gauges

	// Crowd is where peers come from while the job runs; nil for none. With
	// one, the job does not fail for want of a source before Linger has passed
	// without any.
	Crowd  Crowd
	Prefer Preference
	Linger time.Duration

	Steer       *Steer    // changes what follows while the job runs; nil for nobody
	Connections int       // most connections to one mirror host
	Retries     int       // tries after the first, in a row without progress, before a source is dropped
	Deadline    time.Time // as in the context's; judges Retry-After. Zero for none

	jitter func() float64 // in [0,1), of waits between tries; nil means random
}

// Here is how many bytes were there before.
func (j *Job) Here() (n int64) {
	if j.Have == nil {
		return 0
	}
	for i := range j.Have.EachSet() {
		n += int64(j.Manifest.Span(int(i)).Size)
	}
	return n
}

// memory is the pool for a job.
func (j *Job) memory() *pool {
	sources := len(j.Sources)
	if j.Crowd == nil {
		return newPool(j.Manifest.PieceSize, sources, j.window())
	}
	p := newPool(j.Manifest.PieceSize, sources+crowdSources, j.window())
	if sources > 0 {
		p.keep(forMirrors)
	}
	return p
}

// Run brings all missing pieces and returns nil, or returns the first of: the
// store's error; an error that wraps ErrNoSource or ErrWrongContent and names
// each source with its cause, or says why there was none; the cause with which ctx ended. All goroutines
// have ended and no piece is put after it returns.
func (j *Job) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r := &running{
		Job: j, ctx: ctx, started: time.Now(),
		pool:   j.memory(),
		events: make(chan event),
		hosts:  map[string]*host{},
		known:  map[Partial]*sourceState{},
	}
	r.ledger = newLedger(j.Manifest.NumPieces(),
		func(i int) int64 { return int64(j.Manifest.Span(i).Size) },
		func(i int) int { _, end := j.Manifest.Pieces(j.Manifest.Span(i).File); return end },
		j.Have)
	r.ledger.mostOpen = r.pool.leases()
	here := j.Here()
	j.Gauges.Done.Store(here)
	j.Gauges.FromDisk.Store(here)
	if r.jitter == nil {
		r.jitter = rand.Float64
	}
	r.ledger.prefer = j.Prefer
	if j.Crowd != nil {
		r.ledger.rank = j.Crowd.Rank
	}
	for _, s := range j.Sources {
		r.join(s)
	}
	err := r.loop()
	stop(cmp.Or(err, errCalledOff))
	r.drain()
	return err
}

// window is how many pieces the store takes at a time.
func (j *Job) window() int {
	if w, ok := j.Store.(Windowed); ok {
		_, most, _ := w.Window()
		return most
	}
	return j.Manifest.NumPieces()
}

// nobody says why there was no source at all.
func (j *Job) nobody() string {
	var why []string
	for _, err := range j.Unusable {
		why = append(why, err.Error())
	}
	switch {
	case len(why) > 0:
		return strings.Join(why, "; ")
	case slices.ContainsFunc(j.Manifest.Mirrors, isRelative):
		return "the manifest's mirrors are relative to its own URL, which is not known; get it from there, or name a mirror with --mirror"
	}
	return "the manifest names no mirror that can be used"
}
