// Package dhttest is a private DHT of real nodes on loopback, for tests of whole
// programs. Its nodes are the library's as they come, without our guard.
package dhttest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"

	mainline "github.com/anacrolix/dht/v2"
	"github.com/anacrolix/dht/v2/krpc"
	"github.com/anacrolix/log"
	"golang.org/x/time/rate"
)

// Network is a DHT whose nodes know each other. Its methods may be called by
// several goroutines at once.
type Network struct {
	nodes     []*mainline.Server
	addrs     []netip.AddrPort // of the nodes
	asked     atomic.Int64
	announced atomic.Int64
}

// rounds is how often every node looks for others: those who have only ever
// asked do not count as good.
const rounds = 2

// Open starts a network of n nodes, and returns when they have met.
func Open(ctx context.Context, n int) (*Network, error) {
	sockets, err := listen(n)
	if err != nil {
		return nil, fmt.Errorf("open DHT: %w", err)
	}
	d := &Network{}
	for _, c := range sockets {
		d.addrs = append(d.addrs, c.LocalAddr().(*net.UDPAddr).AddrPort())
	}
	for i, c := range sockets {
		node, err := mainline.NewServer(d.config(c))
		if err != nil {
			closeAll(sockets[i:])
			d.Close()
			return nil, fmt.Errorf("open DHT: %w", err)
		}
		d.nodes = append(d.nodes, node)
	}
	for range rounds {
		for _, node := range d.nodes {
			if _, err := node.BootstrapContext(ctx); err != nil {
				d.Close()
				return nil, fmt.Errorf("open DHT: %w", err)
			}
		}
	}
	return d, nil
}

// listen opens n sockets, or none.
func listen(n int) (sockets []net.PacketConn, err error) {
	for range n {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			closeAll(sockets)
			return nil, err
		}
		sockets = append(sockets, c)
	}
	return sockets, nil
}

func closeAll(sockets []net.PacketConn) {
	for _, c := range sockets {
		_ = c.Close() // nothing was written
	}
}

// config is that of a node which begins at the first one.
func (d *Network) config(c net.PacketConn) *mainline.ServerConfig {
	quiet := log.Default.FilterLevel(log.Critical)
	quiet.SetHandlers(log.DiscardHandler)
	first := mainline.NewAddr(net.UDPAddrFromAddrPort(d.addrs[0]))
	return &mainline.ServerConfig{
		Conn:          c,
		NoSecurity:    true,
		DefaultWant:   []krpc.Want{krpc.WantNodes},
		StartingNodes: func() ([]mainline.Addr, error) { return []mainline.Addr{first}, nil },
		OnQuery:       d.onQuery,
		PeerStore:     &peerStore{network: d},
		Logger:        quiet,
		SendLimiter:   rate.NewLimiter(rate.Inf, 0),
	}
}

func (d *Network) onQuery(_ *krpc.Msg, from net.Addr) (propagate bool) {
	if addr, ok := from.(*net.UDPAddr); !ok || !slices.Contains(d.addrs, addr.AddrPort()) {
		d.asked.Add(1)
	}
	return true
}

// Bootstrap is where others enter, HOST:PORT.
func (d *Network) Bootstrap() string { return d.addrs[0].String() }

// Asked is how many queries came from others than the network's own nodes.
func (d *Network) Asked() int64 { return d.asked.Load() }

// Announced is how many announcements the nodes have taken.
func (d *Network) Announced() int64 { return d.announced.Load() }

// Close stops all nodes.
func (d *Network) Close() {
	for _, node := range d.nodes {
		node.Close()
	}
}
