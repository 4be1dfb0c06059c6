package dht

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anacrolix/dht/v2/krpc"
)

// run keeps in touch with the network until ctx ends. Then it closes the
// socket, and returns when the node's goroutines have ended.
func (f *family) run(ctx context.Context) {
	var wg, maintainer sync.WaitGroup
	wg.Go(func() { f.pingOffers(ctx) })
	wg.Go(func() { f.keepInTouch(ctx) })
	wg.Go(func() {
		if f.settle(ctx) {
			maintainer.Go(f.server.TableMaintainer)
		}
	})
	wg.Wait()
	f.close()         // which also stops the maintainer, within
	maintainer.Wait() // the time a query may take
}

// keepInTouch asks the first nodes until one answers, and again whenever a
// look-up has met only silence.
func (f *family) keepInTouch(ctx context.Context) {
	const longest = 5 * time.Minute
	for wait := time.Second; ; {
		if f.contact(ctx) > 0 {
			wait = time.Second
			select {
			case <-f.silence:
			case <-ctx.Done():
			}
		}
		if !pause(ctx, nil, nil, wait) {
			return
		}
		wait = min(2*wait, longest)
	}
}

// contact pings the nodes to ask first, then, when none of them answers, the
// routers, and returns how many answered. In a private DHT it pings all at once:
// the routers are the user's own, and saved nodes may have come to be another
// DHT's since.
func (f *family) contact(ctx context.Context) int {
	f.mu.Lock()
	starts := slices.Clone(f.starts)
	f.mu.Unlock()
	if f.private {
		return f.pingAll(ctx, starts, slices.Concat(f.named, f.routers))
	}
	if n := f.pingAll(ctx, starts, f.named); n > 0 {
		return n
	}
	return f.pingAll(ctx, nil, f.routers)
}

// pingAll pings nodes given by address and by name, all at once, and returns
// how many answered.
func (f *family) pingAll(ctx context.Context, addrs []netip.AddrPort, names []string) int {
	var wg sync.WaitGroup
	var answers atomic.Int32
	ping := func(addr netip.AddrPort) {
		if f.ping(ctx, addr) {
			answers.Add(1)
		}
	}
	for _, addr := range addrs {
		wg.Go(func() { ping(addr) })
	}
	for _, name := range names {
		wg.Go(func() {
			for _, addr := range f.resolve(ctx, name) {
				wg.Go(func() { ping(addr) })
			}
		})
	}
	wg.Wait()
	return int(answers.Load())
}

// ping tells whether the node at addr answers.
func (f *family) ping(ctx context.Context, addr netip.AddrPort) bool {
	var node krpc.NodeAddr
	node.FromAddrPort(addr)
	return f.ask(ctx, node, "ping", krpc.MsgArgs{}).ToError() == nil
}

// resolve looks up the addresses of a node in this family, at most four.
func (f *family) resolve(ctx context.Context, hostport string) (addrs []netip.AddrPort) {
	const timeout, most = 5 * time.Second, 4
	host, service, err := net.SplitHostPort(hostport)
	if err != nil {
		f.verbose("dht: cannot use node %q: %v", hostport, err)
		return nil
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		f.verbose("dht: cannot use node %q: %v", hostport, err)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ips, err := net.DefaultResolver.LookupNetIP(ctx, f.network, host)
	if err != nil {
		f.verbose("dht: look up node %s: %v", host, err)
	}
	for _, ip := range ips[:min(len(ips), most)] {
		if addr := netip.AddrPortFrom(ip.Unmap(), uint16(port)); f.usable(addr) {
			addrs = append(addrs, addr)
		}
	}
	return addrs
}

// pingOffers pings the nodes that were offered, a few at once.
func (f *family) pingOffers(ctx context.Context) {
	var wg sync.WaitGroup
	for range pingsAtOnce {
		wg.Go(func() {
			for {
				select {
				case addr := <-f.offers:
					f.ping(ctx, addr)
				case <-ctx.Done():
					return
				}
			}
		})
	}
	wg.Wait()
}

// settle fills the routing table, and tells whether it is to be maintained
// from then on, which is worth its traffic only to a node that will stay.
//
// In a fresh private DHT all know only the first node until each has asked it
// a few times; hence the rounds.
func (f *family) settle(ctx context.Context) bool {
	rounds := []time.Duration{10 * time.Second}
	if f.private {
		rounds = []time.Duration{time.Second, 3 * time.Second, 10 * time.Second}
	}
	if !f.ready(ctx, nil) {
		return false
	}
	f.bootstrap(ctx)
	if f.private {
		close(f.filled)
	}
	if !f.stay {
		return false
	}
	for i := 0; ; i++ {
		if !pause(ctx, nil, nil, rounds[min(i, len(rounds)-1)]) {
			return false
		}
		// The library's maintainer leaks a goroutine each time it begins
		// with an empty table.
		if i >= len(rounds) && f.server.NumNodes() > 0 {
			return true
		}
		f.bootstrap(ctx)
	}
}
