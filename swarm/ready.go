package swarm

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/shoal-dl/shoal/swarm/wire"
)

const (
	// readyEvery is how often neighbours are told that we are ready to serve them, at most.
	readyEvery = 100 * time.Millisecond
	// readyFirst is how long one who was told is not told again before it has asked for
	// something, and readySeldom how long at last.
	readyFirst  = 500 * time.Millisecond
	readySeldom = 30 * time.Second
)

// readiness is when a neighbour may be told again that we would serve it. The zero
// value is one that has not been told since it asked for something.
type readiness struct {
	next  time.Time
	pause time.Duration
}

// tellReady tells neighbours that they would be served at once, as long as hardly more
// hosts want something than are served at once. In a crowd, those who know of a piece ask
// the first who had it, and his queue is long while those to whom it has come since have
// nothing to do. Few are told at a time, at random, lest all come at once.
func (n *Node) tellReady(ctx context.Context) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-n.free:
		case <-pause.C:
		case <-ctx.Done():
			return
		}
		room, now := n.turns.room(), time.Now()
		if room <= 0 {
			continue // until somebody has got all he wants
		}
		next := now.Add(readySeldom)
		n.each(func(s *Swarm) {
			if room <= 0 {
				next = now
				return
			}
			told, again := s.tellReady(room, now)
			room -= told
			if again.Before(next) {
				next = again
			}
		})
		select {
		case <-time.After(readyEvery):
		case <-ctx.Done():
			return
		}
		pause.Reset(time.Until(next))
	}
}

// tellReady tells some neighbours, as many as there is room for. It returns how many it
// told, and when there is somebody else to tell.
func (s *Swarm) tellReady(room int, now time.Time) (told int, next time.Time) {
	next = now.Add(readySeldom)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range rand.Perm(len(s.peers)) {
		p := s.peers[i]
		if s.node.turns.wants(p.up.turn) || !s.shares(p.lan) {
			continue
		}
		due := p.up.nextReady()
		if !due.After(now) {
			if !s.gives(p) {
				continue
			}
			if told < room {
				told++
				due = p.up.toldReady(now)
				_ = p.say(wire.Ready{}.Append) // who does not read is found out elsewhere
			}
		}
		if due.Before(next) {
			next = due
		}
	}
	return told, next
}

// gives tells whether we have a piece that p lacks. The caller holds s.mu.
func (s *Swarm) gives(p *Peer) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.have != nil && !p.whole && s.have.DifferenceCardinality(p.have) > 0
}

// nextReady is when the peer may be told that we are ready.
func (u *upload) nextReady() time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.ready.next
}

// toldReady notes that it is told now, and returns when it may be told again.
func (u *upload) toldReady(now time.Time) time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	r := &u.ready
	r.pause = min(max(2*r.pause, readyFirst), readySeldom)
	r.next = now.Add(r.pause)
	return r.next
}

// takeReady notes that the peer is ready at an age of the stream, in nanoseconds. More
// often than need be is no use.
func (p *Peer) takeReady(age int64) {
	if last := p.ready.Load(); last > 0 && age-last < int64(readyFirst/2) {
		return
	}
	p.ready.Store(max(age, 1))
	signal(p.swarm.ready)
}
