package swarm

import (
	"slices"

	"github.com/shoal-dl/shoal/swarm/wire"
)

// showKin shows those of the name of p, a new neighbour, that we are at the end of its
// connection as well. On one that is lost that does not arrive. The caller holds s.mu.
func (s *Swarm) showKin(p *Peer) {
	for _, o := range s.peers {
		if p.mayBeKin(o) {
			_ = o.say(wire.Ping{Nonce: o.conn.Kinship(s.node.endpoint.Node(), p.conn)}.Append)
		}
	}
}

// mayBeKin tells whether p and o may well be two connections to the same node, of which one
// will do. It takes both to be in the local network, by IPv4 and by IPv6: elsewhere, one
// may be much slower than the other, or lead through somebody who would be in between.
func (p *Peer) mayBeKin(o *Peer) bool { return p.lan && o.lan && p.namesake(o) && o.ended() == nil }

// unite ends one of two connections to the same node, if the nonce of a PING on p proves
// that there are two.
func (s *Swarm) unite(p *Peer, nonce uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.peers, func(o *Peer) bool {
		return o != p && p.mayBeKin(o) && nonce == p.conn.Kinship(p.conn.Peer().Node, o.conn)
	})
	if i < 0 || p.ended() != nil {
		return
	}
	stays, goes := s.peers[i], p
	if goes.outlasts(stays) {
		stays, goes = goes, stays
	}
	stays.aliases = append(stays.aliases, goes.aliases...)
	if goes.dialled { // who comes may claim any port
		stays.aliases = append(stays.aliases, goes.listens)
	}
	goes.aliases, goes.united = nil, true
	goes.close(errDuplicate, wire.ByeDuplicate)
}

// outlasts tells whether p stays, of two connections between the same nodes: it is the
// older one, or of two that were made at once the one on which both ends agree.
func (p *Peer) outlasts(o *Peer) bool {
	if older := p.stream.age() - o.stream.age(); older.Abs() >= crossing {
		return older > 0
	}
	return p.conn.Below(o.conn)
}
