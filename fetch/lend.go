package fetch

import (
	"cmp"
	"slices"
	"time"
)

const (
	leaseTime   = 4 * time.Second // what a lease of a proven source is worth
	leaseBytes  = 32 << 20        // and the most it may be worth
	leaseGrowth = 8               // how much larger it may be than the one before
)

// next decides what p is to bring over one more connection, or nil.
func (l *ledger) next(p *party, now time.Duration) *claim {
	switch {
	case l.left == 0 || p.gone || now < p.notBefore || p.host.open >= p.host.limit:
		return nil
	case p.open > 0 && !p.trusted(), p.open > 0 && len(l.claims) >= l.mostOpen:
		return nil
	case p.host.open > 0 && p.have == nil && l.spared() && l.accompanied(now) && !l.idles(p):
		return nil
	case p.have == nil && l.givesWay(p, now):
		return nil
	case p.open > 0 && p.have != nil && l.crowded(fewPeers) && l.busy(p):
		return nil
	case p.noRange:
		return l.whole(p, now)
	}
	if l.takesTurns(p) {
		return l.lookForTurn(p, now)
	}
	if c := l.offer(p, now); c != nil || l.looksLater(p, now) {
		return c
	}
	l.reroute(p, now)
	if c := l.rob(p, now); c != nil {
		return c
	}
	p.looked = now
	return nil
}

// looksLater tells whether a peer of many is not yet to look through what is under way
// again: it found nothing a moment ago, and little has changed since.
func (l *ledger) looksLater(p *party, now time.Duration) bool {
	return p.have != nil && p.justLooked(now) && l.crowded(fewPeers)
}

// givesWay tells whether a mirror leaves the next connection of its host to another
// one there: first each has one, and what is more goes to the fastest.
func (l *ledger) givesWay(p *party, now time.Duration) bool {
	return slices.ContainsFunc(l.parties, func(q *party) bool {
		switch {
		case q == p || q.host != p.host || q.gone || q.noRange || now < q.notBefore:
			return false
		case p.open == 0 && q.open > 0:
			return false
		case p.open > 0 && q.open == 0:
			return true
		case q.open > 0 && !q.trusted():
			return false // it gets no more than that
		}
		return q.merit() > p.merit()
	})
}

// offer gives p free pieces, chosen by what sort of source it is and by whether
// there is a crowd.
func (l *ledger) offer(p *party, now time.Duration) *claim {
	switch {
	case p.have != nil:
		return l.lendRare(p, now)
	case l.rank != nil && l.spared():
		return l.lendUnwanted(p, now)
	case l.rank != nil && l.prefer != PreferSpeed && l.crowded(fewPeers) && l.pieceTime(p) >= holdBack:
		return l.lendHedged(p, now)
	case l.rank != nil && p.last == 0:
		p.last = l.foremost()
	}
	return l.lend(p, now)
}

// foremost is where a mirror begins before there are neighbours. Never front to back into
// a swarm, which leaves peers with nothing to trade, but with what falls to us rather than
// to anybody: it does so still when all know of one another.
func (l *ledger) foremost() int {
	free := l.candidates(l.taken.Complement(), nil)
	if len(free) == 0 {
		return 0
	}
	return slices.MaxFunc(free, func(a, b int) int { return cmp.Compare(l.rank(a), l.rank(b)) })
}

// lend gives p a run of pieces that nobody has been asked for.
func (l *ledger) lend(p *party, now time.Duration) *claim {
	first, ok := l.nextFree(p.last)
	if !ok {
		return nil
	}
	most, budget := min(l.horizon, first+l.mostRun), l.budget(p)
	run, bytes := []int{first}, l.size(first)
	for i := first + 1; i < most && !l.taken.Test(uint(i)) && bytes+l.size(i) <= budget; i++ {
		run = append(run, i)
		bytes += l.size(i)
	}
	p.given = bytes
	return l.claim(p, run, now)
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
	seconds := leaseTime.Seconds()
	if l.crowded(1) {
		seconds = crowdLease.Seconds()
	}
	worth := min(pace*seconds, float64(p.given)*leaseGrowth)
	var all float64
	for _, q := range l.parties {
		if !q.gone && !q.noRange {
			all += q.each.rate() * float64(max(q.open, 1))
		}
	}
	if all > 0 {
		worth = min(worth, pace*l.toCome()/all)
	}
	return int64(min(worth, leaseBytes))
}

// toCome is how many bytes are still to come.
func (l *ledger) toCome() float64 {
	rest := l.free
	for _, c := range l.claims {
		rest += l.rest(c)
	}
	return float64(rest)
}

// whole gives a source that ignores Range the rest of the first unfinished
// file, when there is no better source left to ask. Also what is beyond the horizon:
// the job waits with that, where to end there would be to begin at the front again.
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
	return l.claim(p, Run(first, l.fileEnd(first)), now)
}
