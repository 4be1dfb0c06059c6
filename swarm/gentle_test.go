package swarm

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-dl/shoal/swarm/yield"
)

// gentleTable is a table where the hosts named in capitals yield.
func gentleTable(rate float64, names ...string) *table {
	tb := newTable(newTurns(nil))
	tb.now = time.Now()
	tb.yield(rate)
	for _, name := range names {
		c := newTurn(netip.AddrFrom4([4]byte{198, 18, 0, name[0]}), func() {})
		c.yields = name[0] < 'a'
		tb.turn[name] = c
	}
	tb.asks(names...)
	return tb
}

// TestGentleTurns lets those who yield have their rate together, each as much as
// any other, and whoever does not as much as he wants.
func TestGentleTurns(t *testing.T) {
	for _, rate := range []float64{yield.Least, 100e3, 2.5e6, 100e6} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				names := []string{"A1", "B1", "C1", "C2", "d1"}
				tb := gentleTable(rate, names...)
				const seconds = 4
				got := map[byte]int{}
				for end := time.Now().Add(seconds * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
					tb.spendAll(names, 10, got)
				}
				tb.close()
				gentle := got['A'] + got['B'] + got['C']
				if part := float64(gentle) / (rate * seconds); part < 0.95 || part > 1.2 {
					t.Errorf("those who yield got %.3f of what they may", part)
				}
				shares := []int{got['A'], got['B'], got['C']}
				if slices.Max(shares)-slices.Min(shares) > 2*tb.quantum(true) {
					t.Errorf("they got %d", shares)
				}
				if got['d'] < 50e6*seconds {
					t.Errorf("who does not got %d bytes", got['d'])
				}
			})
		})
	}
}

// spendAll sends a few blocks to each whose turn it is.
func (t *table) spendAll(names []string, blocks int, got map[byte]int) {
	t.now = time.Now()
	t.watch(t.now)
	for _, name := range names {
		c := t.turn[name]
		for range blocks {
			n := min(t.allowance(c, t.now), t.block(c))
			if n == 0 {
				break
			}
			t.spends(name, n)
			got[name[0]] += n
		}
	}
}

// TestGentleQuantum keeps a turn from being a queue.
func TestGentleQuantum(t *testing.T) {
	tests := map[float64][2]int{ // turn, block
		yield.Least: {4 << 10, 4 << 10},
		125e3:       {4 << 10, 4 << 10},
		600e3:       {15000, 15000},
		2.5e6:       {62500, 62500},
		100e6:       {quantum, 64 << 10},
		0:           {quantum, 64 << 10},
	}
	for rate, want := range tests {
		tb := gentleTable(rate, "A1", "b1")
		if got := [2]int{tb.quantum(true), tb.block(tb.turn["A1"])}; got != want {
			t.Errorf("at %v: turn and block %d, want %d", rate, got, want)
		}
		if got := tb.quantum(false); got != quantum {
			t.Errorf("at %v: a turn of who does not yield has %d bytes", rate, got)
		}
	}
}

// TestYields lets who is far away yield, and nobody else.
func TestYields(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	tests := map[string]struct {
		options Options
		want    bool
	}{
		"loopback":               {Options{}, false},
		"loopback, as if far":    {Options{far: true}, true},
		"a local network's":      {Options{far: true, LAN: true}, false},
		"not of a local network": {Options{LAN: false}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.options.Listen, tt.options.Share = "127.0.0.1:0", true
			from := runNode(t, tt.options)
			served := from.Join(c.seed())
			to := runNode(t, Options{Listen: "127.0.0.1:0"})
			s := to.Join(Content{Manifest: c.Manifest, Read: c.read, Peers: []string{from.sockets.tcp.Addr().String()}})
			firstPeer(t, s)
			served.mu.Lock()
			defer served.mu.Unlock()
			if got := served.peers[0].yields(); got != tt.want {
				t.Errorf("it yields: %v", got)
			}
		})
	}
}

// TestGentle sends to a peer over TCP as if he were far away, and wants that to
// be all there, marked, and at a rate that a controller has set. How fast that is
// says more about this machine's load than about the controller.
func TestGentle(t *testing.T) {
	c := newContent(t, 2<<20, 256<<10, false)
	from := runNode(t, Options{Listen: "127.0.0.1:0", Share: true, far: true})
	served := from.Join(c.seed())
	to := runNode(t, Options{Listen: "127.0.0.1:0"})
	s := to.Join(Content{Manifest: c.Manifest, Read: c.read, Peers: []string{from.sockets.tcp.Addr().String()}})
	got, err := bring(t.Context(), firstPeer(t, s), lease(upTo(c.NumPieces())...))
	if err != nil {
		t.Fatal(err)
	}
	c.check(t, got, upTo(c.NumPieces()))
	served.mu.Lock()
	p := served.peers[0]
	served.mu.Unlock()
	from.turns.mu.Lock()
	rate := from.turns.gentle
	from.turns.mu.Unlock()
	if rate == 0 || rate == yield.First {
		t.Errorf("it was sent at %.0f bytes a second in the end, as in the beginning", rate)
	}
	checkLower(t, p.stream.await.raw)
}

// newLine is a line with that many peers on it, each at a host of its own.
func newLine(t *testing.T, peers int) (*line, []*Peer) {
	t.Helper()
	n := &Node{turns: newTurns(nil)}
	s := &Swarm{node: n}
	n.swarms = []*Swarm{s}
	for i := range peers {
		ours, _ := tcpPair(t)
		p := &Peer{swarm: s, stream: newStream(ours), wake: make(chan struct{}, 1)}
		p.up.turn = newTurn(netip.AddrFrom4([4]byte{198, 18, 0, byte(i)}), func() {})
		p.up.turn.yields = true
		s.peers = append(s.peers, p)
	}
	t.Cleanup(n.turns.close)
	return &line{node: n, began: time.Now().Add(-time.Hour)}, s.peers
}

// TestTakersShareTheRate, and who takes nothing has no part in it.
func TestTakersShareTheRate(t *testing.T) {
	for takers := range 4 {
		l, peers := newLine(t, 3)
		for i, p := range peers {
			if i < takers {
				p.up.turn.sent = strangerBytes
			}
			l.node.turns.ask(p.up.turn, time.Now())
		}
		l.look()
		for _, p := range peers {
			if want := max(paceRoom*l.control.Rate()/float64(max(takers, 1)), paceLeast); p.gentle.pace != want {
				t.Errorf("of %d takers each is sent %.0f bytes a second, want %.0f", takers, p.gentle.pace, want)
			}
		}
	}
}

// TestLineAsks pings who is served and whose round trip was not seen for longest,
// and takes in the answer.
func TestLineAsks(t *testing.T) {
	l, peers := newLine(t, 2)
	seen, unseen := peers[0], peers[1]
	asked := func() [2]bool { return [2]bool{len(seen.out.take()) > 0, len(unseen.out.take()) > 0} }
	seen.gentle.trip = 2 * time.Hour
	if l.look() || asked() != [2]bool{} {
		t.Error("somebody is looked at who is not served")
	}
	l.node.turns.ask(seen.up.turn, time.Now())
	l.node.turns.ask(unseen.up.turn, time.Now())
	if !l.look() || asked() != [2]bool{false, true} {
		t.Error("it is not the one that was not seen for longest that is asked")
	}
	unseen.gentle.heard.Store(int64(40 * time.Millisecond))
	if !l.look() || asked() != [2]bool{} {
		t.Error("somebody is asked again who has answered")
	}
	if trip := unseen.gentle.path.Trip(); trip != 40*time.Millisecond {
		t.Errorf("a round trip of %v was heard", trip)
	}
}
