package fetch

import (
	"cmp"
	"iter"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/bits-and-blooms/bitset"
)

const (
	fewPeers    = 2                      // from so many live peers on, mirrors are spared
	slowFor     = 3 * time.Second        // how long politeness may halve our rate
	leastSlow   = 300 * time.Millisecond // at the end, when mirrors would bring the rest in less
	stuckFor    = 5 * time.Second        // and how long it may stop it
	patientFor  = 30 * time.Second
	crowdLease  = time.Second            // what a lease is worth in a crowd, where what is rare changes fast
	spareTurn   = 250 * time.Millisecond // of work that a peer in a crowd is given ahead of need
	spareBytes  = 256 << 10              // and what he may send in one turn, lest we use less than ours
	mostWeighed = 1024                   // pieces weighed against one another for one lease

	// lately is how long a neighbour counts as one who uses mirrors after we saw it do
	// so: what it is getting next is known some time after what it has got.
	lately = 3 * time.Second

	// holdBack is how long a piece is left to the neighbour to whom it falls, who can
	// be busy with another one, unless we get less than mirrors would give us. Then no
	// more is asked for at once than all that falls to those who use mirrors, divided
	// by so many times their number, as they may ask for the same at any moment.
	holdBack    = time.Second
	othersShare = 2

	// gainPieces is how many pieces a mirror brings us while a neighbour gets none, before
	// we ask for those that he is getting.
	gainPieces = 4

	// idleWorth is the part of its time for which no connection to a mirror may receive
	// anything, before there is another one.
	idleWorth = 1.0 / 4.0

	firstPerCopy = 2                // how many ask before the others for a piece, for each who has it
	longestIdle  = 30 * time.Second // that a source waits for its turn

	goodWorth    = 3           // how many slow ticks a good one makes up for
	longestHedge = time.Minute // before peers are tried alone again
)

// lendRare gives a peer free pieces that it has: the rarest among our
// neighbours first, ties at random.
func (l *ledger) lendRare(p *party, now time.Duration) *claim {
	if p.dry == l.frees {
		return nil
	}
	free := p.have.Difference(l.taken)
	if free.None() {
		p.dry = l.frees
		return nil
	}
	pieces := l.inTurn(p, free, l.early, now)
	if len(pieces) == 0 {
		return nil
	}
	return l.lendBest(p, pieces, l.budget(p), l.copies, now)
}

// lendHedged gives a mirror any free pieces. If it takes long for one, neighbours
// in the same need had better not all get the same.
func (l *ledger) lendHedged(p *party, now time.Duration) *claim {
	rivals := slices.Collect(l.rivals(now))
	sought := func(piece int) bool { return l.sought(piece, rivals) }
	pieces := l.inTurn(p, l.taken.Complement(), sought, now)
	if len(pieces) == 0 {
		return nil
	}
	return l.lendBest(p, pieces, l.budget(p), l.precedence, now)
}

// inTurn is those of some free pieces that p is to be asked for now. What is early
// waits as long as peers spread it, but only until p has been idle for the time that
// a piece takes it, or says that it is ready: then more would be lost by waiting than is
// won. A mirror that was spared was not waiting.
func (l *ledger) inTurn(p *party, free *bitset.BitSet, early func(piece int) bool, now time.Duration) []int {
	last := max(p.heard, l.since)
	if p.have != nil {
		last = min(p.heard, l.spread)
	}
	idle := p.open == 0 && (now-last >= l.pieceTime(p) || p.ready(now))
	if p.waits == l.news && !idle {
		return nil
	}
	if pieces := l.candidates(free, early); len(pieces) > 0 {
		return pieces
	}
	pieces := l.candidates(free, nil)
	if len(pieces) > 0 && !idle {
		p.waits = l.news
		return nil
	}
	return pieces
}

// early tells whether others come before us for a piece. If all asked at once for
// what few have, it would come to all at the same time, and late. So it is for few to
// ask, by rendezvous hashing; then they have it as well, and it spreads as a tree.
func (l *ledger) early(piece int) bool {
	first, mine := firstPerCopy*max(l.copies(piece), 1), l.rank(piece)
	for q := range l.neighbours() {
		if !q.have.Test(uint(piece)) && q.rank(piece) > mine {
			if first--; first == 0 {
				return true
			}
		}
	}
	return false
}

// sought tells whether enough rivals are getting a piece from mirrors, or will rather
// than we: those to whom it falls.
func (l *ledger) sought(piece int, rivals []*party) bool {
	enough, mine := firstPerCopy, l.rank(piece)
	for _, q := range rivals {
		falls := !q.have.Test(uint(piece)) && q.rank(piece) > mine
		if falls || q.fetching.Test(uint(piece)) {
			if enough--; enough == 0 {
				return true
			}
		}
	}
	return false
}

// pieceTime is how long p takes for a whole piece, as far as we know.
func (l *ledger) pieceTime(p *party) time.Duration {
	seconds := float64(l.largest) / max(l.pace(p), 1)
	return time.Duration(min(seconds, longestIdle.Seconds()) * float64(time.Second))
}

// shows notes what a peer has and is fetching from mirrors now.
func (l *ledger) shows(p *party, have, fetching *bitset.BitSet, now time.Duration) {
	switch {
	case p.have == nil:
		p.gained = now
	case have.Count() > p.have.Count():
		p.gained, l.spread = now, now
	}
	if p.have != nil {
		l.theirs += int64(have.Difference(p.have).IntersectionCardinality(p.fetching)) * l.largest
	}
	if fetching.Any() || p.have != nil && p.fetching.Any() {
		p.fetched = now
	}
	p.have, p.fetching = have.Clone(), fetching.Clone()
	p.dry = 0
	l.news++
}

// busy tells whether a peer has work for a while, so that one more lease would
// only wait there: pieces that wait cannot be asked of those who get them meanwhile.
func (l *ledger) busy(p *party) bool {
	var rest float64
	for _, c := range l.claims {
		if c.by == p {
			rest += float64(l.rest(c))
		}
	}
	return rest >= max(spareBytes, p.each.rate()*float64(p.open)*spareTurn.Seconds())
}

// lendUnwanted gives a mirror free pieces that no neighbour has or is getting
// from a mirror, and among those the ones that by rendezvous hashing fall to us
// rather than to a neighbour who lacks them as well. Those that fall to one who
// is getting others from a mirror wait for him a while.
func (l *ledger) lendUnwanted(p *party, now time.Duration) *claim {
	covered := l.taken.Clone()
	for q := range l.neighbours() {
		if !l.mute(q, now) {
			covered.InPlaceUnion(q.have)
		}
		if l.gains(q, p, now) {
			covered.InPlaceUnion(q.fetching)
		}
	}
	unwanted := covered.Complement()
	if l.takesTurns(p) {
		return l.lendInTurn(p, unwanted, now)
	}
	rivals := slices.Collect(l.rivals(now))
	fallsToOther := func(piece int) bool {
		mine := l.rank(piece)
		return slices.ContainsFunc(rivals, func(q *party) bool { return q.rank(piece) > mine })
	}
	if pieces := l.candidates(unwanted, fallsToOther); len(pieces) > 0 {
		p.heldBack = 0
		return l.lendBest(p, pieces, l.budget(p), l.precedence, now)
	}
	if p.heldBack == 0 {
		p.heldBack = now
	}
	if now-p.heldBack < holdBack && l.mirrors.rate()+l.peers.rate() >= l.best {
		return nil
	}
	pieces := l.candidates(unwanted, nil)
	if len(pieces) == 0 {
		return nil
	}
	p.heldBack = 0
	var theirs int64
	for _, i := range pieces {
		theirs += l.size(i)
	}
	budget := min(l.budget(p), theirs/int64(othersShare*len(rivals)))
	return l.lendBest(p, pieces, budget, l.precedence, now)
}

// mute tells whether a peer keeps us waiting or has failed. What only such peers
// say they have nobody may ever bring; but where turns are taken, who has just got what
// all want is busy with the others for a while.
func (l *ledger) mute(p *party, now time.Duration) bool {
	return p.silent > 0 && now-p.silent >= slowFor+l.leeway && (p.open > 0 || p.tries > 0)
}

// gains tells whether a neighbour has got something lately, for as long as a mirror
// takes for several pieces. What others say they are getting they may never get.
func (l *ledger) gains(q, mirror *party, now time.Duration) bool {
	return !mirror.proven || now-q.gained < max(slowFor, gainPieces*l.pieceTime(mirror), 2*l.leeway)
}

// rivals are the neighbours that use mirrors, as we can see.
func (l *ledger) rivals(now time.Duration) iter.Seq[*party] {
	return func(yield func(*party) bool) {
		for q := range l.neighbours() {
			uses := q.fetching.Any() || q.fetched > 0 && now-q.fetched < lately
			if uses && !yield(q) {
				return
			}
		}
	}
}

// accompanied tells whether there are rivals. The more connections we open beside
// theirs, the longer each piece takes, and the later there is something to trade.
func (l *ledger) accompanied(now time.Duration) bool {
	for range l.rivals(now) {
		return true
	}
	return false
}

// idles tells whether the connections of p's host often wait for the first byte of a
// run all at once, so that one more costs nobody anything: the pieces that fall to us
// lie apart, and a far mirror answers late. What it takes when it has much to do is
// no such wait. Where peers bring most, it does not matter.
func (l *ledger) idles(p *party) bool {
	if !p.trusted() || p.asked == 0 || l.mirrors.rate() < l.peers.rate() {
		return false
	}
	run := float64(p.asked) / float64(p.runs)
	waits := p.least.Seconds() * p.each.rate() / run // part of its time
	return float64(p.host.open)*(1-waits) <= 1-idleWorth
}

// lendBest gives p the pieces of lowest cost within a budget, but one at least.
func (l *ledger) lendBest(p *party, pieces []int, budget int64, cost func(piece int) int, now time.Duration) *claim {
	type weighed struct{ piece, cost int }
	all := make([]weighed, len(pieces))
	for k, i := range pieces {
		all[k] = weighed{i, cost(i)}
	}
	slices.SortStableFunc(all, func(a, b weighed) int { return cmp.Compare(a.cost, b.cost) })
	most := max(budget, l.size(all[0].piece))
	pieces, p.given = nil, 0
	for _, w := range all {
		if p.given+l.size(w.piece) > most {
			break
		}
		pieces = append(pieces, w.piece)
		p.given += l.size(w.piece)
	}
	if p.have == nil {
		slices.Sort(pieces) // the longer the runs, the fewer the requests
	}
	return l.claim(p, pieces, now)
}

// candidates is the pieces of a set of free ones, without those to skip, in
// random order; of very many, some behind a random one.
func (l *ledger) candidates(free *bitset.BitSet, skip func(piece int) bool) []int {
	var found []int
	weighed := 0
	seek := func(from, to uint) {
		for i, ok := free.NextSet(from); ok && i < to && (weighed < mostWeighed || len(found) == 0); i, ok = free.NextSet(i + 1) {
			weighed++
			if skip == nil || !skip(int(i)) {
				found = append(found, int(i))
			}
		}
	}
	start, end := uint(rand.IntN(l.pieces)), uint(l.horizon)
	seek(start, end)
	seek(0, min(start, end))
	rand.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
	return found
}

// copies is how many neighbours have a piece.
func (l *ledger) copies(piece int) (n int) {
	for q := range l.neighbours() {
		if q.have.Test(uint(piece)) {
			n++
		}
	}
	return n
}

// precedence orders pieces to ask mirrors for: first those that fall to us, the highest
// rank first; then the others by how many neighbours they fall to rather than to us, and
// of those the lowest rank first, which the one to whom it falls would ask for last.
func (l *ledger) precedence(piece int) int {
	const steps, bits = 1 << 10, 64 - 10 // of a rank that matter
	mine := l.rank(piece)
	first, outranked := uint64(0), 0
	for q := range l.neighbours() {
		if r := q.rank(piece); r > mine {
			first = max(first, r)
			outranked++
		}
	}
	if outranked == 0 {
		return int(^mine >> bits)
	}
	return outranked*steps + int(first>>bits)
}

// neighbours are the live peers.
func (l *ledger) neighbours() iter.Seq[*party] {
	return func(yield func(*party) bool) {
		for _, q := range l.parties {
			if q.have != nil && !q.gone && !yield(q) {
				return
			}
		}
	}
}

// crowded tells whether there are at least n live peers.
func (l *ledger) crowded(n int) bool {
	for range l.neighbours() {
		if n--; n <= 0 {
			return true
		}
	}
	return false
}

// manners decides whether mirrors are spared now, and for how long that has
// cost us.
type manners struct {
	prefer Preference

	best    float64       // most bytes a second that mirrors gave us
	weighed time.Duration // when we last looked
	slow    time.Duration // how long our rate has been a reproach to politeness
	moved   time.Duration // when a piece last came
	hedging bool
	since   time.Duration // when hedging last began
	until   time.Duration // hedging does not end before
	longer  time.Duration // how long it will last at least the next time
	leeway  time.Duration // for how much longer we are polite than else
}

// weigh looks at the rates, and the bytes still to come, once a tick: when mirrors would
// soon bring all of them, politeness may not take much longer, and does not come back.
// What mirrors gave says nothing while they are not asked. Hedging soon brings the
// rate back that it began for want of, so it lasts longer each time, until peers give
// as much.
func (m *manners) weigh(now time.Duration, mirrors, peers float64, asked bool, rest float64) {
	m.best = max(m.best, mirrors)
	all := peers
	if asked {
		all += mirrors
	}
	m.reproach(now-m.weighed, all < m.best/2)
	m.weighed = now
	soon := max(time.Duration(min(rest/max(m.best, 1), slowFor.Seconds())*float64(time.Second)), leastSlow)
	stuck := stuckFor + m.leeway
	if m.prefer == PreferPeers {
		m.slow, stuck = 0, patientFor
	}
	if peers >= m.best/2 {
		m.longer = 0 // peers are worth it
	}
	needed := m.slow >= soon+m.leeway || now-m.moved >= stuck
	if needed && !m.hedging {
		m.since, m.until = now, now+m.longer
		if soon < slowFor {
			m.until = max(m.until, now+soon)
		}
		m.longer = min(max(2*m.longer, slowFor), longestHedge)
	}
	m.hedging = m.prefer == PreferSpeed || needed || now < m.until
}

// reproach adds a tick. A good one makes up for few bad ones: the mirror is asked
// now and then for want of anybody else, and one piece must not hide that.
func (m *manners) reproach(tick time.Duration, slow bool) {
	switch {
	case slow:
		m.slow += tick
	case m.hedging:
		m.slow = 0
	default:
		m.slow = max(m.slow-goodWorth*tick, 0)
	}
}

// spared tells whether mirrors are to be asked only for what no neighbour has.
func (l *ledger) spared() bool {
	return !l.hedging && l.crowded(fewPeers)
}

// weigh tells manners what mirrors and peers give now. That is measured over all
// their claims: one that has just begun can run at many times the rate of the line,
// for what waited in buffers on the way.
func (l *ledger) weigh(now time.Duration) {
	l.mirrors.sample(now, float64(l.mirrored))
	l.peers.sample(now, float64(l.received-l.mirrored))
	l.drawn.sample(now, float64(l.mirrored+l.theirs))
	l.most, l.leeway = l.turns(now)
	asked := slices.ContainsFunc(l.claims, func(c *claim) bool { return c.by.have == nil })
	l.manners.weigh(now, l.mirrors.rate(), l.peers.rate(), asked, l.toCome())
}
