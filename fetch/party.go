package fetch

import (
	"math"
	"time"

	"github.com/bits-and-blooms/bitset"
)

// party is a source as the ledger sees it.
type party struct {
	name    string
	host    *host
	proven  bool // has brought a right piece
	noRange bool // can only be read from the front of a file to its end
	gone    bool // dropped for the session

	have, fetching *bitset.BitSet         // of a peer; nil of a mirror, which has everything
	fetched        time.Duration          // when it was last seen getting pieces from mirrors; 0 for never
	gained         time.Duration          // when it was last seen to have got one
	rank           func(piece int) uint64 // of a peer

	open    int           // claims it holds
	last    int           // where its last claim ended: asking on from there keeps its requests long
	given   int64         // bytes of its last lease
	runs    int           // runs of pieces in its last claim
	asked   int64         // bytes of that
	apart   bool          // the pieces of its last claim of several lay apart
	heard   time.Duration // when bytes last came
	longest time.Duration // silence that ended with bytes: a busy peer serves in turns
	latency time.Duration // from asking to the first byte, lately
	least   time.Duration // and the least that was
	shared  float64       // bytes received, each divided by the claims open at the time
	each    meter         // of shared: the rate of one of its connections, while it has any

	readied  time.Duration // when a peer last told that it is ready; 0 for never
	silent   time.Duration // since when it has been asked and sent nothing; 0 if it has not
	heldBack time.Duration // of a mirror: since when it waits for what falls to neighbours; 0 if it does not
	waits    int           // the news at which all it could bring was early
	looked   time.Duration // when it was last looked in vain for what it could bring
	dry      int           // of a peer: the frees at which it had nothing that is free

	stalls int // claims that were called off because they stalled
	patience
}

// justLooked tells whether we looked in vain, a moment ago, for what p could bring.
func (p *party) justLooked(now time.Duration) bool { return p.looked > 0 && now < p.looked+tick }

// trusted tells whether the party brought a right piece and has not failed
// since; another one is given one piece at a time.
func (p *party) trusted() bool { return p.proven && p.tries == 0 }

// has tells whether the party has a piece to bring.
func (p *party) has(piece int) bool { return p.have == nil || p.have.Test(uint(piece)) }

// claim is a lease under way.
type claim struct {
	by     *party
	rest   []int // the pieces still to come, in the order asked for
	bytes  int64 // of those
	robbed bool  // the source was asked for more than the claim still has
	race   bool  // somebody else is bringing the same piece

	heir      *party        // who is to bring it instead, if its peer agrees; nil for nobody
	willed    time.Duration // when that was decided
	withdrawn bool          // its peer has been asked

	began    time.Duration
	answered bool  // its first bytes are about to come, or have come
	received int64 // bytes so far
	begun    int64 // bytes of them that belong to pieces already brought
	meter    meter
}

// merit is the rate that one connection of p had last, in bytes a second; who was
// never tried is worth a try.
func (p *party) merit() float64 {
	if !p.proven && p.tries == 0 {
		return math.Inf(1)
	}
	return p.each.rate()
}

// scatters tells whether the last claim of a mirror, of so many pieces, is the first
// whose pieces lie apart, each of which it answers by itself: one connection brings less
// from now on, and another one more than it did. A single piece says nothing.
func (p *party) scatters(pieces int) bool {
	if p.have != nil || pieces == 1 {
		return false
	}
	before := p.apart
	p.apart = 2*p.runs > pieces
	return p.apart && !before
}
