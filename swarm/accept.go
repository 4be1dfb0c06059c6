package swarm

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/shoal-dl/shoal/swarm/discovery"
	"github.com/shoal-dl/shoal/swarm/wire"
)

const (
	// Connections that are not neighbours yet, at once.
	halfOpenMost    = 128
	halfOpenNetwork = 8 // of one public IPv4 /24 or IPv6 /48

	acceptPause = 50 * time.Millisecond // when the system can give no connection
)

var errMadeRoom = errors.New("it had to make room for others")

// accept takes connections from l until ctx ends.
func (n *Node) accept(ctx context.Context, l net.Listener) {
	var running sync.WaitGroup
	defer running.Wait()
	for {
		nc, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed) || ctx.Err() != nil:
			if err == nil {
				_ = nc.Close()
			}
			return
		case err != nil:
			// Too many open files, or a connection that was gone again.
			n.options.Verbose("accepting a peer: %v", err)
			select {
			case <-time.After(acceptPause):
			case <-ctx.Done():
			}
			continue
		}
		addr := addressOf(nc)
		coming, end := context.WithCancelCause(ctx)
		place := n.gate.enter(addr.Addr(), func() { end(errMadeRoom) })
		if place == nil {
			end(nil)
			_ = nc.Close()
			continue
		}
		running.Go(func() {
			defer end(nil)
			n.welcome(coming, nc, addr, place)
		})
	}
}

// welcome shakes hands with who came in, and runs the connection until it ends. He
// has his place in the gate, and ctx ends if he has to make room, until he is a
// neighbour.
func (n *Node) welcome(ctx context.Context, nc net.Conn, addr netip.AddrPort, place *place) {
	defer nc.Close()
	defer n.gate.leave(place)
	stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
	defer stop()
	st := newStream(nc)
	conn, err := n.endpoint.Accept(st, n.contents())
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		n.options.Verbose("accepting %v: %v", addr, err)
		return
	}
	s := n.swarm(conn.Content())
	if s == nil || !s.enter() {
		return
	}
	defer s.running.Done()
	st.heed(&n.options)
	p := newPeer(s, conn, st, meeting{addr, false, discovery.Inbound})
	if err := s.meet(ctx, p); err != nil {
		n.options.Verbose("peer %v: %v", addr, err)
		return
	}
	stop()
	n.gate.leave(place)
	s.keep(p)
}

// contents are those that are served, or will be again.
func (n *Node) contents() (c []wire.Content) {
	n.each(func(s *Swarm) {
		if s.welcomes() {
			c = append(c, s.content())
		}
	})
	return c
}

// swarm returns the swarm of a content, or nil.
func (n *Node) swarm(c wire.Content) (found *Swarm) {
	n.each(func(s *Swarm) {
		if s.content() == c {
			found = s
		}
	})
	return found
}

// addressOf returns the address of the other end.
func addressOf(nc net.Conn) netip.AddrPort {
	addr, _ := netip.ParseAddrPort(nc.RemoteAddr().String())
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
}

// gate bounds the connections that came in and are not neighbours yet. When there are as
// many as may be, the oldest makes room: who means well needs a moment, and who
// holds places cannot keep them from him.
type gate struct {
	mu       sync.Mutex
	places   []*place             // the oldest first
	networks map[netip.Prefix]int // public ones
}

// place is that of one connection in the gate.
type place struct {
	goAway  func()
	network netip.Prefix // the zero Prefix if it is not public
}

// enter returns the place of one more connection from that host, or nil if it may
// not come. It calls goAway when the connection has to make room.
func (g *gate) enter(host netip.Addr, goAway func()) *place {
	g.mu.Lock()
	defer g.mu.Unlock()
	network, public := publicNetwork(host)
	if public && g.networks[network] >= halfOpenNetwork {
		return nil
	}
	if len(g.places) >= halfOpenMost {
		g.places[0].goAway()
		g.remove(0)
	}
	p := &place{goAway, network}
	g.places = append(g.places, p)
	if public {
		if g.networks == nil {
			g.networks = make(map[netip.Prefix]int)
		}
		g.networks[network]++
	}
	return p
}

// leave ends what enter has begun, if p did not have to make room.
func (g *gate) leave(p *place) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.places, p); i >= 0 {
		g.remove(i)
	}
}

func (g *gate) remove(i int) {
	p := g.places[i]
	g.places = slices.Delete(g.places, i, i+1)
	if !p.network.IsValid() {
		return
	}
	if g.networks[p.network]--; g.networks[p.network] == 0 {
		delete(g.networks, p.network)
	}
}

// publicNetwork is the network of a public host. On a private one, many may come
// at the same moment in good faith.
func publicNetwork(host netip.Addr) (netip.Prefix, bool) {
	if !discovery.Public(host) {
		return netip.Prefix{}, false
	}
	bits := 24
	if host.Is6() {
		bits = 48
	}
	p, err := host.Prefix(bits)
	return p, err == nil
}
