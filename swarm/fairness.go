package swarm

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/shoal-dl/shoal/swarm/discovery"
	"github.com/shoal-dl/shoal/swarm/wire"
)

const (
	mostServed = 8               // hosts served at once at most, from DESIGN section 6
	quantum    = 256 << 10       // bytes a host may be sent before it is the next one's turn
	stallAfter = 3 * time.Second // how long a turn may take
	spareHosts = 2               // beyond those served at once, while more are called
	mostUnread = 2               // of those served at once whose host does not read what else it asked for, and of slow ones

	// strangerBytes is what a connection may be sent without taking any of it: the
	// systems at both ends keep that much.
	strangerBytes = 512 << 10

	leastQuantum = 4 << 10
	gentleTurn   = 25 * time.Millisecond // of what may be sent, in one turn of a host that yields
	gentleDebt   = 10 * time.Millisecond // that a late start may make up for
)

// turns decides who is served: deficit round-robin over bytes, by host. While
// several hosts want something, each has one connection served at a time, so
// that opening more of them is of no use; and a connection that does not take a
// turn's bytes in the time of a turn loses its place to those who do. While it
// takes nothing, the others of its host have few places. Slow ones have few places
// together while there is anybody else.
//
// Hosts of the Internet share what the user's other traffic leaves of the line.
// Their turns are short, so as not to be a queue themselves.
type turns struct {
	limit *rate.Limiter // of all bytes served; it may change at any time

	mu      sync.Mutex
	breadth breadth                    // how many hosts are served at once
	gentle  float64                    // bytes a second to all hosts that yield; 0 for no limit
	gently  time.Time                  // no turn of theirs begins before
	hosts   map[netip.Prefix]*turnHost // those with a connection in some turn
	ring    []*turnHost                // those with one that waits; the first is next
	serving []*turn
	after   time.Time // no turn begins before: the limit is used up until then
	timer   *time.Timer
}

// turnHost is a host that wants something.
type turnHost struct {
	key     netip.Prefix
	yields  bool
	deficit int     // bytes it may still be sent in this round
	waiting []*turn // in the order of their turns
	serving int     // connections being served
	stalled int     // connections that lost their place, and are still sending
}

// turn is one connection's place among the others.
type turn struct {
	key    netip.Prefix
	yields bool   // to the user's other traffic; set before it asks
	wake   func() // tells that allowance has changed; must not block

	// Guarded by turns.mu.
	host  *turnHost // nil while it wants nothing
	state turnState
	began time.Time // of its turn
	slow  bool      // it has lost its place, and not taken a turn's bytes in time since
	sent  int64     // bytes
}

type turnState uint8

const (
	turnIdle turnState = iota
	turnWaiting
	turnServing
	turnStalled
)

func newTurns(limit *rate.Limiter) *turns {
	return &turns{limit: limit, hosts: make(map[netip.Prefix]*turnHost)}
}

// most is how many bytes a second the user allows; 0 for any.
func (t *turns) most() float64 {
	if !limited(t.limit) {
		return 0
	}
	return float64(t.limit.Limit())
}

// quantum is how many bytes a host may be sent in a turn. A round of eight takes
// about a second, if that can be.
func (t *turns) quantum(yields bool) int {
	q := quantum
	if most := t.most(); most > 0 {
		q = min(q, max(int(most/mostServed), leastQuantum))
	}
	if yields && t.gentle > 0 {
		q = min(q, max(int(t.gentle*gentleTurn.Seconds()), leastQuantum))
	}
	return q
}

// block is the most bytes that one DATA to c should bring.
func (t *turns) block(c *turn) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return min(t.quantum(c.yields), wire.MaxBlock)
}

// yield sets how many bytes a second all hosts that yield are sent; 0 for any.
func (t *turns) yield(rate float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gentle = rate
}

// wants tells whether there is something to send to c.
func (t *turns) wants(c *turn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return c.state != turnIdle
}

// room is how many more hosts had better want something, that as many as are served at
// once always do.
func (t *turns) room() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.breadth.most() + spareHosts - len(t.hosts)
}

// takes tells whether c takes what it wants, as far as that is known.
func (t *turns) takes(c *turn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return c.sent >= strangerBytes && (c.state == turnWaiting || c.state == turnServing)
}

// short tells whether what may be sent to c is less than a processor compresses.
func (t *turns) short(c *turn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.most() > 0 || c.yields && t.gentle > 0 && t.gentle < narrowRate
}

// newTurn returns the place of a connection to that host.
func newTurn(host netip.Addr, wake func()) *turn {
	// The zero Prefix, if there is no address, is a host of its own kind.
	return &turn{key: discovery.HostNetwork(host), wake: wake}
}

// ask tells that there is something to send to c. More than once is no harm.
func (t *turns) ask(c *turn, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.state != turnIdle {
		return
	}
	h := t.hosts[c.key]
	if h == nil {
		h = &turnHost{key: c.key, yields: c.yields}
		t.hosts[c.key] = h
	}
	c.host = h
	t.queue(c)
	t.begin(now)
}

// allowance returns how many bytes c may be sent now: 0 if it is not its turn.
func (t *turns) allowance(c *turn, now time.Time) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.settle(c, now)
	t.begin(now)
	if c.state != turnServing {
		return 0
	}
	return c.host.deficit
}

// settle ends the turn of c if its host has been sent enough, by this connection
// or another. If it has lost its place, it goes behind the others: it is alive.
func (t *turns) settle(c *turn, now time.Time) {
	switch {
	case c.state == turnStalled:
		c.host.stalled--
		t.queue(c)
	case c.state == turnServing && c.host.deficit <= 0:
		c.slow = false
		t.endTurn(c, now)
	}
}

// spent tells that c was sent n bytes.
func (t *turns) spent(c *turn, n int, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.host == nil {
		return
	}
	c.sent += int64(n)
	t.breadth.sent += int64(n)
	c.host.deficit -= n
	t.settle(c, now)
	t.begin(now)
}

// endTurn makes way for the next, if there is one or the limit bids to wait.
func (t *turns) endTurn(c *turn, now time.Time) {
	if len(t.ring) == 0 && t.most() == 0 && (!c.yields || t.gentle == 0) {
		c.host.deficit, c.began = quantum, now
		return
	}
	t.stop(c)
	t.queue(c)
}

// done tells that there is nothing to send to c now. It may come back any time.
func (t *turns) done(c *turn, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := c.host
	switch c.state {
	case turnIdle:
		return
	case turnServing:
		t.stop(c)
		t.pay(h, -max(h.deficit, 0), now)
		h.deficit = min(h.deficit, 0)
	case turnStalled:
		h.stalled--
	case turnWaiting:
		h.waiting = slices.DeleteFunc(h.waiting, func(o *turn) bool { return o == c })
		if len(h.waiting) == 0 {
			t.ring = slices.DeleteFunc(t.ring, func(o *turnHost) bool { return o == h })
		}
	}
	c.state, c.host = turnIdle, nil
	if len(h.waiting) == 0 && h.serving == 0 && h.stalled == 0 {
		delete(t.hosts, h.key)
	}
	if len(t.hosts) <= fewServed {
		t.breadth.enough()
	}
	t.begin(now)
}

// watch takes the place from those whose turn takes too long, and looks at how many
// are served at once.
func (t *turns) watch(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range slices.Clone(t.serving) {
		if now.Sub(c.began) > stallAfter {
			t.stop(c)
			c.state, c.slow = turnStalled, true
			c.host.stalled++
		}
	}
	if len(t.hosts) > fewServed {
		t.breadth.weigh(now)
	}
	t.begin(now)
}

// close forgets a turn that is still to begin.
func (t *turns) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timer != nil {
		t.timer.Stop()
	}
}

// queue puts c behind the others of its host, and its host behind the others.
func (t *turns) queue(c *turn) {
	c.state = turnWaiting
	c.host.waiting = append(c.host.waiting, c)
	if len(c.host.waiting) == 1 {
		t.ring = append(t.ring, c.host)
	}
}

// stop ends that c is being served. Its host goes behind the others.
func (t *turns) stop(c *turn) {
	t.serving = slices.DeleteFunc(t.serving, func(o *turn) bool { return o == c })
	c.host.serving--
	if i := slices.Index(t.ring, c.host); i >= 0 {
		t.ring = append(slices.Delete(t.ring, i, i+1), c.host)
	}
}

// pay lets no turn begin until n more bytes to h would have gone out within the
// limits; fewer than none are paid back.
func (t *turns) pay(h *turnHost, n int, now time.Time) {
	t.after = after(t.after, now, n, t.most())
	if h.yields {
		t.gently = after(t.gently, now.Add(-gentleDebt), n, t.gentle)
	}
}

// after is when n bytes have gone out that could begin at a time, and do not
// before now.
func after(at, now time.Time, n int, most float64) time.Time {
	if n == 0 || most == 0 {
		return at
	}
	if at.Before(now) {
		at = now
	}
	return at.Add(time.Duration(float64(n) / most * float64(time.Second)))
}

// begin starts all turns that may start now.
func (t *turns) begin(now time.Time) {
	for len(t.ring) > 0 && t.hostsServed() < t.breadth.most() {
		if now.Before(t.after) {
			t.later(t.after.Sub(now))
			return
		}
		held := now.Before(t.gently)
		i := slices.IndexFunc(t.ring, func(h *turnHost) bool { return (!held || !h.yields) && t.mayBegin(h) })
		if i < 0 {
			if held {
				t.later(t.gently.Sub(now))
			}
			return
		}
		h := t.ring[i]
		t.ring = slices.Delete(t.ring, i, i+1)
		if h.deficit <= 0 {
			q := t.quantum(h.yields)
			h.deficit += q
			t.pay(h, q, now)
		}
		if h.deficit <= 0 { // its last turn took more than one round's worth
			t.ring = append(t.ring, h)
			continue
		}
		t.serve(h, now)
	}
}

// hostsServed counts those with a connection that is served.
func (t *turns) hostsServed() (n int) {
	for _, h := range t.hosts {
		if h.serving > 0 {
			n++
		}
	}
	return n
}

// mayBegin tells whether one more connection of h may be served.
func (t *turns) mayBegin(h *turnHost) bool {
	if h.stalled > 0 && t.unread() >= mostUnread {
		return false
	}
	if h.waiting[0].slow && t.slowServed() >= mostUnread && t.othersWant() {
		return false
	}
	if h.serving == 0 {
		return true
	}
	for _, o := range t.hosts {
		if o != h && (o.serving > 0 || len(o.waiting) > 0) {
			return false
		}
	}
	return len(t.serving) < mostServed
}

// unread counts connections being served to hosts that do not read all they ask for.
func (t *turns) unread() (n int) {
	for _, c := range t.serving {
		if c.host.stalled > 0 {
			n++
		}
	}
	return n
}

// slowServed counts slow connections being served.
func (t *turns) slowServed() (n int) {
	for _, c := range t.serving {
		if c.slow {
			n++
		}
	}
	return n
}

// othersWant tells whether a connection that is not slow is served, or the next of
// its host.
func (t *turns) othersWant() bool {
	return t.slowServed() < len(t.serving) ||
		slices.ContainsFunc(t.ring, func(h *turnHost) bool { return !h.waiting[0].slow })
}

// serve begins the turn of the first of h, which is out of the ring, and puts h
// back if others of it wait.
func (t *turns) serve(h *turnHost, now time.Time) {
	c := h.waiting[0]
	h.waiting = slices.Delete(h.waiting, 0, 1)
	if len(h.waiting) > 0 {
		t.ring = append(t.ring, h)
	}
	c.state, c.began = turnServing, now
	h.serving++
	t.serving = append(t.serving, c)
	c.wake()
}

// later calls begin again after a while.
func (t *turns) later(wait time.Duration) {
	if t.timer == nil {
		t.timer = time.AfterFunc(wait, func() { t.watch(time.Now()) })
		return
	}
	t.timer.Reset(wait)
}
