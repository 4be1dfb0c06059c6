package fetch

import (
	"testing"
	"time"
)

// TestReroute has A keep us waiting for piece 0, which B has as well, and who is ready.
func TestReroute(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(b *board, asked *claim, a, other *party)
		want   bool
	}{
		"two have it":                {nil, true},
		"B has not told it is ready": {func(_ *board, _ *claim, _, other *party) { other.readied = 0 }, false},
		"B told so a while ago":      {func(b *board, _ *claim, _, other *party) { other.readied = b.now - readyFor }, false},
		"A soon has time for us":     {func(_ *board, asked *claim, _, _ *party) { asked.began += time.Millisecond }, false},
		"but not, as a rule":         {func(b *board, asked *claim, a, _ *party) { asked.began, a.latency = b.now, time.Second }, true},
		"A answers":                  {func(b *board, asked *claim, _, _ *party) { b.sample(asked, b.now, 0, time.Millisecond) }, false},
		"B lacks it":                 {func(b *board, _ *claim, _, other *party) { other.have.Clear(0) }, false},
		"B is busy":                  {func(b *board, _ *claim, _, other *party) { b.claim(other, []int{1}, b.now) }, false},
		"it is a race":               {func(_ *board, asked *claim, _, _ *party) { asked.race = true }, false},
		"a mirror is waited for":     {func(_ *board, asked *claim, a, _ *party) { a.have = nil }, false},
		"it is not wanted yet":       {func(b *board, _ *claim, _, _ *party) { b.horizon = 0 }, false},
		"there are two of us":        {func(_ *board, _ *claim, a, _ *party) { a.gone = true }, false},
		"there is more to the lease": {func(_ *board, asked *claim, _, _ *party) { asked.rest = []int{0, 1} }, false},
		"B has failed":               {func(_ *board, _ *claim, _, other *party) { other.tries = 1 }, false},
		"B is slower than A's queue": {func(b *board, _ *claim, _, other *party) {
			other.proven = true
			other.each.sample(b.now, 0)
			other.each.sample(b.now+time.Second, testPiece/10)
		}, false},
		"A is far away": {func(_ *board, _ *claim, a, _ *party) { a.least = soonServed }, false},
		"somebody else is to have it": {func(b *board, asked *claim, _, _ *party) {
			asked.heir, asked.willed = b.addPeer("C", "..", "#."), b.now
		}, false},
		"who has gone": {func(b *board, asked *claim, _, _ *party) {
			asked.heir, asked.willed = &party{gone: true}, b.now
		}, true},
		"but A does not answer": {func(b *board, asked *claim, _, _ *party) {
			asked.heir, asked.willed = b.addPeer("C", "..", "#."), b.now-agreesWithin
		}, true},
		"B is to have something else": {func(b *board, _ *claim, _, other *party) {
			c := b.claim(b.addPeer("C", "..", ".#"), []int{1}, b.now)
			c.heir, c.willed = other, b.now
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBoard(t, 2)
			a, other := b.addPeer("A", "..", "#."), b.addPeer("B", "..", "#.")
			asked := b.claim(a, []int{0}, time.Second)
			b.now = time.Second + soonServed + 1
			other.readied = b.now
			if tt.change != nil {
				tt.change(b, asked, a, other)
			}
			b.reroute(other, b.now)
			if got := asked.heir == other; got != tt.want {
				t.Errorf("B is to have it %v, want %v", got, tt.want)
			}
			if b.sample(asked, b.now, 0, time.Millisecond); asked.heir != nil && asked.by.have != nil {
				t.Error("A has begun, and somebody else is to have it still")
			}
		})
	}
}

// TestRerouteLongest takes what would wait longest, and one piece for each word.
func TestRerouteLongest(t *testing.T) {
	b := newBoard(t, 3)
	var asked []*claim
	for i, name := range []string{"A", "B", "C"} {
		p := b.addPeer(name, "...", "###")
		p.latency = []time.Duration{time.Second, 3 * time.Second, 2 * time.Second}[i]
		asked = append(asked, b.claim(p, []int{i}, b.now))
	}
	p := b.addPeer("D", "...", "###")
	for range 2 {
		b.now += tick
		b.reroute(p, b.now)
		p.readied = b.now
		b.reroute(p, b.now)
	}
	if asked[1].heir != p || asked[0].heir != nil || asked[2].heir != nil {
		t.Errorf("taken are %v, %v and %v", asked[0].heir, asked[1].heir, asked[2].heir)
	}
}

// TestInherit: what was withdrawn goes to the heir, if it can have it.
func TestInherit(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(b *board, heir *party)
		want   bool
	}{
		"it can":                {func(*board, *party) {}, true},
		"it is gone":            {func(_ *board, heir *party) { heir.gone = true }, false},
		"it is not to be asked": {func(b *board, heir *party) { heir.notBefore = b.now + 1 }, false},
		"it has enough to do":   {func(b *board, heir *party) { b.claim(heir, []int{1}, b.now) }, false},
		"it has lost it":        {func(_ *board, heir *party) { heir.have.Clear(0) }, false},
		"another one has it":    {func(b *board, _ *party) { b.claim(b.add("M"), []int{0}, b.now) }, false},
	} {
		b := newBoard(t, 2)
		a, heir := b.addPeer("A", "..", "##"), b.addPeer("B", "..", "##")
		c := b.claim(a, []int{0}, b.now)
		c.heir = heir
		b.ended(c)
		tt.change(b, heir)
		if got := b.inherit(c, b.now); (got != nil) != tt.want || got != nil && (got.by != heir || len(got.rest) != 1) {
			t.Errorf("%s: %+v, want any %v", name, got, tt.want)
		}
	}
}

// TestReadyForRare: of what is for others to ask for first, who is ready is asked at once.
func TestReadyForRare(t *testing.T) {
	b := newBoard(t, 1)
	b.rank = func(int) uint64 { return 0 }
	p := b.addPeer("A", ".", "#")
	p.heard, b.spread = b.now, b.now
	for _, name := range []string{"B", "C", "D"} {
		b.addPeer(name, ".", ".").rank = func(int) uint64 { return 9 }
	}
	b.now += tick
	if c := b.lendRare(p, b.now); c != nil {
		t.Fatalf("it is asked before it is our turn: %v", c.rest)
	}
	p.readied = b.now
	if b.lendRare(p, b.now) == nil {
		t.Error("it is ready, and not asked")
	}
	if p.ready(b.now) {
		t.Error("it is asked, and ready still")
	}
}
