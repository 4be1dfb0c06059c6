// Package krpc stands between a DHT library and the network: it hands the
// library only datagrams that cannot harm it, and no more than it can answer.
//
// The library meant is anacrolix/dht, which panics in goroutines of its own,
// out of reach of recover, on many a malformed datagram and on every read
// error of its socket.
package krpc

import (
	"errors"
	"hash/maphash"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits bound what a Guard lets through, in datagrams a second; up to one
// second's worth may come at once.
type Limits struct {
	// PerSource bounds each source address; an IPv6 /64 counts as one.
	PerSource int
	// Queries bounds the queries of all sources together. Responses are not
	// counted: the library drops those to which it sent no query.
	Queries int
}

// buckets is how many limiters stand for all the sources there may be; two
// sources that share one share its rate. Each takes about 100 bytes.
const buckets = 1024

// errorPause is how long a Guard waits after a read error, so that a socket
// that always fails costs no CPU to speak of.
const errorPause = 5 * time.Millisecond

// Guard is a net.PacketConn for a DHT library, over the socket it guards.
// One goroutine at a time may read from it.
type Guard struct {
	net.PacketConn // the socket: writes go straight to it

	limits  Limits
	seed    maphash.Seed
	sources [buckets]*rate.Limiter // each made when first used; the reader's
	queries *rate.Limiter

	closing chan struct{} // closed by Close
	close   func() error  // does what Close says, once
	ended   chan struct{} // closed when the reader has been told of the end
	end     func()        // closes ended, once
}

// New returns a Guard over socket, which the Guard's Close closes.
func New(socket net.PacketConn, limits Limits) *Guard {
	g := &Guard{
		PacketConn: socket,
		limits:     limits,
		seed:       maphash.MakeSeed(),
		queries:    rate.NewLimiter(rate.Limit(limits.Queries), limits.Queries),
		closing:    make(chan struct{}),
		ended:      make(chan struct{}),
	}
	g.close = sync.OnceValue(func() error {
		close(g.closing)
		return socket.Close()
	})
	g.end = sync.OnceFunc(func() { close(g.ended) })
	return g
}

// Close closes the socket; a waiting ReadFrom returns. It may be called more
// than once, from any goroutine.
func (g *Guard) Close() error { return g.close() }

// Ended is closed once ReadFrom has returned its error, which it does only
// after Close: then the library's reading goroutine is on its way out.
func (g *Guard) Ended() <-chan struct{} { return g.ended }

// ReadFrom waits for the next datagram that is well-formed and within the
// limits. Read errors of the socket are swallowed, and if another hand closes
// the socket, ReadFrom waits for Close: the library takes any error that
// comes before its own Close for a reason to panic.
func (g *Guard) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, addr, err := g.PacketConn.ReadFrom(b)
		if err == nil && g.pass(b[:n], addr, time.Now()) {
			return n, addr, nil
		}
		if err == nil {
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			<-g.closing
		}
		select {
		case <-g.closing:
			g.end()
			return 0, nil, err
		case <-time.After(errorPause):
		}
	}
}

// pass tells whether the library may see a datagram.
func (g *Guard) pass(datagram []byte, from net.Addr, now time.Time) bool {
	udp, ok := from.(*net.UDPAddr)
	if !ok || udp.Port == 0 || !g.source(udp.AddrPort().Addr()).AllowN(now, 1) {
		return false
	}
	kind, err := Check(datagram)
	return err == nil && (kind != Query || g.queries.AllowN(now, 1))
}

// source is the limiter that counts the datagrams of that address.
func (g *Guard) source(addr netip.Addr) *rate.Limiter {
	key := addr.As16()
	if addr.Is6() && !addr.Is4In6() {
		clear(key[8:]) // a host has the whole /64 to send from
	}
	i := maphash.Bytes(g.seed, key[:]) % buckets
	if g.sources[i] == nil {
		g.sources[i] = rate.NewLimiter(rate.Limit(g.limits.PerSource), g.limits.PerSource)
	}
	return g.sources[i]
}
