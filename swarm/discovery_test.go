package swarm

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-dl/shoal/swarm/discovery"
	"github.com/shoal-dl/shoal/verify"
)

// TestDHT lets nodes find each other through a private DHT alone, the third one
// through the second after the first is gone.
func TestDHT(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	c.Discovery = []string{verify.DiscoveryDHT}
	first := runNode(t, Options{Listen: "127.0.0.1:0", Share: true, Stay: true, DHT: true, DHTPrivate: true})
	s1 := first.Join(c.seed())
	bootstrap := []string{first.sockets.tcp.Addr().String()}
	second := runNode(t, Options{Listen: "127.0.0.1:0", Share: true, DHT: true, DHTPrivate: true, DHTBootstrap: bootstrap})
	s2 := second.Join(Content{Manifest: c.Manifest, Read: c.read})
	got, err := bring(t.Context(), firstPeer(t, s2), lease(upTo(c.NumPieces())...))
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range got {
		s2.Have(raw.Piece)
	}
	s1.Leave()
	third := runNode(t, Options{Listen: "127.0.0.1:0", Share: true, DHT: true, DHTPrivate: true, DHTBootstrap: bootstrap})
	s3 := third.Join(Content{Manifest: c.Manifest, Read: c.read})
	if got, err = bring(t.Context(), firstPeer(t, s3), lease(upTo(c.NumPieces())...)); err != nil {
		t.Fatal(err)
	}
	c.check(t, got, upTo(c.NumPieces()))
}

// TestLAN lets two nodes find each other by multicast.
func TestLAN(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	c.Discovery = []string{verify.DiscoveryLAN}
	seed := runNode(t, Options{Listen: "127.0.0.1:0", Share: true, LAN: true})
	seed.Join(c.seed())
	n := runNode(t, Options{Listen: "127.0.0.1:0", Share: true, LAN: true})
	s := n.Join(Content{Manifest: c.Manifest, Read: c.read})
	p := firstPeer(t, s)
	if p.Kind() != "lan" {
		t.Error("it does not count as one of the local network")
	}
}

// TestConsent has a publisher who consents to nothing.
func TestConsent(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	c.Discovery = nil
	n, err := New(Options{Listen: "127.0.0.1:0", Share: true, DHT: true, LAN: true, DHTPrivate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer n.sockets.close()
	s := n.Join(c.seed())
	var running sync.WaitGroup
	n.discover(t.Context(), s, &running)
	running.Wait()
	if s.dht != nil || s.lan != nil {
		t.Error("others are looked for")
	}
	if s.shares(true) || s.shares(false) || s.open {
		t.Error("it is shared")
	}
}

// TestSilentName dials a first contact at once whose address is known, behind one
// whose name nobody answers for.
func TestSilentName(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m, _ := w.seed(c, near)
		o := Options{lookUp: func(ctx context.Context, _, _ string) ([]netip.Addr, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		contacts := []string{"silent.example:7411", m.at.String()}
		s := w.node(w.machine(near), o).Join(Content{Manifest: c.Manifest, Read: c.read, Peers: contacts})
		time.Sleep(time.Second)
		if len(s.Peers()) == 0 {
			t.Error("it is not met")
		}
	})
}

// TestLateNetwork looks a name up again soon while that fails, and rarely once it
// has been found.
func TestLateNetwork(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.machine(near)
		begun := time.Now()
		var looked []time.Duration
		o := Options{lookUp: func(context.Context, string, string) ([]netip.Addr, error) {
			looked = append(looked, time.Since(begun))
			if len(looked) == 9 {
				return []netip.Addr{m.at.Addr()}, nil
			}
			return nil, errors.New("network is unreachable")
		}}
		w.node(w.machine(near), o).Join(Content{Manifest: c.Manifest, Read: c.read, Peers: []string{"seed.example:7411"}})
		time.Sleep(31 * time.Minute)
		synctest.Wait()
		var want []time.Duration
		for _, seconds := range []int{0, 5, 15, 35, 75, 155, 315, 615, 915, 1215, 1220, 1230, 1250, 1290, 1370, 1530, 1830} {
			want = append(want, time.Duration(seconds)*time.Second)
		}
		if !slices.Equal(looked, want) {
			t.Errorf("it is looked up after %v, want %v", looked, want)
		}
	})
}

// TestDialsOfManyContents checks that the contents of a node share the limit on
// dials.
func TestDialsOfManyContents(t *testing.T) {
	var all []*content
	for k := range 5 {
		all = append(all, newContent(t, 1<<20+k, 64<<10, false))
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.machine(near)
		var dials [5]atomic.Int64
		n := runNode(t, Options{Listener: m.Listen(m.at.Port()), Dial: func(_ context.Context, to netip.AddrPort) (net.Conn, error) {
			dials[to.Port()-1].Add(1)
			return nil, errors.New("nobody is there")
		}})
		for k, c := range all {
			s := n.Join(Content{Manifest: c.Manifest, Read: c.read})
			for i := range byte(200) {
				s.found(discovery.DHT, netip.AddrPortFrom(netip.AddrFrom4([4]byte{20, byte(k), i, 1}), uint16(k+1)))
			}
		}
		time.Sleep(10*time.Second - 1)
		var sum, least int64 = 0, 300
		for k := range dials {
			sum += dials[k].Load()
			least = min(least, dials[k].Load())
		}
		if sum < 290 || sum > 300 || least < 20 {
			t.Errorf("%d dials in 10 s, %d of one content, want 300 and about 60", sum, least)
		}
	})
}
