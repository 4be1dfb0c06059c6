package swarm

import (
	"sync"
	"time"

	"github.com/shoal-dl/shoal/swarm/wire"
)

const (
	// An uplink is short when less than this goes through a connection. One
	// core compresses many times as much.
	narrowRate   = 16 << 20 // bytes a second of writing
	narrowSample = 1 << 20  // bytes to judge by

	shrinkPause = 1024    // blocks, at most, that are sent as they are before one is tried again
	shrinkLeast = 1 << 10 // bytes of a block that is worth a try
)

// shrinking remembers whether the blocks of a content are worth compressing.
type shrinking struct {
	mu    sync.Mutex
	skip  int // blocks to send as they are
	pause int // how many that were the last time
}

// try tells whether to compress the next block.
func (s *shrinking) try() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.skip > 0 {
		s.skip--
		return false
	}
	return true
}

// tried tells how that went. Each time it was no use, twice as many are skipped.
func (s *shrinking) tried(smaller bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if smaller {
		s.skip, s.pause = 0, 0
		return
	}
	s.pause = min(max(2*s.pause, 1), shrinkPause)
	s.skip = s.pause
}

// narrow measures whether the way to a peer is. The writer alone uses it.
type narrow struct {
	is      bool
	written int64         // by the stream, when it was last judged
	blocked time.Duration // likewise
}

func (n *narrow) judge(s *stream) bool {
	written, blocked := s.written.Load(), time.Duration(s.blocked.Load())
	if bytes := written - n.written; bytes >= narrowSample {
		n.is = float64(bytes) < narrowRate*(blocked-n.blocked).Seconds()
		n.written, n.blocked = written, blocked
	}
	return n.is
}

// sendBlock sends one DATA, compressed if the uplink and not the processor is
// short, and that helps. It returns the bytes that travel.
func (p *Peer) sendBlock(d wire.Data, block []byte) (int, error) {
	s := p.swarm
	short := p.up.narrow.judge(p.stream) || s.node.turns.short(p.up.turn)
	if !short || len(block) < shrinkLeast || !s.shrinking.try() {
		return len(block), p.conn.WriteData(d, block)
	}
	buf := s.node.blocks.get()
	defer s.node.blocks.put(buf)
	packed, smaller := s.node.endpoint.CompressBlock((*buf)[:0], block)
	s.shrinking.tried(smaller)
	if !smaller {
		return len(block), p.conn.WriteData(d, block)
	}
	d.Zstd = true
	return len(packed), p.conn.WriteData(d, packed)
}
