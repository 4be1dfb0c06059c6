package swarm

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/shoal-dl/shoal/swarm/discovery"
	"github.com/shoal-dl/shoal/swarm/discovery/dht"
	"github.com/shoal-dl/shoal/swarm/discovery/lan"
)

// Probe looks what a node with the same options would have to do with. It joins
// no swarm, announces nothing and serves nobody. Its methods may be called at
// once, each one time.
type Probe struct {
	options   Options
	bootstrap []string

	reached  chan struct{} // closed when DHT is done
	external []netip.Addr  // set before that
}

// NewProbe makes a probe. bootstrap is the nodes of the DHT that a manifest
// names.
func NewProbe(o Options, bootstrap []string) *Probe {
	if o.Verbose == nil {
		o.Verbose = func(string, ...any) {}
	}
	return &Probe{options: o, bootstrap: bootstrap, reached: make(chan struct{})}
}

// Nodes is the nodes of the DHT by which one would enter it, HOST:PORT.
func (p *Probe) Nodes() []string {
	with := p.options.joinWith(p.bootstrap)
	return slices.Concat(with.Bootstrap, with.Routers)
}

// Reach is how far a look into the DHT went.
type Reach struct {
	IPv4, IPv6 int          // nodes that answered, in each family
	Asked      int          // first nodes that were known
	External   []netip.Addr // where the nodes see us, if enough of them agree
}

// DHT looks how many nodes answer. Its errors are local.
func (p *Probe) DHT(ctx context.Context) (Reach, error) {
	defer close(p.reached)
	o := p.options
	o.Share, o.DHT, o.Listener = false, true, nil
	s, err := openSockets(&o)
	if err != nil {
		return Reach{}, err
	}
	with := o.joinWith(p.bootstrap)
	with.Sockets = s.udp
	r, err := dht.Probe(ctx, with)
	p.external = r.External
	asked := len(p.Nodes()) + len(with.Cached())
	return Reach{IPv4: r.IPv4, IPv6: r.IPv6, Asked: asked, External: r.External}, err
}

// Door is the port at which others would reach us.
type Door struct {
	Port     uint16
	Chosen   bool         // it is the same each time; otherwise the system picks one
	Local    bool         // only this machine can reach it
	Own      []netip.Addr // public addresses of this machine itself
	External []netip.Addr // where others see us, as far as the DHT tells
}

// Door opens the port and knocks at it from within. Whether somebody else can do
// so is not to be known without somebody else.
func (p *Probe) Door(ctx context.Context) (Door, error) {
	o := p.options
	o.Share, o.DHT, o.Listener = true, false, nil
	s, err := openSockets(&o)
	if err != nil {
		return Door{}, err
	}
	defer s.close()
	_, port, _ := splitListen(o.Listen) // openSockets has read it
	d := Door{Port: s.port, Chosen: port != 0, Local: s.host.IsLoopback()}
	if err := knock(ctx, s); err != nil {
		return d, err
	}
	if addrs, err := net.InterfaceAddrs(); err == nil && !d.Local {
		d.Own = public(addrs)
	}
	if p.options.DHT {
		select {
		case <-p.reached:
			d.External = p.external
		case <-ctx.Done():
		}
	}
	return d, nil
}

// knock connects to our own port.
func knock(ctx context.Context, s sockets) error {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", s.tcp.Addr().String())
	if err != nil {
		return fmt.Errorf("connect to our own port: %w", err)
	}
	return c.Close()
}

// public is those addresses of ours that are of the internet.
func public(addrs []net.Addr) (own []netip.Addr) {
	for _, a := range addrs {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && discovery.Public(prefix.Addr()) {
			own = append(own, prefix.Addr().Unmap())
		}
	}
	slices.SortFunc(own, netip.Addr.Compare)
	return slices.Compact(own)
}

// Voice is what multicast by the network interfaces came to.
type Voice struct {
	Heard  []string // interfaces by which what went out was heard again
	Silent []string // by which it was not
	Failed []string // by which nothing went out, and why
}

// LAN says something by each network interface, and listens for it.
func (p *Probe) LAN(ctx context.Context) (Voice, error) {
	host, _, err := splitListen(p.options.Listen)
	if err != nil {
		return Voice{}, err
	}
	listen, _ := netip.ParseAddr(host) // a name means every interface, here
	links, err := lan.Probe(ctx, lan.Options{Listen: listen, Verbose: p.options.Verbose})
	if err != nil {
		return Voice{}, err
	}
	var v Voice
	for _, l := range links {
		switch {
		case l.Err != nil:
			v.Failed = append(v.Failed, l.Name+": "+l.Err.Error())
		case l.Heard:
			v.Heard = append(v.Heard, l.Name)
		default:
			v.Silent = append(v.Silent, l.Name)
		}
	}
	if ctx.Err() != nil {
		return v, context.Cause(ctx)
	}
	return v, nil
}
