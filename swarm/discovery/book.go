// Package discovery remembers where peers may be found, and says whom to dial
// next and whom never. Its sub-packages bring the addresses: dht, lan, and
// guard, which stands between the DHT library and the network.
package discovery

import (
	"cmp"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/time/rate"
)

// Origin tells who named an address, best first: it decides how soon the
// address is dialled, how patiently, and whether it may be a private one.
type Origin uint8

// The origins of an address, in the order in which they are dialled.
const (
	LAN      Origin = iota // heard on the local network
	User                   // given on the command line
	Manifest               // listed by the publisher
	DHT                    // a DHT look-up
	PEX                    // told by a peer on the public internet
	LocalPEX               // told by a peer with a private address
	Inbound                // it dialled us and said where it listens
)

// pexFrom is the origin of the addresses that the given peer tells of.
func pexFrom(peer netip.Addr) Origin {
	if Public(peer) {
		return PEX
	}
	return LocalPEX
}

// trusted origins may name private addresses, and are never crowded out.
func (o Origin) trusted() bool { return o <= Manifest }

const (
	dialsPerSecond = 30   // at even intervals
	maxCandidates  = 2000 // addresses remembered; about 200 bytes each
	maxUntried     = 100  // of them by one peer's PEX, not dialled yet
	maxPorts       = 4    // of them at one host, unless trusted or in a private DHT
	maxBans        = 1000 // banned addresses remembered, the newest
	maxSelf        = 64   // addresses of our own remembered, the newest

	// Never is the wait Next returns when nothing is left to dial until
	// another address comes.
	Never time.Duration = math.MaxInt64
)

// Book is the dial policy as plain data: the addresses known, what became of
// them, and the order in which to try them. It has no lock, no clock and no
// socket; one goroutine owns it and passes the time in.
//
// Each address goes round: Add makes it a candidate, Next hands it out to be
// dialled, Connected or Failed says how that went, Gone ends a connection.
type Book struct {
	private    bool
	rand       func(n int) int
	dials      *rate.Limiter // other books' too
	candidates map[netip.AddrPort]*candidate
	turn       uint64 // how many were handed out
	self       *recent[netip.AddrPort]
	bans       *recent[netip.Prefix]
}

// candidate is one address and what became of it.
type candidate struct {
	addr     netip.AddrPort
	*teller            // the best of those who named it
	busy     bool      // being dialled, or connected
	failures int       // in a row
	after    time.Time // not to be dialled before; zero while untried
}

// teller is who named addresses: one peer by PEX, or all of another origin. They
// take turns, so that none crowds out what another names.
type teller struct {
	origin Origin
	host   netip.Prefix // of the peer
	turn   uint64       // of Book, when an address of its was last handed out
}

// NewDials returns the limit on the dials of all books together.
func NewDials() *rate.Limiter { return rate.NewLimiter(dialsPerSecond, 1) }

// NewBook returns an empty Book that hands out no more than dials lets it. In a
// private DHT's book (private true) any origin may name private and loopback
// addresses. Ties are broken by random, which returns a number in [0, n); nil
// means math/rand.
func NewBook(dials *rate.Limiter, private bool, random func(n int) int) *Book {
	if random == nil {
		random = rand.IntN
	}
	return &Book{
		private:    private,
		rand:       random,
		dials:      dials,
		candidates: make(map[netip.AddrPort]*candidate),
		self:       newRecent[netip.AddrPort](maxSelf),
		bans:       newRecent[netip.Prefix](maxBans),
	}
}

// Add remembers addresses that one look-up brought, and returns how many of
// them were new. Addresses that may not be dialled, are our own or banned, or
// are more than two of one network or four of one host, are left out; of a known
// address only a better origin is noted.
func (b *Book) Add(from Origin, addrs ...netip.AddrPort) (added int) {
	return b.add(teller{origin: from}, addrs)
}

// Told is Add for one PEX message of that peer. Of what it names, no more than a
// hundred addresses wait for their first dial.
func (b *Book) Told(peer netip.Addr, addrs ...netip.AddrPort) (added int) {
	return b.add(teller{origin: pexFrom(peer), host: HostNetwork(peer)}, addrs)
}

func (b *Book) add(by teller, addrs []netip.AddrPort) (added int) {
	var thin Thin
	t, untried := b.teller(by)
	for _, addr := range addrs {
		addr = plain(addr)
		if c := b.candidates[addr]; c != nil {
			if t.origin < c.origin {
				c.teller = t
			}
			continue
		}
		if t.host.IsValid() && untried+added == maxUntried {
			continue
		}
		if !b.allowed(addr, t.origin) || !t.origin.trusted() && !thin.Pass(addr.Addr()) || !b.room(addr, t.origin) {
			continue
		}
		b.candidates[addr] = &candidate{addr: addr, teller: t}
		added++
	}
	return added
}

// teller returns the one that is remembered, if any, and how many of the
// addresses it named were never tried. A new one waits for its turn.
func (b *Book) teller(by teller) (t *teller, untried int) {
	by.turn = b.turn
	t = &by
	for _, c := range b.candidates {
		if c.origin != by.origin || c.host != by.host {
			continue
		}
		t = c.teller
		if !c.busy && c.failures == 0 && c.after.IsZero() {
			untried++
		}
	}
	return t, untried
}

// allowed tells whether an address of that origin may be dialled.
func (b *Book) allowed(addr netip.AddrPort, from Origin) bool {
	if !dialable(addr) || b.self.has(addr) || b.Banned(addr.Addr()) {
		return false
	}
	return b.private || from.trusted() || from == LocalPEX || from == Inbound || Public(addr.Addr())
}

// room tells whether one more address may be remembered, making room where a
// worse one can go.
func (b *Book) room(addr netip.AddrPort, from Origin) bool {
	host := HostNetwork(addr.Addr())
	if !b.private && !from.trusted() && !b.limit(maxPorts, from, host) {
		return false
	}
	return len(b.candidates) < maxCandidates || b.limit(maxCandidates, from, netip.Prefix{})
}

// limit tells whether one more address of that host, or of any if it is the zero
// Prefix, makes no more than the limit. If it does, that of an untrusted origin
// that failed most makes room, or one never tried that a worse origin named.
func (b *Book) limit(limit int, from Origin, host netip.Prefix) bool {
	var worst *candidate
	n := 1
	for _, c := range b.candidates {
		if host.IsValid() && (c.origin.trusted() || !holds(host, c.addr.Addr())) {
			continue
		}
		n++
		if c.busy || c.origin.trusted() || c.failures == 0 && c.origin <= from {
			continue
		}
		if worst == nil || c.failures > worst.failures {
			worst = c
		}
	}
	if n > limit && worst != nil {
		delete(b.candidates, worst.addr)
		n--
	}
	return n <= limit
}

// Next hands out the address to dial now, and where it came from: LAN first,
// then the user's, then the manifest's, then a random one of the others, whose
// tellers take turns, those never tried before those that failed. The caller
// answers with Connected or Failed. When there is nothing to dial yet ok is false, and
// wait tells how long to wait unless an address is added: Never if no time
// will help.
func (b *Book) Next(now time.Time) (addr netip.AddrPort, from Origin, wait time.Duration, ok bool) {
	best, wait := b.best(now)
	if best == nil {
		return netip.AddrPort{}, 0, wait, false
	}
	if !b.dials.AllowN(now, 1) { // a reservation, taken back, would cost other books theirs
		missing := 1 - b.dials.TokensAt(now)
		wait = time.Duration(math.Ceil(missing * float64(time.Second/dialsPerSecond)))
		return netip.AddrPort{}, 0, max(wait, 1), false
	}
	best.busy = true
	b.turn++
	best.turn = b.turn
	return best.addr, best.origin, 0, true
}

// best picks the candidate to dial at that time, or tells how long it is
// until there may be one.
func (b *Book) best(now time.Time) (best *candidate, wait time.Duration) {
	wait = Never
	ties := 0
	for _, c := range b.candidates {
		if c.busy {
			continue
		}
		if d := c.after.Sub(now); d > 0 {
			wait = min(wait, d)
			continue
		}
		order := -1
		if best != nil {
			order = c.compare(best)
		}
		switch {
		case order < 0:
			best, ties = c, 1
		case order == 0:
			if ties++; b.rand(ties) == 0 { // each of the ties is as likely
				best = c
			}
		}
	}
	return best, wait
}

// compare is negative when c is to be dialled before d.
func (c *candidate) compare(d *candidate) int {
	return cmp.Or(
		cmp.Compare(min(c.origin, DHT), min(d.origin, DHT)), // the untrusted ones are one class
		cmp.Compare(c.turn, d.turn),
		cmp.Compare(c.failures, d.failures),
	)
}

// Failed notes that a dial failed, or that whoever answered was no peer. The
// address is left alone for a while, twice as long each time: from 5 s up to
// 5 min where a trusted origin vouches for it, from 1 min up to 1 h elsewhere.
func (b *Book) Failed(addr netip.AddrPort, now time.Time) {
	c := b.candidates[plain(addr)]
	if c == nil {
		return
	}
	first, longest := time.Minute, time.Hour
	if c.origin.trusted() {
		first, longest = 5*time.Second, 5*time.Minute
	}
	c.busy = false
	c.after = now.Add(min(first<<min(c.failures, 10), longest))
	c.failures++
}

// Connected notes a connection to the peer that listens at addr, dialled by
// either side, so that it is not dialled again while the connection lasts.
func (b *Book) Connected(addr netip.AddrPort) {
	addr = plain(addr)
	if b.candidates[addr] == nil {
		b.Add(Inbound, addr)
	}
	if c := b.candidates[addr]; c != nil {
		c.busy, c.failures = true, 0
	}
}

// redial is how long a peer whose connection ended is left alone.
const redial = 30 * time.Second

// Gone notes that the connection to the peer that listens at addr ended.
func (b *Book) Gone(addr netip.AddrPort, now time.Time) {
	if c := b.candidates[plain(addr)]; c != nil {
		c.busy, c.after = false, now.Add(redial)
	}
}

// Self notes addresses that are our own: those we listen at, and any at which
// we met ourselves. They are never handed out again.
func (b *Book) Self(addrs ...netip.AddrPort) {
	for _, addr := range addrs {
		b.self.add(plain(addr))
		delete(b.candidates, plain(addr))
	}
}

// Ban forgets all addresses of that host and takes no new ones for the rest
// of the session. On the public internet an IPv6 host is its whole /64.
func (b *Book) Ban(host netip.Addr) {
	network := HostNetwork(host)
	if !network.IsValid() {
		return
	}
	b.bans.add(network)
	for addr := range b.candidates {
		if holds(network, addr.Addr()) {
			delete(b.candidates, addr)
		}
	}
}

// Banned tells whether that host was banned: it is not to be dialled, and an
// incoming connection of its is to be closed.
func (b *Book) Banned(host netip.Addr) bool { return b.bans.has(HostNetwork(host)) }

// HostNetwork is what counts as one host, and what one ban covers: the address, or
// the /64 of a public IPv6 address, of which its host has all; a private /64 is a
// whole local network.
// It is the zero Prefix for an invalid address.
func HostNetwork(host netip.Addr) netip.Prefix {
	host = host.Unmap().WithZone("")
	bits := host.BitLen()
	if host.Is6() && Public(host) {
		bits = 64
	}
	p, err := host.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// holds tells whether a host is in that network, whatever its zone.
func holds(network netip.Prefix, host netip.Addr) bool { return network.Contains(host.WithZone("")) }

// Len is how many addresses are remembered.
func (b *Book) Len() int { return len(b.candidates) }

// recent is a set that holds its newest max members.
type recent[K comparable] struct {
	max   int
	order []K
	set   map[K]struct{}
}

func newRecent[K comparable](limit int) *recent[K] {
	return &recent[K]{max: limit, set: make(map[K]struct{})}
}

func (r *recent[K]) has(k K) bool {
	_, ok := r.set[k]
	return ok
}

func (r *recent[K]) add(k K) {
	if r.has(k) {
		return
	}
	if len(r.order) == r.max {
		delete(r.set, r.order[0])
		r.order = slices.Delete(r.order, 0, 1)
	}
	r.order = append(r.order, k)
	r.set[k] = struct{}{}
}
