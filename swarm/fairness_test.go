package swarm

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-dl/shoal/swarm/swarmtest"
	"github.com/shoal-dl/shoal/swarm/wire"
)

// table is turns with connections named "a1", "a2", "b1": host a, b; strangers have
// capitals.
type table struct {
	*turns
	now   time.Time
	turn  map[string]*turn
	woken []string
}

// newTable serves many at once.
func newTable(t *turns) *table {
	t.breadth.many = true
	return &table{turns: t, now: time.Unix(1e9, 0), turn: map[string]*turn{}}
}

func (t *table) asks(names ...string) {
	for _, name := range names {
		if t.turn[name] == nil {
			host := netip.AddrFrom4([4]byte{198, 18, 0, name[0]})
			t.turn[name] = newTurn(host, func() { t.woken = append(t.woken, name) })
			if name[0] >= 'a' {
				t.turn[name].sent = strangerBytes
			}
		}
		t.ask(t.turn[name], t.now)
	}
}

func (t *table) spends(name string, n int) { t.spent(t.turn[name], n, t.now) }

// stall lets so much time pass that all lose their places but those who take a
// turn's bytes.
func (t *table) stall(but ...string) {
	t.now = t.now.Add(stallAfter + 1)
	for _, name := range but {
		t.spends(name, quantum)
	}
	t.watch(t.now)
}

// goOn tells that these have sent what they had begun to send.
func (t *table) goOn(names ...string) {
	for _, name := range names {
		t.allowance(t.turn[name], t.now)
	}
}

// served names those whose turn it is.
func (t *table) served() string {
	var names []string
	for name, c := range t.turn {
		if c.state == turnServing && t.allowance(c, t.now) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return fmt.Sprint(names)
}

func TestTurns(t *testing.T) {
	const q = quantum
	tests := map[string]struct {
		play func(t *table)
		want string
	}{
		"nobody else": {func(t *table) {
			t.asks("a1")
			for range 10 {
				t.spends("a1", q)
			}
		}, "[a1]"},
		"one host has several": {func(t *table) { t.asks("a1", "a2", "a3") }, "[a1 a2 a3]"},
		"several hosts have one each": {func(t *table) {
			t.asks("a1")
			t.asks("b1", "b2", "a2", "c1")
		}, "[a1 b1 c1]"},
		"no more than eight": {func(t *table) {
			t.asks("a1", "b1", "c1", "d1", "e1", "f1", "g1", "h1", "i1", "j1")
		}, "[a1 b1 c1 d1 e1 f1 g1 h1]"},
		"the ninth comes next": {func(t *table) {
			t.asks("a1", "b1", "c1", "d1", "e1", "f1", "g1", "h1", "i1", "j1")
			t.spends("b1", q)
		}, "[a1 c1 d1 e1 f1 g1 h1 i1]"},
		"not before the turn is over": {func(t *table) {
			t.asks("a1", "b1", "c1", "d1", "e1", "f1", "g1", "h1", "i1", "j1")
			t.spends("b1", q-1)
		}, "[a1 b1 c1 d1 e1 f1 g1 h1]"},
		"connections of a host alternate": {func(t *table) {
			t.asks("a1", "b1")
			t.asks("a2", "a3")
			t.spends("a1", q)
		}, "[a2 b1]"},
		"who stalls loses his place": {func(t *table) {
			t.asks("a1", "b1", "a2")
			t.now = t.now.Add(2 * time.Second)
			t.spends("b1", q)
			t.now = t.now.Add(2 * time.Second)
			t.watch(t.now)
		}, "[a2 b1]"},
		"also who takes little": {func(t *table) {
			t.asks("a1", "b1", "c1", "d1", "e1", "f1", "g1", "h1", "i1")
			t.now = t.now.Add(2 * time.Second)
			t.spends("b1", 1)
			t.now = t.now.Add(2 * time.Second)
			t.watch(t.now)
		}, "[i1]"},
		"slow ones have two places": {func(t *table) {
			t.asks("a1", "b1", "c1", "d1", "e1")
			t.stall("e1")
			t.goOn("a1", "b1", "c1", "d1")
		}, "[a1 b1 e1]"},
		"and all, if there is nobody else": {func(t *table) {
			t.asks("a1", "b1", "c1", "d1", "e1")
			t.stall("e1")
			t.goOn("a1", "b1", "c1", "d1")
			t.done(t.turn["e1"], t.now)
		}, "[a1 b1 c1 d1]"},
		"until one takes a turn's bytes": {func(t *table) {
			t.asks("a1", "b1", "c1", "d1", "e1")
			t.stall("e1")
			t.goOn("a1", "b1", "c1", "d1")
			t.spends("a1", q)
		}, "[a1 b1 c1 e1]"},
		"and comes back behind the others": {func(t *table) {
			t.asks("a1", "b1", "a2")
			t.stall("b1")
			t.spends("a1", q)
			t.spends("a2", q)
		}, "[a1 b1]"},
		"who does not read has two places": {func(t *table) {
			t.asks("a1", "b1", "c1", "a2", "b2", "c2", "d1")
			t.stall("d1")
			t.asks("e1", "f1")
		}, "[a2 b2 d1 e1 f1]"},
		"until he reads": {func(t *table) {
			t.asks("a1", "b1", "c1", "a2", "b2", "c2", "d1")
			t.stall("d1")
			t.spends("c1", 1)
			t.allowance(t.turn["c1"], t.now)
		}, "[a2 b2 c2 d1]"},
		"nor does it stay with two, once he is gone": {func(t *table) {
			t.asks("a1", "b1", "c1", "a2", "b2", "c2")
			t.stall()
			t.done(t.turn["b1"], t.now)
			t.done(t.turn["c1"], t.now)
		}, "[a2 b2 c2]"},
		"a host with several keeps no other out": {func(t *table) {
			t.asks("a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9")
			t.asks("b1", "c1")
		}, "[a1 a2 a3 a4 a5 a6 a7 a8 b1 c1]"},
		"done is done": {func(t *table) {
			t.asks("a1", "b1", "a2")
			t.done(t.turn["a1"], t.now)
			t.done(t.turn["b1"], t.now)
			t.done(t.turn["b1"], t.now)
		}, "[a2]"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tb := newTable(newTurns(nil))
			tt.play(tb)
			if got := tb.served(); got != tt.want {
				t.Errorf("served are %s, want %s", got, tt.want)
			}
		})
	}
}

// TestTurnHost takes the machines of a local network for as many hosts, and a /64 of
// the Internet for one.
func TestTurnHost(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"fd00::1", "fd00::2", false},
		{"fe80::1%eth0", "fe80::2%eth0", false},
		{"192.168.0.1", "::ffff:192.168.0.1", true},
		{"2a00::1", "2a00::2", true},
		{"2a00::1", "2a00:0:0:1::1", false},
	} {
		a, b := newTurn(netip.MustParseAddr(tt.a), nil), newTurn(netip.MustParseAddr(tt.b), nil)
		if (a.key == b.key) != tt.same {
			t.Errorf("%s and %s have the keys %v and %v", tt.a, tt.b, a.key, b.key)
		}
	}
}

// TestTurnsGoOn has many connections of few hosts send at random, and wants each
// of them served again and again; and each host as much as any other, if none has
// nothing to send at times, with which a host ends its turn early.
func TestTurnsGoOn(t *testing.T) {
	for seed := range uint64(20) {
		pauses := seed%2 == 1
		random := rand.New(rand.NewPCG(seed, 0))
		tb := newTable(newTurns(nil))
		var names []string
		for i := range 30 {
			names = append(names, fmt.Sprintf("%c%d", 'a'+random.IntN(1+int(seed)), i))
		}
		tb.asks(names...)
		served, hosts := map[string]int{}, map[byte]int{}
		for range 20_000 {
			name := names[random.IntN(len(names))]
			n := min(tb.allowance(tb.turn[name], tb.now), 1+random.IntN(2*quantum))
			if n == 0 {
				continue
			}
			tb.spends(name, n)
			served[name] += n
			hosts[name[0]] += n
			if pauses && random.IntN(10) == 0 {
				tb.done(tb.turn[name], tb.now)
				tb.asks(name)
			}
		}
		if len(served) < len(names) {
			t.Errorf("seed %d: only %d of %d were ever served", seed, len(served), len(names))
		}
		shares := slices.Sorted(maps.Values(hosts))
		if !pauses && len(shares) > mostServed && shares[0] < shares[len(shares)-1]*4/5 {
			t.Errorf("seed %d: hosts got %v", seed, shares)
		}
	}
}

// TestTakers counts those who take what they want: no strangers, and none who stall.
func TestTakers(t *testing.T) {
	tb := newTable(newTurns(nil))
	tb.asks("A1", "B1", "a1", "b1", "c1")
	tb.spends("B1", strangerBytes)
	tb.done(tb.turn["c1"], tb.now)
	tb.now = tb.now.Add(stallAfter + 1)
	tb.spends("a1", quantum)
	tb.spends("B1", quantum)
	tb.watch(tb.now)
	var takers []string
	for name, c := range tb.turn {
		if tb.takes(c) {
			takers = append(takers, name)
		}
	}
	slices.Sort(takers)
	if got := fmt.Sprint(takers); got != "[B1 a1]" {
		t.Errorf("takers are %s", got)
	}
}

// TestTurnsForget leaves nothing behind of those who went.
func TestTurnsForget(t *testing.T) {
	tb := newTable(newTurns(nil))
	tb.asks("a1", "b1", "a2", "c1")
	tb.now = tb.now.Add(stallAfter + 1)
	tb.watch(tb.now)
	for _, c := range tb.turn {
		tb.done(c, tb.now)
	}
	if len(tb.hosts)+len(tb.ring)+len(tb.serving) > 0 {
		t.Errorf("left are %v, %v, %v", tb.hosts, tb.ring, tb.serving)
	}
}

// dawdle asks for little at a time, and takes one answer just before its turn would
// be over if that were all it had to take.
func (s *stranger) dawdle(c *content, until time.Time) {
	const little = 4 << 10
	next[wire.Bitfield](s)
	_ = s.nc.SetReadDeadline(until)
	id := uint32(0)
	ask := func() { // never for two in a row that one read answers
		offset := int(id) / c.NumPieces() * 2 * little % int(c.PieceSize)
		s.say(wire.Request{ID: id, Piece: int(id) % c.NumPieces(), Offset: offset, Length: little}.Append(nil))
		id++
	}
	for range window / little / 2 {
		ask()
	}
	for next[wire.Data](s) != nil {
		ask()
		time.Sleep(stallAfter - stallAfter/20)
	}
}

// TestSlowReaders has as many as can be served at once read as slowly as they can,
// or have slow lines, while somebody comes who does not. Nobody keeps another from
// what the uplink has for him.
func TestSlowReaders(t *testing.T) {
	c := newContent(t, 16<<20, 256<<10, false)
	for name, n := range map[string]struct{ dawdling, slow int }{
		"some dawdle": {mostServed, 0}, "many dawdle": {5 * mostServed, 0}, "slow lines": {0, 3 * mostServed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				m := w.machine(swarmtest.Line{Up: 10 << 20, Delay: 5 * time.Millisecond})
				w.node(m, Options{Share: true}).Join(c.seed())
				synctest.Wait()
				var all sync.WaitGroup
				until := time.Now().Add(2 * time.Minute)
				for range n.dawdling {
					s := w.dialled(w.machine(near), m, c)
					all.Go(func() { s.dawdle(c, until) })
				}
				const line = 24 << 10
				var slow atomic.Int64
				for range n.slow {
					s := w.dialled(w.machine(swarmtest.Line{Down: line}), m, c)
					all.Go(func() { slow.Add(int64(s.greedy(c, time.Until(until)))) })
				}
				time.Sleep(30 * time.Second)
				_, s := w.leech(c, Options{}, m)
				p := firstPeer(t, s)
				ctx, cancel := context.WithDeadline(t.Context(), until)
				defer cancel()
				began := time.Now()
				for range 5 {
					if _, err := bring(ctx, p, lease(upTo(c.NumPieces())...)); err != nil {
						t.Error(err)
					}
				}
				took := time.Since(began)
				all.Wait()
				share := float64(slow.Load()) / (line * 120 * float64(max(n.slow, 1)))
				t.Logf("%.0f KiB/s; the slow ones have %.0f %% of what they can take", 5*16<<10/took.Seconds(), 100*share)
				if took > 40*time.Second { // a lease may have to wait until the turns of slow ones are over
					t.Errorf("80 MiB at 10 MiB/s take %v", took)
				}
				if n.slow > 0 && share < 0.8 {
					t.Error("the slow ones get too little")
				}
			})
		})
	}
}

// greedy asks for as much as it may, and counts what comes within d.
func (s *stranger) greedy(c *content, d time.Duration) (total int) {
	_ = s.nc.SetReadDeadline(time.Now().Add(d))
	next[wire.Bitfield](s)
	ahead, id := 0, uint32(0)
	for {
		for ahead+wire.MaxBlock <= window {
			per := int(c.PieceSize) / wire.MaxBlock
			i := int(id) % (c.NumPieces() * per)
			_ = s.Write(wire.Request{ID: id, Piece: i / per, Offset: i % per * wire.MaxBlock, Length: wire.MaxBlock}.Append(nil))
			ahead += wire.MaxBlock
			id++
		}
		_ = s.Flush()
		f := next[wire.Data](s)
		if f == nil {
			return total
		}
		ahead -= f.Size
		total += f.Size
	}
}

// TestGreedy has three hosts, each with several connections, compete with one that
// has a single one and asks for little at a time.
func TestGreedy(t *testing.T) {
	c := newContent(t, 16<<20, 256<<10, false)
	tests := map[string]struct {
		line    swarmtest.Line
		options Options
		each    int // connections of a greedy host
	}{
		"limit":               {near, Options{LimitUp: perSecond(2 << 20)}, 3},
		"low limit":           {near, Options{LimitUp: perSecond(100 << 10)}, 3},
		"uplink":              {swarmtest.Line{Up: 2 << 20, Delay: 10 * time.Millisecond}, Options{}, 1},
		"uplink, connections": {swarmtest.Line{Up: 2 << 20, Delay: 10 * time.Millisecond}, Options{}, 5},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				m := w.machine(tt.line)
				tt.options.Share = true
				w.node(m, tt.options).Join(c.seed())
				synctest.Wait()
				var all sync.WaitGroup
				for range 3 {
					bad := w.machine(near)
					for range tt.each {
						s := w.dialled(bad, m, c)
						all.Go(func() { s.greedy(c, time.Minute) })
					}
				}
				_, s := w.leech(c, Options{}, m)
				p := firstPeer(t, s)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				got := 0
				l := lease(upTo(c.NumPieces())...)
				l.Received = func(n int) { got += n }
				for got := 0; got >= 0 && ctx.Err() == nil; got++ {
					_, _ = bring(ctx, p, l)
				}
				all.Wait()
				share := float64(got) / float64(m.Sent())
				t.Logf("%.0f KiB/s, %.1f %% of all", float64(got)/60/1024, 100*share)
				if share < 0.2 {
					t.Errorf("the honest peer got %.1f %%", 100*share)
				}
			})
		})
	}
}
