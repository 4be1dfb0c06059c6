package swarm

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/shoal-dl/shoal/swarm/wire"
	"github.com/shoal-dl/shoal/swarm/yield"
)

const (
	gentleEvery = 50 * time.Millisecond // between looks at the line, while somebody is served
	gentleIdle  = 40                    // looks with nobody to serve, after which there are no more

	trueTrip   = 8 << 10                // bytes acknowledged that make a system's round trip more than a late answer to little
	askTrip    = 500 * time.Millisecond // without one, after which we PING
	answerTrip = 5 * time.Second        // that a PONG may take before there is another PING

	paceRoom  = 2        // times its part of the rate that a connection may send at
	paceLeast = 32 << 10 // bytes a second
	keptLeast = 16 << 10 // bytes that the system may keep unsent, the fewest
	keptMost  = 128 << 10
	paceSlack = 1.0 / 4.0 // of a pace that is not worth a change
)

// gentle is what is known of a connection that yields to the user's other
// traffic. The node's line alone uses it, but for heard.
type gentle struct {
	path   yield.Path
	lower  bool // it is marked as of less importance
	acked  uint64
	sent   uint64
	given  int64         // bytes that got through, as last seen
	trip   time.Duration // when a round trip was last seen, since the line began
	pinged time.Duration // likewise, when we asked for one
	pace   float64

	heard atomic.Int64 // the round trip of the latest PONG, in nanoseconds; 0 once it is taken in
}

// yields tells whether what p is sent makes way for the user's other traffic: it
// leaves the local network, by the system's TCP.
func (p *Peer) yields() bool { return p.up.turn.yields }

// mayYield tells that of a peer that is being made.
func (p *Peer) mayYield() bool {
	near := p.addr.Addr().IsLoopback() && !p.swarm.node.options.far
	return !p.lan && !near && p.stream.await.raw != nil
}

// line is the user's, which all uploads of the node share.
type line struct {
	node    *Node
	began   time.Time
	control yield.Controller
	traffic traffic
}

// watchLine keeps uploads from being in the way of the user's other traffic, and
// sleeps while there are none.
func (n *Node) watchLine(ctx context.Context) {
	l := &line{node: n, began: time.Now()}
	for {
		select {
		case <-n.upload:
			l.run(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// run looks at the line until nothing is asked of us for a while.
func (l *line) run(ctx context.Context) {
	clock := time.NewTicker(gentleEvery)
	defer clock.Stop()
	for idle := 0; idle < gentleIdle; idle++ {
		select {
		case <-clock.C:
		case <-ctx.Done():
			return
		}
		if l.look() {
			idle = 0
		}
	}
}

// look takes one look, and tells whether there was anybody to serve.
func (l *line) look() bool {
	now := time.Since(l.began)
	all := l.node.neighbours()
	look := yield.Look{Now: now}
	var served []*Peer
	takers := 0
	for _, p := range all {
		if !p.yields() {
			continue
		}
		m, ok := measure(p.stream.await.raw)
		look.Bytes += p.gentle.through(p.stream, m, ok)
		if l.node.turns.wants(p.up.turn) {
			served = append(served, p)
			l.listen(p, m, now)
			look.Paths = append(look.Paths, &p.gentle.path)
		}
		if l.node.turns.takes(p.up.turn) {
			takers++
		}
	}
	if len(served) == 0 {
		return false
	}
	l.ask(served, now)
	address := localOf(served[0].stream)
	look.Others = l.traffic.others(address, now, sentBy, func() uint64 { return sentTo(all, address) })
	l.control.Step(look)
	rate := l.control.Rate()
	l.node.turns.yield(rate)
	for _, p := range served {
		p.setPace(rate, max(takers, 1))
	}
	return true
}

// listen takes in the latest round trips of p. Where the system measures nothing,
// nothing is acknowledged.
func (l *line) listen(p *Peer, m measured, now time.Duration) {
	g := &p.gentle
	g.path.Least(m.least)
	if m.acked >= g.acked+trueTrip {
		g.acked, g.trip = m.acked, now
		l.control.Saw(&g.path, m.trip, now)
	}
	if trip := g.heard.Swap(0); trip != 0 {
		g.trip = now
		l.control.Saw(&g.path, time.Duration(trip), now)
	}
}

// through is how many more bytes have arrived: those that only fill the system's
// buffers say nothing about the line. Where it is not known, they have to do.
func (g *gentle) through(s *stream, m measured, known bool) int {
	all := s.written.Load()
	if known {
		all = int64(m.acked)
	}
	more := all - g.given
	g.given = all
	return int(more)
}

// ask pings the one whose round trip has not been seen for longest, if it is
// time: at the least rate, too little is sent to tell.
func (l *line) ask(served []*Peer, now time.Duration) {
	var longest *Peer
	for _, p := range served {
		g := &p.gentle
		if now-g.trip < askTrip || g.pinged > g.trip && now-g.pinged < answerTrip {
			continue
		}
		if longest == nil || g.trip < longest.gentle.trip {
			longest = p
		}
	}
	if longest == nil {
		return
	}
	longest.gentle.pinged = now
	// Who does not read is found out elsewhere.
	_ = longest.say(wire.Ping{Nonce: longest.down.ping(longest.stream.age())}.Append)
}

// setPace makes p's connection send its part of the rate evenly, and as what may
// be held up by all else. Who takes nothing has no part in it.
func (p *Peer) setPace(rate float64, takers int) {
	g := &p.gentle
	if !g.lower {
		g.lower = true
		setLower(p.stream.await.raw)
	}
	pace := max(paceRoom*rate/float64(takers), paceLeast)
	if pace > g.pace*(1-paceSlack) && pace < g.pace*(1+paceSlack) {
		return
	}
	g.pace = pace
	kept := min(max(int(rate*gentleTurn.Seconds()), keptLeast), keptMost)
	setPace(p.stream.await.raw, pace, kept)
}

// neighbours are all peers of all contents.
func (n *Node) neighbours() (all []*Peer) {
	n.each(func(s *Swarm) {
		s.mu.Lock()
		defer s.mu.Unlock()
		all = append(all, s.peers...)
	})
	return all
}
