package dht

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	mainline "github.com/anacrolix/dht/v2"
	"github.com/anacrolix/dht/v2/krpc"
	"github.com/anacrolix/log"
	"golang.org/x/time/rate"

	"github.com/shoal-dl/shoal/swarm/discovery"
	"github.com/shoal-dl/shoal/swarm/discovery/guard"
)

const (
	// resendDelay is how long a node has to answer. It bounds how long a
	// dead one holds a look-up up; the library's 2 s make that most of it.
	resendDelay = 800 * time.Millisecond

	maxStarts    = 64  // addresses to ask first that are remembered
	maxOffers    = 64  // nodes waiting to be pinged
	maxAnswered  = 128 // nodes remembered as good, the newest
	pingsAtOnce  = 8   // offered nodes being pinged
	maxNodes     = 16  // nodes taken from one answer; honest ones send 8
	maxTableUsed = 16  // nodes of the routing table a look-up starts from
)

// family is our node in one address family.
type family struct {
	server  *mainline.Server
	store   *peerStore
	conn    *guard.Conn
	network string // "ip4" or "ip6"
	stay    bool
	private bool
	routers []string
	named   []string // bootstrap nodes still to be resolved by name
	verbose func(format string, args ...any)
	other   *family // the other address family, or nil

	first   chan struct{}       // closed when the first node has answered
	filled  chan struct{}       // in a private DHT, closed when those near us have been asked once; else nil
	greet   func()              // closes first, once
	offers  chan netip.AddrPort // nodes to ping
	silence chan struct{}       // holds one element when a look-up met only silence

	mu       sync.Mutex
	starts   []netip.AddrPort // nodes to ask first
	answered []krpc.NodeInfo  // nodes that answered, newest last, each once
	votes    votes
}

// newFamily starts a node on that socket, with the nodes saved earlier.
func newFamily(socket net.PacketConn, o Options, s saved) (*family, error) {
	local, ok := socket.LocalAddr().(*net.UDPAddr)
	if !ok {
		return nil, fmt.Errorf("use socket %v: not a UDP socket", socket.LocalAddr())
	}
	f := &family{
		network: "ip6",
		stay:    (o.Stay || o.Private) && !o.AskOnly,
		private: o.Private,
		routers: o.Routers,
		named:   o.Bootstrap,
		verbose: o.Verbose,
		first:   make(chan struct{}),
		offers:  make(chan netip.AddrPort, maxOffers),
		silence: make(chan struct{}, 1),
	}
	if local.IP.To4() != nil {
		f.network = "ip4"
	}
	if o.Private {
		f.filled = make(chan struct{})
	}
	f.greet = sync.OnceFunc(func() { close(f.first) })
	for _, addr := range s.Nodes {
		f.start(addr)
	}
	f.store = newPeerStore()
	limits, sends := f.limits()
	f.conn = guard.New(socket, limits)
	server, err := mainline.NewServer(f.config(s, sends))
	if err != nil {
		return nil, fmt.Errorf("start DHT node: %w", err)
	}
	f.server = server
	return f, nil
}

// limits are what this node receives and sends at the most, in datagrams a
// second. A node that only asks owes nobody an answer; a private DHT may have
// all its nodes behind one address.
func (f *family) limits() (guard.Limits, *rate.Limiter) {
	switch {
	case f.private:
		return guard.Limits{PerSource: 5000, Queries: 5000}, rate.NewLimiter(2000, 500)
	case f.stay:
		return guard.Limits{PerSource: 100, Queries: 400}, rate.NewLimiter(200, 100)
	default:
		return guard.Limits{PerSource: 100, Queries: 20}, rate.NewLimiter(60, 60)
	}
}

// config is the library's configuration, complete: what is left out has
// defaults that share state between servers or know public routers.
func (f *family) config(s saved, sends *rate.Limiter) *mainline.ServerConfig {
	quiet := log.Default.FilterLevel(log.Critical)
	quiet.SetHandlers(log.DiscardHandler)
	return &mainline.ServerConfig{
		NodeId:           f.nodeID(s.External),
		Conn:             f.conn,
		Passive:          !f.stay,
		StartingNodes:    func() ([]mainline.Addr, error) { return nil, nil },
		NoSecurity:       f.private,
		OnQuery:          f.onQuery,
		QueryResendDelay: func() time.Duration { return resendDelay },
		PeerStore:        f.store,
		Logger:           quiet,
		DefaultWant:      bothFamilies(),
		SendLimiter:      sends,
	}
}

// want is how BEP 32 calls the nodes of this family.
func (f *family) want() krpc.Want {
	if f.network == "ip4" {
		return krpc.WantNodes
	}
	return krpc.WantNodes6
}

// bothFamilies asks for nodes, and hence peers, of IPv4 and IPv6 (BEP 32).
func bothFamilies() []krpc.Want { return []krpc.Want{krpc.WantNodes, krpc.WantNodes6} }

// nodeID is a random node id, made to match the address at which others saw
// us the last time (BEP 42), as far as that is known.
func (f *family) nodeID(external []netip.Addr) krpc.ID {
	id := krpc.RandomNodeID()
	for _, addr := range external {
		if f.usable(netip.AddrPortFrom(addr, 1)) {
			mainline.SecureNodeId(&id, addr.AsSlice())
		}
	}
	return id
}

// onQuery is the library's hook for queries received; it may not block. It
// sets two answers of the library's right: find_node and get would name nodes
// near the zero id, and whoever wants IPv6 nodes would get our IPv4 ones again,
// wrapped in IPv6 addresses.
func (f *family) onQuery(q *krpc.Msg, source net.Addr) (propagate bool) {
	if q.A != nil {
		if q.Q == "find_node" || q.Q == "get" {
			q.A.InfoHash = q.A.Target
		}
		q.A.Want = []krpc.Want{f.want()}
	}
	if udp, ok := source.(*net.UDPAddr); ok && f.private && !q.ReadOnly {
		f.offer(udp.AddrPort())
	}
	return true
}

// usable tells whether a node at addr may be asked by this node. An IPv4
// address wrapped in an IPv6 one may not: it stands for a node that we know
// already by its other name.
func (f *family) usable(addr netip.AddrPort) bool {
	ip := addr.Addr()
	return addr.Port() != 0 && ip.IsValid() && ip.Is4() == (f.network == "ip4") && !ip.Is4In6() &&
		(f.private || discovery.Public(ip))
}

// start remembers a node to ask first.
func (f *family) start(addr netip.AddrPort) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.usable(addr) && len(f.starts) < maxStarts && !slices.Contains(f.starts, addr) {
		f.starts = append(f.starts, addr)
	}
}

// offer has a node pinged soon, unless it answered lately or too many wait: a
// node enters routing tables only by answering.
func (f *family) offer(addr netip.AddrPort) {
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	if !f.usable(addr) || f.knows(addr) {
		return
	}
	select {
	case f.offers <- addr:
	default:
	}
}

// knows tells whether the node at addr answered lately.
func (f *family) knows(addr netip.AddrPort) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.answered, func(n krpc.NodeInfo) bool {
		return n.Addr.ToNodeAddrPort().AddrPort == addr
	})
}

// ask sends one query and waits for the answer.
func (f *family) ask(ctx context.Context, node krpc.NodeAddr, method string, args krpc.MsgArgs) mainline.QueryResult {
	f.verbose("dht: %s to %v", method, node)
	res := f.server.Query(ctx, mainline.NewAddr(node.UDP()), method, mainline.QueryInput{MsgArgs: args})
	if r := res.Reply.R; res.Err == nil && r != nil {
		r.Nodes = r.Nodes[:min(len(r.Nodes), maxNodes)]
		r.Nodes6 = r.Nodes6[:min(len(r.Nodes6), maxNodes)]
		f.heard(node, res.Reply)
	}
	return res
}

// heard notes that a node answered.
func (f *family) heard(node krpc.NodeAddr, m krpc.Msg) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answered = slices.DeleteFunc(f.answered, func(n krpc.NodeInfo) bool { return n.Addr.Equal(node) })
	if len(f.answered) == maxAnswered {
		f.answered = slices.Delete(f.answered, 0, 1)
	}
	f.answered = append(f.answered, krpc.NodeInfo{ID: m.R.ID, Addr: node})
	seen, _ := netip.AddrFromSlice(m.IP.IP)
	if seen = seen.Unmap(); f.usable(netip.AddrPortFrom(seen, 1)) {
		f.votes.add(node.ToNodeAddrPort().Addr(), seen)
	}
	f.greet()
}

// external is the address at which others see us.
func (f *family) external() (netip.Addr, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.votes.winner()
}

// good is the nodes that answered, newest first.
func (f *family) good() []netip.AddrPort {
	f.mu.Lock()
	defer f.mu.Unlock()
	var addrs []netip.AddrPort
	for _, n := range slices.Backward(f.answered) {
		addrs = append(addrs, n.Addr.ToNodeAddrPort().AddrPort)
	}
	return addrs
}

// ready waits until some node has answered, and tells whether neither ctx
// nor ended came first.
func (f *family) ready(ctx context.Context, ended <-chan struct{}) bool {
	select {
	case <-f.first:
		return true
	case <-ctx.Done():
	case <-ended:
	}
	return false
}

// lost notes that a look-up met only silence: the nodes known may all be gone,
// and those to ask first are to be asked again.
func (f *family) lost() {
	select {
	case f.silence <- struct{}{}:
	default:
	}
}

// close ends the library's goroutine and closes the socket.
func (f *family) close() {
	f.server.Close()
	_ = f.conn.Close() // a datagram socket has nothing to lose
}
