// Package swarmtest is a network in memory: hosts with an uplink, a downlink and
// a delay, and TCP-like connections between them. It works inside a synctest
// bubble, where hours pass in milliseconds.
package swarmtest

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Net is a network.
type Net struct {
	mu     sync.Mutex
	random *rand.Rand
	hosts  map[netip.Addr]*Host
}

// New returns an empty network. The seed decides the jitter.
func New(seed uint64) *Net {
	return &Net{random: rand.New(rand.NewPCG(seed, 0)), hosts: make(map[netip.Addr]*Host)}
}

// Line is how a host is connected to the network.
type Line struct {
	Up, Down float64       // bytes a second; 0 means without limit
	Delay    time.Duration // to or from the middle of the network: a quarter of a round trip between two alike
	Jitter   time.Duration // at most so much more delay, at random; the order stays
	Socket   int           // bytes that may be on the way to a connection's reader, or unread; 0 means 1 MiB
}

// Host is a machine in the network. All its connections share its line, each
// getting as much as any other that wants it.
type Host struct {
	net      *Net
	addr     netip.Addr
	line     Line
	up, down link
	vanished atomic.Bool

	mu        sync.Mutex
	listeners map[uint16]*listener
	port      uint16 // the last one given to a dialler
}

// Host adds a machine, whose address must be new.
func (n *Net) Host(addr netip.Addr, line Line) *Host {
	line.Socket = cmp.Or(line.Socket, socket)
	h := &Host{
		net: n, addr: addr, line: line,
		up: link{rate: line.Up}, down: link{rate: line.Down},
		listeners: make(map[uint16]*listener), port: 32768,
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[addr] = h
	return h
}

// Addr is the host's address.
func (h *Host) Addr() netip.Addr { return h.addr }

// Sent is how many bytes have passed the host's line on their way out.
func (h *Host) Sent() int64 { return h.up.passed.Load() }

// Received is how many have on their way in.
func (h *Host) Received() int64 { return h.down.passed.Load() }

// Vanish pulls the plug: nothing passes the line any more, and nobody is told.
func (h *Host) Vanish() { h.vanished.Store(true) }

// Listen accepts connections at a port.
func (h *Host) Listen(port uint16) net.Listener {
	l := &listener{host: h, addr: netip.AddrPortFrom(h.addr, port), conns: make(chan net.Conn), closed: make(chan struct{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.listeners[port] = l
	return l
}

// Dial connects to a port of a host after one round trip, if somebody listens.
func (h *Host) Dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	other, l := h.net.find(to)
	if other == nil || other.vanished.Load() || h.vanished.Load() {
		<-ctx.Done()
		return nil, fmt.Errorf("dial %v: %w", to, context.Cause(ctx))
	}
	if err := sleep(ctx, 2*(h.line.Delay+other.line.Delay)); err != nil {
		return nil, fmt.Errorf("dial %v: %w", to, err)
	}
	if l == nil {
		return nil, fmt.Errorf("dial %v: %w", to, syscall.ECONNREFUSED)
	}
	ours, theirs := h.pair(other, to)
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.closed:
		return nil, fmt.Errorf("dial %v: %w", to, syscall.ECONNREFUSED)
	case <-ctx.Done():
		return nil, fmt.Errorf("dial %v: %w", to, context.Cause(ctx))
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// pair makes both ends of a connection from h to other.
func (h *Host) pair(other *Host, to netip.AddrPort) (ours, theirs *conn) {
	h.mu.Lock()
	h.port++
	from := netip.AddrPortFrom(h.addr, h.port)
	h.mu.Unlock()
	there, back := newHalf(h, other), newHalf(other, h)
	ours = &conn{out: there, in: back, local: net.TCPAddrFromAddrPort(from), remote: net.TCPAddrFromAddrPort(to)}
	theirs = &conn{out: back, in: there, local: ours.remote, remote: ours.local}
	return ours, theirs
}

// find returns a host and who listens there, either nil if there is none.
func (n *Net) find(addr netip.AddrPort) (*Host, *listener) {
	n.mu.Lock()
	h := n.hosts[addr.Addr()]
	n.mu.Unlock()
	if h == nil {
		return nil, nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h, h.listeners[addr.Port()]
}

// delay is how long bytes are on their way between two hosts this time.
func (n *Net) delay(from, to *Host) time.Duration {
	d := from.line.Delay + to.line.Delay
	if most := from.line.Jitter + to.line.Jitter; most > 0 {
		n.mu.Lock()
		d += time.Duration(n.random.Int64N(int64(most)))
		n.mu.Unlock()
	}
	return d
}

// link is one direction of a line, which bytes pass one after the other.
type link struct {
	rate   float64 // bytes a second; 0 means without limit
	passed atomic.Int64

	mu   sync.Mutex
	free time.Time // when the last of them has passed
}

// pass queues n bytes and returns when they will have passed.
func (l *link) pass(n int) time.Time {
	l.passed.Add(int64(n))
	now := time.Now()
	if l.rate == 0 {
		return now
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.free.Before(now) {
		l.free = now
	}
	l.free = l.free.Add(time.Duration(float64(n) / l.rate * float64(time.Second)))
	return l.free
}

type listener struct {
	host   *Host
	addr   netip.AddrPort
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.host.mu.Lock()
		defer l.host.mu.Unlock()
		delete(l.host.listeners, l.addr.Port())
	})
	return nil
}

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.addr) }
