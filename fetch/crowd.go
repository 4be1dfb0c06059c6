package fetch

import (
	"slices"
	"time"

	"github.com/bits-and-blooms/bitset"
)

const (
	// firstSulk is how long a peer that was given up is not asked again, for the first
	// time: who checks what he serves, or is told to pause, may be back in a moment.
	firstSulk = time.Second
	// parting is how long the connection to a peer that is banned may take to end.
	parting = 10 * time.Second
)

// Partial is a Source that has only some of the pieces: a peer.
type Partial interface {
	Source

	// Look shows the pieces that the peer has, and those it is fetching from
	// mirrors, for as long as f runs.
	Look(f func(have, fetching *bitset.BitSet))

	// Version changes whenever Look would show something else.
	Version() uint64

	// Ready is when the peer last told that it would serve us at once; the zero Time
	// for never.
	Ready() time.Time

	// Withdraw asks the peer not to bring a piece of a lease, if it has not begun to.
	// If it agrees, the lease ends with FaultWithdrawn; else nothing comes of it. It
	// tells whether the peer could be asked: the lease may be about to begin.
	Withdraw(piece int) bool

	// Rank is a hash of the peer and a piece, the same to all who know the
	// peer (rendezvous hashing, Thaler and Ravishankar 1998).
	Rank(piece int) uint64
}

// Crowd is the neighbours of a job: where peers come from, and who is told
// what we are doing.
type Crowd interface {
	// News receives a value when the peers, or what one of them has, changed.
	News() <-chan struct{}
	// Ready receives a value when a peer has told that it would serve us at once.
	Ready() <-chan struct{}
	// Peers are the live ones; a peer is the same value every time.
	Peers() []Partial
	// Rank is our own, as our peers compute it.
	Rank(piece int) uint64
	// Uploaded is how many bytes were sent to peers.
	Uploaded() int64

	// Have tells that a piece was proven and stored.
	Have(piece int)
	// Fetching tells that we are getting pieces from a mirror; Unfetching,
	// that we are no longer, and that they did not come.
	Fetching(pieces []int)
	Unfetching(pieces []int)
	// Ban ends the connection to a peer that sent wrong bytes, and keeps its
	// address away.
	Ban(p Source, reason string)
}

// Preference is whom a job would rather get pieces from.
type Preference int

// The preferences.
const (
	PreferAuto  Preference = iota // spare the mirrors as long as it costs no speed
	PreferSpeed                   // use all there is
	PreferPeers                   // spare the mirrors even if it does
)

// meet brings the ledger up to date with the crowd: who came, who went, and
// who has what.
func (r *running) meet() {
	peers := r.Crowd.Peers()
	r.meetings++
	for _, p := range peers {
		s, v := r.known[p], p.Version()
		if s == nil {
			s = r.welcome(p)
		}
		s.met = r.meetings
		if s.party.gone {
			if v == s.version || r.now() < s.back {
				continue
			}
			// Who was given up is back with something new.
			s.party.gone, s.party.tries = false, 0
		}
		if s.party.have == nil || v != s.version {
			s.version = v
			p.Look(func(have, fetching *bitset.BitSet) {
				r.ledger.shows(s.party, have, fetching, r.now())
			})
		}
	}
	for _, s := range r.parties {
		if !s.party.gone && r.missed(s) {
			s.party.gone = true
			r.ledger.news++
			if r.alone(s) {
				r.Observer.SourceChanged(s.Source, StateLeft, s.reason)
			}
		}
	}
	r.forget()
	r.heed()
	r.Gauges.Peers.Store(int32(len(peers)))
}

// heed notes which peers have told that they are ready.
func (r *running) heed() {
	for p, s := range r.known {
		if at := p.Ready(); at.After(s.readied) {
			s.readied = at
			s.party.readied, s.party.looked = at.Sub(r.started), 0
		}
	}
}

// welcome enters a peer.
func (r *running) welcome(p Partial) *sourceState {
	s := r.join(p)
	r.known[p] = s
	s.party.rank = p.Rank
	s.joined = true
	if r.alone(s) {
		r.Observer.SourceChanged(p, StateJoined, "")
	}
	return s
}

// alone tells whether no other connection to the same peer is alive: for a
// moment there are two when both sides have dialled.
func (r *running) alone(s *sourceState) bool {
	return !slices.ContainsFunc(r.parties, func(o *sourceState) bool {
		return o != s && !o.party.gone && o.Name() == s.Name()
	})
}

// missed tells whether a source is a peer that was not there at the last meeting.
func (r *running) missed(s *sourceState) bool { return s.met > 0 && s.met != r.meetings }

// forget lets go of peers that have left: over a long time many come and go.
func (r *running) forget() {
	r.parties = slices.DeleteFunc(r.parties, func(s *sourceState) bool {
		left := r.missed(s) && s.party.gone && s.party.open == 0
		if left {
			delete(r.known, s.Source.(Partial))
			r.ledger.leave(s.party)
		}
		return left
	})
}

// awaited tells whether a peer that was given up had something new meanwhile, and may
// be asked again now. That was told when it was too early, and is not told again.
func (s *sourceState) awaited(now time.Duration) bool {
	p, ok := s.Source.(Partial)
	return ok && s.party.gone && s.back > 0 && now >= s.back && p.Version() != s.version
}

// giveUp keeps a peer that was dropped, and stays connected, from being asked again
// soon, each time for twice as long.
func (s *sourceState) giveUp(now time.Duration) {
	s.sulk = max(2*s.sulk, firstSulk)
	s.back = now + s.sulk
}

// tell lets the peers know what a mirror was asked for.
func (r *running) tell(c *claim) {
	if r.Crowd != nil && c.by.have == nil {
		r.Crowd.Fetching(c.rest)
	}
}

// untell takes back what a mirror did not bring.
func (r *running) untell(c *claim) {
	if r.Crowd != nil && c.by.have == nil && len(c.rest) > 0 {
		r.Crowd.Unfetching(c.rest)
	}
}
