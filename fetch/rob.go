package fetch

import (
	"slices"
	"time"
)

const (
	// crawlAfter is how long a source is given before a little does not count as
	// bringing something.
	crawlAfter = 10 * time.Second
	// stallPart of what mirrors gave in all is so little.
	stallPart = 1.0 / 16.0
)

// rob lets an idle source take the tail of the claim that would end last, in
// such a measure that both end together, if that ends it at least twice sooner
// or saves a noticeable time. When nothing is left of that claim but the piece
// under way, both race for it.
func (l *ledger) rob(p *party, now time.Duration) *claim {
	pace := l.pace(p)
	victim, eta := l.last(now, func(c *claim) bool { return l.mayRob(p, pace, c, now) })
	if victim == nil || pace == 0 {
		return nil
	}
	speed := l.speed(victim, now)
	budget := (float64(l.ahead(victim)) - speed*p.latency.Seconds()) * pace / (pace + speed)
	tail, bytes := l.tail(victim, int64(budget), p)
	race := len(victim.rest) == 1
	if race && p.has(victim.rest[0]) {
		tail, bytes = slices.Clone(victim.rest), victim.bytes
	}
	mine := p.latency.Seconds() + float64(bytes)/pace
	saved := min(eta-mine, float64(bytes)/max(speed, 1))
	if len(tail) == 0 || eta < 2*mine && (race || saved < noticeable.Seconds()) {
		return nil
	}
	if victim.by.have != nil && eta < raceWorth.Seconds() {
		return nil // what a peer sends in vain others go without
	}
	if race {
		victim.race = true
	} else {
		victim.cut(tail, bytes)
	}
	c := l.claim(p, tail, now)
	c.race = race
	return c
}

// tail is the last pieces of a claim that together have at most so many bytes,
// and how many they have. The piece under way is not among them; an untrusted
// thief is given one piece at most.
func (l *ledger) tail(c *claim, budget int64, thief *party) (pieces []int, bytes int64) {
	most := min(l.mostRun, len(c.rest)-1)
	if !thief.trusted() {
		most = min(most, 1)
	}
	for i := len(c.rest) - 1; i > 0 && len(pieces) < most; i-- {
		n := l.size(c.rest[i])
		if bytes+n > budget {
			break
		}
		if thief.has(c.rest[i]) && c.rest[i] < l.horizon {
			pieces = append(pieces, c.rest[i])
			bytes += n
		}
	}
	slices.Reverse(pieces)
	return pieces, bytes
}

// cut takes pieces out of a claim.
func (c *claim) cut(pieces []int, bytes int64) {
	c.rest = slices.DeleteFunc(c.rest, func(i int) bool { return slices.Contains(pieces, i) })
	c.bytes -= bytes
	c.robbed = true
}

// mayRob keeps the connections of one URL from robbing one another, unless one of
// them hangs, and from racing at all: a second request for the same bytes could
// spend a signed URL. Two URLs of one host race only when one hangs. A race is
// joined only when all in it hang, or by a mirror when there are only peers in it.
func (l *ledger) mayRob(p *party, pace float64, c *claim, now time.Duration) bool {
	hangs := func(c *claim) bool {
		if c.by.have != nil {
			return c.silence(now) > max(silentTurn+l.leeway, 2*c.by.longest) || l.crawls(c, now)
		}
		return l.speed(c, now) < pace/4
	}
	switch {
	case len(c.rest) == 0, c.by == p && p.have != nil:
		return false
	case p.have == nil && c.by.have != nil && l.spared() && !l.mute(c.by, now):
		return false
	case l.crowded(1) && (l.free > 0 || c.by.have != nil && p.have != nil) && !hangs(c):
		return false // in a crowd an idle source is no sign of the end
	case c.by == p:
		return len(c.rest) > 1 && hangs(c)
	case c.by.host == p.host && len(c.rest) == 1 && !hangs(c):
		return false
	case c.race:
		for _, o := range l.claims {
			yields := hangs(o) || p.have == nil && o.by.have != nil
			if o.race && slices.Contains(o.rest, c.rest[0]) && (o.by == p || !yields) {
				return false
			}
		}
	}
	return true
}

// crawls tells whether a peer's claim would take thrice the time again that it was
// given already, also because it waits behind another of his. Over so long, turns
// that the peer serves others in are no excuse, nor is a byte now and then.
func (l *ledger) crawls(c *claim, now time.Duration) bool {
	return now-c.began >= crawlAfter && l.rest(c) > 3*c.received
}

// stalls tells whether a mirror's claim is to be called off, for its pieces to be asked
// for anew: a byte now and then keeps it from being silent, and as no other connection
// of the same URL may race for the piece under way, nothing else would end it. It
// counts them, and is more patient each time: it may be the line that is slow now.
func (l *ledger) stalls(c *claim, now time.Duration) bool {
	p := c.by
	if p.have != nil || p.noRange || l.crowded(1) || len(c.rest) == 0 || now-c.began < crawlAfter<<min(p.stalls, 10) {
		return false
	}
	speed := l.speed(c, now)
	if speed >= l.best*stallPart || speed*crawlAfter.Seconds() >= float64(l.rest(c)) {
		return false
	}
	p.stalls++
	return true
}

// last finds the claim that would end last, and in how many seconds.
func (l *ledger) last(now time.Duration, ok func(*claim) bool) (victim *claim, eta float64) {
	for _, c := range l.claims {
		if !ok(c) {
			continue
		}
		if t := float64(l.ahead(c)) / max(l.speed(c, now), 1); victim == nil || t > eta {
			victim, eta = c, t
		}
	}
	return victim, eta
}

// silence is how long the source of a claim has brought nothing: of a peer, who
// brings one claim after the other, nothing at all.
func (c *claim) silence(now time.Duration) time.Duration {
	return now - max(c.by.heard, c.began)
}
