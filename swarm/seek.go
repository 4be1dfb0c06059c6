package swarm

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/shoal-dl/shoal/swarm/discovery"
	"github.com/shoal-dl/shoal/swarm/discovery/dht"
	"github.com/shoal-dl/shoal/swarm/discovery/lan"
	"github.com/shoal-dl/shoal/verify"
)

// Names of first contacts are looked up again every resolveEvery while there are
// few neighbours. After a failure it is resolveSoon, and twice as long each time:
// the network may come up after us.
const (
	resolveSoon  = 5 * time.Second
	resolveEvery = 5 * time.Minute
)

// discover makes what the swarm may use for finding others, unless it is there
// already. It runs in Run's goroutine.
func (n *Node) discover(ctx context.Context, s *Swarm, running *sync.WaitGroup) {
	if n.options.DHT && s.allows(verify.DiscoveryDHT) {
		if n.dht == nil && len(n.sockets.udp) > 0 {
			n.joinDHT(ctx, s, running)
		}
		s.dht = n.dht
	}
	if n.options.LAN && s.allows(verify.DiscoveryLAN) {
		if n.lan == nil {
			n.joinLAN(ctx, running)
		}
		s.lan = n.lan
	}
}

// allows tells whether the publisher consents to a way of discovery.
func (s *Swarm) allows(way string) bool { return slices.Contains(s.manifest.Discovery, way) }

func (n *Node) joinDHT(ctx context.Context, s *Swarm, running *sync.WaitGroup) {
	o := n.options
	with := o.joinWith(s.manifest.Bootstrap)
	with.Sockets = n.sockets.udp
	d, err := dht.New(with)
	n.sockets.udp = nil // the DHT's now, even if it could not be made
	if err != nil {
		o.Verbose("joining the DHT: %v", err)
		return
	}
	n.dht = d
	running.Go(func() { d.Run(ctx) })
}

// joinWith is how these options join the DHT of a manifest that names those
// nodes, but for the sockets.
func (o *Options) joinWith(bootstrap []string) dht.Options {
	routers := o.DHTBootstrap
	if len(routers) == 0 && !o.DHTPrivate {
		routers = dht.PublicRouters()
	}
	return dht.Options{
		Stay: o.Stay, Private: o.DHTPrivate, Bootstrap: bootstrap, Routers: routers,
		Cache: o.Cache, Verbose: o.Verbose,
	}
}

func (n *Node) joinLAN(ctx context.Context, running *sync.WaitGroup) {
	l, err := lan.New(ctx, lan.Options{Listen: n.sockets.host, Verbose: n.options.Verbose})
	if err != nil {
		n.options.Verbose("listening to the local network: %v", err)
		return
	}
	n.lan = l
	running.Go(func() { l.Run(ctx) })
}

// seek starts all ways of finding others. None waits for another.
func (s *Swarm) seek(ctx context.Context) {
	for _, contact := range s.contacts {
		s.running.Go(func() { s.resolve(ctx, discovery.User, contact) })
	}
	for _, contact := range s.manifest.Peers {
		s.running.Go(func() { s.resolve(ctx, discovery.Manifest, contact) })
	}
	if d := s.dht; d != nil {
		s.running.Go(func() { s.seekDHT(ctx, d) })
		s.running.Go(func() { s.announce(ctx, d) })
		for _, contact := range s.manifest.Bootstrap {
			s.running.Go(func() { s.bootstrap(ctx, d, contact) })
		}
	}
	if l := s.lan; l != nil {
		s.running.Go(func() { s.seekLAN(ctx, l) })
	}
}

// seekDHT looks the content up while there are few neighbours.
func (s *Swarm) seekDHT(ctx context.Context, d *dht.DHT) {
	for addr := range d.Peers(ctx, s.keys.Infohash, s.few) {
		s.mu.Lock()
		for _, ip := range d.External() {
			s.book.Self(netip.AddrPortFrom(ip, s.node.Port()))
		}
		s.mu.Unlock()
		s.found(discovery.DHT, addr)
	}
}

// announce tells the DHT that the content can be had here, from the first proven
// piece on and as long as we share.
func (s *Swarm) announce(ctx context.Context, d *dht.DHT) {
	if !s.serves || s.node.Port() == 0 {
		return
	}
	select {
	case <-s.proven:
	case <-ctx.Done():
		return
	}
	s.node.whileRuled(ctx, false, func(ctx context.Context, may bool) {
		if may {
			d.Announce(ctx, s.keys.Infohash, s.node.Port())
		}
	})
}

// bootstrap tells the DHT of a node that the manifest names.
func (s *Swarm) bootstrap(ctx context.Context, d *dht.DHT, contact string) {
	for _, addr := range s.lookUp(ctx, contact) {
		d.AddNode(addr)
	}
}

// seekLAN says hello on the local network, and takes in who answers. It says where
// we listen while we share.
func (s *Swarm) seekLAN(ctx context.Context, l *lan.LAN) {
	s.node.whileRuled(ctx, true, func(ctx context.Context, may bool) {
		port := s.node.Port()
		if !s.serves || !may {
			port = 0
		}
		for addr := range l.Peers(ctx, s.keys.LAN, port, s.alone) {
			s.found(discovery.LAN, addr)
		}
	})
}

// resolve takes in a first contact, and looks its name up again now and then.
func (s *Swarm) resolve(ctx context.Context, from discovery.Origin, contact string) {
	soon := resolveSoon
	for {
		pause := resolveEvery
		if s.few() {
			addrs := s.lookUp(ctx, contact)
			s.found(from, addrs...)
			if len(addrs) == 0 {
				pause, soon = soon, min(2*soon, resolveEvery)
			} else {
				soon = resolveSoon
			}
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// lookUp returns the addresses of HOST:PORT.
func (s *Swarm) lookUp(ctx context.Context, contact string) []netip.AddrPort {
	if addr, err := netip.ParseAddrPort(contact); err == nil {
		return []netip.AddrPort{addr}
	}
	host, text, err := net.SplitHostPort(contact)
	if err != nil {
		s.node.options.Verbose("looking up %q: %v", contact, err)
		return nil
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		s.node.options.Verbose("looking up %q: port %q is not a number", contact, text)
		return nil
	}
	s.node.options.Verbose("looking up %s", host)
	lookUp := s.node.options.lookUp
	if lookUp == nil {
		lookUp = net.DefaultResolver.LookupNetIP
	}
	ips, err := lookUp(ctx, "ip", host)
	if err != nil {
		s.node.options.Verbose("looking up %s: %v", host, err)
	}
	addrs := make([]netip.AddrPort, len(ips))
	for i, ip := range ips {
		addrs[i] = netip.AddrPortFrom(ip.Unmap(), uint16(port))
	}
	return addrs
}
