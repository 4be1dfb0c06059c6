package swarm

import (
	"net/netip"
	"sync"
	"time"

	"github.com/bits-and-blooms/bitset"

	"github.com/shoal-dl/shoal/swarm/wire"
)

const (
	// outboxMost is how many bytes of frames may wait for a peer that does not
	// read. It is room for all requests and rejects that an honest one can cause.
	outboxMost = 256 << 10
	// outboxKept is how many bytes of memory are kept for the next.
	outboxKept = 4 << 10
)

// outbox holds frames until the writer sends them. Blocks, HAVE, FETCHING and PEX
// do not pass through it: the writer makes them when it can send them.
type outbox struct {
	mu     sync.Mutex
	frames []byte // encoded
	spare  []byte // its memory, and this, are used in turns
}

// say queues what encode appends. The error is a breach: the peer keeps asking
// and does not read the answers.
func (p *Peer) say(encode func([]byte) []byte) error {
	p.out.mu.Lock()
	p.out.frames = encode(p.out.frames)
	full := len(p.out.frames) > outboxMost
	p.out.mu.Unlock()
	if full {
		return breachf("write frames: %d bytes are waiting", outboxMost)
	}
	signal(p.wake)
	return nil
}

// take returns the waiting frames, valid until the next call.
func (o *outbox) take() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	frames := o.frames
	o.frames, o.spare = o.spare[:0], frames
	if cap(frames) > outboxKept {
		o.spare = nil
	}
	return frames
}

// told is what a peer knows of us. The writer alone uses it, so that however
// slowly the peer reads, what it has missed is the difference.
type told struct {
	pieces         uint64 // what Swarm.pieceNews was then
	anew           uint64 // what Swarm.anew was then
	have, fetching *bitset.BitSet

	crowd    uint64 // what Swarm.crowdNews was then
	peers    map[netip.AddrPort]struct{}
	pexAfter time.Time // not to be told of more peers before
}

// idle is a pause that only a wake ends.
const idle time.Duration = -1

// write sends until the connection ends; all that is sent, this goroutine sends.
func (p *Peer) write() error {
	if err := p.greet(); err != nil {
		return err
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		pause, err := p.writeSome()
		if err != nil {
			return err
		}
		select {
		case <-p.stream.hungUp:
			return p.sayBye()
		default:
		}
		if pause == 0 {
			continue
		}
		if err := p.conn.Flush(); err != nil {
			return err
		}
		if pause > 0 {
			timer.Reset(pause)
		} else {
			timer.Stop()
		}
		select {
		case <-p.wake:
		case <-timer.C:
		case <-p.stream.hungUp:
		}
	}
}

// greet sends what comes first on each connection.
func (p *Peer) greet() error {
	s := p.swarm
	p.told = told{peers: make(map[netip.AddrPort]struct{})}
	p.told.pieces, p.told.anew = s.pieceNews.Load(), s.anew.Load() // first: what changes from now on is told later
	hello := wire.Hello{Window: window, Serves: s.shares(p.lan), Client: s.node.options.Client}
	p.told.have, p.told.fetching = s.shown(p.lan)
	frames := hello.Append(nil)
	frames = wire.Bitfield{Have: p.told.have}.Append(frames)
	frames = wire.Fetching{Pieces: missing(bitset.New(0), p.told.fetching)}.Append(frames)
	frames = wire.Ping{Nonce: p.down.ping(p.stream.age())}.Append(frames)
	return p.conn.Write(frames)
}

// writeSome sends all that is not a block, and some blocks if it is the peer's
// turn. It returns how long to wait before there is more, if it is not woken.
func (p *Peer) writeSome() (time.Duration, error) {
	if err := p.turnAway(); err != nil {
		return 0, err
	}
	if err := p.conn.Write(p.out.take()); err != nil {
		return 0, err
	}
	news := p.tellPieces(nil)
	news, pause := p.tellPeers(news)
	if err := p.conn.Write(news); err != nil {
		return 0, err
	}
	if more, err := p.serve(); more || err != nil {
		return 0, err
	}
	return pause, nil
}

// tellPieces appends what the peer has not been told of our pieces.
func (p *Peer) tellPieces(frames []byte) []byte {
	latest := p.swarm.pieceNews.Load()
	if p.told.pieces == latest {
		return frames
	}
	p.told.pieces = latest
	if anew := p.swarm.anew.Load(); p.told.anew != anew {
		p.told.anew = anew
		p.told.have.ClearAll()
	}
	have, fetching := p.swarm.shown(p.lan)
	frames = wire.Have{Pieces: missing(p.told.have, have)}.Append(frames)
	p.told.fetching.InPlaceDifference(have) // HAVE has ended those
	frames = wire.Fetching{Pieces: missing(p.told.fetching, fetching)}.Append(frames)
	frames = wire.Unfetching{Pieces: missing(fetching, p.told.fetching)}.Append(frames)
	p.told.have, p.told.fetching = have, fetching
	return frames
}

// missing returns what is in want and not in set.
func missing(set, want *bitset.BitSet) []int {
	var pieces []int
	for i := range want.Difference(set).EachSet() {
		pieces = append(pieces, int(i))
	}
	return pieces
}

// sayBye sends the last frame.
func (p *Peer) sayBye() error {
	p.mu.Lock()
	bye := wire.Bye{Reason: p.bye}
	p.mu.Unlock()
	if err := p.conn.Write(bye.Append(nil)); err != nil {
		return err
	}
	return p.conn.Flush()
}
