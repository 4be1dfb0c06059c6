package fetch

import (
	"slices"
	"time"
)

// rerouteAfter is how long a peer may keep us waiting before another one is asked for the
// piece.
const rerouteAfter = 250 * time.Millisecond

// reroute lets a peer that we ask for nothing take a piece for which another one keeps
// us waiting. When a crowd has asked the first who had it, who serves a few at a time,
// the others are to turn to those few afterwards, and not to wait for him: else all of
// it goes over his line, and theirs stand idle.
func (l *ledger) reroute(p *party, now time.Duration) *claim {
	if p.have == nil || p.open > 0 || !l.crowded(fewPeers) {
		return nil
	}
	for _, c := range l.claims {
		waited := now - c.began
		if !c.waits() || waited < rerouteAfter || max(waited, c.by.latency-waited) <= 2*p.latency {
			continue
		}
		k := slices.IndexFunc(c.rest, func(i int) bool {
			return p.has(i) && i < l.horizon && l.suits(p, i) > l.suits(c.by, i)
		})
		if k >= 0 {
			i := c.rest[k]
			c.cut([]int{i}, l.size(i))
			return l.claim(p, []int{i}, now)
		}
	}
	return nil
}

// waits tells whether the peer of a claim has yet to begin to answer.
func (c *claim) waits() bool { return c.by.have != nil && !c.answered && !c.race }

// emptied tells whether all of a claim is taken from it, before anything of it came.
func (c *claim) emptied() bool { return c.robbed && !c.answered && len(c.rest) == 0 }

// suits is by which a peer is chosen for a piece among all who have it: each of us has an
// order of his own (rendezvous hashing), so that the same are as many with one as with
// any other, and few change when there is one more.
func (l *ledger) suits(p *party, piece int) uint64 {
	const odd = 0x9e3779b97f4a7c15
	x := (l.rank(piece) ^ p.rank(piece)) * odd
	return (x ^ x>>32) * odd
}
