// Package dht finds peers in BitTorrent's Mainline DHT (BEP 5), or in a
// private DHT of the same kind.
package dht

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/anacrolix/log"
)

// The library prints what strangers send it to its global logger, past the
// one it is configured with.
func init() { log.Default.SetHandlers(log.DiscardHandler) }

// Options are how a DHT is joined.
type Options struct {
	// Sockets are the UDP sockets to use, at most one of each address
	// family ("udp4", "udp6"), on the port at which peers are served. They
	// belong to the DHT from New on.
	Sockets []net.PacketConn

	// Stay makes this a full node, which answers others; for those that will
	// run for long. Otherwise it only asks (BEP 43).
	Stay bool

	// Private joins a DHT of one's own: private and loopback addresses
	// count, node ids need not match addresses (BEP 42), and every node is a
	// full node.
	Private bool

	// AskOnly makes this a node that only asks even where others would be full
	// ones: it is gone again too soon for anybody to remember it.
	AskOnly bool

	// Bootstrap are nodes to ask first, "host:port": the manifest's.
	Bootstrap []string

	// Routers are nodes to ask when nobody else answers, "host:port": the
	// user's, or PublicRouters. None are asked unless they stand here.
	Routers []string

	// Cache is the folder in which good nodes are kept for the next time,
	// those of each private DHT by themselves; "" keeps none.
	Cache string

	// Verbose is told of each node that is asked, by any goroutine; nil
	// tells nobody.
	Verbose func(format string, args ...any)
}

// PublicRouters are the public DHT's well-known first nodes, "host:port".
func PublicRouters() []string {
	return []string{
		"router.bittorrent.com:6881",
		"dht.transmissionbt.com:6881",
		"dht.libtorrent.org:25401",
		"router.utorrent.com:6881",
		"router.silotis.us:6881", // IPv6
	}
}

// DHT is our node in the DHT, in IPv4 and IPv6. Its methods may be called by
// several goroutines at once.
type DHT struct {
	families []*family
	private  bool
	verbose  func(format string, args ...any)
	cache    string // the file; "" for none
	saved    saved  // what the file held at the start
	ended    chan struct{}

	again, seldom time.Duration // between two look-ups, at first and at last
}

// New joins the DHT, without waiting for any answer. Run must be called: it
// alone looks for nodes and closes the sockets. When New fails it has closed
// them.
func New(o Options) (*DHT, error) {
	if len(o.Sockets) == 0 {
		return nil, errors.New("join DHT: no socket given")
	}
	if o.Verbose == nil {
		o.Verbose = func(string, ...any) {}
	}
	d := &DHT{private: o.Private, verbose: o.Verbose, ended: make(chan struct{}), again: 5 * time.Second, seldom: 5 * time.Minute}
	if d.private {
		d.again, d.seldom = 300*time.Millisecond, 30*time.Second
	}
	if d.cache = o.cacheFile(); d.cache != "" {
		d.saved = load(d.cache)
	}
	var failed error
	for _, socket := range o.Sockets {
		f, err := newFamily(socket, o, d.saved)
		if err != nil {
			failed = errors.Join(failed, err, socket.Close())
			continue
		}
		d.families = append(d.families, f)
	}
	if failed != nil {
		for _, f := range d.families {
			f.close()
		}
		return nil, fmt.Errorf("join DHT: %w", failed)
	}
	if len(d.families) == 2 {
		d.families[0].other, d.families[1].other = d.families[1], d.families[0]
	}
	return d, nil
}

// Run finds nodes and keeps in touch with them until ctx ends. Then it closes
// the sockets, writes the good nodes to the cache, and returns once all of the
// DHT's goroutines have ended. Peers and Announce end with it.
func (d *DHT) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, f := range d.families {
		wg.Go(func() { f.run(ctx) })
	}
	for wait := firstSave; pause(ctx, nil, nil, wait); wait = saveEvery {
		d.save()
	}
	wg.Wait()
	close(d.ended)
	d.save()
}

// firstSave is soon, so that even a short run leaves a cache behind should it
// be killed; later on the nodes change slowly.
const (
	firstSave = 20 * time.Second
	saveEvery = 10 * time.Minute
)

// Peers looks up who has announced infohash, and yields addresses as answers
// come in; the same one may come again, and at most two of one network come
// from one look-up. The look-up is repeated, at growing intervals, while few
// says that the caller has few peers (nil: always). Peers waits as long as no
// node answers, and ends with ctx or Run.
func (d *DHT) Peers(ctx context.Context, infohash [20]byte, few func() bool) iter.Seq[netip.AddrPort] {
	return func(yield func(netip.AddrPort) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()
		found := make(chan netip.AddrPort)
		for _, f := range d.families {
			wg.Go(func() { d.search(ctx, f, infohash, few, found) })
		}
		for {
			select {
			case addr := <-found:
				if !yield(addr) {
					return
				}
			case <-ctx.Done():
				return
			case <-d.ended:
				return
			}
		}
	}
}

// search looks infohash up in one family, again and again, until ctx or Run
// ends. In a private DHT the first look-up may have but one node to ask, and
// whoever that one names may be gone, so there is another when the routing table
// has filled.
func (d *DHT) search(ctx context.Context, f *family, infohash [20]byte, few func() bool, found chan<- netip.AddrPort) {
	send := func(addr netip.AddrPort) bool {
		select {
		case found <- addr:
			return true
		case <-ctx.Done():
		case <-d.ended:
		}
		return false
	}
	filled := f.filled
	for wait := d.again; f.ready(ctx, d.ended); {
		if few == nil || few() {
			if _, answers := f.lookUp(ctx, infohash, send); answers == 0 {
				f.lost()
			}
		}
		if !pause(ctx, d.ended, filled, jitter(wait)) {
			return
		}
		if filled == nil {
			wait = min(2*wait, d.seldom)
		}
		filled = nil
	}
}

// Announce tells the DHT that we serve infohash at the given TCP port, now
// and every 15 minutes, until ctx or Run ends; sooner again when nobody took
// it, and at first in a private DHT. The DHT forgets us some time after that,
// without being told.
func (d *DHT) Announce(ctx context.Context, infohash [20]byte, port uint16) {
	var wg sync.WaitGroup
	for _, f := range d.families {
		wg.Go(func() { d.announce(ctx, f, infohash, port) })
	}
	wg.Wait()
}

const announceEvery = 15 * time.Minute

// announce is Announce in one family. In a private DHT that is only coming up there
// may be but one node to tell at first, and others hear of us when that one is gone:
// so it is repeated, at growing intervals as look-ups are.
func (d *DHT) announce(ctx context.Context, f *family, infohash [20]byte, port uint16) {
	for retry, early := 5*time.Second, d.again; f.ready(ctx, d.ended); {
		wait := announceEvery
		taken, answers := f.announce(ctx, infohash, port)
		if answers == 0 {
			f.lost()
		}
		if taken == 0 {
			wait, retry = retry, min(2*retry, announceEvery)
		} else {
			retry = 5 * time.Second
		}
		if d.private {
			wait, early = min(wait, early), min(2*early, announceEvery)
		}
		if !pause(ctx, d.ended, nil, jitter(wait)) {
			return
		}
	}
}

// AddNode tells of a node that may be in this DHT, such as a peer's UDP port.
// It is asked for its id; more nodes than can be asked are dropped.
func (d *DHT) AddNode(addr netip.AddrPort) {
	for _, f := range d.families {
		f.offer(addr)
	}
}

// External is the addresses at which others see us, at most one of each
// family, once enough nodes agree.
func (d *DHT) External() (addrs []netip.Addr) {
	for _, f := range d.families {
		if addr, ok := f.external(); ok {
			addrs = append(addrs, addr)
		}
	}
	return addrs
}

// Nodes is how many nodes have answered lately, in all families.
func (d *DHT) Nodes() (n int) {
	for _, f := range d.families {
		n += f.server.Stats().GoodNodes
	}
	return n
}

// pause waits that long, or until enough is closed, and tells whether neither ctx
// nor ended came first.
func pause(ctx context.Context, ended, enough <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-enough:
		return true
	case <-ctx.Done():
	case <-ended:
	}
	return false
}

// jitter is d, give or take a tenth, so that nodes do not act in step.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}
