package yield

import (
	"cmp"
	"slices"
	"time"
)

const (
	recentTrips = 3               // of which the shortest counts
	freshFor    = 2 * time.Second // after which a round trip says nothing about now

	// quantile is the part of the paths that are believed to see less than the
	// queue we share: others have queues of their own beside it.
	quantile = 4
)

// Path is what is known of the way to one peer. The zero value is ready.
type Path struct {
	base   base
	least  time.Duration // see Least; 0 if not known
	recent [recentTrips]time.Duration
	n      int           // round trips seen
	last   time.Duration // when the last was
}

// Least takes in the shortest round trip that the system knows of, often that of the
// handshake: the first that we see may have queued behind what we began to send. It
// counts only before the first Saw.
func (p *Path) Least(trip time.Duration) { p.least = trip }

// Saw takes in a round trip on a path. A new path has queued like the others: if
// the queue were part of its base, it would deny that there is any.
func (c *Controller) Saw(p *Path, trip, now time.Duration) {
	if trip <= 0 {
		return
	}
	if p.n == 0 {
		least := min(trip, cmp.Or(p.least, trip))
		p.base.low = max(least-c.queue, least/4, 1)
	}
	p.recent[p.n%recentTrips] = trip
	p.n++
	p.last = now
	p.base.add(trip, p.shortest(), now)
}

// Trip is what a round trip takes now; 0 if there was none yet.
func (p *Path) Trip() time.Duration {
	if p.n == 0 {
		return 0
	}
	return p.shortest()
}

// shortest is the shortest of the latest round trips.
func (p *Path) shortest() time.Duration { return slices.Min(p.recent[:min(p.n, recentTrips)]) }

// delay is the queueing delay that most paths share, and what a round trip takes
// with it; known tells whether there was any lately.
func delay(paths []*Path, now time.Duration) (queue, trip time.Duration, known bool) {
	var queues, trips []time.Duration
	for _, p := range paths {
		if p.n > 0 && now-p.last <= freshFor {
			queues = append(queues, p.shortest()-p.base.low)
			trips = append(trips, p.shortest())
		}
	}
	if len(queues) == 0 {
		return 0, 0, false
	}
	slices.Sort(queues)
	slices.Sort(trips)
	return queues[(len(queues)-1)/quantile], trips[len(trips)/2], true
}

// minutes is how long a shortest round trip is remembered.
const minutes = 10

// base is the shortest round trip of a path in the last ten minutes.
//
// When that one was longer ago, what takes its place may be a shorter way that is
// gone, or a queue that somebody has kept filled ever since: that one goes up and
// down. So only a calm minute raises the base.
type base struct {
	low    time.Duration
	minute int64 // the one under way
	past   [minutes]span
}

// span is what was seen in one minute.
type span struct {
	low, sum time.Duration
	n        int
}

func (b *base) add(trip, recent, now time.Duration) {
	for m := int64(now / time.Minute); b.minute < m; {
		b.minute = max(b.minute+1, m-minutes)
		b.past[b.minute%minutes] = span{}
		b.relearn()
	}
	s := &b.past[b.minute%minutes]
	if s.n == 0 || trip < s.low {
		s.low = trip
	}
	s.sum += recent
	s.n++
	b.low = min(b.low, trip)
}

// relearn raises the base if it is older than all that is remembered.
func (b *base) relearn() {
	var low time.Duration
	calm := false
	for _, s := range b.past {
		if s.n == 0 {
			continue
		}
		if low == 0 || s.low < low {
			low = s.low
		}
		calm = calm || s.sum/time.Duration(s.n)-s.low < Target/2
	}
	if calm && low > b.low {
		b.low = low
	}
}
