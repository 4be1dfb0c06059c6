package dht

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anacrolix/dht/v2/krpc"
)

// TestCacheFilesDoNotMix gives each DHT a file of its own, whatever the order in
// which its first nodes are named and whoever names them.
func TestCacheFilesDoNotMix(t *testing.T) {
	const a, b = "10.0.0.1:6881", "dht.example:6881"
	private := func(bootstrap, routers []string) string {
		return Options{Cache: "c", Private: true, Bootstrap: bootstrap, Routers: routers}.cacheFile()
	}
	both := private([]string{a}, []string{b})
	for _, same := range []string{private([]string{b, a}, nil), private(nil, []string{a, b, a})} {
		if same != both {
			t.Errorf("one DHT has the files %q and %q", both, same)
		}
	}
	files := []string{both, private([]string{a}, nil), private(nil, []string{b}), Options{Cache: "c", Routers: []string{a}}.cacheFile()}
	for i, file := range files {
		if filepath.Dir(file) != "c" || slices.Index(files, file) != i {
			t.Errorf("the files are %q", files)
		}
	}
	if file := private(nil, nil); file != "" {
		t.Errorf("a DHT that no node leads into has the file %q", file)
	}
	if file := (Options{Private: true, Routers: []string{a}}).cacheFile(); file != "" {
		t.Errorf("without a folder there is the file %q", file)
	}
}

// TestPrivateCacheAcrossRuns comes again into a private DHT whose first node is
// gone, by way of another that the first run has met.
func TestPrivateCacheAcrossRuns(t *testing.T) {
	t.Parallel()
	first, stopFirst := startStoppable(t, Options{Private: true})
	entrance := addrOf(first, 0).String()
	other := start(t, Options{Private: true, Bootstrap: []string{entrance}})
	o := Options{Private: true, Cache: t.TempDir(), Routers: []string{entrance}}
	once, stopOnce := startStoppable(t, o)
	waitAnswer(t, once, addrOf(other, 0))
	stopOnce()
	stopFirst()
	if saved := load(o.cacheFile()).Nodes; !slices.Contains(saved, addrOf(other, 0)) {
		t.Fatalf("saved %v", saved)
	}
	waitAnswer(t, start(t, o), addrOf(other, 0))
}

// waitAnswer waits until the node at addr has answered d.
func waitAnswer(t *testing.T, d *DHT, addr netip.AddrPort) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !d.families[0].knows(addr) {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%v has not answered", addr)
		}
	}
}

// startStoppable is start with an end before the test's.
func startStoppable(t *testing.T, o Options) (d *DHT, stop func()) {
	t.Helper()
	o.Sockets = []net.PacketConn{listen(t, "udp4", "127.0.0.1")}
	d, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { d.Run(ctx) })
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	return d, stop
}

func TestPrivateCachesArePruned(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "dht.json"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	name := func(i int) string { return filepath.Join(folder, fmt.Sprintf("%s%016x.json", privatePrefix, i)) }
	for i := range maxPrivate + 3 {
		when := time.Now().Add(-time.Duration(i) * time.Hour)
		if err := os.WriteFile(name(i), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name(i), when, when); err != nil {
			t.Fatal(err)
		}
	}
	if err := prune(folder); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(folder)
	if err != nil || len(left) != maxPrivate+1 {
		t.Errorf("%d files are left (%v)", len(left), err)
	}
	if _, err := os.Stat(name(maxPrivate)); !os.IsNotExist(err) {
		t.Errorf("an old one is left (%v)", err)
	}
}

// TestAnnouncedBesideTheDead: of the nodes that a private DHT knows some have gone. The
// others are announced to without waiting for these to answer. A loaded machine may make
// that late, but not always.
func TestAnnouncedBesideTheDead(t *testing.T) {
	live := start(t, Options{Private: true})
	best := time.Hour
	for i := range byte(5) {
		var told atomic.Int32
		late := start(t, Options{
			Private: true, Bootstrap: []string{addrOf(live, 0).String()},
			Verbose: func(format string, args ...any) {
				if strings.Contains(fmt.Sprintf(format, args...), "announce_peer to "+addrOf(live, 0).String()) {
					told.Add(1)
				}
			},
		})
		waitAnswer(t, late, addrOf(live, 0))
		f := late.families[0]
		for range alpha / 2 {
			silent := listen(t, "udp4", "127.0.0.1")
			defer silent.Close()
			var dead krpc.NodeAddr
			dead.FromAddrPort(silent.LocalAddr().(*net.UDPAddr).AddrPort())
			f.heard(dead, krpc.Msg{R: &krpc.Return{ID: krpc.RandomNodeID()}}) // as it was once
		}
		best = min(best, announced(t, f, live.families[0], hash('a'+i)))
		if n := told.Load(); n != 1 {
			t.Errorf("it was told %d times", n)
		}
		if best < resendDelay/2 {
			break
		}
	}
	t.Logf("announced after %v", best)
	if best > resendDelay/2 {
		t.Errorf("announced after %v, a dead node is waited for %v", best, resendDelay)
	}
}

// TestAnnouncedToWhoComesLater: the only node that there was to tell has gone, and one
// that came after it was told knows all the same.
func TestAnnouncedToWhoComesLater(t *testing.T) {
	t.Parallel()
	first, stopFirst := startStoppable(t, Options{Private: true})
	entrance := addrOf(first, 0).String()
	holder := start(t, Options{Private: true, Bootstrap: []string{entrance}})
	var announcing sync.WaitGroup
	defer announcing.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	announcing.Go(func() { holder.Announce(ctx, hash('a'), 7001) })
	waitStored(t, first.families[0], hash('a'))

	later := start(t, Options{Private: true, Bootstrap: []string{entrance}})
	waitAnswer(t, later, addrOf(holder, 0))
	stopFirst()
	waitStored(t, later.families[0], hash('a'))
}

// announced is how long it takes until a node can tell others what from announces.
func announced(t *testing.T, from, to *family, infohash [20]byte) time.Duration {
	t.Helper()
	begin := time.Now()
	var announcing sync.WaitGroup
	defer announcing.Wait()
	announcing.Go(func() { from.announce(t.Context(), infohash, 7001) })
	waitStored(t, to, infohash)
	return time.Since(begin)
}

// waitStored waits until f can tell others who has infohash.
func waitStored(t *testing.T, f *family, infohash [20]byte) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for len(f.store.GetPeers(infohash)) == 0 {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("nothing is announced")
		}
	}
}
