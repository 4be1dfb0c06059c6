package fetch

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"syscall"
)

func errPrivate() error {
	return faultf(FaultLasting, "redirect from a public host to a private address")
}

// refusePrivate is called with each address before it is dialled.
func (c *Client) refusePrivate(_ context.Context, _, address string, _ syscall.RawConn) error {
	if a, err := netip.ParseAddrPort(address); err != nil || c.options.private(a.Addr().Unmap()) {
		return errPrivate()
	}
	return nil
}

func (c *Client) publicAddr(a net.Addr) bool {
	ap, err := netip.ParseAddrPort(a.String())
	return err == nil && !c.options.private(ap.Addr().Unmap())
}

// privateName judges a host that only a proxy looks up: all there is to go by
// is its name.
func (c *Client) privateName(host string) bool {
	a, err := netip.ParseAddr(host)
	if err != nil {
		host = strings.ToLower(strings.TrimSuffix(host, "."))
		return host == "localhost" || strings.HasSuffix(host, ".localhost")
	}
	return c.options.private(a.Unmap())
}

// isPrivate tells whether an address is none of the public Internet's: those of
// RFC 1918, RFC 4193 and RFC 6598 (carrier-grade NAT), loopback, link-local
// and those that stand for the machine itself.
func isPrivate(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() ||
		a.Is4() && a.As4()[0] == 0 ||
		netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64}), 10).Contains(a)
}
