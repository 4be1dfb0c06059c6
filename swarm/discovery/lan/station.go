package lan

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// The groups we meet in. The IPv4 one is of the administratively scoped local
// block (RFC 2365), the IPv6 one a transient one of link-local scope with a
// dynamic group id (RFC 3307). The port is registered to nobody.
const (
	group4    = "239.255.83.72"
	group6    = "ff12::d348:4f41"
	groupPort = 7413
)

// Groups is where messages to the local network go, HOST:PORT.
func Groups() []string {
	port := strconv.Itoa(groupPort)
	return []string{net.JoinHostPort(group4, port), net.JoinHostPort(group6, port)}
}

// station is our part in the group of one address family.
type station struct {
	group net.UDPAddr
	// shared hears the group. Other processes of this host share its port,
	// so that a datagram sent to it alone may end up at any of them.
	shared net.PacketConn
	// own is what we send from, so that replies come to this process.
	own net.PacketConn

	join interface {
		JoinGroup(ifi *net.Interface, group net.Addr) error
	}
	via interface {
		SetMulticastInterface(ifi *net.Interface) error
	}
}

// newStations opens the sockets of each address family that listen has and
// this host can multicast in.
func newStations(ctx context.Context, listen netip.Addr, port uint16) (stations []*station, err error) {
	from := listen // what we send comes from there
	if listen.IsUnspecified() {
		from = netip.Addr{}
	}
	var errs []error
	for _, open := range []struct {
		wanted  bool
		station func(ctx context.Context, from netip.Addr, port uint16) (*station, error)
	}{
		{!listen.IsValid() || listen.Is4() || listen == netip.IPv6Unspecified(), newStation4},
		{!listen.IsValid() || listen.Is6(), newStation6},
	} {
		if !open.wanted {
			continue
		}
		s, err := open.station(ctx, from, port)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		stations = append(stations, s)
	}
	if len(stations) == 0 {
		return nil, errors.Join(errs...)
	}
	return stations, nil
}

func newStation4(ctx context.Context, from netip.Addr, port uint16) (*station, error) {
	s, err := listenTo(ctx, "udp4", from, net.UDPAddr{IP: net.ParseIP(group4).To4(), Port: int(port)})
	if err != nil {
		return nil, err
	}
	own := ipv4.NewPacketConn(s.own)
	s.join, s.via = ipv4.NewPacketConn(s.shared), own
	return s, s.closeOn(own.SetMulticastTTL(1), own.SetMulticastLoopback(true))
}

func newStation6(ctx context.Context, from netip.Addr, port uint16) (*station, error) {
	s, err := listenTo(ctx, "udp6", from, net.UDPAddr{IP: net.ParseIP(group6), Port: int(port)})
	if err != nil {
		return nil, err
	}
	own := ipv6.NewPacketConn(s.own)
	s.join, s.via = ipv6.NewPacketConn(s.shared), own
	return s, s.closeOn(own.SetMulticastHopLimit(1), own.SetMulticastLoopback(true))
}

// listenTo opens both sockets. The net package lets several processes bind
// the port of a multicast address.
func listenTo(ctx context.Context, network string, from netip.Addr, group net.UDPAddr) (*station, error) {
	var lc net.ListenConfig
	shared, err := lc.ListenPacket(ctx, network, group.String())
	if err != nil {
		return nil, fmt.Errorf("listen to multicast: %w", err)
	}
	host := ""
	if from.IsValid() {
		host = from.String()
	}
	own, err := lc.ListenPacket(ctx, network, net.JoinHostPort(host, "0"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen for replies: %w", err), shared.Close())
	}
	return &station{group: group, shared: shared, own: own}, nil
}

// closeOn closes the station if any of those errors is one.
func (s *station) closeOn(errs ...error) error {
	if err := errors.Join(errs...); err != nil {
		s.close()
		return fmt.Errorf("set up multicast: %w", err)
	}
	return nil
}

// on tells whether an interface has an address of this family.
func (s *station) on(l link) bool {
	four := s.group.IP.To4() != nil
	return slices.ContainsFunc(l.networks, func(p netip.Prefix) bool { return p.Addr().Is4() == four })
}

// send sends a message to the group, out of one interface. Only one goroutine
// at a time may do so.
func (s *station) send(m message, ifi *net.Interface) error {
	if err := s.via.SetMulticastInterface(ifi); err != nil {
		return fmt.Errorf("multicast by %s: %w", ifi.Name, err)
	}
	to := s.group
	if to.IP.To4() == nil {
		to.Zone = ifi.Name
	}
	if _, err := s.own.WriteTo(m[:], &to); err != nil {
		return fmt.Errorf("multicast by %s: %w", ifi.Name, err)
	}
	return nil
}

// close closes both sockets.
func (s *station) close() {
	_ = s.shared.Close() // a datagram socket has nothing to lose
	_ = s.own.Close()
}

// link is a network interface we multicast by, with the networks on it.
type link struct {
	net.Interface
	networks []netip.Prefix
}

// links is the interfaces that can multicast, without those that lead to one
// other host only (a VPN is no local network), and, if asked for, loopback.
// When listen is a certain address, it is only the interface which has that.
func links(listen netip.Addr, loopback bool) ([]link, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	anywhere := !listen.IsValid() || listen.IsUnspecified()
	var found []link
	for _, ifi := range all {
		l := link{Interface: ifi, networks: networks(ifi)}
		suits := ifi.Flags&net.FlagMulticast != 0 && ifi.Flags&net.FlagPointToPoint == 0
		if ifi.Flags&net.FlagLoopback != 0 {
			suits = loopback || !anywhere
		}
		has := func(p netip.Prefix) bool { return p.Addr() == listen.WithZone("") }
		if suits && ifi.Flags&net.FlagUp != 0 && (anywhere || slices.ContainsFunc(l.networks, has)) {
			found = append(found, l)
		}
	}
	return found, nil
}

// networks is an interface's own addresses, with the lengths of their networks.
func networks(ifi net.Interface) (prefixes []netip.Prefix) {
	addrs, err := ifi.Addrs()
	if err != nil {
		return nil // it went away: it has none
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			prefixes = append(prefixes, p)
		}
	}
	return prefixes
}
