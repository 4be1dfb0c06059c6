package fetch

import (
	"slices"
	"time"
)

const (
	// readyFor is how long a peer who has told that he is ready to serve us is taken to be.
	readyFor = 300 * time.Millisecond
	// soonServed is how long a peer may keep us waiting who is left to serve us.
	soonServed = 100 * time.Millisecond
	// agreesWithin is how long somebody may take to agree that he is not to bring a piece.
	agreesWithin = time.Second
)

// ready tells whether the party has told just now that it would serve us at once.
func (p *party) ready(now time.Duration) bool {
	return p.readied > 0 && now-p.readied < readyFor && p.tries == 0
}

// reroute has a peer who is ready bring a piece for which another one keeps us waiting,
// the one with which we would wait the longest. When a crowd has asked the first who had
// it, who serves a few at a time, the others are to turn to those few afterwards, and
// not to wait for him: else all of it goes over his line, and theirs stand idle. The
// other one is asked whether he agrees, so that the piece does not come from both.
func (l *ledger) reroute(p *party, now time.Duration) {
	if p.have == nil || p.open > 0 || !p.ready(now) || l.heirTo(p, now) || !l.crowded(fewPeers) {
		return
	}
	var longest *claim
	most := soonServed
	if p.proven {
		most = max(most, l.pieceTime(p)/2)
	}
	for _, c := range l.claims {
		if !c.waits() || c.courted(now) || len(c.rest) != 1 || !p.has(c.rest[0]) || c.rest[0] >= l.horizon {
			continue
		}
		waited := now - c.began
		if wait := max(waited, c.by.latency-waited) - c.by.least; wait > most {
			longest, most = c, wait
		}
	}
	if longest != nil {
		longest.heir, longest.willed, longest.withdrawn = p, now, false
		p.readied = 0
	}
}

// courted tells whether somebody is to have a claim, and it may soon be known.
func (c *claim) courted(now time.Duration) bool {
	return c.heir != nil && !c.heir.gone && now-c.willed < agreesWithin
}

// heirTo tells whether p is to have some claim already.
func (l *ledger) heirTo(p *party, now time.Duration) bool {
	return slices.ContainsFunc(l.claims, func(c *claim) bool { return c.heir == p && c.courted(now) })
}

// waits tells whether the peer of a claim has yet to begin to answer.
func (c *claim) waits() bool { return c.by.have != nil && !c.answered && !c.race }

// inherit gives the heir of a claim that was withdrawn, and has ended, its piece, unless
// somebody else has it, or the heir has come to something else meanwhile.
func (l *ledger) inherit(c *claim, now time.Duration) *claim {
	p, piece := c.heir, c.rest[0]
	if p.gone || now < p.notBefore || p.open > 0 || !p.has(piece) || l.taken.Test(uint(piece)) {
		return nil
	}
	return l.claim(p, []int{piece}, now)
}
