package fetch

import (
	"math"
	"slices"
	"time"

	"github.com/bits-and-blooms/bitset"
)

const (
	unknownPace = 64 << 10               // bytes a second of a source, as long as none is known
	raceWorth   = time.Second            // what a peer may take before its work is done again elsewhere
	trust       = 500 * time.Millisecond // how long, at least, a new lease is taken to run as its source did before
	doubt       = 200 * time.Millisecond // and one of a mirror that has brought nothing, to run as others do
	silentTurn  = 3 * time.Second        // how long a peer may bring nothing at least, who serves many in turns
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

	largest int64 // bytes of the largest piece

	horizon  int // pieces from here on are not asked for yet
	mostRun  int // most pieces in one claim
	mostOpen int // most claims at once; a party without any may exceed it

	parties []*party
	claims  []*claim

	mirrored, received int64 // bytes from mirrors, and from all sources
	mirrors, peers     meter // of the bytes from mirrors, and of those from peers
	theirs             int64 // bytes that neighbours have from mirrors
	drawn              meter // of those and of ours

	manners
	rank   func(piece int) uint64 // our own in the crowd; nil without one
	news   int                    // counts what may change for whom pieces are
	frees  int                    // counts what may make pieces free
	spread time.Duration          // when a neighbour last got one
	most   int                    // pieces that all of us may ask mirrors for at once; 0 for as many as we like
}

func newLedger(pieces int, size func(int) int64, fileEnd func(int) int, have *bitset.BitSet) *ledger {
	l := &ledger{
		pieces: pieces, size: size, fileEnd: fileEnd,
		done:  bitset.New(uint(pieces)),
		taken: bitset.New(uint(pieces)),
		left:  pieces, horizon: pieces, mostRun: pieces, mostOpen: math.MaxInt, news: 1, frees: 1,
		mirrors: meter{weight: 1}, peers: meter{weight: 1}, // nothing came before
		drawn: meter{span: drawnSpan},
	}
	if have != nil {
		l.done.InPlaceUnion(have)
		l.taken.InPlaceUnion(have)
		l.left -= int(have.Count())
	}
	for i := range pieces {
		l.largest = max(l.largest, size(i))
		if !l.done.Test(uint(i)) {
			l.free += size(i)
		}
	}
	return l
}

// extend moves the horizon.
func (l *ledger) extend(horizon int) {
	if horizon = min(horizon, l.pieces); horizon != l.horizon {
		l.horizon = horizon
		l.news++
	}
}

// join enters a source. Parties with the same host share its connections, of
// which there is one for each from the start.
func (l *ledger) join(name string, h *host) *party {
	p := &party{name: name, host: h}
	if slices.ContainsFunc(l.parties, func(q *party) bool { return q.host == h && !q.gone }) {
		h.limit = min(h.limit+1, h.most)
	}
	l.parties = append(l.parties, p)
	return p
}

// leave lets go of a source that has no claims.
func (l *ledger) leave(p *party) {
	l.parties = slices.DeleteFunc(l.parties, func(o *party) bool { return o == p })
}

// rest is how many bytes of a claim are still to come.
func (l *ledger) rest(c *claim) int64 { return max(c.bytes-(c.received-c.begun), 0) }

// ahead is how many bytes its source brings until a claim is done. A peer brings
// one after the other.
func (l *ledger) ahead(c *claim) (bytes int64) {
	if c.by.have == nil {
		return l.rest(c)
	}
	for _, o := range l.claims {
		if o.by == c.by {
			bytes += l.rest(o)
		}
		if o == c {
			break
		}
	}
	return bytes
}

// speed is what a claim runs at, or of a peer what all its claims do. A new one
// is trusted to run as its source does, for twice the time that the source takes
// to answer; later on silence counts as slowness. An unproven mirror is trusted less: of
// a small file all may be there already but for the piece that it was to bring.
func (l *ledger) speed(c *claim, now time.Duration) float64 {
	speed := c.meter.rate()
	if c.by.have != nil {
		speed = c.by.each.rate() * float64(c.by.open)
	}
	least := trust
	if !c.by.proven && c.by.have == nil {
		least = doubt
	}
	if now-c.began < max(least, 2*c.by.latency) {
		speed = max(speed, l.pace(c.by))
	}
	return speed
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

func (l *ledger) claim(p *party, pieces []int, now time.Duration) *claim {
	c := &claim{by: p, rest: pieces, began: now}
	c.meter.pause(now)
	if p.open == 0 {
		p.each.pause(now)
	}
	p.open++
	p.host.open++
	p.readied = 0
	p.last = pieces[len(pieces)-1] + 1
	p.runs = 0
	for k, i := range pieces {
		if k == 0 || i != pieces[k-1]+1 {
			p.runs++
		}
		c.bytes += l.size(i)
		l.take(i)
	}
	p.asked = c.bytes
	if p.scatters(len(pieces)) {
		p.host.restart(now)
	}
	l.claims = append(l.claims, c)
	if p.silent == 0 {
		p.silent = now
	}
	return c
}

func (l *ledger) take(piece int) {
	if !l.taken.Test(uint(piece)) {
		l.taken.Set(uint(piece))
		l.free -= l.size(piece)
	}
}

// sample notes how many bytes a claim has received so far, and how long after it was
// asked its source began to answer, 0 if it has not.
func (l *ledger) sample(c *claim, now time.Duration, received int64, latency time.Duration) {
	l.answers(c, latency)
	if received > c.received {
		c.by.longest = max(c.by.longest, c.silence(now))
		c.by.heard = now
		c.by.silent = now
	}
	n := received - c.received
	l.received += n
	if c.by.have == nil {
		l.mirrored += n
	}
	c.by.shared += float64(n) / float64(c.by.open)
	c.by.host.received += n
	c.received = received
	c.meter.sample(now, float64(received))
	c.by.each.sample(now, c.by.shared)
}

// answers notes how long after it was asked a claim's source began to answer, once it has.
func (l *ledger) answers(c *claim, latency time.Duration) {
	if c.answered || latency == 0 {
		return
	}
	c.answered, c.heir = true, nil
	c.by.latency = latency
	if c.by.least == 0 || latency < c.by.least {
		c.by.least = latency
	}
}

// brought notes that a claim's source brought a right piece. It tells whether
// the piece was missing until now, and which claims have nothing left to
// bring and are to be called off.
func (l *ledger) brought(c *claim, piece int, now time.Duration) (fresh bool, off []*claim) {
	l.moved = now
	fresh = !l.done.Test(uint(piece))
	if fresh {
		l.take(piece)
		l.done.Set(uint(piece))
		l.left--
	}
	c.by.proven = true
	c.by.tries = 0
	if i := slices.Index(c.rest, piece); i >= 0 {
		c.rest = slices.Delete(c.rest, i, i+1)
		c.bytes -= l.size(piece)
		c.begun += l.size(piece)
	}
	for _, o := range l.claims {
		beaten := o != c && len(o.rest) == 1 && o.rest[0] == piece
		if beaten || o == c && o.robbed && len(o.rest) == 0 {
			off = append(off, o)
		}
	}
	return fresh, off
}

// ended closes a claim; what it did not bring and nobody else is bringing is
// free again.
func (l *ledger) ended(c *claim) {
	l.claims = slices.DeleteFunc(l.claims, func(o *claim) bool { return o == c })
	c.by.open--
	c.by.host.open--
	if c.received > 0 {
		c.by.silent = 0
	}
	l.release(c.rest)
}

// release makes those of some pieces free that are not done, and that nobody is to bring.
func (l *ledger) release(pieces []int) {
	l.news++
	for _, i := range pieces {
		if !l.done.Test(uint(i)) && !l.claimed(i) {
			l.taken.Clear(uint(i))
			l.free += l.size(i)
			l.frees++
		}
	}
}

// claimed tells whether some claim is to bring the piece.
func (l *ledger) claimed(piece int) bool {
	return slices.ContainsFunc(l.claims, func(o *claim) bool { return slices.Contains(o.rest, piece) })
}

// alive tells whether any source may still bring something.
func (l *ledger) alive() bool {
	return slices.ContainsFunc(l.parties, func(p *party) bool {
		return !p.gone && (p.have == nil || p.have.DifferenceCardinality(l.done) > 0)
	})
}
