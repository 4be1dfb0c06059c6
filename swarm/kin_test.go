package swarm

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-dl/shoal/swarm/discovery"
	"github.com/shoal-dl/shoal/swarm/wire"
)

// families is a node with an IPv4 and an IPv6 address. It knows another one, m, by one of
// each.
type families struct {
	*dialler
	six *machine
}

func (w *world) families(m *machine) families {
	second := netip.MustParseAddrPort("[2001:db8::2]:7411")
	return families{&dialler{from: w.machine(near), m: m, second: second}, w.machineAt("2001:db8::1")}
}

func (f families) dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	if to == f.second {
		f.seconds.Add(1)
		return f.six.Dial(ctx, f.m.at)
	}
	return f.dialler.dial(ctx, to)
}

// join runs it, with those contacts, until the test ends.
func (f families) join(t *testing.T, c *content, lan bool, contacts ...netip.AddrPort) *Swarm {
	join := Content{Manifest: c.Manifest, Read: c.read}
	for _, at := range contacts {
		join.Peers = append(join.Peers, at.String())
	}
	return runNode(t, Options{Share: true, LAN: lan, Listener: f.from.Listen(f.from.at.Port()), Dial: f.dial}).Join(join)
}

// TestTwoFamilies has a node dial another one at both addresses. In the local network one
// connection stays. A dial is repeated once at most, until one has left: then the other
// dials both addresses again.
func TestTwoFamilies(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	for i := range 20 { // which connection stays is random
		lan, weLeave := i%4 > 0, i%2 > 0
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			m := w.machine(near)
			by := w.families(m)
			var four, six atomic.Int32 // dials by m
			other := runNode(t, Options{Share: true, LAN: lan, Listener: m.Listen(m.at.Port()), Dial: func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
				switch to {
				case by.from.at:
					four.Add(1)
				case by.six.at:
					six.Add(1)
				}
				return m.Dial(ctx, to)
			}}).Join(Content{Manifest: c.Manifest, Read: c.read})
			s := by.join(t, c, lan, m.at, by.second)
			w.distract(s)
			w.distract(other)
			want := 2
			if lan {
				want = 1
			}
			if here, there := len(s.Peers()), len(other.Peers()); here != want || there != want {
				t.Fatalf("local %v: they have %d and %d neighbours", lan, here, there)
			}
			if !lan {
				agree(t, s, other)
			}
			if n, second := by.dials.Load(), by.seconds.Load(); n > 2 || second > 2 {
				t.Errorf("%d dials, and %d at the second address", n, second)
			}
			if weLeave {
				s.Leave()
				w.distract(other)
				if four.Load() == 0 || six.Load() == 0 {
					t.Errorf("%d and %d dials after the other has left", four.Load(), six.Load())
				}
				return
			}
			other.Leave()
			w.distract(s)
			if n, second := by.dials.Load(), by.seconds.Load(); n < 5 || second < 5 {
				t.Errorf("%d dials after the other has left, and %d at the second address", n, second)
			}
		})
	}
}

// TestOtherFamilyLater has a node find the other's second address when it has been
// connected by the first for a while. The old connection stays, unless it is lost.
func TestOtherFamilyLater(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	for range 10 {
		for _, lost := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				m := w.machine(near)
				w.node(m, Options{Share: true, LAN: true}).Join(c.seed())
				by := w.families(m)
				s := by.join(t, c, true, m.at)
				first := firstPeer(t, s)
				time.Sleep(crossing)
				if lost {
					by.from.Vanish()
				}
				s.found(discovery.User, by.second)
				time.Sleep(time.Second)
				switch peers := s.Peers(); {
				case !lost && (len(peers) != 1 || peers[0] != first):
					t.Errorf("the neighbours are %v", peers)
				case lost && !slices.ContainsFunc(peers, func(p *Peer) bool { return p != first }):
					t.Errorf("the neighbours are %v, of which one is lost", peers)
				}
			})
		}
	}
}

// TestBetween has somebody come to two nodes under the name of the other, before or after
// they have met, and send either all PINGs that he gets from any. He is neither of them.
func TestBetween(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	for _, first := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			ma, mb := w.machine(near), w.machine(near)
			a := w.node(ma, Options{Share: true, LAN: true}).Join(c.seed())
			b := w.node(mb, Options{Share: true, LAN: true}).Join(Content{Manifest: c.Manifest, Read: c.read})
			meet := func() {
				b.found(discovery.User, ma.at)
				time.Sleep(time.Second)
			}
			if !first {
				meet()
			}
			synctest.Wait()
			ends := []*stranger{
				w.dialledAs(b.node.endpoint, w.machine(near), ma, c),
				w.dialledAs(a.node.endpoint, w.machine(near), mb, c),
			}
			var mu sync.Mutex
			for _, from := range ends {
				go func() {
					for ping := next[wire.Ping](from); ping != nil; ping = next[wire.Ping](from) {
						mu.Lock()
						for _, to := range ends {
							to.say(ping.Append(nil))
						}
						mu.Unlock()
					}
				}()
			}
			time.Sleep(time.Second)
			meet()
			time.Sleep(pingAfter)
			for _, s := range []*Swarm{a, b} {
				s.mu.Lock()
				if n := s.live(); n != 2 {
					t.Errorf("he comes first %v: one has %d neighbours", first, n)
				}
				s.mu.Unlock()
			}
		})
	}
}

// agree checks that both ends of two connections would keep the same.
func agree(t *testing.T, s, other *Swarm) {
	t.Helper()
	first := func(s *Swarm) *Peer {
		peers := s.Peers()
		if peers[0].outlasts(peers[1]) {
			return peers[0]
		}
		return peers[1]
	}
	ours, theirs := first(s).addr.Addr(), first(other).addr.Addr()
	if ours.Is4() != theirs.Is4() {
		t.Errorf("one end would keep the connection with %v, the other that with %v", ours, theirs)
	}
}
