package swarm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/shoal-dl/shoal/swarm/discovery"
	"github.com/shoal-dl/shoal/swarm/wire"
)

// dialTimeout is how long a TCP connection may take, from DESIGN section 6.
const dialTimeout = 3 * time.Second

// dialAll dials whom the book hands out, until ctx ends.
func (s *Swarm) dialAll(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wait := s.dialSome(ctx)
		timer.Reset(wait)
		select {
		case <-s.room:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
}

// dialSome dials all who may be dialled now, and returns how long to wait for the
// next.
func (s *Swarm) dialSome(ctx context.Context) time.Duration {
	for {
		addr, from, wait, ok := s.nextDial(time.Now())
		if !ok {
			return wait
		}
		s.running.Go(func() { s.dial(ctx, addr, from) })
	}
}

// nextDial returns whom to dial, if there is room for another neighbour.
func (s *Swarm) nextDial(now time.Time) (netip.AddrPort, discovery.Origin, time.Duration, bool) {
	s.node.admitting.Lock()
	defer s.node.admitting.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.engaged()+s.dialling >= s.wanted() || !s.hasRoom() {
		return netip.AddrPort{}, 0, discovery.Never, false
	}
	addr, from, wait, ok := s.book.Next(now)
	if ok {
		s.dialling++
	}
	return addr, from, wait, ok
}

// hasRoom tells whether somebody who is dialled now could stay. The caller holds s.mu
// and the node's admitting.
func (s *Swarm) hasRoom() bool {
	full, richer := s.node.full(s, s.live()+s.dialling)
	if len(s.peers)+s.dialling < neighboursMost && (!full || richer != nil) {
		return true
	}
	victim, _ := s.victim(1)
	return victim != nil
}

// wanted is how many neighbours to dial for. The caller holds s.mu.
func (s *Swarm) wanted() int {
	switch {
	case s.rests():
		return 0
	case !s.have.All():
		return neighboursWanted
	case s.shares(s.local):
		return neighboursOfSeed
	}
	return 0
}

// few tells whether more addresses are of use.
func (s *Swarm) few() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.engaged() < s.wanted()
}

// engaged counts the neighbours that make others superfluous. Those who just came and
// have nothing that we lack do not, or they could keep us from all who have. The
// caller holds s.mu.
func (s *Swarm) engaged() (n int) {
	if s.have.All() {
		return len(s.peers)
	}
	for _, p := range s.peers {
		if p.dialled || s.needs(p) {
			n++
		}
	}
	return n
}

// needs tells whether p has something that we lack. The caller holds s.mu.
func (s *Swarm) needs(p *Peer) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.have != nil && !s.have.IsSuperSet(p.have)
}

// alone tells whether there is no neighbour.
func (s *Swarm) alone() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.peers) == 0
}

// dial connects to a peer, and runs the connection until it ends.
func (s *Swarm) dial(ctx context.Context, addr netip.AddrPort, from discovery.Origin) {
	s.node.options.Verbose("dialling %v", addr)
	conn, st, err := s.node.connect(ctx, addr, s.content())
	s.dialled(addr, err)
	if err != nil {
		s.node.options.Verbose("dialling %v: %v", addr, err)
		return
	}
	defer st.Close()
	p := newPeer(s, conn, st, meeting{addr, true, from})
	if err := s.meet(ctx, p); err != nil {
		s.node.options.Verbose("peer %v: %v", addr, err)
		s.release(addr)
		return
	}
	s.keep(p)
}

// dialled notes how a dial went.
func (s *Swarm) dialled(addr netip.AddrPort, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dialling--
	switch {
	case err == nil:
		return
	case errors.Is(err, wire.ErrSelf):
		s.book.Self(addr)
	default:
		s.book.Failed(addr, time.Now())
	}
	signal(s.room)
}

// release lets addresses be dialled again some time, unless they lead to a
// neighbour.
func (s *Swarm) release(addrs ...netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, addr := range addrs {
		if addr.Port() != 0 && !slices.ContainsFunc(s.peers, func(p *Peer) bool { return p.isAt(addr) }) {
			s.book.Gone(addr, time.Now())
		}
	}
}

// isAt tells whether p is known to accept peers there. The caller holds the
// swarm's mu.
func (p *Peer) isAt(addr netip.AddrPort) bool {
	return p.listens == addr || slices.Contains(p.aliases, addr)
}

// connect dials and shakes hands. It gives up when ctx ends.
func (n *Node) connect(ctx context.Context, addr netip.AddrPort, c wire.Content) (*wire.Conn, *stream, error) {
	dialCtx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	nc, err := n.dialTCP(dialCtx, addr)
	if err != nil {
		return nil, nil, fmt.Errorf("dial peer: %w", err)
	}
	st := newStream(nc)
	defer context.AfterFunc(ctx, func() { _ = nc.Close() })()
	conn, err := n.endpoint.Initiate(st, c)
	if err != nil {
		_ = nc.Close()
		return nil, nil, err
	}
	st.heed(&n.options)
	return conn, st, nil
}

func (n *Node) dialTCP(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
	if n.options.Dial != nil {
		return n.options.Dial(ctx, addr)
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr.String())
}
