package fetch

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// beside adds neighbours of whom each gets one piece from mirrors, the i-th the i-th,
// and to whom a piece falls more the higher they are.
func (b *board) beside(n int) (them []*party) {
	for i := range n {
		p := b.addPeer(fmt.Sprint("N", i), "", "")
		p.rank = func(int) uint64 { return uint64(10 + i) }
		p.fetching.Set(uint(i))
		p.fetched, p.gained = 1, 1
		them = append(them, p)
	}
	return them
}

// TestWhenToTakeTurns: when there are many for what a mirror gives.
func TestWhenToTakeTurns(t *testing.T) {
	const slow = testPiece / 64 // what each gets
	for name, tt := range map[string]struct {
		beside int
		rate   float64
		change func(b *board, them []*party)
		most   int
	}{
		"a large crowd at a slow mirror": {16, slow, nil, turnLeast},
		"a little faster":                {28, 16 * slow, nil, 14},
		"too fast for so few":            {27, 16 * slow, nil, 0},
		"few":                            {15, slow, nil, 0},
		"quick enough for all":           {30, testPiece, nil, 0},
		"nothing has come yet":           {30, 0, nil, 0},
		"one of them never used mirrors": {16, slow, func(_ *board, them []*party) { them[3].fetched = 0 }, 0},
		"or not for long":                {16, slow, func(b *board, _ []*party) { b.now += remembered }, 0},
		"speed is preferred":             {16, slow, func(b *board, _ []*party) { b.prefer = PreferSpeed }, 0},
		"it has only begun":              {16, slow, func(b *board, _ []*party) { b.now = turnSoonest - 1 }, 0},
		"its meter lags":                 {16, slow, func(b *board, _ []*party) { b.mirrors.sum, b.mirrored = slow, 3*testPiece }, 0},
		"nobody to trade with":           {16, slow, func(b *board, _ []*party) { b.rank = nil }, 0},
		"we get more than others": {28, 16 * slow, func(b *board, _ []*party) {
			b.now, b.mirrors.sum = drawnSpan, testPiece // 29 times that would be too fast
			b.drawn = meter{sum: 7 * testPiece, weight: 1}
		}, 14},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBoard(t, 40)
			b.rank = func(int) uint64 { return 1 }
			them := b.beside(tt.beside)
			b.run(3*time.Second, map[*claim]float64{b.claim(b.add("M"), []int{39}, 0): tt.rate / 3})
			b.mirrored = 0
			b.mirrors.sum = tt.rate
			if tt.change != nil {
				tt.change(b, them)
			}
			if most, _ := b.turns(b.now); most != tt.most {
				t.Errorf("at most %d are asked for at once, want %d", most, tt.most)
			}
		})
	}
}

// TestTurnsFollowWhatAllGet: what neighbours got from mirrors counts, and what they got
// from one another does not.
func TestTurnsFollowWhatAllGet(t *testing.T) {
	b := newBoard(t, 40)
	b.rank = func(int) uint64 { return 1 }
	them := b.beside(36)
	for i, p := range them {
		have := p.have.Clone().Set(uint(i)) // what it was getting
		have.Set(uint(39 - i%2))            // and what it was not
		b.shows(p, have, p.have, time.Second)
	}
	b.weigh(6500 * time.Millisecond)
	if want := int(36 / 6.5 * (turnTime + turnNews).Seconds()); b.most != want {
		t.Errorf("36 pieces came in 6.5 s: at most %d are asked for at once, want %d", b.most, want)
	}
	if b.leeway != 0 {
		t.Error("there is leeway, though nothing spreads")
	}
	b.spread = 6 * time.Second
	if b.weigh(6500*time.Millisecond + tick); b.leeway != turnLeeway {
		t.Errorf("the leeway is %v", b.leeway)
	}
}

// TestOurTurn draws for each piece the ranks of A, who is us, and of the others.
func TestOurTurn(t *testing.T) {
	for name, tt := range map[string]struct {
		a, b, c       string
		bHas, cGets   string
		first, missed int
		want          string
	}{
		"the highest is ours":           {"19", "28", "37", "..", "..", 1, 0, ".A"},
		"it is not":                     {"17", "29", "38", "..", "..", 1, 0, ".."},
		"but the second highest":        {"59", "28", "3A", "..", "..", 2, 0, "A."},
		"who has a piece wants it not":  {"17", "28", "36", ".#", "..", 1, 0, ".A"},
		"who is busy wants none":        {"17", "26", "38", "..", "m.", 1, 0, ".A"},
		"one missed his turn":           {"17", "28", "36", "..", "..", 1, 1, ".A"},
		"but two come before us":        {"17", "29", "38", "..", "..", 1, 1, ".."},
		"both missed theirs":            {"17", "29", "38", "..", "..", 1, 2, ".A"},
		"there are not so many to give": {"9", "8", "7", ".", ".", 5, 0, "A"},
	} {
		t.Run(name, func(t *testing.T) {
			board := newBoard(t, len(tt.a))
			ranks := func(s string) func(int) uint64 { return func(i int) uint64 { return uint64(s[i]) } }
			board.rank = ranks(tt.a)
			b, c := board.addPeer("B", "", tt.bHas), board.addPeer("C", "", tt.cGets)
			b.rank, c.rank = ranks(tt.b), ranks(tt.c)
			ours := board.ours(Run(0, len(tt.a)), []*party{b, c}, tt.first, tt.missed)
			got := ""
			for i := range tt.a {
				got += map[bool]string{true: "A", false: "."}[slices.Contains(ours, i)]
			}
			if got != tt.want {
				t.Errorf("ours are %s, want %s", got, tt.want)
			}
		})
	}
}

// TestWaitForATurn: no more is asked for than may be at once, nobody is robbed instead,
// and who misses his turn is waited for only for a while.
func TestWaitForATurn(t *testing.T) {
	b := newBoard(t, 20)
	b.rank = func(int) uint64 { return 1 }
	them := b.beside(12)
	them[0].have.Set(19)
	m := b.add("M")
	b.claim(them[0], []int{19}, 0)
	b.now, b.most = 10*time.Second, 12 // silent for so long, it could be robbed
	wait := func(why string) {
		t.Helper()
		if c := b.next(m, b.now); c != nil {
			t.Fatalf("the mirror was asked, and %s: %s", why, b)
		}
	}
	wait("others get all that may be asked for")
	them[11].fetching.ClearAll()
	b.now += tick
	wait("it is the turn of another one")
	b.now += turnMissed - 1
	wait("he has some time left")
	for _, p := range them {
		p.gained = b.now
	}
	m.heldBack, m.proven, them[11].gained = b.now, true, -time.Hour // he gains nothing
	wait("it was looked at a moment ago")
	b.now += tick
	b.ask(m)
	b.ended(b.claims[len(b.claims)-1])
	m.heldBack, m.proven, them[11].gained = b.now-turnMissed+tick, false, b.now
	wait("he gains as all do")
	b.now += tick
	b.moved = b.now
	if c := b.ask(m); c.rest[0] < 11 {
		t.Errorf("the mirror was asked for what others get: %s", b)
	}
	m.proven = true
	b.most = 20
	wait("it is asked already")
}

// TestTooManyAsk: when all have begun at once, those yield who rank lowest.
func TestTooManyAsk(t *testing.T) {
	for name, tt := range map[string]struct {
		beside int
		rank   uint64 // ours; the others have 10 and more
		change func(b *board, c *claim)
		yields bool
	}{
		"all do":                 {12, 1, nil, true},
		"four rank higher":       {12, 17, nil, true},
		"three do":               {12, 18, nil, false},
		"not far too many":       {8, 1, nil, false},
		"it has only begun":      {12, 1, func(b *board, c *claim) { c.began = b.now - trust + 1 }, false},
		"it soon ends":           {12, 1, func(_ *board, c *claim) { c.received = testPiece - testPiece/100 }, false},
		"mirrors are not spared": {12, 1, func(b *board, _ *claim) { b.hedging = true }, false},
		"no turns are taken":     {12, 1, func(b *board, _ *claim) { b.most = 0 }, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBoard(t, 20)
			b.rank = func(int) uint64 { return tt.rank }
			b.beside(tt.beside)
			b.most = 4
			c := b.claim(b.add("M"), []int{19}, 0)
			b.run(time.Second, map[*claim]float64{c: testPiece / 100})
			if tt.change != nil {
				tt.change(b, c)
			}
			if got := b.yields(c, b.now); got != tt.yields {
				t.Errorf("it yields: %v", got)
			}
		})
	}
}

// TestShorten: when turns are taken, of several pieces a mirror is to bring only the one
// under way, and each of the others is for whose turn it is.
func TestShorten(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(b *board, m *party)
		want   string
	}{
		"turns are taken":        {nil, "..C.."},
		"no turns are taken":     {func(b *board, _ *party) { b.most = 0 }, ".CCC."},
		"mirrors are not spared": {func(b *board, _ *party) { b.hedging = true }, ".CCC."},
		"it ignores Range":       {func(_ *board, m *party) { m.noRange = true }, ".CCC."},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBoard(t, 5)
			b.rank = func(int) uint64 { return 100 }
			b.beside(2)
			b.most = 20
			m := b.add("M")
			m.proven = true
			c := b.claim(m, []int{2, 3, 1}, 0)
			free := b.free
			if tt.change != nil {
				tt.change(b, m)
			}
			back := b.shorten(c)
			b.looks(tt.want)
			if bytes := int64(len(back)) * testPiece; b.free != free+bytes || c.bytes != 3*testPiece-bytes {
				t.Errorf("given back %v: %d bytes are free, were %d; %d are in the claim", back, b.free, free, c.bytes)
			}
			if len(back) == 0 {
				return
			}
			if _, off := b.brought(c, 2, b.now); !slices.Contains(off, c) {
				t.Error("the claim is not called off after its last piece")
			}
			b.ended(c)
			m.given, m.each = 3*testPiece, meter{sum: 3 * testPiece, weight: 1} // worth several
			if c := b.ask(m); len(c.rest) != 1 {
				t.Errorf("in one turn it is asked for %v", c.rest)
			}
		})
	}
}

// TestAskedTwice: of two who are getting the same piece the one to whom it does not fall
// yields, while most of it is still to come.
func TestAskedTwice(t *testing.T) {
	for name, tt := range map[string]struct {
		rank   uint64 // ours; his is 10
		change func(b *board, c *claim, other *party)
		yields bool
	}{
		"it falls to him":       {9, nil, true},
		"it falls to us":        {11, nil, false},
		"half of it has come":   {9, func(_ *board, c *claim, _ *party) { c.received = testPiece/2 + 1 }, false},
		"there are more pieces": {9, func(b *board, c *claim, _ *party) { c.rest = []int{19, 18} }, false},
		"he has another one":    {9, func(_ *board, _ *claim, other *party) { other.fetching.Clear(19).Set(18) }, false},
		"he gains nothing": {9, func(b *board, c *claim, other *party) {
			c.by.proven, other.gained = true, b.now-time.Hour
		}, false},
		"it ignores Range":   {9, func(_ *board, c *claim, _ *party) { c.by.noRange = true }, false},
		"no turns are taken": {9, func(b *board, _ *claim, _ *party) { b.most = 0 }, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBoard(t, 20)
			b.rank = func(int) uint64 { return tt.rank }
			other := b.beside(2)[0]
			other.fetching.ClearAll().Set(19)
			b.most = 4
			c := b.claim(b.add("M"), []int{19}, 0)
			b.run(time.Second, map[*claim]float64{c: testPiece / 100})
			if tt.change != nil {
				tt.change(b, c, other)
			}
			if got := b.yields(c, b.now); got != tt.yields {
				t.Errorf("it yields: %v", got)
			}
		})
	}
}

// TestLeeway: who takes turns is patient for longer, with mirrors and with peers.
func TestLeeway(t *testing.T) {
	for _, leeway := range []time.Duration{0, turnLeeway} {
		var m manners
		m.weigh(tick, 100, 0, true, 1e9)
		m.leeway = leeway
		now := tick
		for ; !m.hedging; now += tick {
			m.moved = now
			m.weigh(now, 0, 0, true, 1e9)
		}
		if late := now - slowFor - leeway; late < 0 || late > 3*tick {
			t.Errorf("with a leeway of %v it hedges after %v", leeway, now)
		}
		b := newBoard(t, 1)
		p, q := b.addPeer("B", ".", "#"), b.addPeer("C", ".", "#")
		c := b.claim(p, []int{0}, 0)
		b.leeway = leeway
		for ; !b.mayRob(q, 1, c, b.now); b.now += tick {
		}
		if late := b.now - silentTurn - leeway; late < 0 || late > 2*tick {
			t.Errorf("with a leeway of %v a silent peer is robbed after %v", leeway, b.now)
		}
		if p.silent = b.now; b.mute(p, b.now+slowFor+leeway-1) || !b.mute(p, b.now+slowFor+leeway) {
			t.Errorf("with a leeway of %v a silent peer is mute at another time", leeway)
		}
	}
}
