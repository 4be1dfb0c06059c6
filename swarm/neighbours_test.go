package swarm

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bits-and-blooms/bitset"
	"golang.org/x/time/rate"

	"github.com/shoal-dl/shoal/swarm/discovery"
	"github.com/shoal-dl/shoal/swarm/swarmtest"
	"github.com/shoal-dl/shoal/swarm/wire"
)

// TestLongWay fills 100 Mbit/s over a round trip of 50 ms with one peer.
func TestLongWay(t *testing.T) {
	const up = 12.5e6
	line := swarmtest.Line{Up: up, Delay: 25 * time.Millisecond}
	c := newContent(t, 100<<20, 1<<20, false)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		seed, _ := w.seed(c, line)
		_, s := w.leech(c, Options{}, seed)
		p := firstPeer(t, s)
		began := time.Now()
		got, err := bring(t.Context(), p, lease(upTo(c.NumPieces())...))
		if err != nil {
			t.Fatal(err)
		}
		c.check(t, got, upTo(c.NumPieces()))
		took, least := time.Since(began), time.Duration(float64(c.Size())/up*float64(time.Second))
		t.Logf("it took %v, the line alone takes %v", took, least)
		if took > least*105/100 {
			t.Errorf("it took %v, the line alone takes %v", took, least)
		}
	})
}

// TestMesh lets a crowd that knows two first contacts come at once.
func TestMesh(t *testing.T) {
	const crowd = 30
	c := newContent(t, 1<<20, 64<<10, false)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		line := swarmtest.Line{Delay: 20 * time.Millisecond}
		first, second := w.machine(line), w.machine(line)
		var swarms []*Swarm
		for _, m := range []*machine{first, second} {
			swarms = append(swarms, w.node(m, Options{Share: true}).Join(Content{Manifest: c.Manifest, Read: c.read}))
		}
		synctest.Wait()
		for range crowd - 2 {
			n := w.node(w.machine(line), Options{Share: true})
			swarms = append(swarms, n.Join(Content{
				Manifest: c.Manifest, Read: c.read, Peers: []string{first.at.String(), second.at.String()},
			}))
		}
		time.Sleep(2 * time.Second)
		for i, s := range swarms {
			if n := len(s.Peers()); n != crowd-1 {
				t.Errorf("node %d has %d neighbours of %d", i, n, crowd-1)
			}
		}
	})
}

// TestDuplicate has two nodes dial each other at the same moment.
func TestDuplicate(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	for range 10 { // the nodes' ids are random, and decide
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			a, b := w.machine(near), w.machine(near)
			sa := w.node(a, Options{Share: true}).Join(Content{Manifest: c.Manifest, Read: c.read, Peers: []string{b.at.String()}})
			sb := w.node(b, Options{Share: true}).Join(Content{Manifest: c.Manifest, Read: c.read, Peers: []string{a.at.String(), b.at.String()}})
			for range 10 {
				time.Sleep(time.Minute)
				if len(sa.Peers()) != 1 || len(sb.Peers()) != 1 {
					t.Fatalf("they have %d and %d neighbours", len(sa.Peers()), len(sb.Peers()))
				}
			}
		})
	}
}

// dialler dials from a machine, to m at either of its addresses, and counts that.
type dialler struct {
	from, m        *machine
	second         netip.AddrPort
	dials, seconds atomic.Int32 // seconds of them at the second address
}

func (c *dialler) dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	switch to {
	case c.second:
		c.seconds.Add(1)
		to = c.m.at
		fallthrough
	case c.m.at:
		c.dials.Add(1)
	}
	return c.from.Dial(ctx, to)
}

// node runs a node that dials so until the test ends.
func (c *dialler) node(t *testing.T, o Options) *Node {
	t.Helper()
	o.Listener, o.Dial = c.from.Listen(c.from.at.Port()), c.dial
	return runNode(t, o)
}

// distract has somebody to dial in vain, now and then, for an hour.
func (w *world) distract(s *Swarm) {
	s.found(discovery.User, w.machine(near).at)
	time.Sleep(time.Hour)
}

// TestTwoAddresses knows a node by two addresses, and dials the one it is not
// connected by once, as long as the connection lasts; and so if there is another one
// of the same name.
func TestTwoAddresses(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	for _, impostor := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			m, seed := w.seed(c, near)
			by := &dialler{from: w.machine(near), m: m, second: w.machine(near).at}
			s := by.node(t, Options{Share: true}).Join(Content{Manifest: c.Manifest, Read: c.read, Peers: []string{m.at.String()}})
			firstPeer(t, s)
			if impostor {
				go w.dialledAs(seed.node.endpoint, w.machine(near), by.from, c).live()
				time.Sleep(time.Second)
			}
			s.found(discovery.User, by.second)
			w.distract(s)
			w.distract(s)
			if n := by.dials.Load(); n != 2 {
				t.Errorf("%d dials", n)
			}
			seed.mu.Lock()
			if p := seed.peers[0]; len(p.aliases) > 0 { // whoever comes could fill it
				t.Errorf("who came twice is said to be at %v", p.aliases)
			}
			seed.mu.Unlock()
			seed.Leave()
			w.distract(s)
			if n, second := by.dials.Load(), by.seconds.Load(); second < 5 || n-second < 5 {
				t.Errorf("impostor %v: %d dials after it has left, %d of them at the second address", impostor, n, second)
			}
		})
	}
}

// TestCrossing has two nodes dial each other, one of them at a second address, at
// the same moment or after a while. A dial is repeated once at most, and a connection
// in use stays.
func TestCrossing(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	for _, late := range []bool{false, true} {
		for range 10 { // the nodes' ids are random, and decide
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				m := w.machine(near)
				by := &dialler{from: w.machine(near), m: m, second: w.machine(near).at}
				s := by.node(t, Options{Share: true}).Join(Content{Manifest: c.Manifest, Read: c.read})
				w.node(m, Options{Share: true}).Join(Content{Manifest: c.Manifest, Read: c.read, Peers: []string{by.from.at.String()}})
				var first *Peer
				if late {
					first = firstPeer(t, s)
					w.distract(s)
				}
				s.found(discovery.User, by.second)
				w.distract(s)
				w.distract(s)
				peers := s.Peers()
				if n := by.dials.Load(); n > 2 || len(peers) != 1 || late && (n > 1 || peers[0] != first) {
					t.Errorf("late %v: %d dials, neighbours %v", late, n, peers)
				}
			})
		}
	}
}

// TestComesAnew has a seed dial once more. Who has lost the connection, or waits in
// vain for blocks on it, takes the new one instead, and who has not keeps it. From
// another address it may be somebody else: the old one stays until it is seen to be dead.
func TestComesAnew(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	for _, tt := range []struct {
		name      string
		elsewhere bool
		lost      bool
		up        *rate.Limiter
		after     time.Duration // of a lease
		old, anew bool          // which stay
	}{
		{"alive", false, false, nil, time.Minute, true, false},
		{"lost", false, true, nil, time.Second, false, true},
		{"slow", false, false, perSecond(1), uselessAfter - time.Second, true, false},
		{"useless", false, false, perSecond(1), uselessAfter + time.Second, false, true},
		{"alive, elsewhere", true, false, nil, time.Minute, true, false}, // it sees that itself
		{"lost, elsewhere", true, true, nil, time.Second, true, true},
		{"useless, elsewhere", true, false, perSecond(1), uselessAfter + time.Second, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				m, s := w.leech(c, Options{Share: true})
				first := w.machine(near)
				var line atomic.Pointer[machine]
				line.Store(first)
				dial := func(ctx context.Context, to netip.AddrPort) (net.Conn, error) { return line.Load().Dial(ctx, to) }
				seed := runNode(t, Options{Share: true, LimitUp: tt.up, Listener: first.Listen(first.at.Port()), Dial: dial}).Join(
					Content{Manifest: c.Manifest, Read: c.read, Have: c.all(), Peers: []string{m.at.String()}})
				old := firstPeer(t, s)
				time.Sleep(crossing)
				if tt.lost {
					first.Vanish()
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				go func() { _, _ = bring(ctx, old, lease(upTo(c.NumPieces())...)) }()
				time.Sleep(tt.after)
				second := w.machine(near)
				if !tt.elsewhere {
					second = &machine{w.Host(first.at.Addr(), near), first.at}
				}
				line.Store(second)
				seed.running.Go(func() { seed.dial(ctx, m.at, discovery.User) })
				time.Sleep(proveWithin + time.Second)
				peers := s.Peers()
				anew := slices.ContainsFunc(peers, func(p *Peer) bool { return p != old && p.addr.Addr() == second.at.Addr() })
				if slices.Contains(peers, old) != tt.old || anew != tt.anew {
					t.Errorf("the neighbours are %v, the old one is that from %v", peers, old.addr)
				}
				if n := len(seed.Peers()); tt.up == nil && n != 1 {
					t.Errorf("the seed has %d neighbours", n)
				}
				if tt.lost {
					time.Sleep(2 * checkEvery)
				}
				if n := len(s.Peers()); tt.lost && n != 1 {
					t.Errorf("there are %d neighbours after a while", n)
				}
			})
		})
	}
}

// TestLastWords has somebody dial once more, and answer on the old connection just before
// he ends that. It is no reason to turn the new one away.
func TestLastWords(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m, s := w.leech(c, Options{Share: true})
		from := w.machine(near)
		end, err := wire.NewEndpoint(from.at.Port())
		if err != nil {
			t.Fatal(err)
		}
		old := w.dialledAs(end, from, m, c)
		first := firstPeer(t, s)
		time.Sleep(crossing + time.Second)
		if next[wire.Ping](old) == nil { // which belongs to it
			t.Fatal("there is no greeting")
		}
		w.dialledAs(end, from, m, c)
		if next[wire.Ping](old) == nil {
			t.Fatal("the old connection has ended at once")
		}
		old.say(wire.Have{Pieces: []int{1}}.Append(nil))
		time.Sleep(proveLook + proveLook/2)
		old.say(wire.Bye{}.Append(nil))
		time.Sleep(proveWithin)
		if peers := s.Peers(); len(peers) != 1 || peers[0] == first {
			t.Errorf("the neighbours are %v, the old one is %v", peers, first)
		}
	})
}

// TestImpostors come under the name of a seed, which anybody can give who has the
// manifest. Whether they were first or came later, the seed is a neighbour and stays
// one, however slow it is.
func TestImpostors(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	for _, tt := range []struct {
		name  string
		first bool
		up    *rate.Limiter // the seed's
		after time.Duration // of the one that was first
	}{
		{"first", true, nil, time.Minute},
		{"just first", true, nil, time.Millisecond},
		{"soon", false, nil, time.Millisecond},
		{"late", false, nil, time.Minute},
		{"to a slow one", false, perSecond(1), uselessAfter + crossing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range 10 { // the nodes' ids are random, and decide
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					m := w.machine(near)
					seed := w.node(m, Options{Share: true, LimitUp: tt.up}).Join(c.seed())
					leech, s := w.leech(c, Options{Share: true, Timeout: time.Hour})
					synctest.Wait()
					impostors := func() {
						for range 3 {
							go w.dialledAs(seed.node.endpoint, w.machine(near), leech, c).live()
						}
					}
					if tt.first {
						impostors()
						time.Sleep(tt.after)
					}
					s.found(discovery.User, m.at)
					time.Sleep(time.Second)
					var real *Peer
					for _, p := range s.Peers() {
						if p.addr == m.at {
							real = p
						}
					}
					if real == nil {
						t.Fatalf("the seed is not among %v", s.Peers())
					}
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					got := make(chan []Raw, 1)
					go func() {
						raws, _ := bring(ctx, real, lease(upTo(c.NumPieces())...))
						got <- raws
					}()
					if !tt.first {
						time.Sleep(tt.after)
						impostors()
						time.Sleep(2 * proveWithin)
					}
					if err := real.ended(); err != nil {
						t.Errorf("the seed had to go: %v", err)
					}
					if tt.up == nil {
						c.check(t, <-got, upTo(c.NumPieces()))
					}
				})
			}
		})
	}
}

// TestDeadWhileOwing: who owes us blocks is found to be dead soon after they are
// missed, and not if he answers.
func TestDeadWhileOwing(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	for _, dead := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			m := w.machine(near)
			w.node(m, Options{Share: true, LimitUp: perSecond(1)}).Join(c.seed())
			_, s := w.leech(c, Options{}, m)
			p := firstPeer(t, s)
			time.Sleep(41 * time.Second) // in which nothing needs to be said
			go func() { _, _ = bring(t.Context(), p, lease(0)) }()
			time.Sleep(time.Second)
			if dead {
				m.Vanish()
			}
			began := time.Now()
			select {
			case <-p.stream.hungUp:
			case <-time.After(time.Minute):
			}
			if took := time.Since(began); took < time.Minute != dead || took < s.node.options.Timeout || dead && took > s.node.options.Timeout+2*checkEvery {
				t.Errorf("dead is %v, and the connection ended after %v: %v", dead, took, p.ended())
			}
		})
	}
}

func TestBan(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m, n := w.machine(near), w.machine(near)
		bye := make(chan wire.ByeReason, 1)
		w.played(m, c, c.all(), func(s *stranger) { bye <- next[wire.Bye](s).Reason })
		s := w.node(n, Options{Share: true}).Join(Content{Manifest: c.Manifest, Read: c.read, Peers: []string{m.at.String()}})
		p := firstPeer(t, s)
		s.Ban(p, "sent wrong bytes")
		if got := <-bye; got != wire.ByeBanned {
			t.Errorf("it was told %v", got)
		}
		time.Sleep(time.Hour)
		if len(s.Peers()) > 0 {
			t.Error("it is still there")
		}
		if b := next[wire.Bye](w.dialled(m, n, c)); b == nil || b.Reason != wire.ByeBanned {
			t.Errorf("when it comes back it is told %v", b)
		}
		if _, err := bring(t.Context(), p, lease(1)); err == nil {
			t.Error("pieces came from it")
		}
	})
}

// TestFull comes to a node that has neighbours enough.
func TestFull(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.machine(near)
		s := w.node(m, Options{Share: true}).Join(Content{Manifest: c.Manifest, Read: c.read})
		synctest.Wait()
		for range neighboursMost {
			w.dialled(w.machine(near), m, c)
		}
		synctest.Wait()
		late := w.dialled(w.machine(near), m, c)
		if pex := next[wire.PEX](late); pex == nil || len(pex.Addrs) != wire.MaxPEX {
			t.Errorf("it was told of nobody else: %v", pex)
		}
		if bye := next[wire.Bye](late); bye == nil || bye.Reason != wire.ByeFull {
			t.Errorf("it was told %v", bye)
		}
		if n := s.Stats().Peers; n != neighboursMost {
			t.Errorf("there are %d neighbours", n)
		}
	})
}

// idle connects, and does nothing but answer PING.
func (w *world) idle(from, to *machine, c *content) {
	go w.dialled(from, to, c).live()
}

// live does nothing but answer PING.
func (s *stranger) live() {
	for p := next[wire.Ping](s); p != nil; p = next[wire.Ping](s) {
		s.say(wire.Pong{Nonce: p.Nonce}.Append(nil))
	}
}

// TestIdleDoNotStopDialling has as many come as are dialled for, or as there is room
// for, who have nothing and want nothing. Whom the user names is dialled.
func TestIdleDoNotStopDialling(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	for _, many := range []int{neighboursWanted, neighboursMost} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			m, s := w.leech(c, Options{Share: true})
			synctest.Wait()
			for range many {
				w.idle(w.machine(near), m, c)
			}
			time.Sleep(time.Minute)
			seed, _ := w.seed(c, near)
			s.found(discovery.User, seed.at)
			time.Sleep(idleAfter)
			if peers := s.Peers(); !slices.ContainsFunc(peers, func(p *Peer) bool { return p.addr == seed.at }) {
				t.Errorf("the seed is not among %d neighbours of %d", len(peers), many)
			}
		})
	}
}

// TestIdleMakeRoom fills a seed with those who want nothing, but for one who takes a
// little now and then. They make room for others, the one that does nothing for the
// longest time first, and nobody does that still may want something.
func TestIdleMakeRoom(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m, s := w.seed(c, near)
		synctest.Wait()
		taker, l := w.leech(c, Options{}, m)
		p := firstPeer(t, l)
		var idlers []*machine
		for range neighboursMost - 1 {
			from := w.machine(near)
			w.idle(from, m, c)
			idlers = append(idlers, from)
			time.Sleep(time.Second)
		}
		synctest.Wait()
		gone := func() (n int) {
			s.mu.Lock()
			defer s.mu.Unlock()
			for i, from := range append([]*machine{taker}, idlers...) {
				if !slices.ContainsFunc(s.peers, func(p *Peer) bool { return p.addr.Addr() == from.at.Addr() }) {
					if n++; i > n {
						t.Errorf("number %d had to go, %d have", i, n)
					}
				}
			}
			return n
		}
		come := func() {
			w.idle(w.machine(near), m, c)
			time.Sleep(time.Second)
		}
		come()
		if n := gone(); n != 0 {
			t.Errorf("%d had to go although they had just come", n)
		}
		for range 10 {
			time.Sleep(idleAfter / 5)
			if _, err := bring(t.Context(), p, lease(0)); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 10 {
			come()
			if n := gone(); n != i+1 {
				t.Errorf("%d had to go for %d", n, i+1)
			}
		}
	})
}

// TestEvictsEachOnce: who leaves already makes no room a second time.
func TestEvictsEachOnce(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.machine(near)
		w.last = netip.MustParseAddr("192.168.0.0")
		s := w.node(m, Options{Share: true}).Join(c.seed())
		synctest.Wait()
		w.dialled(w.machine(near), m, c)
		greedy := w.machine(near)
		for range 4 {
			w.dialled(greedy, m, c)
		}
		synctest.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		evicted := 0
		for range 5 {
			if s.evict(s.peers[0]) {
				evicted++
			}
		}
		left := 0
		for _, p := range s.peers {
			if p.ended() == nil {
				left++
			}
		}
		if evicted == 0 || evicted+left != 5 {
			t.Errorf("%d were evicted, and %d of 5 are left", evicted, left)
		}
	})
}

// TestOneHostTakesAllPlaces, and gives them back to others, but not more than
// half of them to one.
func TestOneHostTakesAllPlaces(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.machine(near)
		w.last = netip.MustParseAddr("192.168.0.0") // where many may be behind an address
		s := w.node(m, Options{Share: true}).Join(c.seed())
		synctest.Wait()
		greedy, other := w.machine(near), w.machine(near)
		for range neighboursMost {
			w.dialled(greedy, m, c)
		}
		for range neighboursMost {
			w.dialled(other, m, c)
			time.Sleep(time.Second)
		}
		hosts := map[netip.Addr]int{}
		s.mu.Lock()
		for _, p := range s.peers {
			hosts[p.addr.Addr()]++
		}
		s.mu.Unlock()
		if n := neighboursMost / 2; hosts[greedy.at.Addr()] != n || hosts[other.at.Addr()] != n {
			t.Errorf("there are %v", hosts)
		}
	})
}

// smallContents makes so many that differ.
func smallContents(t *testing.T, n int) (all []*content) {
	for i := range n {
		all = append(all, newContent(t, 64<<10+i, 64<<10, false))
	}
	return all
}

// TestManyContents has more come to a node than it may have neighbours. Those of one
// content keep nobody from another one: at last each content has as many.
func TestManyContents(t *testing.T) {
	const contents = 5
	all := smallContents(t, contents)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.machine(near)
		n := w.node(m, Options{Share: true})
		var swarms []*Swarm
		for _, c := range all {
			swarms = append(swarms, n.Join(c.seed()))
		}
		synctest.Wait()
		for i, c := range all {
			for range neighboursMost {
				w.dialled(w.machine(near), m, c)
			}
			time.Sleep(time.Second) // those who had to go have gone
			total, least, most := 0, neighboursMost, 0
			for _, s := range swarms[:i+1] {
				peers := s.Stats().Peers
				total, least, most = total+peers, min(least, peers), max(most, peers)
			}
			if want := min((i+1)*neighboursMost, neighboursInAll); total != want || most-least > 1 {
				t.Errorf("%d contents have %d neighbours, want %d; %d to %d each", i+1, total, want, least, most)
			}
		}
	})
}

// TestFullNodeDialsNobody as long as all of its neighbours may be of use and each content
// has as many of them.
func TestFullNodeDialsNobody(t *testing.T) {
	const contents = 4
	all := smallContents(t, contents)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := all[0]
		m, _ := w.seed(c, near)
		by := &dialler{from: w.machine(near), m: m}
		n := by.node(t, Options{Share: true})
		s := n.Join(Content{Manifest: c.Manifest, Read: c.read})
		for _, c := range all[1:] {
			n.Join(c.seed())
		}
		synctest.Wait()
		for _, c := range all {
			for range neighboursInAll / contents {
				w.idle(w.machine(near), by.from, c)
			}
		}
		s.found(discovery.User, m.at)
		time.Sleep(idleAfter - time.Second)
		if n := by.dials.Load(); n > 0 {
			t.Errorf("%d dials", n)
		}
		time.Sleep(checkEvery + time.Second)
		if peers := s.Peers(); !slices.ContainsFunc(peers, func(p *Peer) bool { return p.addr == m.at }) {
			t.Error("the seed is not a neighbour after those who did nothing could have gone")
		}
	})
}

// TestNews tells neighbours what is proven and fetched here.
func TestNews(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.machine(near)
		from := w.node(m, Options{Share: true}).Join(Content{Manifest: c.Manifest, Read: c.read})
		from.Fetching([]int{7})
		_, s := w.leech(c, Options{}, m)
		p := firstPeer(t, s)
		shows := func(want string) {
			t.Helper()
			time.Sleep(time.Second)
			p.Look(func(have, fetching *bitset.BitSet) {
				if got := have.String() + " " + fetching.String(); got != want {
					t.Errorf("it shows %s, not %s", got, want)
				}
			})
		}
		shows("{} {7}")
		from.Unfetching([]int{7})
		shows("{} {}")
		before := p.Version()
		from.Fetching([]int{3, 4, 5})
		from.Have(1)
		shows("{1} {3,4,5}")
		if p.Version() == before {
			t.Error("the version is the same")
		}
		from.Have(4)
		from.Unfetching([]int{5, 6})
		shows("{1,4} {3}")
		from.Fetching([]int{4})
		shows("{1,4} {3}")
	})
}

// TestCommonNews tells what many neighbours have later than what few have who lack others.
func TestCommonNews(t *testing.T) {
	const rare, common = 3, 4
	c := newContent(t, 1<<20, 64<<10, false)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.machine(near)
		from := w.node(m, Options{Share: true}).Join(Content{Manifest: c.Manifest, Read: c.read})
		_, s := w.leech(c, Options{}, m)
		p := firstPeer(t, s)
		for i := range commonFrom + 1 {
			have := bitset.New(uint(c.NumPieces())).Set(common)
			switch i {
			case 0:
				have = c.all() // who has all trades nothing
			case 1:
			default:
				have.Set(rare)
			}
			w.node(w.machine(near), Options{Share: true}).Join(Content{Manifest: c.Manifest, Read: c.read, Have: have, Peers: []string{m.at.String()}})
		}
		time.Sleep(time.Second)
		for _, tt := range []struct {
			piece int
			after time.Duration
		}{{rare, 0}, {common, tellCommon}} {
			at := time.Now()
			from.Have(tt.piece)
			for shown := false; !shown; time.Sleep(time.Millisecond) {
				p.Look(func(have, _ *bitset.BitSet) { shown = have.Test(uint(tt.piece)) })
			}
			if took := time.Since(at); took < tt.after || took > tt.after+tellEvery {
				t.Errorf("piece %d is known after %v, want %v", tt.piece, took, tt.after)
			}
			time.Sleep(time.Second)
		}
	})
}

// TestUnproven asks for what is not proven, and for what is beyond the piece.
func TestUnproven(t *testing.T) {
	c := newContent(t, 1<<20-1, 64<<10, false)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.machine(near)
		w.node(m, Options{Share: true}).Join(Content{Manifest: c.Manifest, Have: bitset.New(16).Set(2).Set(15), Read: c.read})
		synctest.Wait()
		s := w.dialled(w.machine(near), m, c)
		for id, r := range []wire.Request{{Piece: 3, Length: 1}, {Piece: 2, Offset: 1, Length: 64 << 10}, {Piece: 15, Length: 64 << 10}} {
			r.ID = uint32(id)
			s.say(r.Append(nil))
			if got := next[wire.Reject](s); got == nil || got.ID != r.ID || got.Reason != wire.RejectMissing {
				t.Errorf("request %d was answered %v", id, got)
			}
		}
		s.say(wire.Request{ID: 9, Piece: 2, Length: 64 << 10}.Append(nil))
		if got := next[wire.Data](s); got == nil || got.ID != 9 || got.Size != 64<<10 {
			t.Errorf("a good request was answered %v", got)
		}
	})
}

// TestCancels has somebody cancel what he never asked for, and then what he did. It
// is answered instead, until he has calmed down.
func TestCancels(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	synctest.Test(t, func(t *testing.T) {
		s := newWorld(t).visited(c, near, Options{Share: true, LimitUp: perSecond(16 << 10)})
		for id := range uint32(3) {
			s.say(wire.Request{ID: id, Piece: int(id), Length: 64 << 10}.Append(nil))
		}
		for id := range uint32(2 * cancelRate) {
			_ = s.Write(wire.Cancel{ID: id + 10}.Append(nil))
		}
		s.say(wire.Cancel{ID: 1}.Append(nil))
		time.Sleep(time.Second)
		s.say(wire.Cancel{ID: 2}.Append(nil))
		if r := next[wire.Reject](s); r == nil || r.ID != 2 {
			t.Errorf("it was rejected %v", r)
		}
	})
}

// TestCancelsInARun cancels half of a piece while its first block is on the way: it is
// read at once, but not sent.
func TestCancelsInARun(t *testing.T) {
	c := newContent(t, 1<<20, 256<<10, false)
	synctest.Test(t, func(t *testing.T) {
		s := newWorld(t).visited(c, swarmtest.Line{Up: 64 << 10, Delay: time.Millisecond}, Options{Share: true})
		for id := range uint32(4) {
			_ = s.Write(wire.Request{ID: id, Length: 64 << 10, Offset: int(id) * 64 << 10}.Append(nil))
		}
		_ = s.Flush()
		time.Sleep(500 * time.Millisecond)
		for id := range uint32(2) {
			s.say(wire.Cancel{ID: id + 2}.Append(nil))
		}
		for id := range uint32(2) {
			if d := next[wire.Data](s); d == nil || d.ID != id {
				t.Fatalf("instead of block %d came %v", id, d)
			}
		}
		for id := range uint32(2) {
			if r := next[wire.Reject](s); r == nil || r.ID != id+2 || r.Reason != wire.RejectCancelled {
				t.Errorf("block %d was rejected %v", id+2, r)
			}
		}
	})
}

// TestDisk has a disk of our own fail.
func TestDisk(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.machine(near)
		bad := c.seed()
		bad.Read = func(piece int, off int64, buf []byte) error {
			if piece == 7 {
				return errors.New("bad sector")
			}
			return c.read(piece, off, buf)
		}
		w.node(m, Options{Share: true}).Join(bad)
		_, s := w.leech(c, Options{}, m)
		p := firstPeer(t, s)
		got, err := bring(t.Context(), p, lease(upTo(16)...))
		if e, ok := errors.AsType[*Error](err); !ok || e.Lasting {
			t.Errorf("error %v is not a passing one", err)
		}
		c.check(t, got, upTo(7))
		got, err = bring(t.Context(), p, lease(8, 9))
		if err != nil {
			t.Error(err)
		}
		c.check(t, got, []int{8, 9})
	})
}

// TestLeave stops one swarm of a node and not the other.
func TestLeave(t *testing.T) {
	c1, c2 := newContent(t, 1<<20, 64<<10, false), newContent(t, 1<<20, 128<<10, false)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.machine(near)
		n := w.node(m, Options{Share: true})
		s1, s2 := n.Join(c1.seed()), n.Join(c2.seed())
		_, l1 := w.leech(c1, Options{}, m)
		_, l2 := w.leech(c2, Options{}, m)
		p1, p2 := firstPeer(t, l1), firstPeer(t, l2)
		began := time.Now()
		s1.Leave()
		s1.Leave()
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %v", took)
		}
		time.Sleep(time.Second)
		if e, ok := errors.AsType[*partedError](p1.ended()); !ok || e.reason != wire.ByeDone {
			t.Errorf("the neighbour noticed %v", p1.ended())
		}
		if _, err := bring(t.Context(), p2, lease(3)); err != nil {
			t.Errorf("the other swarm: %v", err)
		}
		s2.Leave()
	})
}

// TestLeaveUnstarted leaves before there is anything to leave, and joins after
// the end.
func TestLeaveUnstarted(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	n, err := New(Options{Listen: "127.0.0.1:0", Share: true})
	if err != nil {
		t.Fatal(err)
	}
	n.Join(c.seed()).Leave()
	s := n.Join(c.seed())
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := n.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("run: %v", err)
	}
	s.Leave()
	n.Join(c.seed()).Leave()
}

// TestUnshared does not serve, nor show what it has.
func TestUnshared(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m, n := w.machine(near), w.machine(near)
		seen := make(chan string, 10)
		w.played(m, c, c.all(), func(s *stranger) {
			if next[wire.Hello](s).Serves {
				seen <- "it serves"
			}
			if have := next[wire.Bitfield](s).Have; have.Any() {
				seen <- "it shows " + have.String()
			}
			s.say(wire.Request{ID: 1, Piece: 1, Length: 1}.Append(nil))
			if r := next[wire.Reject](s); r == nil || r.Reason != wire.RejectUnshared {
				seen <- "it does not refuse"
			}
			seen <- ""
		})
		node := w.node(n, Options{})
		if node.Port() != 0 {
			t.Error("it listens")
		}
		node.Join(Content{Manifest: c.Manifest, Have: bitset.New(16).Set(1), Read: c.read, Peers: []string{m.at.String()}})
		for text := <-seen; text != ""; text = <-seen {
			t.Error(text)
		}
		if _, err := w.machine(near).Dial(t.Context(), n.at); err == nil {
			t.Error("it accepts peers")
		}
	})
}

// TestMaxUpload stops sharing after so many bytes, and not before: not even when
// they are fewer than are read at once.
func TestMaxUpload(t *testing.T) {
	c := newContent(t, 10<<20, 256<<10, false)
	for _, most := range []int64{1, 250 << 10, 2 << 20} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			m := w.machine(near)
			s := w.node(m, Options{Share: true, MaxUpload: most}).Join(c.seed())
			_, l := w.leech(c, Options{}, m)
			p := firstPeer(t, l)
			_, err := bring(t.Context(), p, lease(upTo(c.NumPieces())...))
			if e, ok := errors.AsType[*Error](err); !ok || !e.Lasting {
				t.Errorf("error %v is not a lasting one", err)
			}
			if n := s.Stats().Uploaded; n != most {
				t.Errorf("%d bytes of %d were uploaded", n, most)
			}
		})
	}
}
