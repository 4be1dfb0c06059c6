package swarm

import (
	"encoding/binary"

	"github.com/shoal-dl/shoal/swarm/wire"
)

// Rank is the rendezvous hash of the peer and a piece: everyone who knows the
// peer computes the same.
func (p *Peer) Rank(piece int) uint64 { return rank(p.conn.Peer().Node, piece) }

// Rank is our own, as our neighbours compute it.
func (s *Swarm) Rank(piece int) uint64 { return rank(s.node.endpoint.Node(), piece) }

// rank mixes as SplitMix64 does (Steele, Lea and Flood 2014). A node's name is
// random, so half of it will do.
func rank(node wire.Node, piece int) uint64 {
	x := binary.BigEndian.Uint64(node[:]) + uint64(piece)*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
