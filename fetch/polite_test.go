package fetch

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bits-and-blooms/bitset"
)

// crowd makes the board one of a crowd in which each piece falls to the party
// whose letter owners has there, and to us where it has a point.
func (b *board) crowd(owners string) {
	b.rank = func(i int) uint64 {
		if owners[i] == '.' {
			return 2
		}
		return 1
	}
}

// addPeer adds a neighbour that has the pieces marked '#' and is fetching those
// marked 'm' from mirrors.
func (b *board) addPeer(name, owners, shows string) *party {
	p := b.join(name, newHost(2))
	p.host.limit = 2
	p.rank = func(i int) uint64 {
		if owners[i] == name[0] {
			return 3
		}
		return 0
	}
	p.have, p.fetching = bitset.New(uint(b.pieces)), bitset.New(uint(b.pieces))
	for i, c := range shows {
		p.have.SetTo(uint(i), c == '#')
		p.fetching.SetTo(uint(i), c == 'm')
	}
	return p
}

func TestRarestFirst(t *testing.T) {
	b := newBoard(t, 6)
	owners := "......"
	b.crowd(owners)
	a := b.addPeer("A", owners, "######")
	b.addPeer("B", owners, "###.##")
	b.addPeer("C", owners, "#.####")
	b.addPeer("D", owners, "#.####")
	b.ask(a)
	b.looks(".A....")
	b.ended(b.claims[0])
	b.taken.Set(1)
	b.ask(a)
	b.looks("...A..")
}

// TestFewAskForWhatFewHave: A has the only piece, and others may come before us.
func TestFewAskForWhatFewHave(t *testing.T) {
	const first, last = 9, 1 // ranks; ours is 5
	lacks, has := ".", "#"
	type neighbour struct {
		shows string
		rank  uint64
	}
	for _, tt := range []struct {
		name       string
		neighbours []neighbour
		change     func(b *board)
		want       bool
	}{
		{"one comes first", []neighbour{{lacks, first}, {lacks, last}}, nil, true},
		{"two come first", []neighbour{{lacks, first}, {lacks, first}}, nil, false},
		{"one of them has it", []neighbour{{lacks, first}, {has, first}}, nil, true},
		{"one of them has left", []neighbour{{lacks, first}, {lacks, first}}, func(b *board) { b.parties[1].gone = true }, true},
		{"three come first, two have it", []neighbour{{lacks, first}, {lacks, first}, {lacks, first}, {has, last}}, nil, true},
		{"four come first, two have it", []neighbour{{lacks, first}, {lacks, first}, {lacks, first}, {lacks, first}, {has, last}}, nil, false},
		{"A is still at work", []neighbour{{lacks, first}, {lacks, first}}, func(b *board) {
			b.parties[0].open, b.parties[0].proven, b.parties[0].heard, b.spread = 1, true, 0, 0
		}, false},
		{"A has been idle for long", []neighbour{{lacks, first}, {lacks, first}}, func(b *board) { b.parties[0].heard = 0 }, true},
		{"nothing spreads", []neighbour{{lacks, first}, {lacks, first}}, func(b *board) { b.spread = 0 }, true},
	} {
		b := newBoard(t, 1)
		b.rank = func(int) uint64 { return 5 }
		a := b.addPeer("A", ".", has)
		for _, n := range tt.neighbours {
			b.addPeer("B", ".", n.shows).rank = func(int) uint64 { return n.rank }
		}
		b.now = longestIdle
		a.heard, b.spread = b.now, b.now
		if tt.change != nil {
			tt.change(b)
		}
		if got := b.next(a, b.now) != nil; got != tt.want {
			t.Errorf("%s: asked is %v", tt.name, got)
		}
	}
}

// TestTurnComes with news: others have what is early, or something else is free.
func TestTurnComes(t *testing.T) {
	one := bitset.New(3).Set(0)
	for name, happens := range map[string]func(b *board, c *party){
		"B has it":              func(b *board, c *party) { b.shows(c, one, c.fetching, b.now) },
		"another piece is free": func(b *board, _ *party) { b.ended(b.claims[0]) },
		"the horizon moves":     func(b *board, _ *party) { b.extend(3) },
	} {
		b := newBoard(t, 3)
		b.rank = func(piece int) uint64 { return uint64(9 * piece) }
		a := b.addPeer("A", "...", "###")
		c := b.addPeer("B", "...", "...")
		for _, p := range []*party{c, b.addPeer("C", "...", "...")} {
			p.rank = func(int) uint64 { return 5 }
		}
		b.now = longestIdle
		b.claim(b.add("M"), []int{1}, b.now)
		b.extend(2)
		a.heard, b.spread = b.now, b.now
		for range 2 {
			if d := b.next(a, b.now); d != nil {
				t.Fatalf("%s: A was asked for %v, before its turn", name, d.rest)
			}
		}
		happens(b, c)
		if b.next(a, b.now) == nil {
			t.Errorf("%s: A is asked for nothing", name)
		}
	}
}

// TestSpread is seen when a neighbour gets something, not when one comes.
func TestSpread(t *testing.T) {
	b := newBoard(t, 1)
	b.now = time.Second
	none, one := bitset.New(1), bitset.New(1).Set(0)
	p := b.join("A", newHost(2))
	b.shows(p, none, none, b.now)
	b.shows(p, none, one, b.now)
	b.shows(b.join("B", newHost(2)), one, none, b.now)
	if b.spread != 0 {
		t.Error("nobody got anything")
	}
	if b.shows(p, one, none, b.now); b.spread != b.now {
		t.Error("it was not seen")
	}
}

// TestHedgingMirrorIsSlow for each of many: they had better not all get the same.
func TestHedgingMirrorIsSlow(t *testing.T) {
	for _, tt := range []struct {
		name   string
		b, c   string // what B, to whom the first piece falls, and C, to whom it does not, show
		change func(b *board)
		want   bool // that the mirror is asked for it
	}{
		{"both are getting it", "m..", "m..", nil, false},
		{"one is getting it, and one will", ".m.", "m..", nil, false},
		{"one is getting it", "...", "m..", nil, true},
		{"one is getting it, and one has it", "#m.", "m..", nil, true},
		{"both are getting others", ".m.", ".m.", nil, true},
		{"both are getting it, but it comes fast", "m..", "m..", func(b *board) {
			b.run(time.Second, map[*claim]float64{b.claim(b.parties[0], []int{2}, b.now): 8 * testPiece})
		}, true},
		{"both say so for long", "m..", "m..", func(b *board) { b.parties[0].heard = 0 }, true},
		{"we have not hedged for long", "m..", "m..", func(b *board) { b.parties[0].heard, b.since = 0, b.now }, false},
		{"both are getting it, and we prefer speed", "m..", "m..", func(b *board) { b.prefer = PreferSpeed }, true},
	} {
		b := newBoard(t, 3)
		b.crowd("BBB")
		b.add("M")
		b.addPeer("B", "BBB", tt.b)
		b.addPeer("C", "BBB", tt.c)
		b.now = longestIdle
		b.parties[0].heard, b.hedging = b.now, true
		if tt.change != nil {
			tt.change(b)
		}
		b.taken.Set(1).Set(2)
		if got := b.next(b.parties[0], b.now) != nil; got != tt.want {
			t.Errorf("%s: asked is %v", tt.name, got)
		}
	}
}

// TestMirrorDoesNotBeginAtTheFront of what a swarm is to have: all would get the same.
func TestMirrorDoesNotBeginAtTheFront(t *testing.T) {
	front := 0
	for range 16 {
		b := newBoard(t, 1000)
		b.rank = func(int) uint64 { return 0 }
		if b.ask(b.add("M")).rest[0] == 0 {
			front++
		}
	}
	if front > 8 {
		t.Errorf("%d of 16 began with the first piece", front)
	}
}

// TestMirrorIsAskedForRuns of what it is to bring for a crowd, as each is a request.
func TestMirrorIsAskedForRuns(t *testing.T) {
	b := newBoard(t, 64)
	b.rank = func(int) uint64 { return 0 }
	m := b.add("M")
	for _, name := range []string{"B", "C"} {
		b.addPeer(name, strings.Repeat(".", 64), strings.Repeat(".", 64))
	}
	b.run(time.Second, map[*claim]float64{b.ask(m): 16 * testPiece})
	if c := b.ask(m); len(c.rest) < 4 || !slices.IsSorted(c.rest) {
		t.Errorf("asked for %v", c.rest)
	}
}

// TestHorizonInACrowd: what stdout is not ready for is asked of nobody.
func TestHorizonInACrowd(t *testing.T) {
	b := newBoard(t, 6)
	b.crowd("......")
	b.horizon = 2
	b.ask(b.addPeer("A", "......", ".#####"))
	b.ask(b.add("M"))
	b.looks("BA....")
	for _, p := range []*party{b.addPeer("B", "......", ".#####"), b.add("N")} {
		if c := b.next(p, b.now); c != nil {
			t.Errorf("%s was asked for %v, beyond the horizon", p.name, c.rest)
		}
	}
}

// TestPeerIsGivenMoreWhenNearlyDone: what waits at a slow one could not be asked
// of another.
func TestPeerIsGivenMoreWhenNearlyDone(t *testing.T) {
	b := newBoard(t, 4)
	owners := "...."
	b.crowd(owners)
	a := b.addPeer("A", owners, "####")
	b.addPeer("B", owners, "....")
	b.run(time.Second, map[*claim]float64{b.ask(a): testPiece})
	c := b.ask(a)
	if d := b.next(a, b.now); d != nil {
		t.Fatalf("a second's work ahead, A got more: %s", b)
	}
	b.run(800*time.Millisecond, map[*claim]float64{c: testPiece})
	b.ask(a)
}

func TestMirrorBringsWhatNobodyHas(t *testing.T) {
	b := newBoard(t, 6)
	owners := "......"
	b.crowd(owners)
	m := b.add("M")
	b.addPeer("B", owners, "##.m..")
	b.addPeer("C", owners, "..mm.#")
	b.ask(m)
	b.looks("....A.")
	b.ended(b.claims[0])
	b.done.Set(4)
	b.taken.Set(4)
	if c := b.next(m, b.now); c != nil {
		t.Errorf("the mirror was asked for what neighbours bring: %s", b)
	}
}

// TestMirrorWaitsAtNoCost: what falls to others is left to them only as long as all
// bring as much as mirrors did.
func TestMirrorWaitsAtNoCost(t *testing.T) {
	for _, best := range []float64{testPiece / 2, 2 * testPiece} {
		b := newBoard(t, 2)
		b.crowd(".B")
		m := b.add("M")
		b.addPeer("B", ".B", "..").fetched = 1
		b.addPeer("C", ".B", "..")
		b.run(time.Second, map[*claim]float64{b.ask(m): testPiece})
		b.weigh(b.now)
		b.best = best
		all := b.mirrors.rate() + b.peers.rate()
		if asked, slow := b.next(m, b.now) != nil, best > all; asked != slow {
			t.Errorf("all give %.0f and mirrors gave %.0f: asked is %v", all, best, asked)
		}
	}
}

// TestMirrorLeavesWhatFallsToOthers as long as they use mirrors, and not for
// ever.
func TestMirrorLeavesWhatFallsToOthers(t *testing.T) {
	b := newBoard(t, 4)
	owners := "BB.C"
	b.crowd(owners)
	m := b.add("M")
	b.addPeer("B", owners, "m#..")
	c := b.addPeer("C", owners, "....")
	b.ask(m)
	b.looks("..A.") // ours, before what falls to C, who uses no mirror as far as we see
	b.run(time.Second, map[*claim]float64{b.claims[0]: testPiece})
	c.fetching.Set(0)
	if c := b.next(m, b.now); c != nil {
		t.Fatalf("the mirror was asked for what falls to a neighbour: %s", b)
	}
	b.now += holdBack
	b.moved = b.now
	b.ask(m)
	b.looks("..#A")
}

// TestNeighbourBetweenRequests to a mirror is one who uses mirrors: we see what it is
// getting next some time after what it has got.
func TestNeighbourBetweenRequests(t *testing.T) {
	const since = time.Second
	none, one := bitset.New(1), bitset.New(1).Set(0)
	for name, tt := range map[string]struct {
		first       *bitset.BitSet // what B is getting from mirrors; then
		have, then  *bitset.BitSet // what it has, and is getting
		soon, later bool           // whether it counts, until lately is over, and from then on
	}{
		"getting it":                 {one, none, one, true, true},
		"has got it":                 {one, one, none, true, false},
		"has got others' from peers": {none, one, none, false, false},
	} {
		b := newBoard(t, 1)
		p := b.join("B", newHost(2))
		b.shows(p, none, tt.first, since)
		if waits := len(b.waiting(since)) > 0; waits != tt.first.Any() {
			t.Errorf("%s: as it comes, that it may want a turn is %v", name, waits)
		}
		b.shows(p, tt.have, tt.then, since)
		soon, later := b.accompanied(since+lately-1), b.accompanied(since+lately)
		if soon != tt.soon || later != tt.later {
			t.Errorf("%s: it counts is %v, and later %v", name, soon, later)
		}
	}
}

// TestWhoGainsNothingIsNotBelieved: what a neighbour says it is getting from mirrors is
// asked for all the same once it has got nothing for some time.
func TestWhoGainsNothingIsNotBelieved(t *testing.T) {
	none, one, all := bitset.New(3), bitset.New(3).Set(0), bitset.New(3).FlipRange(0, 3)
	for _, honest := range []bool{false, true} {
		b := newBoard(t, 3)
		b.crowd("...")
		m := b.add("M")
		m.proven, m.each = true, meter{sum: 4 * testPiece, weight: 1}
		p, q := b.addPeer("B", "...", "..."), b.addPeer("C", "...", "...")
		b.shows(p, none, none, b.now)
		b.shows(q, none, all, b.now)
		b.now += slowFor - tick
		if c := b.next(m, b.now); c != nil {
			t.Fatalf("the mirror was asked for what C is getting: %s", b)
		}
		if honest {
			b.shows(q, one, all, b.now)
		}
		b.now += tick
		m.heldBack, b.moved = b.now-holdBack, b.now
		if asked := b.next(m, b.now) != nil; asked == honest {
			t.Errorf("C gains is %v, and the board is %s", honest, b)
		}
		if m.proven = false; !b.gains(q, m, time.Hour) {
			t.Error("C is not believed though we do not know what a piece takes")
		}
	}
}

// TestTwoRarelyAskForTheSame: who asks for what falls to B begins where B ends, with a
// part of what could be asked for.
func TestTwoRarelyAskForTheSame(t *testing.T) {
	b := newBoard(t, 10)
	rank := func(tenths ...uint64) func(piece int) uint64 {
		return func(piece int) uint64 { return tenths[piece] * (math.MaxUint64 / 10) }
	}
	b.rank = rank(3, 4, 3, 3, 3, 3, 3, 3, 3, 3)
	m, q := b.add("M"), b.addPeer("B", "", "")
	q.rank = rank(1, 1, 9, 8, 7, 6, 8, 5, 8, 8)
	b.addPeer("C", "", "").rank = rank(2, 2, 2, 9, 2, 2, 2, 2, 2, 2)

	c := b.claim(m, []int{0, 1}, b.now)
	pieces := Run(0, 10)
	slices.SortStableFunc(pieces, func(i, j int) int { return cmp.Compare(b.precedence(i), b.precedence(j)) })
	if want := []int{1, 0, 7, 5, 4, 6, 8, 9, 2, 3}; !slices.Equal(pieces, want) {
		t.Errorf("pieces are asked for in the order %v, want %v", pieces, want)
	}

	b.run(500*time.Millisecond, map[*claim]float64{c: 4 * testPiece}) // nothing is left of ours
	b.ended(b.claim(m, []int{2}, b.now))
	q.fetching.Set(2)
	if c := b.next(m, b.now); c != nil {
		t.Fatalf("B's were asked for too soon: %s", b)
	}
	b.now += holdBack
	b.moved = b.now
	m.each, m.given = meter{sum: 8 * testPiece, weight: 1, last: b.now}, 8*testPiece
	b.ask(m)
	b.looks("##..AA.A..") // B has seven
}

// TestBeginWithWhatFallsToUs: before there are neighbours, among whom it will be so.
func TestBeginWithWhatFallsToUs(t *testing.T) {
	b := newBoard(t, 5)
	b.rank = func(i int) uint64 { return []uint64{2, 1, 4, 5, 3}[i] }
	b.ask(b.add("A"))
	b.ask(b.add("B"))
	b.looks("..BA.")
}

// TestMirrorBringsWhatOnlyTheMuteHave: once neighbours have kept us waiting for
// some time, what they say they have is no reason to spare the mirror, until they
// speak.
func TestMirrorBringsWhatOnlyTheMuteHave(t *testing.T) {
	for _, how := range []string{"silent", "failing", "speaking"} {
		b := newBoard(t, 3)
		b.crowd("...")
		m := b.add("M")
		p, q := b.addPeer("B", "...", "###"), b.addPeer("C", "...", "###")
		b.now = time.Second
		asked := []*claim{b.ask(p), b.ask(q)}
		b.now += slowFor - tick
		if c := b.next(m, b.now); c != nil {
			t.Fatalf("the mirror was asked too soon: %s", b)
		}
		for _, c := range asked {
			switch how {
			case "failing":
				b.ended(c)
				b.fault(c.by, faultf(FaultPassing, "reset"), b.now, 0, 5, 0)
			case "speaking":
				b.sample(c, b.now, 1, 0)
			}
		}
		b.now += tick
		if helped := b.next(m, b.now) != nil; helped == (how == "speaking") {
			t.Errorf("they are %s, and the board is %s", how, b)
		}
	}
}

// TestOneConnectionBesideNeighbours: two where no neighbour uses the mirror.
func TestOneConnectionBesideNeighbours(t *testing.T) {
	b := newBoard(t, 8)
	owners := "........"
	b.crowd(owners)
	m := b.add("M")
	m.host.limit = 2
	b.addPeer("B", owners, "........")
	c := b.addPeer("C", owners, "........")
	b.ask(m)
	m.proven = true
	c.fetching.Set(7)
	if c := b.next(m, b.now); c != nil {
		t.Fatalf("a second connection to a mirror that neighbours use: %s", b)
	}
	other := b.join("N", m.host)
	if c := b.next(other, b.now); c != nil {
		t.Fatalf("a second connection to its host, by another URL: %s", b)
	}
	other.gone = true
	c.fetching.Clear(7)
	b.ask(m)
}

// TestFarMirrorIsNotLeftIdle: where its connections mostly wait for the first byte of
// runs that lie apart, there are more of them; not where runs are long, the wait is
// that of a mirror with much to do, or peers bring most.
func TestFarMirrorIsNotLeftIdle(t *testing.T) {
	const far = 300 * time.Millisecond
	apart, together := []int{0, 2, 4, 6}, Run(0, 4)
	for _, tt := range []struct {
		name    string
		first   []int           // pieces of the claim under way
		answers []time.Duration // what the mirror took for those before
		rate    float64         // of one connection, in pieces a second
		peers   float64         // theirs, likewise
		want    int             // connections in all
	}{
		{"near", apart, []time.Duration{far / 10}, 2, 0, 1},
		{"far", apart, []time.Duration{far}, 2, 0, 2},
		{"farther", apart, []time.Duration{far}, 2.4, 0, 3},
		{"as far as can be", apart, []time.Duration{far}, 3.3, 0, 4},
		{"slow anyway", apart, []time.Duration{far}, 0.5, 0, 1},
		{"long runs", together, []time.Duration{far}, 3, 0, 1},
		{"busy now", apart, []time.Duration{far / 10, far}, 3, 0, 1},
		{"peers bring more", apart, []time.Duration{far}, 3, 4, 1},
	} {
		b := newBoard(t, 64)
		owners := strings.Repeat(".", 64)
		b.crowd(owners)
		m := b.add("M")
		m.host.limit = 4
		b.addPeer("B", owners, owners)
		b.addPeer("C", owners, owners).fetching.Set(63)
		for _, latency := range tt.answers {
			c := b.claim(m, []int{60}, b.now)
			b.now += tick
			b.sample(c, b.now, 1, latency)
			b.brought(c, 60, b.now)
			b.ended(c)
		}
		b.claim(m, tt.first, b.now)
		for {
			m.each = meter{sum: tt.rate * testPiece, weight: 1, last: b.now}
			b.mirrors = meter{sum: tt.rate * testPiece * float64(m.open), weight: 1, last: b.now}
			b.peers = meter{sum: tt.peers * testPiece, weight: 1, last: b.now}
			c := b.next(m, b.now)
			if c == nil {
				break
			}
			m.runs, m.asked = 1, testPiece // it lies apart too
		}
		if m.open != tt.want {
			t.Errorf("%s: %d connections, want %d; board %s", tt.name, m.open, tt.want, b)
		}
	}
}

const plenty = 1000 // bytes to come

func TestManners(t *testing.T) {
	type span struct {
		d            time.Duration
		mirrors, all float64 // bytes a second
		moving       bool
	}
	for _, tt := range []struct {
		name   string
		prefer Preference
		spans  []span
		want   bool
	}{
		{"as fast as the mirror was", PreferAuto, []span{{time.Second, 10, 10, true}, {time.Minute, 0, 6, true}}, false},
		{"half as fast for too short", PreferAuto, []span{{time.Second, 10, 10, true}, {2900 * time.Millisecond, 0, 4, true}}, false},
		{"half as fast for long", PreferAuto, []span{{time.Second, 10, 10, true}, {3100 * time.Millisecond, 0, 4, true}}, true},
		{"fast again", PreferAuto, []span{{time.Second, 10, 10, true}, {4 * time.Second, 0, 4, true}, {time.Second, 0, 8, true}}, false},
		{"slow again", PreferAuto, []span{{time.Second, 10, 10, true}, {4 * time.Second, 0, 4, true}, {time.Second, 8, 8, true}, {4 * time.Second, 0, 4, true}, {time.Second, 8, 8, true}}, true},
		{"slow again, for longer than the last time", PreferAuto, []span{{time.Second, 10, 10, true}, {4 * time.Second, 0, 4, true}, {time.Second, 8, 8, true}, {4 * time.Second, 0, 4, true}, {4 * time.Second, 8, 8, true}}, false},
		{"slow again, but not in between", PreferAuto, []span{{time.Second, 10, 10, true}, {4 * time.Second, 0, 4, true}, {time.Second, 0, 8, true}, {4 * time.Second, 0, 4, true}, {time.Second, 8, 8, true}}, false},
		{"half as fast for long, but for single pieces of the mirror's", PreferAuto, []span{{time.Second, 10, 10, true}, {2800 * time.Millisecond, 0, 4, true}, {300 * time.Millisecond, 10, 10, true}, {2800 * time.Millisecond, 0, 4, true}}, true},
		{"half as fast for half the time", PreferAuto, []span{{time.Second, 10, 10, true}, {2 * time.Second, 0, 4, true}, {2 * time.Second, 0, 8, true}, {2 * time.Second, 0, 4, true}}, false},
		{"stuck", PreferAuto, []span{{time.Second, 0, 0, true}, {5100 * time.Millisecond, 0, 0, false}}, true},
		{"speed", PreferSpeed, []span{{time.Second, 0, 10, true}}, true},
		{"patient", PreferPeers, []span{{time.Second, 10, 10, true}, {20 * time.Second, 0, 1, false}}, false},
		{"patient, but stuck", PreferPeers, []span{{time.Second, 10, 10, true}, {31 * time.Second, 0, 1, false}}, true},
	} {
		m := manners{prefer: tt.prefer}
		var now time.Duration
		for _, s := range tt.spans {
			for end := now + s.d; now < end; now += tick {
				if s.moving {
					m.moved = now
				}
				m.weigh(now, s.mirrors, s.all-s.mirrors, s.mirrors > 0, plenty)
			}
		}
		if m.hedging != tt.want {
			t.Errorf("%s: hedging is %v", tt.name, m.hedging)
		}
	}
}

// TestShortEndIsNotDrawnOut: the mirror gave 10 bytes a second. When 5 are to come, it
// is asked for them after half a second in which the others were slow.
func TestShortEndIsNotDrawnOut(t *testing.T) {
	for _, tt := range []struct {
		all, rest float64
		want      time.Duration // 0 for never
	}{
		{4, plenty, slowFor},
		{4, 5, 500 * time.Millisecond},
		{4, 1, leastSlow},
		{4, 0, leastSlow},
		{6, 1, 0},
	} {
		m := manners{best: 10}
		var took time.Duration
		for now := tick; now <= 2*slowFor && took == 0; now += tick {
			m.moved = now
			if m.weigh(now, 0, tt.all, false, tt.rest); m.hedging {
				took = now
			}
		}
		if took != tt.want {
			t.Errorf("at %.0f bytes a second, with %.0f to come, hedging begins after %v, want %v", tt.all, tt.rest, took, tt.want)
		}
	}
}

// TestRateAndRestAreWeighed as the ledger counts them: what peers bring says nothing of
// mirrors, and the last piece is not waited for as long as the first of many.
func TestRateAndRestAreWeighed(t *testing.T) {
	for _, tt := range []struct {
		pieces int
		want   bool
	}{{12, true}, {100, false}} {
		b := newBoard(t, tt.pieces)
		all := strings.Repeat("#", tt.pieces)
		b.crowd(all)
		m, p := b.add("M"), b.addPeer("A", all, all)
		brings := map[*claim]float64{b.claim(m, []int{0}, b.now): testPiece / 2, b.claim(p, Run(1, 11), b.now): 5 * testPiece}
		for range int(2 * time.Second / tick) {
			b.run(tick, brings)
			b.weigh(b.now)
		}
		if best := b.best / testPiece; best < 0.3 || best > 0.5 {
			t.Errorf("the mirror is taken to have given %.1f pieces a second", best)
		}
		b.best = 4 * testPiece // when it was asked for more
		for range int(2 * time.Second / tick) {
			b.run(tick, nil)
			b.weigh(b.now)
		}
		if b.hedging != tt.want {
			t.Errorf("with %d pieces to come hedging is %v", b.left, b.hedging)
		}
	}
}

// TestIdleMirrorsRateIsNone: once mirrors are not asked any more, only what peers
// bring counts, from then on.
func TestIdleMirrorsRateIsNone(t *testing.T) {
	b := newBoard(t, 100)
	all := strings.Repeat("#", 100)
	b.crowd(all)
	m := b.add("M")
	c := b.claim(m, Run(0, 16), b.now)
	for range int(4 * time.Second / tick) {
		b.run(tick, map[*claim]float64{c: 4 * testPiece})
		b.weigh(b.now)
	}
	began := b.now
	for !b.hedging && b.now < time.Minute {
		b.run(tick, nil)
		b.moved = b.now
		b.weigh(b.now)
	}
	if took := b.now - began; took > slowFor {
		t.Errorf("hedging began after %v", took)
	}
}

// TestEndIsHedgedOnce: when mirrors would soon have brought the rest, hedging goes on
// although the rate has come back.
func TestEndIsHedgedOnce(t *testing.T) {
	for _, tt := range []struct {
		rest float64
		want time.Duration // how long hedging lasts, but for a tick
	}{{10, time.Second}, {20, 2 * time.Second}, {plenty, 0}} {
		m := manners{best: 10}
		now := tick
		for ; !m.hedging; now += tick {
			m.moved = now
			m.weigh(now, 0, 4, false, tt.rest)
		}
		for m.hedging {
			m.moved = now
			m.weigh(now, 10, 4, true, tt.rest)
			now += tick
		}
		if lasted := now - tick - m.since; lasted < tt.want || lasted > tt.want+2*tick {
			t.Errorf("with %.0f bytes to come hedging lasts %v, want %v", tt.rest, lasted, tt.want)
		}
	}
}

// TestHedgingSince is when it last began.
func TestHedgingSince(t *testing.T) {
	m := manners{best: 10}
	for now := tick; now <= time.Minute; now += tick {
		m.moved = now
		was := m.hedging
		m.weigh(now, 0, []float64{4, 8}[now/(20*time.Second)%2], false, plenty)
		if m.hedging && !was && m.since != now || m.hedging && was && m.since == now {
			t.Fatalf("at %v hedging began at %v", now, m.since)
		}
	}
	if m.since < 40*time.Second {
		t.Errorf("hedging last began at %v", m.since)
	}
}

// TestBurstIsNoReproach: what a claim begins with, out of buffers on the way, is no
// rate that politeness has to keep up with.
func TestBurstIsNoReproach(t *testing.T) {
	b := newBoard(t, 20)
	b.crowd(strings.Repeat(".", 20))
	m := b.add("M")
	c := b.claim(m, Run(0, 20), b.now)
	b.sample(c, time.Millisecond, testPiece/2, 0)
	for range int(2 * slowFor / tick) {
		b.run(tick, map[*claim]float64{c: testPiece})
		b.weigh(b.now)
	}
	if b.hedging {
		t.Errorf("the mirror is taken to have given %.1f pieces a second", b.best/testPiece)
	}
}

// TestIdlePeerTakesOverFromCrawler, but not as long as that could be a busy peer.
func TestIdlePeerTakesOverFromCrawler(t *testing.T) {
	b := newBoard(t, 2)
	b.crowd("..")
	p, q := b.addPeer("A", "..", "#."), b.addPeer("B", "..", "##")
	slow := b.ask(p)
	b.run(time.Second, map[*claim]float64{slow: 1, b.ask(q): testPiece})
	b.looks("A#")
	b.run(crawlAfter-time.Second-tick, map[*claim]float64{slow: 10})
	if c := b.next(q, b.now); c != nil {
		t.Fatalf("it was taken over too soon: %s", b)
	}
	b.run(2*tick, map[*claim]float64{slow: 10})
	if c := b.next(b.addPeer("C", "..", ".#"), b.now); c != nil {
		t.Fatalf("who does not have it took it over: %s", b)
	}
	b.ask(q)
	b.looks("a#")
}

// TestPeerTakesOfATailWhatItHas, and no more.
func TestPeerTakesOfATailWhatItHas(t *testing.T) {
	b := newBoard(t, 6)
	b.crowd("......")
	m, p := b.add("A"), b.addPeer("B", "......", ".##...")
	c := b.claim(m, Run(0, 6), b.now)
	b.run(4*time.Second, map[*claim]float64{c: testPiece / 4})
	b.ask(p)
	b.looks("#ABAAA")
	if c := b.next(b.addPeer("C", "......", ".#...."), b.now); c != nil {
		t.Errorf("the piece under way was taken: %s", b)
	}
}

// TestSparedMirrorTakesNothingOfAPeers, slow as he may be, until we hedge.
func TestSparedMirrorTakesNothingOfAPeers(t *testing.T) {
	b := newBoard(t, 6)
	b.crowd("......")
	m, p := b.add("M"), b.addPeer("B", "......", "######")
	b.addPeer("C", "......", "######")
	b.run(time.Second, map[*claim]float64{b.claim(m, Run(0, 1), b.now): testPiece})
	b.run(time.Second, map[*claim]float64{b.lendAll(p): testPiece / 8})
	if c := b.next(m, b.now); c != nil {
		t.Errorf("a spared mirror took %v: %s", c.rest, b)
	}
	b.hedging = true
	b.ask(m)
}

// TestCrawlerDoesNotRobItself: it would be asked for the same bytes twice.
func TestCrawlerDoesNotRobItself(t *testing.T) {
	b := newBoard(t, 5)
	b.crowd(".....")
	p := b.addPeer("A", ".....", "#####")
	b.run(time.Second, map[*claim]float64{b.ask(p): testPiece})
	c := b.lendAll(p)
	b.run(crawlAfter+2*tick, map[*claim]float64{c: testPiece / 100})
	if d := b.next(p, b.now); d != nil {
		t.Errorf("it was asked for a part of its own claim: %s", b)
	}
}

// lendAll gives p all free pieces.
func (b *board) lendAll(p *party) *claim {
	var free []int
	for i := range b.pieces {
		if !b.taken.Test(uint(i)) {
			free = append(free, i)
		}
	}
	return b.claim(p, free, b.now)
}

// TestMirrorJoinsPeersInARace: two slow peers who race for the last piece do not keep an
// idle mirror away.
func TestMirrorJoinsPeersInARace(t *testing.T) {
	b := newBoard(t, 2)
	mirror := b.add("M")
	cm := b.ask(mirror)
	b.run(time.Second, map[*claim]float64{cm: 4 * testPiece})
	b.hedging = true
	b.looks("#.")
	var slow []*claim
	for _, name := range []string{"A", "B"} {
		c := b.claim(b.addPeer(name, "..", "##"), []int{1}, b.now)
		c.race = true
		slow = append(slow, c)
	}
	b.run(2*time.Second, map[*claim]float64{slow[0]: testPiece / 100, slow[1]: testPiece / 100})
	if c := b.next(mirror, b.now); c == nil || !c.race || len(c.rest) != 1 {
		t.Errorf("the mirror was left idle: %s", b)
	}
	if c := b.next(mirror, b.now); c != nil {
		t.Errorf("the mirror joined twice: %s", b)
	}
}

// TestPeerHasSomethingAgain: a peer who had nothing that is free is asked as soon as he has.
func TestPeerHasSomethingAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		shows  string
		change func(b *board, p *party, other *claim)
	}{
		"another one gave it up": {"#..", func(b *board, _ *party, other *claim) { b.ended(other) }},
		"it got one more": {"#..", func(b *board, p *party, _ *claim) {
			b.shows(p, p.have.Clone().Set(1), p.fetching, b.now)
		}},
		"the horizon moved": {"#.#", func(b *board, _ *party, _ *claim) { b.extend(3) }},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBoard(t, 3)
			b.rank = func(int) uint64 { return math.MaxUint64 } // nothing is early
			b.extend(2)
			p := b.addPeer("A", "...", tt.shows)
			other := b.claim(b.addPeer("B", "...", "##."), []int{0}, 0)
			for range 2 {
				if c := b.next(p, b.now); c != nil {
					t.Fatalf("asked for %v", c.rest)
				}
			}
			tt.change(b, p, other)
			b.ask(p)
		})
	}
}

// TestPeersLookThroughClaimsNowAndThen, and not each time that anything happens: C hangs,
// and its piece is for who looks.
func TestPeersLookThroughClaimsNowAndThen(t *testing.T) {
	for name, tt := range map[string]struct {
		looked time.Duration // ago; 0 for never
		alone  bool
		want   bool
	}{
		"never before":               {0, false, true},
		"a moment ago":               {tick / 2, false, false},
		"long enough ago":            {tick, false, true},
		"a moment ago, but no crowd": {tick / 2, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBoard(t, 1)
			b.rank = func(int) uint64 { return 1 }
			a, other, hung := b.addPeer("A", ".", "#"), b.addPeer("B", ".", "#"), b.addPeer("C", ".", "#")
			b.claim(hung, []int{0}, 0)
			other.gone, hung.gone = tt.alone, tt.alone
			if b.now = time.Minute; tt.looked > 0 {
				a.looked = b.now - tt.looked
			}
			if c := b.next(a, b.now); (c != nil) != tt.want {
				t.Errorf("A is asked %v", c != nil)
			}
			if tt.want && a.looked == b.now {
				t.Error("it counts as in vain")
			}
			if b.next(other, b.now); tt.want && !tt.alone && other.looked != b.now {
				t.Error("B looked in vain, and that does not count")
			}
		})
	}
}
