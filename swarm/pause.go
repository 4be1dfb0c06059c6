package swarm

import (
	"sync/atomic"

	"github.com/shoal-dl/shoal/swarm/wire"
)

// Pause stops serving the content and looking for peers, until it is called with
// false. Connections stay: what waits for an answer is rejected, and when it goes
// on the neighbours are told anew what can be had here. That nothing is asked for
// meanwhile is up to who asks.
func (s *Swarm) Pause(on bool) { s.rest(&s.paused, on) }

// Hold does what Pause does, for as long as it is in doubt whether the content is
// right. Whichever ends first, the other lasts.
func (s *Swarm) Hold(on bool) { s.rest(&s.held, on) }

func (s *Swarm) rest(why *atomic.Bool, on bool) {
	if why.Swap(on) != on {
		s.heed()
	}
}

// rests tells whether nothing is served for now.
func (s *Swarm) rests() bool { return s.paused.Load() || s.held.Load() }

// Serves tells whether the content is there for others, sooner or later: the user
// and the publisher let it be.
func (s *Swarm) Serves() bool { return s.serves }

// turnAway rejects all requests that wait, if the content is not served now.
func (p *Peer) turnAway() error {
	if p.swarm.shares(p.lan) {
		return nil
	}
	for _, id := range p.up.clear() {
		if err := p.say(wire.Reject{ID: id, Reason: wire.RejectUnshared}.Append); err != nil {
			return err
		}
	}
	return nil
}

// clear drops all requests and returns their ids.
func (u *upload) clear() (ids []uint32) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, r := range u.queue {
		ids = append(ids, r.ID)
	}
	u.queue, u.bytes = nil, 0
	return ids
}

// Shares tells whether neighbours are served, but for a pause, and if not why.
func (s *Swarm) Shares() (on bool, why string) {
	switch {
	case !s.node.options.Share:
		return false, "no-share"
	case !s.serves:
		return false, "the manifest names no way for peers to find one another"
	case s.node.done():
		return false, "max-upload is reached"
	}
	v := s.node.options.Quota.Verdict()
	why = v.Reason
	if !v.Until.IsZero() {
		why += v.Until.Format(" until January 2 15:04")
	}
	return !v.Forbids(s.local), why
}
