package fetch

import (
	"cmp"
	"slices"
	"time"

	"github.com/bits-and-blooms/bitset"
)

// If each of a large crowd asks a slow mirror, the first pieces come to all at the same
// time, and late; till then there is nothing to trade, and who is impatient asks for more.
// So few ask at once, and they take turns.
const (
	// turnTime is how much is asked of mirrors at once: what they give to all of us together
	// in that time, and turnLeast how many pieces that is at least.
	turnTime  = time.Second
	turnLeast = 4
	// turnNews is for how much longer they are to have something to do: only by then do all
	// know that somebody has got his piece, and that it is the turn of the next.
	turnNews = time.Second
	// turnCrowd is how many neighbours there are for each of the pieces of a turnTime, at
	// least, when we take turns; before, it would win too little.
	turnCrowd = 4
	// turnSoonest is when we can tell what mirrors give, at the earliest.
	turnSoonest = 500 * time.Millisecond
	// turnMissed is how long we wait for the one whose turn it is: behind busy lines, news
	// of what he is getting takes a second.
	turnMissed = 3 * time.Second
	// turnLeeway is for how much longer we are patient then: it takes a while until what
	// few have got has come to all.
	turnLeeway = 7 * time.Second
	// remembered is how long a neighbour that used mirrors may want his turn.
	remembered = time.Minute
	// drawnSpan is how far back we look at what mirrors give to all of us: it comes in
	// whole pieces, as far as we see.
	drawnSpan = 5 * time.Second
)

// turns decides how many pieces may be asked of mirrors at once by all of us, 0 for as
// many as we like, and how patient we are.
func (l *ledger) turns(now time.Duration) (most int, leeway time.Duration) {
	if l.rank == nil || l.prefer == PreferSpeed || now < turnSoonest || !l.crowded(fewPeers) {
		return 0, 0
	}
	rate := l.givenToAll(now)
	piecesIn := func(d time.Duration) int { return max(int(rate*d.Seconds()/float64(l.largest)), turnLeast) }
	if rate == 0 || len(l.waiting(now)) < turnCrowd*piecesIn(turnTime) {
		return 0, 0
	}
	if now-l.spread < stuckFor {
		leeway = turnLeeway
	}
	return piecesIn(turnTime + turnNews), leeway
}

// givenToAll is how many bytes a second mirrors give to all of us. Of what others get we
// see nothing before it is a whole piece, so at first they are taken to get as much as we
// do; later that would say too much, as one gets more than another. Our own meter lags
// at first.
func (l *ledger) givenToAll(now time.Duration) float64 {
	rate := l.drawn.rate()
	if now >= drawnSpan {
		return rate
	}
	asking := 1
	for q := range l.neighbours() {
		if q.fetching.Any() {
			asking++
		}
	}
	ours := max(l.mirrors.rate(), float64(l.mirrored)/now.Seconds())
	return max(rate, ours*float64(asking))
}

// waiting is the neighbours that may want a turn.
func (l *ledger) waiting(now time.Duration) (them []*party) {
	for q := range l.neighbours() {
		if q.fetched > 0 && now-q.fetched < remembered {
			them = append(them, q)
		}
	}
	return them
}

// asked is the pieces that neighbours are getting from mirrors, if they are likely to
// get them.
func (l *ledger) asked(mirror *party, now time.Duration) *bitset.BitSet {
	asked := bitset.New(uint(l.pieces))
	for q := range l.neighbours() {
		if l.gains(q, mirror, now) {
			asked.InPlaceUnion(q.fetching)
		}
	}
	return asked
}

// lookForTurn gives a mirror what we may ask it for now. To find out what that is takes
// long, and it does not change with every piece that comes.
func (l *ledger) lookForTurn(p *party, now time.Duration) *claim {
	if p.justLooked(now) {
		return nil
	}
	c := l.offer(p, now)
	if c == nil {
		p.looked = now
	}
	return c
}

// lendInTurn gives a mirror one of some pieces for which it is our turn. When somebody
// misses his, it is that of who comes next; who gains nothing has none.
func (l *ledger) lendInTurn(p *party, free *bitset.BitSet, now time.Duration) *claim {
	room := l.most - int(l.asked(p, now).Count())
	if p.open > 0 || room <= 0 {
		p.heldBack = 0
		return nil
	}
	if p.heldBack == 0 {
		p.heldBack = now
	}
	missed := int((now - p.heldBack) / turnMissed)
	others := slices.DeleteFunc(l.waiting(now), func(q *party) bool { return !l.gains(q, p, now) })
	ours := l.ours(l.candidates(free, nil), others, room, missed)
	if len(ours) == 0 {
		return nil
	}
	p.heldBack = 0
	return l.lendBest(p, ours, 0, l.precedence, now)
}

// ours is those of some pieces that come first and fall to us. The first are those that
// rank highest with anybody who wants a turn and is not having one. They fall to us if
// they do not rank higher with more of the others than have missed theirs.
func (l *ledger) ours(pieces []int, others []*party, first, missed int) (ours []int) {
	type ranked struct {
		piece, others int
		rank          uint64
	}
	var all []ranked
	for _, i := range pieces {
		mine := l.rank(i)
		r := ranked{piece: i, rank: mine}
		for _, q := range others {
			if n := q.rank(i); n > mine && !q.fetching.Any() && !q.have.Test(uint(i)) {
				r.rank = max(r.rank, n)
				r.others++
			}
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b ranked) int { return cmp.Compare(b.rank, a.rank) })
	for _, r := range all[:min(first, len(all))] {
		if r.others <= missed {
			ours = append(ours, r.piece)
		}
	}
	return ours
}

// yields tells whether a mirror's claim is to be put off: others come before us who
// began before they knew of us, or we of them.
func (l *ledger) yields(c *claim, now time.Duration) bool {
	return l.takesTurns(c.by) && len(c.rest) > 0 && (l.tooMany(c, now) || l.twice(c, now))
}

// shorten cuts a mirror's claim of several pieces, from before turns were taken, down to
// the one under way, and returns the others. Who was there first would get them all, and
// pass on one after the other while the lines of those behind him have nothing to do.
func (l *ledger) shorten(c *claim) (back []int) {
	if !l.takesTurns(c.by) || len(c.rest) < 2 {
		return nil
	}
	back = slices.Clone(c.rest[1:])
	c.cut(back, c.bytes-l.size(c.rest[0]))
	l.release(back)
	return back
}

// tooMany tells whether far too many ask, and enough of them for what ranks higher than
// what a mirror's claim is for.
func (l *ledger) tooMany(c *claim, now time.Duration) bool {
	if now-c.began < trust || float64(l.rest(c)) <= l.speed(c, now)*turnTime.Seconds() {
		return false // it has only begun, or soon ends
	}
	asked := l.asked(c.by, now)
	if int(asked.Count()) <= 2*l.most {
		return false
	}
	mine, higher := l.rank(c.rest[0]), 0
	for q := range l.neighbours() {
		theirs := asked.Intersection(q.fetching)
		for i, ok := theirs.NextSet(0); ok; i, ok = theirs.NextSet(i + 1) {
			if q.rank(int(i)) > mine {
				higher++
			}
		}
	}
	return higher >= l.most
}

// twice tells whether the piece that a mirror's claim is for, most of which is still to
// come, is on its way to somebody to whom it falls rather than to us.
func (l *ledger) twice(c *claim, now time.Duration) bool {
	if len(c.rest) > 1 || 2*l.rest(c) < c.bytes {
		return false
	}
	piece := c.rest[0]
	for q := range l.neighbours() {
		if q.fetching.Test(uint(piece)) && q.rank(piece) > l.rank(piece) && l.gains(q, c.by, now) {
			return true
		}
	}
	return false
}

// takesTurns tells whether p is a mirror that we share by taking turns. One that ignores
// Range is not: after each turn it would begin again.
func (l *ledger) takesTurns(p *party) bool {
	return p.have == nil && !p.noRange && l.most > 0 && l.spared()
}
