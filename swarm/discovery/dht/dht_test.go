package dht

import (
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mainline "github.com/anacrolix/dht/v2"
	"github.com/anacrolix/dht/v2/krpc"
)

// hash is an infohash made of one letter.
func hash(c byte) (h [20]byte) {
	for i := range h {
		h[i] = c
	}
	return h
}

// listen opens a UDP socket on loopback.
func listen(t *testing.T, network, host string) net.PacketConn {
	t.Helper()
	c, err := net.ListenPacket(network, net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// addrOf is the address a node's family listens at.
func addrOf(d *DHT, family int) netip.AddrPort {
	return d.families[family].conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// start makes a node and runs it until the test ends.
func start(t *testing.T, o Options) *DHT {
	t.Helper()
	if o.Sockets == nil {
		o.Sockets = []net.PacketConn{listen(t, "udp4", "127.0.0.1")}
	}
	d, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { d.Run(t.Context()) })
	t.Cleanup(wg.Wait)
	return d
}

// network starts a private DHT of n nodes, which all begin at the first.
func network(t *testing.T, n int) []*DHT {
	t.Helper()
	first := start(t, Options{Private: true})
	first.AddNode(addrOf(first, 0))
	nodes := []*DHT{first}
	for range n - 1 {
		nodes = append(nodes, start(t, Options{Private: true, Bootstrap: []string{addrOf(first, 0).String()}}))
	}
	return nodes
}

// find returns the first peer that node finds for infohash.
func find(t *testing.T, node *DHT, infohash [20]byte) netip.AddrPort {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for addr := range node.Peers(ctx, infohash, nil) {
		return addr
	}
	t.Fatal("found no peer")
	return netip.AddrPort{}
}

// announce announces until the test ends.
func announce(t *testing.T, node *DHT, infohash [20]byte, port uint16) {
	var wg sync.WaitGroup
	wg.Go(func() { node.Announce(t.Context(), infohash, port) })
	t.Cleanup(wg.Wait)
}

func TestFindPeer(t *testing.T) {
	t.Parallel()
	nodes := network(t, 8)
	announce(t, nodes[3], hash('x'), 7001)
	if got, want := find(t, nodes[6], hash('x')), netip.MustParseAddrPort("127.0.0.1:7001"); got != want {
		t.Errorf("found %v, want %v", got, want)
	}
}

// TestFirstPeerOnWarmNetwork holds the time from New to the first peer under
// a second, in a private DHT that has found itself. A loaded machine may make a
// newcomer late, but not all of them.
func TestFirstPeerOnWarmNetwork(t *testing.T) {
	nodes := network(t, 10)
	announce(t, nodes[2], hash('x'), 7001)
	find(t, nodes[5], hash('x'))
	best := time.Hour
	for range 5 {
		begin := time.Now()
		late := start(t, Options{Private: true, Bootstrap: []string{addrOf(nodes[0], 0).String()}})
		find(t, late, hash('x'))
		if best = min(best, time.Since(begin)); best < time.Second {
			break
		}
	}
	t.Logf("first peer after %v", best)
	if best > time.Second {
		t.Errorf("first peer after %v, want under a second", best)
	}
}

// TestSecondLookUp has a newcomer look up again as soon as it knows more than the
// first node, and then not before long.
func TestSecondLookUp(t *testing.T) {
	t.Parallel()
	nodes := network(t, 4)
	late := start(t, Options{Private: true, Bootstrap: []string{addrOf(nodes[0], 0).String()}})
	late.again, late.seldom = time.Hour, time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	looks := 0
	for range late.Peers(ctx, hash('x'), func() bool {
		if looks++; looks == 2 {
			cancel()
		}
		return true
	}) {
		t.Error("found a peer where there is none")
	}
	if looks != 2 {
		t.Errorf("looked up %d times", looks)
	}
}

// TestFirstNodeLeaves checks that a private DHT is no star: peers are found
// without the node at which everybody began.
func TestFirstNodeLeaves(t *testing.T) {
	t.Parallel()
	first, err := New(Options{Private: true, Sockets: []net.PacketConn{listen(t, "udp4", "127.0.0.1")}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { first.Run(ctx) })
	var nodes []*DHT
	for range 4 {
		nodes = append(nodes, start(t, Options{Private: true, Bootstrap: []string{addrOf(first, 0).String()}}))
	}
	for _, n := range nodes {
		waitNodes(t, n, 4)
	}
	leave()
	wg.Wait()
	announce(t, nodes[1], hash('y'), 7002)
	if got := find(t, nodes[3], hash('y')); got.Port() != 7002 {
		t.Errorf("found %v", got)
	}
}

// waitNodes waits until a node knows n good ones.
func waitNodes(t *testing.T, d *DHT, n int) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for d.Nodes() < n {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("knows %d nodes, want %d", d.Nodes(), n)
		}
	}
}

// TestLonelyBootstrap is a node whose only first node is itself.
func TestLonelyBootstrap(t *testing.T) {
	t.Parallel()
	socket := listen(t, "udp4", "127.0.0.1")
	seed := start(t, Options{Private: true, Sockets: []net.PacketConn{socket}, Bootstrap: []string{socket.LocalAddr().String()}})
	announce(t, seed, hash('z'), 7003)
	late := start(t, Options{Private: true, Bootstrap: []string{socket.LocalAddr().String()}})
	if got := find(t, late, hash('z')); got.Port() != 7003 {
		t.Errorf("found %v", got)
	}
}

// TestDeadStarts is a node whose first nodes are all dead but the last resort.
func TestDeadStarts(t *testing.T) {
	t.Parallel()
	nodes := network(t, 3)
	announce(t, nodes[1], hash('x'), 7001)
	dead := listen(t, "udp4", "127.0.0.1") // says nothing
	defer dead.Close()
	late := start(t, Options{
		Private:   true,
		Bootstrap: []string{dead.LocalAddr().String(), "not a node"},
		Routers:   []string{addrOf(nodes[0], 0).String()},
	})
	if got := find(t, late, hash('x')); got.Port() != 7001 {
		t.Errorf("found %v", got)
	}
}

// TestComesBack is a node all of whose acquaintances leave: it finds the next
// first node that appears, while its look-up goes on.
func TestComesBack(t *testing.T) {
	t.Parallel()
	early, err := New(Options{Private: true, Sockets: []net.PacketConn{listen(t, "udp4", "127.0.0.1")}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { early.Run(ctx) })
	later := listen(t, "udp4", "127.0.0.1")
	node := start(t, Options{Private: true, Bootstrap: []string{addrOf(early, 0).String(), later.LocalAddr().String()}})
	waitNodes(t, node, 1)
	leave()
	wg.Wait()
	f := node.families[0]
	if _, answers := f.lookUp(t.Context(), hash('x'), func(netip.AddrPort) bool { return true }); answers != 0 {
		t.Fatalf("%d nodes answered, but all left", answers)
	}
	start(t, Options{Private: true, Sockets: []net.PacketConn{later}, Bootstrap: []string{later.LocalAddr().String()}})
	f.lost()
	announce(t, node, hash('x'), 7001)
	if got := find(t, node, hash('x')); got.Port() != 7001 {
		t.Errorf("found %v", got)
	}
}

// TestNodeID checks that our id matches the address others saw us at, so that
// those who demand that keep us in their tables (BEP 42).
func TestNodeID(t *testing.T) {
	us := netip.MustParseAddr("8.8.4.4")
	for _, network := range []string{"ip4", "ip6"} {
		f := &family{network: network}
		for range 20 { // an id matches by chance once in two million
			id := f.nodeID([]netip.Addr{us, netip.MustParseAddr("2600::1")})
			if got, want := mainline.NodeIdSecure(id, us.AsSlice()), network == "ip4"; got != want {
				t.Errorf("%s: id matches %v: %v", network, us, got)
			}
		}
	}
}

func TestIPv6(t *testing.T) {
	t.Parallel()
	if c, err := net.ListenPacket("udp6", "[::1]:0"); err != nil {
		t.Skip("no IPv6 loopback")
	} else {
		c.Close()
	}
	both := func() []net.PacketConn {
		return []net.PacketConn{listen(t, "udp4", "127.0.0.1"), listen(t, "udp6", "::1")}
	}
	first := start(t, Options{Private: true, Sockets: both()})
	six := []string{addrOf(first, 1).String()}
	a := start(t, Options{Private: true, Sockets: both(), Bootstrap: six})
	b := start(t, Options{Private: true, Sockets: both(), Bootstrap: six})
	announce(t, a, hash('6'), 7006)
	if got, want := find(t, b, hash('6')), netip.MustParseAddrPort("[::1]:7006"); got != want {
		t.Errorf("found %v, want %v", got, want)
	}
}

// TestPublicAsksNoPrivateNodes checks that a node of the public DHT sends
// nothing to private addresses.
func TestPublicAsksNoPrivateNodes(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	trap := listen(t, "udp4", "127.0.0.1")
	defer trap.Close()
	d := start(t, Options{
		Bootstrap: []string{trap.LocalAddr().String()},
		Routers:   []string{trap.LocalAddr().String()},
		Verbose: func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, format)
		},
	})
	d.AddNode(trap.LocalAddr().(*net.UDPAddr).AddrPort())
	f := d.families[0]
	if n := f.contact(t.Context()); n != 0 {
		t.Errorf("%d nodes answered", n)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(asked) > 0 {
		t.Errorf("asked: %q", asked)
	}
}

// TestPassiveIsSilent checks that a node that only asks answers nobody.
func TestPassiveIsSilent(t *testing.T) {
	t.Parallel()
	d := start(t, Options{})
	full := start(t, Options{Private: true})
	if full.families[0].ping(t.Context(), addrOf(d, 0)) {
		t.Error("a passive node answered a ping")
	}
	if !full.families[0].ping(t.Context(), addrOf(full, 0)) {
		t.Error("a full node did not answer a ping")
	}
}

// TestAnswers checks what a full node answers to queries that the library
// alone gets wrong.
func TestAnswers(t *testing.T) {
	target := hash('t')
	q := krpc.Msg{Q: "find_node", Y: "q", T: "t", A: &krpc.MsgArgs{Target: target, Want: bothFamilies()}}
	for network, want := range map[string]krpc.Want{"ip4": krpc.WantNodes, "ip6": krpc.WantNodes6} {
		f := &family{network: network}
		if !f.onQuery(&q, &net.UDPAddr{IP: net.IPv4(8, 8, 8, 8), Port: 1}) {
			t.Errorf("%s: the query is not answered", network)
		}
		if q.A.InfoHash != target {
			t.Errorf("%s: answers by distance to %v", network, q.A.InfoHash)
		}
		if !slices.Equal(q.A.Want, []krpc.Want{want}) {
			t.Errorf("%s: names nodes of %v", network, q.A.Want)
		}
	}
	q.A = nil
	(&family{}).onQuery(&q, nil) // as a query may lack it, as far as the library knows
}

func TestUsable(t *testing.T) {
	for _, test := range []struct {
		network string
		private bool
		addr    string
		want    bool
	}{
		{"ip4", false, "8.8.8.8:1", true}, {"ip4", false, "10.0.0.1:1", false}, {"ip4", true, "10.0.0.1:1", true},
		{"ip4", true, "127.0.0.1:1", true}, {"ip4", true, "[::1]:1", false}, {"ip4", true, "8.8.8.8:0", false},
		{"ip4", true, "[::ffff:8.8.8.8]:1", false}, {"ip6", true, "[::ffff:8.8.8.8]:1", false},
		{"ip6", false, "[2600::1]:1", true}, {"ip6", false, "[fd00::1]:1", false}, {"ip6", true, "[fd00::1]:1", true},
	} {
		f := &family{network: test.network, private: test.private}
		if got := f.usable(netip.MustParseAddrPort(test.addr)); got != test.want {
			t.Errorf("%s, private %v, %s: usable %v", test.network, test.private, test.addr, got)
		}
	}
}

// TestEndsWithRun checks that Peers and Announce end with Run, and that all
// goroutines do.
func TestEndsWithRun(t *testing.T) {
	t.Parallel()
	socket := listen(t, "udp4", "127.0.0.1")
	d, err := New(Options{Private: true, Sockets: []net.PacketConn{socket}, Bootstrap: []string{socket.LocalAddr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg, run sync.WaitGroup
	wg.Go(func() { d.Announce(t.Context(), hash('x'), 7001) })
	wg.Go(func() {
		for range d.Peers(t.Context(), hash('x'), nil) {
			cancel()
		}
	})
	run.Go(func() { d.Run(ctx) })
	wg.Wait()
	run.Wait()
	if _, err := socket.WriteTo(nil, socket.LocalAddr()); err == nil {
		t.Error("the socket is still open")
	}
}

func TestNewFails(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("no error without sockets")
	}
	good := listen(t, "udp4", "127.0.0.1")
	unix, err := net.ListenPacket("unixgram", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Skip("no unix sockets")
	}
	if _, err := New(Options{Sockets: []net.PacketConn{good, unix}}); err == nil || !strings.Contains(err.Error(), "not a UDP socket") {
		t.Errorf("error %v", err)
	}
	if err := good.Close(); err == nil {
		t.Error("the other socket was left open")
	}
}

func TestCache(t *testing.T) {
	file := Options{Cache: filepath.Join(t.TempDir(), "shoal")}.cacheFile()
	if s := load(file); len(s.Nodes) > 0 {
		t.Errorf("nodes without a file: %v", s)
	}
	want := []netip.AddrPort{netip.MustParseAddrPort("8.8.8.8:1"), netip.MustParseAddrPort("[2600::1]:2")}
	if err := (saved{Nodes: want}).store(file); err != nil {
		t.Fatal(err)
	}
	if got := load(file); !slices.Equal(got.Nodes, want) {
		t.Errorf("loaded %v, want %v", got.Nodes, want)
	}
	for _, bad := range []string{"", "{", `{"version":2,"nodes":["8.8.8.8:1"]}`, `{"version":1,"nodes":["8.8.8.8"]}`} {
		if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if s := load(file); len(s.Nodes) > 0 {
			t.Errorf("%q gives %v", bad, s)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(file), ".dht-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestCacheAcrossRuns checks that a run keeps the nodes of the last one that
// it met nobody to replace with, and begins with them.
func TestCacheAcrossRuns(t *testing.T) {
	folder := t.TempDir()
	// A saved node at a public address of which nobody answers from here.
	dead := netip.MustParseAddrPort("240.0.0.1:1")
	kept := netip.MustParseAddrPort("9.9.9.9:9")
	if err := (saved{Nodes: []netip.AddrPort{dead, kept}}).store(Options{Cache: folder}.cacheFile()); err != nil {
		t.Fatal(err)
	}
	d, err := New(Options{Cache: folder, Sockets: []net.PacketConn{listen(t, "udp4", "127.0.0.1")}})
	if err != nil {
		t.Fatal(err)
	}
	if got := d.families[0].starts; !slices.Equal(got, []netip.AddrPort{kept}) {
		t.Errorf("starts with %v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d.Run(ctx)
	if got := load(d.cache).Nodes; !slices.Equal(got, []netip.AddrPort{kept}) {
		t.Errorf("kept %v", got)
	}
}
