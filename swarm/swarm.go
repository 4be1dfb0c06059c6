package swarm

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bits-and-blooms/bitset"

	"github.com/shoal-dl/shoal/swarm/discovery"
	"github.com/shoal-dl/shoal/swarm/discovery/dht"
	"github.com/shoal-dl/shoal/swarm/discovery/lan"
	"github.com/shoal-dl/shoal/swarm/wire"
	"github.com/shoal-dl/shoal/verify"
)

// Swarm is our part in the swarm of one content: what we have, and the neighbours.
// Its methods may be called by several goroutines at once.
type Swarm struct {
	node     *Node
	manifest *verify.Manifest
	keys     verify.Keys
	pieces   int
	stretch  int // pieces in a row that fall to the same node
	read     func(piece int, off int64, buf []byte) error
	contacts []string // the user's, HOST:PORT
	open     bool     // the publisher lets peers find each other, and whoever has it serve it
	serves   bool     // so we do: the user lets us too, or wants just that
	local    bool     // those who come may well be in the local network

	news    chan struct{} // capacity 1: see News
	ready   chan struct{} // capacity 1: see Ready
	dirty   chan struct{} // capacity 1: neighbours are to be told something soon
	common  chan struct{} // capacity 1: or later, of a piece that many have
	room    chan struct{} // capacity 1: there may be somebody to dial
	proven  chan struct{} // closed when there is a piece to serve
	prove   func()
	leaving chan struct{}
	leave   func()
	ended   chan struct{} // closed when nothing of the swarm runs any more

	pieceNews atomic.Uint64 // changes when have or fetching did
	crowdNews atomic.Uint64 // changes when peers did
	anew      atomic.Uint64 // changes when what neighbours were told may count no more
	paused    atomic.Bool   // see Pause
	held      atomic.Bool   // see Hold
	uploaded  atomic.Int64
	enough    atomic.Int64  // bytes uploaded, at which Serve ends; 0 for never
	sated     chan struct{} // capacity 1: they are reached
	toLAN     atomic.Int64  // bytes of uploaded
	shrinking shrinking
	began     time.Time
	asked     atomic.Int64 // when a request was last taken, in nanoseconds since began; 0 if never

	// Set before run; nil if they may not be used.
	dht *dht.DHT
	lan *lan.LAN

	running sync.WaitGroup // added to under mu, while not left

	mu       sync.Mutex
	have     *bitset.BitSet
	fetching *bitset.BitSet
	book     *discovery.Book
	dialling int
	peers    []*Peer
	left     bool
}

func newSwarm(n *Node, c Content) *Swarm {
	m := c.Manifest
	s := &Swarm{
		node: n, began: time.Now(), manifest: m, keys: m.Keys(), pieces: m.NumPieces(), read: c.Read,
		stretch:  stretchOf(m.NumPieces(), m.PieceSize),
		contacts: slices.Concat(n.options.Peers, c.Peers),
		open:     m.Shareable(),
		news:     make(chan struct{}, 1),
		ready:    make(chan struct{}, 1),
		dirty:    make(chan struct{}, 1),
		common:   make(chan struct{}, 1),
		room:     make(chan struct{}, 1),
		sated:    make(chan struct{}, 1),
		proven:   make(chan struct{}),
		leaving:  make(chan struct{}),
		ended:    make(chan struct{}),
		have:     bitset.New(uint(m.NumPieces())),
		fetching: bitset.New(uint(m.NumPieces())),
		book:     discovery.NewBook(n.dials, n.options.DHTPrivate, nil),
	}
	s.serves = n.options.Share && (s.open || n.options.Stay)
	s.local = n.options.LAN && (s.allows(verify.DiscoveryLAN) || n.options.DHTPrivate)
	s.prove = sync.OnceFunc(func() { close(s.proven) })
	s.leave = sync.OnceFunc(func() { close(s.leaving) })
	if c.Have != nil {
		s.have.InPlaceUnion(c.Have)
	}
	if s.have.Any() {
		s.prove()
	}
	return s
}

// News receives a value when something about Peers has changed since: who they
// are, or what they have.
func (s *Swarm) News() <-chan struct{} { return s.news }

// Ready receives a value when a peer has told that it would serve us at once.
func (s *Swarm) Ready() <-chan struct{} { return s.ready }

// Peers returns the neighbours from which something may be had.
func (s *Swarm) Peers() []*Peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	var sources []*Peer
	for _, p := range s.peers {
		if p.source() {
			sources = append(sources, p)
		}
	}
	return sources
}

// Have tells that a piece is proven and stored here: neighbours are told of it,
// and served it, unless the content has no Read.
func (s *Swarm) Have(piece int) {
	if s.read == nil {
		return
	}
	s.mu.Lock()
	s.have.Set(uint(piece))
	s.fetching.Clear(uint(piece))
	told := s.dirty
	if s.spreads(piece) {
		told = s.common
	}
	s.mu.Unlock()
	s.prove()
	signal(told)
}

// spreads tells whether a piece spreads without us. The caller holds s.mu.
func (s *Swarm) spreads(piece int) bool {
	n := 0
	for _, p := range s.peers {
		if p.trades(piece) {
			n++
		}
		if n == commonFrom {
			return true
		}
	}
	return false
}

// Fetching tells neighbours that these pieces come from mirrors.
func (s *Swarm) Fetching(pieces []int) {
	s.mu.Lock()
	setAll(s.fetching, pieces, true)
	s.fetching.InPlaceDifference(s.have)
	s.mu.Unlock()
	signal(s.dirty)
}

// Unfetching takes Fetching back for pieces that did not come.
func (s *Swarm) Unfetching(pieces []int) {
	s.mu.Lock()
	clearAll(s.fetching, pieces)
	s.mu.Unlock()
	signal(s.dirty)
}

// Ban closes the connection to a peer that sent wrong bytes, and all others with
// its host: its address, or the /64 of a public IPv6 address. This node has
// nothing to do with it any more.
func (s *Swarm) Ban(p *Peer, reason string) {
	host := p.addr.Addr()
	s.node.options.Verbose("peer %v is banned: %s", p.addr, reason)
	s.node.each(func(o *Swarm) { o.ban(host, reason) })
}

func (s *Swarm) ban(host netip.Addr, reason string) {
	s.mu.Lock()
	s.book.Ban(host)
	var gone []*Peer
	for _, p := range s.peers {
		if s.book.Banned(p.addr.Addr()) {
			gone = append(gone, p)
		}
	}
	s.mu.Unlock()
	for _, p := range gone {
		p.close(fmt.Errorf("peer is banned: %s", reason), wire.ByeBanned)
	}
}

// Leave says goodbye to all neighbours and waits until nothing of the swarm runs
// any more. It may be called more than once, and at any time.
func (s *Swarm) Leave() {
	s.leave()
	if !s.node.forget(s) {
		<-s.ended
	}
}

// content is the swarm as the wire knows it.
func (s *Swarm) content() wire.Content {
	return wire.Content{PSK: s.keys.PSK, Pieces: s.pieces}
}

// shares tells whether requests are answered that come from the local network, or
// from the Internet.
func (s *Swarm) shares(lan bool) bool {
	return s.serves && !s.rests() && s.node.mayShare(lan)
}

// welcomes tells whether peers may come who want something, now or later.
func (s *Swarm) welcomes() bool { return s.serves && !s.node.done() }

// has tells whether a piece can be served.
func (s *Swarm) has(piece int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.have.Test(uint(piece))
}

// shown returns what neighbours, in the local network or not, are told that we
// have and are getting from mirrors: nothing, if they cannot get it from us.
func (s *Swarm) shown(lan bool) (have, fetching *bitset.BitSet) {
	if !s.shares(lan) {
		return bitset.New(uint(s.pieces)), bitset.New(uint(s.pieces))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.have.Clone(), s.fetching.Clone()
}

// found takes in addresses.
func (s *Swarm) found(from discovery.Origin, addrs ...netip.AddrPort) {
	s.mu.Lock()
	added := s.book.Add(from, addrs...)
	s.mu.Unlock()
	if added > 0 {
		signal(s.room)
	}
}

var errLeft = errors.New("we left the swarm")

// run does everything about the swarm until ctx ends or it is left.
func (s *Swarm) run(ctx context.Context) {
	defer close(s.ended)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s.running.Go(func() {
		select {
		case <-s.leaving:
			stop()
		case <-ctx.Done():
		}
	})
	s.running.Go(func() { s.tellAll(ctx) })
	s.running.Go(func() { s.keepAlive(ctx) })
	s.seek(ctx)
	s.dialAll(ctx)

	s.mu.Lock()
	s.left = true
	peers := slices.Clone(s.peers)
	s.mu.Unlock()
	for _, p := range peers {
		p.close(errLeft, wire.ByeDone)
	}
	s.running.Wait()
}

// enter makes the swarm wait for running.Done, unless it is left.
func (s *Swarm) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.left {
		s.running.Add(1)
	}
	return !s.left
}

// tellAll wakes the writers when there is something to tell, not too often: what
// happens meanwhile goes into the same frames.
func (s *Swarm) tellAll(ctx context.Context) {
	var late <-chan time.Time
	for {
		select {
		case <-s.dirty:
		case <-late:
		case <-s.common:
			if late == nil {
				late = time.After(tellCommon)
			}
			continue
		case <-ctx.Done():
			return
		}
		late = nil
		select {
		case <-s.common: // is told with the rest
		default:
		}
		s.pieceNews.Add(1)
		s.mu.Lock()
		for _, p := range s.peers {
			signal(p.wake)
		}
		pause := max(tellEvery, time.Duration(len(s.peers))*tellEach)
		s.mu.Unlock()
		signal(s.node.free) // there is more to be had here
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}
