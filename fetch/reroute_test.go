package fetch

import (
	"testing"
	"time"
)

// TestReroute has A keep us waiting for piece 0, which B has as well, and who suits us
// better.
func TestReroute(t *testing.T) {
	for name, tt := range map[string]struct {
		waited time.Duration
		change func(b *board, asked *claim, a, other *party)
		want   bool
	}{
		"two have it":               {rerouteAfter, nil, true},
		"we have not waited enough": {rerouteAfter - 1, nil, false},
		"A answers": {rerouteAfter, func(b *board, asked *claim, _, _ *party) {
			b.sample(asked, b.now, 0, time.Millisecond)
		}, false},
		"A suits us better": {rerouteAfter, func(_ *board, _ *claim, a, other *party) {
			a.rank, other.rank = other.rank, a.rank
		}, false},
		"B lacks it": {rerouteAfter, func(b *board, _ *claim, _, other *party) {
			other.have.Clear(0)
			b.addPeer("C", "..", "#.").gone = true
		}, false},
		"B keeps us waiting as long": {rerouteAfter, func(_ *board, _ *claim, _, other *party) {
			other.latency = rerouteAfter
		}, false},
		"but A for longer, as a rule": {rerouteAfter, func(_ *board, _ *claim, a, other *party) {
			a.latency, other.latency = 5*rerouteAfter, rerouteAfter
		}, true},
		"B is busy":    {rerouteAfter, func(b *board, _ *claim, _, other *party) { b.claim(other, []int{1}, b.now) }, false},
		"it is a race": {rerouteAfter, func(_ *board, asked *claim, _, _ *party) { asked.race = true }, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBoard(t, 2)
			b.rank = func(int) uint64 { return 1 }
			a, other := b.addPeer("A", "..", "#."), b.addPeer("B", "..", "#.")
			a.rank, other.rank = func(int) uint64 { return 8 }, func(int) uint64 { return 9 }
			if b.suits(a, 0) > b.suits(other, 0) {
				a.rank, other.rank = other.rank, a.rank
			}
			asked := b.claim(a, []int{0}, 0)
			b.now = tt.waited
			if tt.change != nil {
				tt.change(b, asked, a, other)
			}
			c := b.reroute(other, b.now)
			if got := c != nil; got != tt.want || asked.emptied() != tt.want {
				t.Errorf("B is asked %v, and A is not any more %v; want %v", got, asked.emptied(), tt.want)
			}
		})
	}
}

// TestRerouteEvenly has many of us wait for the same with one of eight: no peer is asked
// by many more than any other.
func TestRerouteEvenly(t *testing.T) {
	const us, peers = 800, 8
	asked := make(map[string]int)
	for i := range us {
		b := newBoard(t, 1)
		b.rank = func(int) uint64 { return uint64(i) << 40 }
		for k := range peers {
			b.addPeer(string(rune('A'+k)), ".", "#").rank = func(int) uint64 { return uint64(k) << 32 }
		}
		b.claim(b.parties[0], []int{0}, 0)
		b.now = rerouteAfter
		for _, p := range b.parties {
			b.reroute(p, b.now)
			b.now += rerouteAfter
		}
		for _, c := range b.claims {
			if len(c.rest) > 0 {
				asked[c.by.name]++
			}
		}
	}
	for name, n := range asked {
		if n < us/peers/2 || n > 2*us/peers {
			t.Errorf("%s is asked by %d of %d", name, n, us)
		}
	}
}
