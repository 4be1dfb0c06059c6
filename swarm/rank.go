package swarm

import (
	"encoding/binary"

	"github.com/shoal-dl/shoal/swarm/wire"
)

const (
	stretchBytes = 4 << 20 // the most of a stretch
	stretchLeast = 256     // stretches, the fewest that a content has if it has as many pieces
)

// stretchOf is how many pieces in a row fall to the same node. Requests to mirrors are
// the longer for it; there are enough stretches left for many nodes to share.
func stretchOf(pieces int, pieceSize int64) int {
	n := 1
	for 2*int64(n)*pieceSize <= stretchBytes && pieces >= 2*n*stretchLeast {
		n *= 2
	}
	return n
}

// Rank is the rendezvous hash of the peer and the stretch in which a piece lies:
// everyone who knows the peer computes the same.
func (p *Peer) Rank(piece int) uint64 { return rank(p.conn.Peer().Node, piece/p.swarm.stretch) }

// Rank is our own, as our neighbours compute it.
func (s *Swarm) Rank(piece int) uint64 { return rank(s.node.endpoint.Node(), piece/s.stretch) }

// rank mixes as SplitMix64 does (Steele, Lea and Flood 2014). A node's name is
// random, so half of it will do.
func rank(node wire.Node, stretch int) uint64 {
	x := binary.BigEndian.Uint64(node[:]) + uint64(stretch)*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
