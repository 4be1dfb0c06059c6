package swarm

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bits-and-blooms/bitset"
	"golang.org/x/time/rate"

	"github.com/shoal-dl/shoal/swarm/discovery"
	"github.com/shoal-dl/shoal/swarm/wire"
)

const (
	// A peer may say so many things a second beside asking and answering.
	chatterRate  = 100
	chatterBurst = 1000
	// PEX is taken more rarely: what is more is ignored.
	pexEvery = time.Second
	pexBurst = 5
	// So many CANCELs a second are looked up: what is more is answered instead.
	cancelRate = requestsMost
)

// Peer is one neighbour in a swarm, for as long as the connection lasts. Its
// methods may be called by several goroutines at once.
type Peer struct {
	swarm   *Swarm
	conn    *wire.Conn
	stream  *stream
	addr    netip.AddrPort // of the other end
	listens netip.AddrPort // where it accepts peers; zero if it does not
	dialled bool           // by us
	lan     bool
	aliases []netip.AddrPort // where it accepts peers besides; the swarm's mu guards it
	united  bool             // another connection to it stays, and has its aliases; likewise

	wake    chan struct{} // capacity 1: the writer has something to do
	version atomic.Uint64

	mu       sync.Mutex
	have     *bitset.BitSet // nil until its BITFIELD has come
	whole    bool           // that is everything
	fetching *bitset.BitSet
	serves   bool // it answers requests
	window   int  // bytes that it lets us ask ahead
	client   string
	cause    error          // why the connection ended; nil while it lasts
	bye      wire.ByeReason // what to tell the peer then

	chatter *rate.Limiter // the reader's
	pex     *rate.Limiter // likewise
	cancels *rate.Limiter // likewise
	told    told          // the writer's

	out  outbox
	down download
	up   upload

	gentle gentle

	ready atomic.Int64 // when it told that it is, in nanoseconds of the stream's age; 0 for never
}

// meeting is how two peers came together.
type meeting struct {
	addr    netip.AddrPort   // of the other end
	dialled bool             // by us
	origin  discovery.Origin // of the address; Inbound if not dialled
}

func newPeer(s *Swarm, conn *wire.Conn, stream *stream, how meeting) *Peer {
	p := &Peer{
		swarm: s, conn: conn, stream: stream, addr: how.addr, dialled: how.dialled,
		lan:     s.node.inLAN(how.addr.Addr()) || s.node.options.LAN && how.origin == discovery.LAN,
		wake:    make(chan struct{}, 1),
		chatter: rate.NewLimiter(chatterRate, chatterBurst),
		pex:     rate.NewLimiter(rate.Every(pexEvery), pexBurst),
		cancels: rate.NewLimiter(cancelRate, cancelRate),
	}
	switch port := conn.Peer().Port; {
	case how.dialled:
		p.listens = how.addr
	case port != 0:
		p.listens = netip.AddrPortFrom(how.addr.Addr(), port)
	}
	p.fetching = bitset.New(uint(s.pieces))
	p.down.requests = make(map[uint32]*request)
	p.up.turn = newTurn(how.addr.Addr(), func() { signal(p.wake) })
	p.up.turn.yields = p.mayYield()
	return p
}

// Name is the peer's address, such as "[2001:db8::1]:7411": where it accepts
// others, if it does.
func (p *Peer) Name() string {
	if p.listens.IsValid() {
		return p.listens.String()
	}
	return p.addr.String()
}

// inLAN tells whether an address counts as one of the local network.
func (n *Node) inLAN(host netip.Addr) bool { return n.options.LAN && !discovery.Public(host) }

// Kind is "lan" for a peer that was found by multicast or has a private address,
// if the user lets that count, else "peer".
func (p *Peer) Kind() string {
	if p.lan {
		return "lan"
	}
	return "peer"
}

// Look calls f with the pieces that can be had from the peer and those it is
// getting from mirrors, which f must neither change nor keep.
func (p *Peer) Look(f func(have, fetching *bitset.BitSet)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p.have, p.fetching)
}

// Version changes whenever Look would show something else.
func (p *Peer) Version() uint64 { return p.version.Load() }

// Ready is when the peer last told that it would serve us at once; the zero Time for
// never.
func (p *Peer) Ready() time.Time {
	if age := p.ready.Load(); age > 0 {
		return p.stream.began.Add(time.Duration(age))
	}
	return time.Time{}
}

// run reads and writes until the connection ends, and closes it.
func (p *Peer) run() {
	written := make(chan error, 1)
	var writer sync.WaitGroup
	writer.Go(func() {
		err := p.write()
		written <- err
		if err != nil {
			// Who does not take any more has perhaps said why.
			_ = p.stream.SetReadDeadline(time.Now().Add(lastWords))
		}
	})
	err := p.read()
	if errors.Is(err, os.ErrDeadlineExceeded) && p.ended() == nil {
		err = <-written
	}
	p.close(err, byeFor(err))
	writer.Wait()
	_ = p.stream.Close()
	p.down.end(p.ended())
	p.swarm.node.turns.done(p.up.turn, time.Now())
	signal(p.swarm.node.free)
}

// close ends the connection, with a last word to the peer if that is still
// possible. Only the first call counts.
func (p *Peer) close(cause error, bye wire.ByeReason) {
	p.mu.Lock()
	if p.cause == nil {
		p.cause, p.bye = cause, bye
	}
	p.mu.Unlock()
	p.stream.hangUp()
}

// ended is why the connection ended, or nil.
func (p *Peer) ended() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cause
}

// breach is a peer's breaking of a rule that the wire cannot know.
type breach struct{ text string }

func (b *breach) Error() string { return b.text }

func breachf(format string, args ...any) error { return &breach{fmt.Sprintf(format, args...)} }

// partedError tells that the peer said BYE.
type partedError struct{ reason wire.ByeReason }

func (e *partedError) Error() string { return "peer has left: " + e.reason.String() }

// byeFor is what to tell a peer after that error.
func byeFor(err error) wire.ByeReason {
	if e, ok := errors.AsType[*wire.ProtocolError](err); ok {
		return e.Bye
	}
	if _, ok := errors.AsType[*breach](err); ok {
		return wire.ByeProtocol
	}
	return wire.ByeDone
}

// read handles frames until the connection ends.
func (p *Peer) read() error {
	for {
		f, err := p.conn.Next()
		if err != nil {
			return err
		}
		if err := p.handle(f); err != nil {
			return err
		}
	}
}

func (p *Peer) handle(f wire.Frame) error {
	switch f := f.(type) {
	case *wire.Data:
		return p.takeData(f)
	case *wire.Request:
		return p.takeRequest(*f)
	case *wire.Reject:
		return p.takeReject(f)
	case *wire.Cancel:
		return p.takeCancel(f.ID)
	case *wire.Withdraw:
		return p.takeWithdraw(f.Piece)
	}
	if !p.chatter.AllowN(time.Now(), 1) {
		return breachf("read frame: more than %d a second", chatterRate)
	}
	return p.handleNews(f)
}

// handleNews handles what is neither a request nor the answer to one.
func (p *Peer) handleNews(f wire.Frame) error {
	switch f := f.(type) {
	case *wire.Hello:
		p.takeHello(f)
	case *wire.Bitfield:
		p.takeBitfield(f.Have)
	case *wire.Have:
		p.change(func() bool { return p.takeHave(f.Pieces) })
	case *wire.Fetching:
		p.change(func() bool { return setAll(p.fetching, f.Pieces, p.serves) })
	case *wire.Unfetching:
		p.change(func() bool { return clearAll(p.fetching, f.Pieces) })
	case *wire.PEX:
		if p.pex.AllowN(time.Now(), 1) {
			p.swarm.heardOf(p, f.Addrs)
		}
	case *wire.Ping:
		p.swarm.unite(p, f.Nonce)
		return p.say(wire.Pong{Nonce: f.Nonce}.Append)
	case *wire.Pong:
		if trip := p.down.pong(f.Nonce, p.stream.age()); trip > 0 {
			p.gentle.heard.Store(int64(trip))
		}
	case *wire.Ready:
		p.takeReady(int64(p.stream.age()))
	case *wire.Bye:
		return &partedError{f.Reason}
	}
	return nil
}

func (p *Peer) takeHello(f *wire.Hello) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.serves = f.Serves
	p.window = f.Window
	p.client = f.Client
}

// takeBitfield makes the peer one of the swarm's: now it is known what it has.
func (p *Peer) takeBitfield(have *bitset.BitSet) {
	p.mu.Lock()
	if !p.serves {
		have.ClearAll() // none of it can be had
	}
	p.have, p.whole = have, have.All()
	window := p.window
	p.mu.Unlock()
	p.down.open(window)
	p.version.Add(1)
	signal(p.swarm.news)
	signal(p.swarm.node.free)
}

// takeHave notes pieces that can be had from the peer, which so begins to serve
// if it did not. The caller holds p.mu.
func (p *Peer) takeHave(pieces []int) bool {
	p.serves = true
	ended := clearAll(p.fetching, pieces)
	return setAll(p.have, pieces, true) || ended
}

// lacks notes that pieces cannot be had from the peer after all.
func (p *Peer) lacks(piece int) {
	p.change(func() bool { return clearAll(p.have, []int{piece}) })
}

// unshared notes that nothing can be had from the peer any more.
func (p *Peer) unshared() {
	p.change(func() bool {
		p.serves = false
		p.have.ClearAll()
		p.fetching.ClearAll()
		return true
	})
}

// change runs f under the lock, and spreads the news if it tells there are any.
func (p *Peer) change(f func() bool) {
	p.mu.Lock()
	changed := f()
	if changed {
		p.whole = p.have != nil && p.have.All()
	}
	p.mu.Unlock()
	if changed {
		p.version.Add(1)
		signal(p.swarm.news)
	}
}

// setAll sets bits if they may be, and tells whether that changed any.
func setAll(set *bitset.BitSet, pieces []int, may bool) (changed bool) {
	for _, i := range pieces {
		if may && !set.Test(uint(i)) {
			set.Set(uint(i))
			changed = true
		}
	}
	return changed
}

// clearAll clears bits, and tells whether that changed any.
func clearAll(set *bitset.BitSet, pieces []int) (changed bool) {
	for _, i := range pieces {
		if set.Test(uint(i)) {
			set.Clear(uint(i))
			changed = true
		}
	}
	return changed
}
