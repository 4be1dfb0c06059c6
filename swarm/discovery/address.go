package discovery

import (
	"net/netip"
	"slices"
)

// Public tells whether addr can be a host of the public internet. Private,
// shared, loopback, link-local, multicast, documentation and reserved
// addresses (RFC 6890 and RFC 4291) cannot.
func Public(addr netip.Addr) bool {
	addr = addr.Unmap()
	if !addr.IsValid() || addr.Zone() != "" {
		return false
	}
	holds := func(p netip.Prefix) bool { return p.Contains(addr) }
	if addr.Is4() {
		return !slices.ContainsFunc(special4[:], holds)
	}
	return global6.Contains(addr) && !slices.ContainsFunc(special6[:], holds)
}

// The special-purpose networks of IPv4, and those within IPv6's global
// unicast range, that no public host answers from. Never written to.
var (
	special4 = [...]netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"),
		netip.MustParsePrefix("10.0.0.0/8"),
		netip.MustParsePrefix("100.64.0.0/10"),
		netip.MustParsePrefix("127.0.0.0/8"),
		netip.MustParsePrefix("169.254.0.0/16"),
		netip.MustParsePrefix("172.16.0.0/12"),
		netip.MustParsePrefix("192.0.0.0/24"),
		netip.MustParsePrefix("192.0.2.0/24"),
		netip.MustParsePrefix("192.168.0.0/16"),
		netip.MustParsePrefix("198.18.0.0/15"),
		netip.MustParsePrefix("198.51.100.0/24"),
		netip.MustParsePrefix("203.0.113.0/24"),
		netip.MustParsePrefix("224.0.0.0/3"), // multicast, reserved, broadcast
	}
	global6  = netip.MustParsePrefix("2000::/3")
	special6 = [...]netip.Prefix{
		netip.MustParsePrefix("2001::/23"),     // protocol assignments: Teredo, benchmarking, ORCHID
		netip.MustParsePrefix("2001:db8::/32"), // documentation
		netip.MustParsePrefix("2002::/16"),     // 6to4, which can wrap any IPv4 address
		netip.MustParsePrefix("3fff::/20"),     // documentation
	}
)

// dialable tells whether addr can be dialled at all, wherever it came from. A
// link-local address says nothing without the link that it is on.
func dialable(addr netip.AddrPort) bool {
	ip := addr.Addr()
	return addr.Port() != 0 && ip.IsValid() && !ip.IsUnspecified() && !ip.IsMulticast() &&
		(!ip.Is6() || !ip.IsLinkLocalUnicast() || ip.Zone() != "") &&
		ip != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// plain is addr in the one form it is compared in: an IPv4 address wrapped in
// an IPv6 one is unwrapped.
func plain(addr netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
}

// perNetwork is how many public addresses of one network a single look-up may
// bring, so that whoever owns a network cannot fill the dial list alone.
const perNetwork = 2

// Thin passes at most two public addresses of each network (an IPv4 /24, an
// IPv6 /48). Each look-up uses one of its own; the zero value is ready. It
// forgets nothing, so its memory grows with the networks of that look-up.
type Thin struct{ seen map[netip.Prefix]int }

// Pass tells whether addr may pass, and counts it. Addresses that are not
// public are not counted: whether those may be dialled is for Book to say.
func (t *Thin) Pass(addr netip.Addr) bool {
	if !Public(addr) {
		return true
	}
	bits := 48
	if addr = addr.Unmap(); addr.Is4() {
		bits = 24
	}
	network, err := addr.Prefix(bits)
	if err != nil || t.seen[network] >= perNetwork {
		return false
	}
	if t.seen == nil {
		t.seen = make(map[netip.Prefix]int)
	}
	t.seen[network]++
	return true
}
