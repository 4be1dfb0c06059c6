// Package yield decides how fast to send, or to receive, so that the user's other
// traffic finds the line as if nothing were sent. It is plain data: the clock, the
// connections and the system's counters are the caller's.
//
// There is one Controller for all connections in one direction, as they share the
// user's line. It looks at the queueing delay, which is what a round trip takes
// now beyond what the shortest one lately took, and keeps it near Target:
// additively up while there is less, multiplicatively down when there is more.
package yield

import (
	"math"
	"time"
)

const (
	// Target is the queueing delay above which we make way.
	Target = 25 * time.Millisecond

	// Least is the rate that is always allowed, in bytes a second: what it takes
	// to learn that the line is free again.
	Least = 8 << 10

	most = 16 << 30 // bytes a second, more than any line has

	// First is the rate to begin with, in bytes a second: what also a slow line takes, as
	// it is a while before a queue is seen there.
	First = 64 << 10

	doubling = 200 * time.Millisecond // beside a round trip, in which the rate doubles at the start
	regain   = 500 * time.Millisecond // likewise, until it is near what the line took
	near     = 0.92                   // of that
	beyond   = 1.25                   // of that, where it grows faster again, as the line has more
	growth   = 0.1                    // of that, a second, in between
	further  = 0.5                    // of the rate, a second, beyond
	slow     = 100 * time.Millisecond // of a round trip, that halves growth

	memory = 200 * time.Millisecond // over which what we send is measured
	pause  = 10 * time.Second       // between looks, after which we begin anew

	firstCut = 0.15 // at most, of the rate; the next ones go as far as half

	drainEvery  = 20 * time.Second // unless the queue was seen empty by itself
	drainLeast  = 150 * time.Millisecond
	drainFactor = 0.25
	emptyQueue  = Target / 8
)

// Look is what there is to see at one moment.
type Look struct {
	Now    time.Duration // since any fixed moment
	Bytes  int           // of ours since the last look
	Others float64       // bytes a second of others on the line; 0 if there are none or it is not known
	Paths  []*Path       // of the connections that have something to send
}

// Controller decides on one direction of the line. The zero value is ready.
type Controller struct {
	rate    float64
	settled bool          // the line has been full once
	looked  time.Duration // when last
	moved   meter
	queue   time.Duration // the delay when it was last known

	full    float64       // what the line took when it was last full
	growing bool          // since the rate was last cut
	blind   time.Duration // until when that cannot be seen yet
	drained time.Duration // when the queue was last seen empty, or a drain began
	drain   time.Duration // until when one goes on
	most    peak          // of what we sent
}

// Rate is how many bytes a second may be sent.
func (c *Controller) Rate() float64 {
	rate := max(c.rate, Least)
	if c.rate == 0 {
		rate = First
	}
	if c.looked < c.drain {
		rate = max(rate*drainFactor, Least)
	}
	return rate
}

// Step takes in what is seen.
func (c *Controller) Step(l Look) {
	past := l.Now - c.looked
	c.looked = l.Now
	switch {
	case c.rate == 0:
		c.rate, c.drained = First, l.Now
		return
	case past <= 0:
		return
	case past > pause:
		c.rate = max(min(c.rate/2, First), Least)
		c.drained, c.settled = l.Now, false
		return
	}
	past = min(past, memory)
	c.moved.add(l.Bytes, l.Now)
	c.most.see(c.moved.rate, l.Now)
	queue, trip, known := delay(l.Paths, l.Now)
	if known {
		c.queue = queue
	}
	if l.Now < c.drain {
		return
	}
	room := c.room(l.Others)
	switch {
	case known && queue > Target:
		c.down(l.Now, trip, severity(queue))
	case c.rate > room:
		c.rate = max(room, c.rate/2, Least)
		c.settled, c.growing = true, false
	case !known || queue > Target/2 || l.Now < c.blind:
	case c.moved.rate >= c.rate/2:
		c.up(past, trip, room)
	}
	if known {
		c.mayDrain(l.Now, queue, trip)
	}
}

// severity is the part of the rate to give up.
func severity(queue time.Duration) float64 {
	excess := float64(queue-Target) / float64(Target)
	return min(0.1+0.4*excess, 0.5)
}

// down makes way. The next look that counts is when this can have had an effect.
func (c *Controller) down(now, trip time.Duration, part float64) {
	if now < c.blind {
		return
	}
	// What is allowed and does not get through is no measure.
	through := min(c.rate, c.moved.best())
	if c.growing || !c.settled {
		c.full = max(through, Least)
	}
	if c.growing && c.settled {
		part = min(part, firstCut) // the queue may be ours, or no queue at all
	}
	c.rate = max(through*(1-part), Least)
	c.settled, c.growing = true, false
	c.blind = now + trip + memory/2
}

// up takes more, as nobody seems to need it: fast up to what the line is known to
// take, then slowly, so that the queue is seen before it is long.
func (c *Controller) up(past, trip time.Duration, room float64) {
	double := func(in time.Duration) float64 { return c.rate * (math.Exp2(float64(past)/float64(in+trip)) - 1) }
	step := growth * c.full * past.Seconds() / (1 + float64(trip)/float64(slow))
	switch {
	case !c.settled:
		step = double(doubling)
	case c.rate < near*c.full:
		step = max(step, double(regain))
	case c.rate > beyond*c.full:
		step = further * c.rate * past.Seconds()
	}
	c.growing = true
	c.rate = max(min(c.rate+step, room, most), Least)
}

// room is what others leave of the line, and half as much again as they take:
// who is held up by us shows it by taking that. What they send beyond all that
// the line ever took from us does not go the same way.
func (c *Controller) room(others float64) float64 {
	line := c.most.rate()
	if !c.settled || others < line/20 || others > line*3/2 {
		return math.Inf(1)
	}
	return max(line-others*3/2, Least)
}

// mayDrain slows down for a moment when the queue has not been empty for long, so
// that the paths' shortest round trips are learnt again.
func (c *Controller) mayDrain(now, queue, trip time.Duration) {
	switch {
	case queue < emptyQueue || c.rate <= 2*Least:
		c.drained = now
	case now-c.drained > drainEvery:
		c.drained = now
		c.drain = now + max(drainLeast, 2*trip)
	}
}
