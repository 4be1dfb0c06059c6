package fetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shoal-dl/shoal/verify"
)

// running is a job under way. Its loop alone touches these fields.
type running struct {
	*Job
	ctx     context.Context
	started time.Time
	ledger  *ledger
	pool    *pool
	events  chan event
	parties []*sourceState
	hosts   map[string]*host
	known   map[Partial]*sourceState // the peers among the parties
	leases  []*lease
	wrong   bool          // a source sent wrong bytes
	paused  bool          // nothing is to be asked for
	hope    time.Duration // when there was last a source to wait for

	meetings uint64 // with the crowd, so far
}

// sourceState is a source and what the user was told of it.
type sourceState struct {
	Source
	party   *party
	joined  bool
	reason  string    // why it left, or its last fault
	version uint64    // of what a peer has, when we last looked
	met     uint64    // the last meeting at which a peer was there; 0 of a mirror
	readied time.Time // when it last told that it is ready

	back, sulk time.Duration // when a peer that was given up may be asked again, and after how long
}

func (r *running) now() time.Duration { return time.Since(r.started) }

// join enters a source; mirrors on the same host share its connections. A peer
// holds two leases, so that it never waits for the next one.
func (r *running) join(s Source) *sourceState {
	var h *host
	if s.Kind() == KindMirror {
		name := hostOf(s.Name())
		if r.hosts[name] == nil {
			r.hosts[name] = newHost(max(r.Connections, 1))
		}
		h = r.hosts[name]
	} else {
		h = newHost(2)
		h.limit = h.most
	}
	st := &sourceState{Source: s, party: r.ledger.join(s.Name(), h)}
	r.parties = append(r.parties, st)
	return st
}

// loop owns the ledger until everything is there or nothing more can come.
func (r *running) loop() error {
	clock := time.NewTicker(tick)
	defer clock.Stop()
	var moved, news, ready <-chan struct{}
	var gathered <-chan time.Time
	if w, ok := r.Store.(Windowed); ok {
		moved = w.Moved()
	}
	if r.Crowd != nil {
		news, ready = r.Crowd.News(), r.Crowd.Ready()
		r.meet()
	}
	for {
		if err := r.assign(); err != nil {
			return err
		}
		switch {
		case r.ledger.left == 0:
			return nil
		case r.hopeless():
			return r.failure()
		}
		select {
		case e := <-r.events:
			if err := r.handle(e); err != nil {
				return err
			}
		case <-clock.C:
			r.sample()
		case <-moved:
		case <-r.Steer.news():
			r.steer()
		case <-news:
			news, gathered = nil, time.After(r.gathering())
		case <-ready:
			r.heed()
		case <-gathered:
			r.meet()
			news, gathered = r.Crowd.News(), nil
		case <-r.ctx.Done():
			return context.Cause(r.ctx)
		}
	}
}

// gathering is how long news of the crowd wait for more: the longer, the more there are
// who have some.
func (r *running) gathering() time.Duration {
	return min(max(gather, time.Duration(len(r.known))*gatherEach), tick)
}

// hopeless tells that nothing is under way and nobody left to wait for.
func (r *running) hopeless() bool {
	if r.paused || len(r.leases) > 0 || r.ledger.alive() {
		r.hope = r.now()
		return false
	}
	return r.Crowd == nil || r.now()-r.hope > r.Linger
}

// assign puts every source to work that can take some.
func (r *running) assign() error {
	if w, ok := r.Store.(Windowed); ok {
		end, most, err := w.Window()
		if err != nil {
			return err
		}
		r.ledger.extend(end)
		r.ledger.mostRun = max(most/4, 1)
	}
	for _, l := range r.leases {
		r.ledger.answers(l.claim, l.answered())
	}
	for again := !r.paused; again; {
		again = false
		for _, s := range r.parties {
			if c := r.ledger.next(s.party, r.now()); c != nil {
				r.start(s, c)
				again = true
			}
		}
	}
	r.withdraw()
	r.Gauges.Connections.Store(int32(len(r.leases)))
	return nil
}

// withdraw asks those peers whose pieces others are to bring instead.
func (r *running) withdraw() {
	for _, l := range r.leases {
		if c := l.claim; c.heir != nil && !c.withdrawn {
			c.withdrawn = l.source.Source.(Partial).Withdraw(c.rest[0])
		}
	}
}

// sample reads the byte counts of all leases and lets the hosts judge them.
func (r *running) sample() {
	for _, l := range r.leases {
		r.read(l)
		switch {
		case r.ledger.stalls(l.claim, r.now()):
			l.cancel(errCalledOff)
		case r.ledger.yields(l.claim, r.now()):
			l.cancel(errPutOff)
		default:
			if back := r.ledger.shorten(l.claim); len(back) > 0 {
				r.Crowd.Unfetching(back)
			}
		}
	}
	for _, s := range r.parties {
		s.party.host.tick(r.now())
	}
	r.ledger.weigh(r.now())
	if r.Crowd != nil {
		r.Gauges.Uploaded.Store(r.Crowd.Uploaded())
		if slices.ContainsFunc(r.parties, func(s *sourceState) bool { return s.awaited(r.now()) }) {
			r.meet()
		}
	}
}

func (r *running) read(l *lease) {
	r.ledger.sample(l.claim, r.now(), l.received.Load(), l.answered())
}

func (r *running) handle(e event) error {
	r.read(e.lease)
	switch {
	case e.ended:
		r.ended(e.lease, e.err)
	case errors.Is(e.err, verify.ErrWrongPiece):
		r.wrongPiece(e.lease, e.piece)
	case e.err != nil:
		return e.err
	default:
		r.brought(e.lease, e.piece)
	}
	return nil
}

func (r *running) brought(l *lease, piece int) {
	if !l.source.joined {
		l.source.joined = true
		r.Observer.SourceChanged(l.source.Source, StateJoined, "")
	}
	fresh, off := r.ledger.brought(l.claim, piece, r.now())
	r.account(l, piece, fresh)
	for _, o := range r.leases {
		if slices.Contains(off, o.claim) {
			o.cancel(errCalledOff)
		}
	}
}

// account books the bytes of a stored piece.
func (r *running) account(l *lease, piece int, fresh bool) {
	n := int64(r.Manifest.Span(piece).Size)
	switch {
	case !fresh:
		r.Gauges.Wasted.Add(n)
		return
	case r.Crowd != nil:
		r.Crowd.Have(piece)
	}
	r.Observer.Brought(l.source.Source, piece)
	switch l.source.Kind() {
	case KindMirror:
		r.Gauges.FromMirrors.Add(n)
	case KindLAN:
		r.Gauges.FromLAN.Add(n)
		fallthrough
	default:
		r.Gauges.FromPeers.Add(n)
	}
	r.Gauges.Done.Add(n)
}

// wrongPiece bans the source: it alone sent the piece, so it alone is to blame.
// Also in a race each source fills a buffer of its own, and no piece is ever put
// together from two.
func (r *running) wrongPiece(l *lease, piece int) {
	r.wrong = true
	s := l.source
	r.Gauges.Wasted.Add(int64(r.Manifest.Span(piece).Size))
	r.Observer.BadPiece(s.Source, piece)
	if s.party.gone {
		return
	}
	s.party.gone = true
	s.back = r.now() + parting
	s.reason = fmt.Sprintf("sent wrong bytes for piece %d", piece)
	if c, ok := s.Source.(interface{ Changed() string }); ok && c.Changed() != "" {
		s.reason += " (" + c.Changed() + ")"
	}
	r.Observer.SourceChanged(s.Source, StateBanned, s.reason)
	if s.party.have != nil {
		r.Crowd.Ban(s.Source, s.reason)
	}
	for _, o := range r.leases {
		if o.source == s {
			o.cancel(errCalledOff)
		}
	}
}

// ended closes a lease and judges its source by how it ended.
func (r *running) ended(l *lease, err error) {
	r.leases = slices.DeleteFunc(r.leases, func(o *lease) bool { return o == l })
	r.ledger.ended(l.claim)
	r.untell(l.claim)
	f := AsFault(err)
	if f != nil && f.Kind == FaultWithdrawn && l.claim.withdrawn {
		r.inherit(l.claim)
		return
	}
	if f == nil || r.ledger.surplus(l.claim, f, r.now()) {
		return
	}
	var deadline time.Duration
	if !r.Deadline.IsZero() {
		deadline = max(r.Deadline.Sub(r.started), 1)
	}
	dropped := r.ledger.fault(l.source.party, f, r.now(), deadline, r.Retries, r.jitter())
	l.source.reason = f.Error()
	if dropped {
		l.source.giveUp(r.now())
		r.Observer.SourceChanged(l.source.Source, StateLeft, l.source.reason)
	}
}

// inherit starts the lease of a claim's heir.
func (r *running) inherit(c *claim) {
	i := slices.IndexFunc(r.parties, func(s *sourceState) bool { return s.party == c.heir })
	if i < 0 || r.paused {
		return
	}
	if next := r.ledger.inherit(c, r.now()); next != nil {
		r.start(r.parties[i], next)
	}
}

// drain waits for the leases' goroutines after the loop has ended. What they
// still stored is not lost to the gauges.
func (r *running) drain() {
	for len(r.leases) > 0 {
		e := <-r.events
		switch {
		case e.ended:
			r.leases = slices.DeleteFunc(r.leases, func(o *lease) bool { return o == e.lease })
		case e.err == nil:
			fresh, _ := r.ledger.brought(e.lease.claim, e.piece, r.now())
			r.account(e.lease, e.piece, fresh)
		}
	}
	r.Gauges.Connections.Store(0)
}

// failure says why nothing more can come.
func (r *running) failure() error {
	err := ErrNoSource
	if r.wrong {
		err = ErrWrongContent
	}
	if len(r.parties) == 0 {
		return fmt.Errorf("%w: %s", err, r.nobody())
	}
	var why []string
	for _, s := range r.parties {
		why = append(why, s.Name()+": "+cmp.Or(s.reason, "has nothing that is missing"))
	}
	return fmt.Errorf("%w: %s", err, strings.Join(why, "; "))
}
