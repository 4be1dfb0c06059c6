package fetch

import (
	"math"
	"strings"
	"time"

	"github.com/bits-and-blooms/bitset"
)

const (
	leaseTime   = 4 * time.Second        // what a lease of a proven source is worth
	leaseBytes  = 32 << 20               // and the most it may be worth
	leaseGrowth = 8                      // how much larger it may be than the one before
	fairShare = 1.0 
	unknownPace = 64 << 10               // bytes a second of a source, as long as none is known
	trust       = 500 * time.Millisecond // how long a new lease is taken to run as its source did before
	noticeable  = 100 * time.Millisecond // a gain worth cutting another source's request short for
)

// ledger holds who is to bring what. It is plain data: no goroutine, no lock
// and no clock; the job's loop owns it and says what time it is, as the time
// since the job began.
type ledger struct {
	pieces  int
	size    func(piece int) int64 // bytes of a piece
	fileEnd func(piece int) int   // end of the piece range of the file that a piece belongs to

	done  *bitset.BitSet // proven and stored
	taken *bitset.BitSet // done, or in some claim
	left  int            // pieces not done
	free  int64          // bytes of the pieces not taken

	horizon  int // pieces from here on are not asked for yet
	mostRun  int // most pieces in one claim
	mostOpen int // most claims at once; a party without any may exceed it

	parties []*party
	claims  []*claim
}

// party is a source as the ledger sees it.
type party struct {
	name    string
	host    *host
	proven  bool // has brought a right piece
	noRange bool // can only be read from the front of a file to its end
	gone    bool // dropped for the session

	open    int           // claims it holds
	last    int           // where its last claim ended: asking on from there keeps its requests long
	given   int64         // bytes of its last lease
	latency time.Duration // from asking to the first byte, lately
	shared  float64       // bytes received, each divided by the claims open at the time
	each    meter         // of shared: the rate of one of its connections, while it has any

	patience
}

// trusted tells whether the party brought a right piece and has not failed
// since; another one is given one piece at a time.
func (p *party) trusted() bool { return p.proven && p.tries == 0 }

// claim is a lease under way: the pieces [next, end) are still to come.
type claim struct {
	by        *party
	next, end int
	first     int  // the run that the source was asked for is [first, asked);
	asked     int  // end is lower once it was robbed
	race      bool // somebody else is bringing the same piece

	began    time.Duration
	received int64 // bytes so far
	begun    int64 // bytes of them that belong to pieces before next
	meter    meter
}

func newLedger(pieces int, size func(int) int64, fileEnd func(int) int, have *bitset.BitSet) *ledger {
	l := &ledger{
		pieces: pieces, size: size, fileEnd: fileEnd,
		done:  bitset.New(uint(pieces)),
		taken: bitset.New(uint(pieces)),
		left:  pieces, horizon: pieces, mostRun: pieces, mostOpen: math.MaxInt,
	}
	if have != nil {
		l.done.InPlaceUnion(have)
		l.taken.InPlaceUnion(have)
		l.left -= int(have.Count())
	}
	for i := range pieces {
		if !l.done.Test(uint(i)) {
			l.free += size(i)
		}
	}
	return l
}

// join enters a source. Parties with the same host share its connections.
func (l *ledger) join(name string, h *host) *party {
	p := &party{name: name, host: h}
	l.parties = append(l.parties, p)
	return p
}

// next decides what p is to bring over one more connection, or nil.
func (l *ledger) next(p *party, now time.Duration) *claim {
	switch {
	case l.left == 0 || p.gone || now < p.notBefore || p.host.open >= p.host.limit:
		return nil
	case p.open > 0 && !p.trusted(), p.open > 0 && len(l.claims) >= l.mostOpen:
		return nil
	case p.noRange:
		return l.whole(p, now)
	}
	if c := l.lend(p, now); c != nil {
		return c
	}
	return l.rob(p, now)
}

// lend gives p a run of pieces that nobody has been asked for.
func (l *ledger) lend(p *party, now time.Duration) *claim {
	first, ok := l.nextFree(p.last)
	if !ok {
		return nil
	}
	most := min(l.horizon, first+l.mostRun)
	budget := l.budget(p)
	end, bytes := first, int64(0)
	for end < most && !l.taken.Test(uint(end)) && (end == first || bytes+l.size(end) <= budget) {
		bytes += l.size(end)
		end++
	}
	p.given = bytes
	return l.claim(p, first, end, now)
}

// nextFree finds the first free piece from the given one on, or else from the start.
func (l *ledger) nextFree(from int) (int, bool) {
	for _, at := range []int{from, 0} {
		if i, ok := l.taken.NextClear(uint(at)); ok && int(i) < l.horizon {
			return int(i), true
		}
	}
	return 0, false
}

// budget is how many bytes p is given at a time: a few seconds' worth, reached
// in steps as the measure of p gets better, and towards the end what it can
// bring until all sources together could have brought everything, so that
// they end together.
func (l *ledger) budget(p *party) int64 {
	if !p.trusted() {
		return 0
	}
	// One more connection is not trusted to add to the rate of its host.
	pace := l.pace(p) * float64(max(p.open, 1)) / float64(p.open+1)
	worth := min(pace*leaseTime.Seconds(), float64(p.given)*leaseGrowth)
	var all float64
	for _, q := range l.parties {
		if !q.gone && !q.noRange {
			all += q.each.rate() * float64(max(q.open, 1))
		}
	}
	rest := float64(l.free)
	for _, c := range l.claims {
		rest += float64(l.rest(c))
	}
	if all > 0 {
		worth = min(worth, pace*rest/all)
	}
	return int64(min(worth, leaseBytes))
}

// whole gives a source that ignores Range the rest of the first unfinished
// file, when there is no better source left to ask.
func (l *ledger) whole(p *party, now time.Duration) *claim {
	for _, q := range l.parties {
		if !q.gone && !q.noRange {
			return nil
		}
	}
	first, ok := l.nextFree(0)
	if !ok || p.open > 0 {
		return nil
	}
	return l.claim(p, first, min(l.fileEnd(first), l.horizon), now)
}

// rob lets an idle source take the tail of the claim that would end last, in
// such a measure that both end together, if that ends it at least twice
// sooner or saves a noticeable time. When nothing is left of that claim but the piece under way, both
// race for it; only another host may, as a second request to the same one
// could spend a signed URL.
func (l *ledger) rob(p *party, now time.Duration) *claim {
	pace := l.pace(p)
	victim, eta := l.last(now, func(c *claim) bool { return l.mayRob(p, pace, c, now) })
	if victim == nil || pace == 0 {
		return nil
	}
	speed := l.speed(victim, now)
	first, bytes := l.tail(victim, (float64(l.rest(victim))-speed*p.latency.Seconds())*pace/(pace+speed), p)
	race := first == victim.end
	if race {
		if victim.race || victim.end-victim.next > 1 || p.host == victim.by.host {
			return nil
		}
		first, bytes = victim.next, float64(l.size(victim.next))
	}
	mine := p.latency.Seconds() + bytes/pace
	saved := min(eta-mine, bytes/max(speed, 1))
	if eta < 2*mine && (race || saved < noticeable.Seconds()) {
		return nil
	}
	c := l.claim(p, first, victim.end, now)
	if race {
		victim.race, c.race = true, true
	} else {
		victim.end = first
	}
	return c
}

// tail is where the last pieces of a claim begin that together have at most so
// many bytes, and how many they have. The piece under way is not among them;
// an untrusted thief is given one piece at most.
func (l *ledger) tail(c *claim, budget float64, thief *party) (first int, bytes float64) {
	most := l.mostRun
	if !thief.trusted() {
		most = 1
	}
	first = c.end
	for first > c.next+1 && c.end-first < most && bytes+float64(l.size(first-1)) <= budget {
		first--
		bytes += float64(l.size(first))
	}
	return first, bytes
}

// mayRob keeps the connections of one host from robbing one another, unless one of
// them hangs.
func (l *ledger) mayRob(p *party, pace float64, c *claim, now time.Duration) bool {
	if c.next >= c.end {
		return false
	}
	return c.by.host != p.host || l.speed(c, now) < pace/4
}

// last finds the claim that would end last, and in how many seconds.
func (l *ledger) last(now time.Duration, ok func(*claim) bool) (victim *claim, eta float64) {
	for _, c := range l.claims {
		if !ok(c) {
			continue
		}
		if t := float64(l.rest(c)) / max(l.speed(c, now), 1); victim == nil || t > eta {
			victim, eta = c, t
		}
	}
	return victim, eta
}

// rest is how many bytes of a claim are still to come.
func (l *ledger) rest(c *claim) int64 {
	var n int64
	for i := c.next; i < c.end; i++ {
		n += l.size(i)
	}
	return max(n-(c.received-c.begun), 0)
}

// speed is what a claim runs at. A new one is trusted to run as its source
// does; later on silence counts as slowness.
func (l *ledger) speed(c *claim, now time.Duration) float64 {
	if now-c.began < trust {
		return max(c.meter.rate(), l.pace(c.by))
	}
	return c.meter.rate()
}

// pace is what one connection of p brings, in bytes a second; of an unproven
// source the mean of the others is assumed.
func (l *ledger) pace(p *party) float64 {
	if p.proven {
		return p.each.rate()
	}
	var sum float64
	var n int
	for _, q := range l.parties {
		if q.proven && q.each.rate() > 0 {
			sum += q.each.rate()
			n++
		}
	}
	if n == 0 {
		return unknownPace
	}
	return sum / float64(n)
}

func (l *ledger) claim(p *party, first, end int, now time.Duration) *claim {
	c := &claim{by: p, first: first, next: first, end: end, asked: end, began: now}
	c.meter.pause(now)
	if p.open == 0 {
		p.each.pause(now)
	}
	p.open++
	p.host.open++
	p.last = end
	for i := first; i < end; i++ {
		l.take(i)
	}
	l.claims = append(l.claims, c)
	return c
}

func (l *ledger) take(piece int) {
	if !l.taken.Test(uint(piece)) {
		l.taken.Set(uint(piece))
		l.free -= l.size(piece)
	}
}

// sample notes how many bytes a claim has received so far, and how long after
// it was asked the first of them came.
func (l *ledger) sample(c *claim, now time.Duration, received int64, latency time.Duration) {
	if c.received == 0 && received > 0 {
		c.by.latency = latency
	}
	c.by.shared += float64(received-c.received) / float64(c.by.open)
	c.by.host.received += received - c.received
	c.received = received
	c.meter.sample(now, float64(received))
	c.by.each.sample(now, c.by.shared)
}

// brought notes that a claim's source brought a right piece. It tells whether
// the piece was missing until now, and which claims have nothing left to
// bring and are to be called off.
func (l *ledger) brought(c *claim, piece int) (fresh bool, off []*claim) {
	fresh = !l.done.Test(uint(piece))
	if fresh {
		l.take(piece)
		l.done.Set(uint(piece))
		l.left--
	}
	c.by.proven = true
	c.by.tries = 0
	c.next, c.begun = piece+1, c.begun+l.size(piece)
	for _, o := range l.claims {
		robbed := o == c && c.next >= c.end && c.end < c.asked
		beaten := o != c && o.next == piece && o.end == piece+1
		if robbed || beaten {
			off = append(off, o)
		}
	}
	return fresh, off
}

// ended closes a claim; what it did not bring and nobody else is bringing is
// free again.
func (l *ledger) ended(c *claim) {
	for i, o := range l.claims {
		if o == c {
			l.claims = append(l.claims[:i], l.claims[i+1:]...)
			break
		}
	}
	c.by.open--
	c.by.host.open--
	for i := c.first; i < c.end; i++ {
		if !l.done.Test(uint(i)) && !l.claimed(i) {
			l.taken.Clear(uint(i))
			l.free += l.size(i)
		}
	}
}

// claimed tells whether some claim is to bring the piece, which then is that
// claim's alone.
func (l *ledger) claimed(piece int) bool {
	for _, o := range l.claims {
		if o.next <= piece && piece < o.end {
			o.race = false
			return true
		}
	}
	return false
}

// alive tells whether any source may still bring something.
func (l *ledger) alive() bool {
	for _, p := range l.parties {
		if !p.gone {
			return true
		}
	}
	return false
}

// String draws the pieces: free ".", done "#", and the letter of the party
// that is to bring it; small when two race.
func (l *ledger) String() string {
	var b strings.Builder
	for i := range l.pieces {
		b.WriteByte(l.mark(i))
	}
	return b.String()
}

func (l *ledger) mark(piece int) byte {
	if l.done.Test(uint(piece)) {
		return '#'
	}
	for _, c := range l.claims {
		if piece < c.next || piece >= c.end {
			continue
		}
		for i, p := range l.parties {
			switch {
			case p == c.by && c.race:
				return byte('a' + i)
			case p == c.by:
				return byte('A' + i)
			}
		}
	}
	return '.'
}
