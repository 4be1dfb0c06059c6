// Package lan finds peers on the local network by multicast, without telling
// anybody else there which content they share.
//
// Whoever joins says hello to the group a few times, and rarely after that;
// those who serve the same content reply to it alone. See message for what is
// sent.
package lan

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"maps"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Options are how the local network is listened to.
type Options struct {
	// Listen is the address at which peers are served. An unspecified or
	// invalid one means every interface that can multicast; another one means
	// only the interface that has it, loopback included.
	Listen netip.Addr
	// Loopback adds the loopback interface, for a host that has no other.
	Loopback bool
	// Port is the group's UDP port, if not the usual one.
	Port uint16
	// Verbose is told of interfaces that fail, by any goroutine; nil tells
	// nobody.
	Verbose func(format string, args ...any)
}

const (
	received = 100 // messages a second that are looked at
	replies  = 10  // replies a second that are sent
	backlog  = 32  // peers heard of that wait for the caller of Peers

	// oneWay is how long a peer counts only at the address where it was heard first.
	// A message does as long as it can be played back. More than mostSenders are
	// not remembered: they may be found twice.
	oneWay      = 10 * time.Second
	mostSenders = 4096

	// nextFamily is how much later than IPv4, which has the smaller headers, IPv6 is
	// tried: who hears both takes the first.
	nextFamily = 50 * time.Millisecond
	// rarely is how often who has neighbours says hello, and aloneEvery who has none.
	rarely, aloneEvery = 5 * time.Minute, 15 * time.Second

	// patience is how long we leave it to somebody who said hello, and to whom we
	// have replied, to make the connection: two are not to be made at once.
	patience = time.Second
)

// LAN is our part in the group. Its methods may be called by several
// goroutines at once.
type LAN struct {
	listen   netip.Addr
	loopback bool
	verbose  func(format string, args ...any)
	stations []*station
	ended    chan struct{}

	received, replies *rate.Limiter

	sending sync.Mutex // a message goes out of all interfaces before the next

	mu       sync.Mutex
	links    []link
	contents map[*content]struct{}
	senders  map[[nonceSize]byte]sender // by nonce, and by tag
}

// sender is where a peer, or a message, was heard first, and how long that counts.
type sender struct {
	addr  netip.Addr
	until time.Time
}

// content is what one call of Peers is about.
type content struct {
	key   *tagger
	nonce [nonceSize]byte
	port  uint16
	found chan netip.AddrPort
}

// New opens the sockets, for which alone it needs ctx. Run must be called: it
// receives, and closes them. New fails when this host can multicast in no
// address family.
func New(ctx context.Context, o Options) (*LAN, error) {
	if o.Port == 0 {
		o.Port = groupPort
	}
	if o.Verbose == nil {
		o.Verbose = func(string, ...any) {}
	}
	stations, err := newStations(ctx, o.Listen.Unmap(), o.Port)
	if err != nil {
		return nil, fmt.Errorf("join local network: %w", err)
	}
	return &LAN{
		listen:   o.Listen.Unmap(),
		loopback: o.Loopback,
		verbose:  o.Verbose,
		stations: stations,
		ended:    make(chan struct{}),
		received: rate.NewLimiter(received, received),
		replies:  rate.NewLimiter(replies, replies),
		contents: make(map[*content]struct{}),
		senders:  make(map[[nonceSize]byte]sender),
	}, nil
}

// Run receives until ctx ends. Then it closes the sockets; Peers ends with it.
func (l *LAN) Run(ctx context.Context) {
	l.refresh()
	var wg sync.WaitGroup
	for _, s := range l.stations {
		wg.Go(func() { l.receive(ctx, s, s.shared) })
		wg.Go(func() { l.receive(ctx, s, s.own) })
	}
	<-ctx.Done()
	close(l.ended)
	for _, s := range l.stations {
		s.close()
	}
	wg.Wait()
}

// Peers says hello for the content with that LAN key, and yields the addresses
// of those who serve it as they are heard, the same ones again and again, but one
// address of each. Who has heard of us by our reply comes a while later. Port is
// where we serve it; with port 0 we only ask. Who is alone says hello more often.
// It ends with ctx or Run.
func (l *LAN) Peers(ctx context.Context, key [32]byte, port uint16, alone func() bool) iter.Seq[netip.AddrPort] {
	return func(yield func(netip.AddrPort) bool) {
		c := &content{key: newTagger(key), nonce: newNonce(), port: port, found: make(chan netip.AddrPort, backlog)}
		l.mu.Lock()
		l.contents[c] = struct{}{}
		l.mu.Unlock()
		defer func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			delete(l.contents, c)
		}()
		ctx, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()
		wg.Go(func() { l.greet(ctx, c, alone) })
		for {
			select {
			case addr := <-c.found:
				if !yield(addr) {
					return
				}
			case <-ctx.Done():
				return
			case <-l.ended:
				return
			}
		}
	}
}

// greet says hello a few times, as multicast gets lost easily on wireless
// networks, and then rarely.
func (l *LAN) greet(ctx context.Context, c *content, alone func() bool) {
	for i := 0; ; i++ {
		m := seal(hello, c.key, c.port, c.nonce, time.Now())
		for k, s := range l.stations {
			if k > 0 && !l.wait(ctx, nextFamily) {
				return
			}
			l.hello(s, m)
		}
		if !l.rest(ctx, i, alone) {
			return
		}
	}
}

// rest waits after the hello of that number. Later on it takes rests of aloneEvery
// until it is time, or we are alone: the others' addresses may have changed.
func (l *LAN) rest(ctx context.Context, number int, alone func() bool) bool {
	first := []time.Duration{500 * time.Millisecond, 1500 * time.Millisecond, 6 * time.Second}
	if number < len(first) {
		return l.wait(ctx, uneven(first[number]))
	}
	for range rarely / aloneEvery {
		if !l.wait(ctx, uneven(aloneEvery)) {
			return false
		}
		if alone() {
			break
		}
	}
	return true
}

// uneven is up to a fifth more than d, so that nobody keeps step.
func uneven(d time.Duration) time.Duration { return d + mathrand.N(d/5) }

// wait waits, and tells whether neither ctx nor Run has ended.
func (l *LAN) wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
	case <-l.ended:
	}
	return false
}

// hello says hello once in one address family, by all interfaces.
func (l *LAN) hello(s *station, m message) {
	l.sending.Lock()
	defer l.sending.Unlock()
	for _, k := range l.refresh() {
		if !s.on(k) {
			continue
		}
		if err := s.send(m, &k.Interface); err != nil {
			l.verbose("lan: %v", err)
		}
	}
}

// newNonce is 16 random bytes.
func newNonce() (n [nonceSize]byte) {
	_, _ = rand.Read(n[:]) // never fails
	return n
}

// refresh looks which interfaces there are by now, and joins the group on those
// that are new, or have got an address of its family.
func (l *LAN) refresh() []link {
	found, err := links(l.listen, l.loopback)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.verbose("lan: %v", err)
		return l.links
	}
	for _, k := range found {
		for _, s := range l.stations {
			joined := func(known link) bool { return known.Index == k.Index && s.on(known) }
			if !s.on(k) || slices.ContainsFunc(l.links, joined) {
				continue
			}
			if err := s.join.JoinGroup(&k.Interface, &s.group); err != nil {
				l.verbose("lan: join group on %s: %v", k.Name, err)
			}
		}
	}
	l.links = found
	return found
}

// receive handles what arrives at one of the station's sockets until Run ends.
func (l *LAN) receive(ctx context.Context, s *station, socket net.PacketConn) {
	var b [messageSize + 1]byte // one more tells what is too long
	for {
		n, addr, err := socket.ReadFrom(b[:])
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // a passing one: Windows tells of datagrams that were refused
			select {
			case <-time.After(5 * time.Millisecond):
				continue
			case <-ctx.Done():
				return
			}
		}
		if from, ok := addr.(*net.UDPAddr); ok && l.received.Allow() {
			l.handle(s, b[:n], from.AddrPort(), time.Now())
		}
	}
}

// handle takes one datagram in.
func (l *LAN) handle(s *station, datagram []byte, from netip.AddrPort, now time.Time) {
	from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	m, ok := parse(datagram, now)
	if !ok || !l.isLocal(from.Addr()) {
		return
	}
	ours := l.about(&m)
	if len(ours) == 0 || !l.heeds(&m, from.Addr(), now) {
		return
	}
	for _, c := range ours {
		replied := m.kind() == hello && c.port != 0 && l.reply(s, c, from, now)
		if m.port() == 0 {
			continue
		}
		at := netip.AddrPortFrom(from.Addr(), m.port())
		if replied {
			time.AfterFunc(patience, func() { c.heard(at) })
		} else {
			c.heard(at)
		}
	}
}

// reply tells whoever said hello where the content can be had here, unless many
// have just been told.
func (l *LAN) reply(s *station, c *content, to netip.AddrPort, now time.Time) bool {
	if !l.replies.Allow() {
		return false
	}
	answer := seal(reply, c.key, c.port, c.nonce, now)
	if _, err := s.own.WriteTo(answer[:], net.UDPAddrFromAddrPort(to)); err != nil {
		l.verbose("lan: reply to %v: %v", to, err)
		return false
	}
	return true
}

// heard tells the caller of Peers where somebody serves the content.
func (c *content) heard(at netip.AddrPort) {
	select {
	case c.found <- at:
	default: // the caller is slow; it will be heard of again
	}
}

// heeds tells whether a message counts: it is not our own, and neither it nor its
// sender was heard first at another address. So who plays one back learns nothing.
func (l *LAN) heeds(m *message, from netip.Addr, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.contents {
		if c.nonce == m.nonce() {
			return false
		}
	}
	maps.DeleteFunc(l.senders, func(_ [nonceSize]byte, s sender) bool { return now.After(s.until) })
	elsewhere := func(key [nonceSize]byte) bool {
		first, known := l.senders[key]
		return known && first.addr != from
	}
	if elsewhere(m.tag()) || elsewhere(m.nonce()) {
		return false
	}
	for key, until := range map[[nonceSize]byte]time.Time{m.tag(): m.until(), m.nonce(): now.Add(oneWay)} {
		if _, known := l.senders[key]; !known && len(l.senders) < mostSenders {
			l.senders[key] = sender{from, until}
		}
	}
	return true
}

// isLocal tells whether an address is in a network we are on.
func (l *LAN) isLocal(from netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.links, func(k link) bool {
		return slices.ContainsFunc(k.networks, func(p netip.Prefix) bool { return p.Contains(from.WithZone("")) })
	})
}

// about is the contents of ours that the message is about.
func (l *LAN) about(m *message) (ours []*content) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.contents {
		if m.of(c.key) {
			ours = append(ours, c)
		}
	}
	return ours
}
