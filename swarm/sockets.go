package swarm

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
)

// sockets are what a node has open.
type sockets struct {
	port uint16           // of the TCP listener; 0 without one
	host netip.Addr       // that it listens at; invalid when at every one
	tcp  net.Listener     // nil: listens to nobody
	udp  []net.PacketConn // for the DHT, at most one of each family
}

// openTries is how many ports are tried when any will do and those that are free
// for TCP are not for UDP.
const openTries = 10

// openSockets opens what the options ask for.
func openSockets(o *Options) (sockets, error) {
	if o.Listener != nil {
		return listening(o.Listener, o.Share), nil
	}
	host, port, err := splitListen(o.Listen)
	if err != nil {
		return sockets{}, err
	}
	for try := 1; ; try++ {
		s, err := openAt(host, port, o)
		if err == nil || port != 0 || try == openTries || !errors.Is(err, syscall.EADDRINUSE) {
			return s, err
		}
	}
}

// splitListen reads HOST:PORT, where either may be empty.
func splitListen(listen string) (host string, port uint16, err error) {
	if listen == "" {
		return "", 0, nil
	}
	host, text, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, fmt.Errorf("listen at %q: %w", listen, err)
	}
	n, err := strconv.ParseUint("0"+text, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("listen at %q: port %q is not a number up to 65535", listen, text)
	}
	return host, uint16(n), nil
}

// listening is the sockets of a listener that was handed to us.
func listening(l net.Listener, share bool) sockets {
	s := sockets{tcp: l}
	if addr, err := netip.ParseAddrPort(l.Addr().String()); err == nil {
		s.port = addr.Port()
		if ip := addr.Addr().Unmap(); !ip.IsUnspecified() {
			s.host = ip
		}
	}
	if !share {
		_ = l.Close()
		return sockets{host: s.host}
	}
	return s
}

// openAt opens TCP and UDP of the same number. Port 0 takes a free one.
func openAt(host string, port uint16, o *Options) (sockets, error) {
	var s sockets
	if o.Share {
		l, err := listenTCP(host, port)
		if err != nil {
			return s, fmt.Errorf("open port: %w", err)
		}
		s = listening(l, true)
		port = s.port
	}
	if !o.DHT {
		return s, nil
	}
	if err := s.openUDP(host, port); err != nil {
		s.close()
		return sockets{}, err
	}
	return s, nil
}

// openUDP opens the port in each address family that host and system have.
func (s *sockets) openUDP(host string, port uint16) error {
	var first error
	for _, network := range []string{"udp4", "udp6"} {
		c, err := listenUDP(network, host, port)
		switch {
		case err == nil:
			s.udp = append(s.udp, c)
			port = c.LocalAddr().(*net.UDPAddr).AddrPort().Port()
		case errors.Is(err, syscall.EADDRINUSE):
			return fmt.Errorf("open port: %w", err)
		case first == nil:
			first = err
		}
	}
	if len(s.udp) == 0 {
		return fmt.Errorf("open port: %w", first)
	}
	return nil
}

func listenTCP(host string, port uint16) (*net.TCPListener, error) {
	addr, err := net.ResolveTCPAddr("tcp", join(host, port))
	if err != nil {
		return nil, err
	}
	return net.ListenTCP("tcp", addr)
}

func listenUDP(network, host string, port uint16) (*net.UDPConn, error) {
	addr, err := net.ResolveUDPAddr(network, join(host, port))
	if err != nil {
		return nil, err
	}
	return net.ListenUDP(network, addr)
}

func (s *sockets) close() {
	if s.tcp != nil {
		_ = s.tcp.Close()
	}
	for _, c := range s.udp {
		_ = c.Close()
	}
}

func join(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}
