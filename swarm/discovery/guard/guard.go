// Package guard stands between a DHT library and the network: it hands the
// library only datagrams that cannot harm it, and no more than it can answer.
//
// The library meant is anacrolix/dht, which panics in goroutines of its own,
// out of reach of recover, on many a malformed datagram and on every read
// error of its socket.
package guard

import (
	"errors"
	"hash/maphash"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits bound what a Conn lets through, in datagrams a second; up to one
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

// errorPause is how long a Conn waits after a read error, so that a socket
// that always fails costs no CPU to speak of.
const errorPause = 5 * time.Millisecond

// Conn is a net.PacketConn for a DHT library, over the socket it guards.
type Conn struct {
	net.PacketConn // the socket: writes go straight to it

	limits  Limits
	seed    maphash.Seed
	queries *rate.Limiter

	reading sync.Mutex             // held by ReadFrom
	sources [buckets]*rate.Limiter // each made when first used; under reading

	closing chan struct{} // closed by Close
	close   func() error  // closes closing and the socket, once
}

// New returns a Conn over socket, which its Close closes.
func New(socket net.PacketConn, limits Limits) *Conn {
	c := &Conn{
		PacketConn: socket,
		limits:     limits,
		seed:       maphash.MakeSeed(),
		queries:    rate.NewLimiter(rate.Limit(limits.Queries), limits.Queries),
		closing:    make(chan struct{}),
	}
	c.close = sync.OnceValue(func() error {
		close(c.closing)
		return socket.Close()
	})
	return c
}

// Close closes the socket and waits for a ReadFrom in progress to return. It
// may be called more than once.
func (c *Conn) Close() error {
	err := c.close()
	c.reading.Lock()
	defer c.reading.Unlock()
	return err
}

// ReadFrom waits for the next datagram that is well-formed and within the
// limits. It returns an error only after Close, since the library takes any
// that comes before its own Close for a reason to panic: read errors are
// swallowed, and when another hand closes the socket ReadFrom waits for Close.
func (c *Conn) ReadFrom(b []byte) (int, net.Addr, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	for {
		n, addr, err := c.PacketConn.ReadFrom(b)
		if err == nil && c.pass(b[:n], addr, time.Now()) {
			return n, addr, nil
		}
		if err == nil {
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			<-c.closing
		}
		select {
		case <-c.closing:
			return 0, nil, err
		case <-time.After(errorPause):
		}
	}
}

// pass tells whether the library may see a datagram.
func (c *Conn) pass(datagram []byte, from net.Addr, now time.Time) bool {
	udp, ok := from.(*net.UDPAddr)
	if !ok || udp.Port == 0 || !c.source(udp.AddrPort().Addr()).AllowN(now, 1) {
		return false
	}
	kind, err := Check(datagram)
	return err == nil && (kind != Query || c.queries.AllowN(now, 1))
}

// source is the limiter that counts the datagrams of that address.
func (c *Conn) source(addr netip.Addr) *rate.Limiter {
	key := addr.As16()
	if addr.Is6() && !addr.Is4In6() {
		clear(key[8:]) // a host has the whole /64 to send from
	}
	i := maphash.Bytes(c.seed, key[:]) % buckets
	if c.sources[i] == nil {
		c.sources[i] = rate.NewLimiter(rate.Limit(c.limits.PerSource), c.limits.PerSource)
	}
	return c.sources[i]
}
