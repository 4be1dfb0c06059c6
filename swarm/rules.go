package swarm

import (
	"context"
	"math"
	"sync"

	"github.com/shoal-dl/shoal/swarm/quota"
)

// spend tells whether so many bytes of blocks may go out to a peer, and counts
// them. With the first that may not, sharing ends: MaxUpload for all, the bytes
// of the month for peers on the Internet.
func (n *Node) spend(bytes int, lan bool) bool {
	total := n.uploaded.Add(int64(bytes))
	if most := n.maxUpload.Load(); most != 0 && total > most {
		n.uploaded.Add(-int64(bytes))
		n.exhaust()
		return false
	}
	if !lan && !n.options.Quota.Take(bytes) {
		n.uploaded.Add(-int64(bytes))
		return false
	}
	return true
}

// left is how many bytes of blocks MaxUpload still lets go out.
func (n *Node) left() int {
	most := n.maxUpload.Load()
	if most == 0 {
		return math.MaxInt
	}
	return int(min(most-n.uploaded.Load(), math.MaxInt))
}

// unspend takes back bytes that did not go out after all.
func (n *Node) unspend(bytes int, lan bool) {
	n.uploaded.Add(-int64(bytes))
	if !lan {
		n.options.Quota.GiveBack(bytes)
	}
}

// mayShare tells whether the user's limits and rules let us upload to peers, in
// the local network or not, at the moment.
func (n *Node) mayShare(lan bool) bool {
	return n.options.Share && !n.done() && !n.options.Quota.Verdict().Forbids(lan)
}

// done tells whether MaxUpload is reached.
func (n *Node) done() bool {
	select {
	case <-n.exhausted:
		return true
	default:
		return false
	}
}

// obey lets the rules run.
func (n *Node) obey(ctx context.Context, running *sync.WaitGroup) {
	k := n.options.Quota
	if k == nil {
		return
	}
	running.Go(func() {
		k.Run(ctx, func(v quota.Verdict) {
			if n.options.Sharing != nil {
				n.options.Sharing(v)
			}
			n.change()
			n.each((*Swarm).heed)
		})
	})
}

// change wakes whoever acts on mayShare.
func (n *Node) change() {
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.ruled)
	n.ruled = make(chan struct{})
}

// changed returns a channel that is closed when mayShare may have changed.
func (n *Node) changed() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ruled
}

// whileRuled runs act, and again whenever mayShare has changed, until ctx ends.
// The context that act gets ends with the next change.
func (n *Node) whileRuled(ctx context.Context, lan bool, act func(ctx context.Context, may bool)) {
	for ctx.Err() == nil {
		changed, may := n.changed(), n.mayShare(lan)
		acting, stop := context.WithCancel(ctx)
		var watching sync.WaitGroup
		watching.Go(func() {
			defer stop()
			for acting.Err() == nil && n.mayShare(lan) == may {
				select {
				case <-changed:
					changed = n.changed()
				case <-acting.Done():
				}
			}
		})
		act(acting, may)
		<-acting.Done()
		watching.Wait()
	}
}

// heed has the neighbours feel whether the content is served now: what they wait
// for is rejected, or they are told anew what can be had here: all of it, since
// who was turned away has forgotten it, however short that was.
func (s *Swarm) heed() {
	s.anew.Add(1)
	signal(s.dirty)
	signal(s.room)
}

// unshared tells whether waiting in order to serve is in vain: for good, or for
// now if we are not to stay.
func (s *Swarm) unshared() bool {
	n := s.node
	v := n.options.Quota.Verdict()
	return n.done() || v.Forbids(s.local) && (v.Lasting() || !n.options.Stay)
}
