package fetch

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestFirstLeaseIsOnePiece(t *testing.T) {
	b := newBoard(t, 10, 0, 5)
	a, c := b.add("A"), b.add("B")
	b.ask(a)
	b.ask(c)
	b.looks("#AB..#....")
	if got := b.next(a, b.now); got != nil {
		t.Errorf("an unproven source got a second claim: %s", b)
	}
}

func TestLeaseIsWorthSecondsAndStaysTogether(t *testing.T) {
	b := newBoard(t, 40)
	a, z := b.add("A"), b.add("B")
	ca, cz := b.ask(a), b.ask(z)
	b.run(time.Second, map[*claim]float64{ca: 1 * testPiece, cz: 2 * testPiece})
	b.looks("##......................................")
	b.ask(a)
	b.ask(z) // 4 s at 2 MiB/s
	b.looks("##AAAABBBBBBBB..........................")
}

func TestLeasesGrowInSteps(t *testing.T) {
	b := newBoard(t, 40)
	a := b.add("A")
	c := b.ask(a)
	b.run(time.Second, map[*claim]float64{c: 20 * testPiece})
	c = b.ask(a)
	b.looks("#AAAAAAAA...............................")
	b.run(time.Second, map[*claim]float64{c: 20 * testPiece})
	b.ask(a)
	b.looks("#########AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
}

func TestTowardsTheEndNobodyTakesMoreThanItsShare(t *testing.T) {
	b := newBoard(t, 14)
	a, z := b.add("A"), b.add("B")
	ca, cz := b.ask(a), b.ask(z)
	b.run(time.Second, map[*claim]float64{ca: 2 * testPiece, cz: 2 * testPiece})
	a.given, z.given = 100*testPiece, 100*testPiece
	b.ask(a) // half of twelve pieces, as both are equally fast
	b.looks("##AAAAAA......")
}

func TestIdleSourceTakesATail(t *testing.T) {
	b := newBoard(t, 14)
	slow, fast := b.add("A"), b.add("B")
	cs, cf := b.ask(slow), b.ask(fast)
	b.run(time.Second, map[*claim]float64{cs: 1 * testPiece, cf: 4 * testPiece})
	b.claim(slow, Run(2, 12), b.now)
	b.claim(fast, Run(12, 14), b.now)
	fast.host.limit = 2
	b.ask(fast) // ten pieces are shared four to one, rounded down
	b.looks("##AAABBBBBBBBB")
}

func TestStrangerTakesOnePieceOfATail(t *testing.T) {
	b := newBoard(t, 8)
	slow := b.add("A")
	b.run(time.Second, map[*claim]float64{b.ask(slow): testPiece})
	b.claim(slow, Run(1, 8), b.now)
	b.ask(b.add("B"))
	b.looks("#AAAAAAB")
}

func TestSlowSourceDoesNotRobAFastOne(t *testing.T) {
	b := newBoard(t, 10)
	slow, fast := b.add("A"), b.add("B")
	cs, cf := b.ask(slow), b.ask(fast)
	b.run(time.Second, map[*claim]float64{cs: 1 * testPiece, cf: 4 * testPiece})
	b.claim(slow, Run(2, 7), b.now)
	b.claim(fast, Run(7, 10), b.now)
	slow.host.limit = 2
	if c := b.next(slow, b.now); c != nil {
		t.Errorf("slow took %v from fast: %s", c.rest, b)
	}
}

func TestSilenceIsSlowness(t *testing.T) {
	b := newBoard(t, 20)
	silent, other := b.add("A"), b.add("B")
	cs, co := b.ask(silent), b.ask(other)
	b.run(time.Second, map[*claim]float64{cs: 8 * testPiece, co: 1 * testPiece})
	b.claim(silent, Run(2, 8), b.now)
	co = b.claim(other, Run(8, 20), b.now)
	other.host.limit = 2
	if c := b.next(other, b.now); c != nil {
		t.Fatalf("robbed a source that has only just been asked: %s", b)
	}
	b.run(5*time.Second, map[*claim]float64{co: 1 * testPiece})
	c := b.ask(other)
	if c.rest[0] != 3 {
		t.Errorf("took %v, want all but the piece under way", c.rest)
	}
}

func TestLastPieceIsRacedAndTheLoserCalledOff(t *testing.T) {
	b := newBoard(t, 3)
	slow, fast, third := b.add("A"), b.add("B"), b.add("C")
	cs, cf, ct := b.ask(slow), b.ask(fast), b.ask(third)
	b.run(time.Second, map[*claim]float64{cf: 10 * testPiece, ct: 10 * testPiece, cs: testPiece / 100})
	b.looks("A##")
	race := b.ask(fast)
	b.looks("a##")
	if c := b.next(third, b.now); c != nil {
		t.Errorf("a third source joined the race")
	}
	off := b.run(tick, map[*claim]float64{race: 10 * testPiece})
	b.looks("###")
	if len(off) != 1 || off[0] != cs {
		t.Errorf("called off %v, want the slow claim", off)
	}
}

func TestWhatIsStillBroughtIsNotFree(t *testing.T) {
	b := newBoard(t, 3)
	slow, fast := b.add("A"), b.add("B")
	cs := b.ask(slow)
	b.run(time.Second, map[*claim]float64{cs: testPiece / 100, b.ask(fast): 10 * testPiece})
	b.claim(fast, []int{2}, b.now)
	fast.host.limit = 2
	b.ended(b.ask(fast))
	if b.looks("a#B"); b.free != 0 || b.taken.Count() != 3 {
		t.Errorf("%d bytes are free after one of two in a race gave up", b.free)
	}
}

// TestRacesOnOneHost: a second request for the same bytes could spend a signed URL,
// and to another URL of a host it is of use only when the first one hangs.
func TestRacesOnOneHost(t *testing.T) {
	b := newBoard(t, 2)
	one := b.add("A")
	one.host.limit, one.proven = 4, true
	c1 := b.claim(one, []int{0}, b.now)
	b.run(6*time.Second, map[*claim]float64{c1: 1, b.claim(one, []int{1}, b.now): testPiece})
	if c := b.next(one, b.now); c != nil {
		t.Errorf("raced a piece with the same URL: %s", b)
	}
	for slow, raced := range map[float64]bool{0.3 * testPiece: false, 0.1 * testPiece: true} {
		b := newBoard(t, 2)
		h := newHost(4)
		one, two := b.join("A", h), b.join("B", h)
		c1, c2 := b.ask(one), b.ask(two)
		b.run(time.Second, map[*claim]float64{c1: slow, c2: testPiece})
		if c := b.next(two, b.now); (c != nil) != raced {
			t.Errorf("a piece that comes with %v bytes a second: %s", slow, b)
		}
	}
}

// TestURLsOfOneHost: each has a connection, and the faster one those that are added.
func TestURLsOfOneHost(t *testing.T) {
	b := newBoard(t, 1000)
	h := newHost(4)
	slow, fast := b.join("A", h), b.join("B", h)
	first := map[*claim]float64{b.ask(slow): testPiece / 4, b.ask(fast): testPiece}
	if h.open != 2 {
		t.Fatalf("%d connections at first: %s", h.open, b)
	}
	b.run(4*time.Second, first)
	h.limit = 4
	b.ask(fast)
	if c := b.next(fast, b.now); c != nil {
		t.Errorf("the slow one has none, the fast one %d", fast.open)
	}
	b.ask(slow)
	for range 2 {
		if c := b.next(slow, b.now); c != nil {
			t.Errorf("the slow one has %d, the fast one %d", slow.open, fast.open)
		}
		b.ask(fast)
	}
	b.ended(b.claims[1])
	slow.gone = true
	b.ask(fast)
}

// TestOneConnectionForURLsOfOneHost: each is tried, and then the fastest is asked.
func TestOneConnectionForURLsOfOneHost(t *testing.T) {
	b := newBoard(t, 9)
	h := newHost(1)
	slow, fast := b.join("A", h), b.join("B", h)
	b.run(8*time.Second, map[*claim]float64{b.ask(slow): testPiece / 4})
	if c := b.next(slow, b.now); c != nil {
		t.Fatalf("the second was not tried: %s", b)
	}
	b.run(time.Second, map[*claim]float64{b.ask(fast): testPiece})
	if c := b.next(slow, b.now); c != nil {
		t.Fatalf("the slower one was asked: %s", b)
	}
	b.ask(fast)
}

func TestRobbedSourceStopsWhereItWasRobbed(t *testing.T) {
	b := newBoard(t, 6)
	a, z := b.add("A"), b.add("B")
	ca, cz := b.ask(a), b.ask(z)
	b.run(time.Second, map[*claim]float64{ca: testPiece, cz: testPiece})
	long := b.claim(a, Run(2, 6), b.now)
	thief := b.ask(z)
	b.looks("##AABB")
	if _, off := b.brought(long, 4, b.now); len(off) > 0 { // it was on its way already
		t.Errorf("called off %v, the thief has another piece to bring", off)
	}
	b.looks("##AA#B")
	off := b.run(2*time.Second, map[*claim]float64{long: testPiece})
	if len(off) != 1 || off[0] != long {
		t.Errorf("the robbed claim was not called off at its new end")
	}
	b.ended(thief)
	b.looks("#####.")
}

func TestWhatASourceDroppedIsFreeAgain(t *testing.T) {
	b := newBoard(t, 8)
	a := b.add("A")
	c := b.ask(a)
	b.run(time.Second, map[*claim]float64{c: testPiece})
	c = b.claim(a, Run(1, 8), b.now)
	b.brought(c, 1, b.now)
	b.brought(c, 3, b.now) // piece 2 was wrong
	b.looks("##A#AAAA")
	b.ended(c)
	b.looks("##.#....")
	if b.free != 5*testPiece {
		t.Errorf("%d bytes are free, want five pieces", b.free)
	}
}

func TestStreamOnlySourceWaitsForTheOthersToGo(t *testing.T) {
	b := newBoard(t, 6, 0, 3)
	b.fileEnd = func(int) int { return 5 }
	ranged, stream := b.add("A"), b.add("B")
	b.fault(stream, faultf(FaultNoRange, "ignores Range"), b.now, 0, 5, 0)
	if c := b.next(stream, b.now); c != nil {
		t.Fatalf("stream-only source was used beside a better one: %s", b)
	}
	ranged.gone = true
	c := b.ask(stream)
	if !slices.Equal(c.rest, Run(1, 5)) {
		t.Errorf("asked for %v, want 1 to 4, where the file ends", c.rest)
	}
}

func TestHorizon(t *testing.T) {
	b := newBoard(t, 10)
	b.horizon = 2
	x, y, z := b.add("A"), b.add("B"), b.add("C")
	b.ask(x)
	b.ask(y)
	if c := b.next(z, b.now); c != nil {
		t.Errorf("a piece beyond the horizon was asked for")
	}
	b.looks("AB........")
}

// TestWholeFileBeyondTheHorizon is read by who cannot do otherwise, and by nobody else.
func TestWholeFileBeyondTheHorizon(t *testing.T) {
	b := newBoard(t, 10)
	b.horizon = 4
	stream := b.add("A")
	stream.noRange = true
	c := b.ask(stream)
	b.looks("AAAAAAAAAA")
	b.run(time.Second, map[*claim]float64{c: testPiece})
	thief := b.add("B")
	for b.next(thief, b.now) != nil {
		b.looks("#AABAAAAAA")
	}
	if thief.open == 0 {
		t.Errorf("an idle source got nothing: %s", b)
	}
}

func TestRunsAreNoLongerThanTheyMayBe(t *testing.T) {
	b := newBoard(t, 14)
	b.mostRun = 3
	slow, fast := b.add("A"), b.add("B")
	b.run(time.Second, map[*claim]float64{b.ask(slow): testPiece, b.ask(fast): 8 * testPiece})
	b.ask(fast)
	b.looks("##BBB.........")
	b.claim(slow, Run(5, 14), b.now)
	fast.host.limit = 2
	b.ask(fast)
	b.looks("##BBBAAAAAABBB")
}

func TestNoMoreLeasesThanThereIsMemoryFor(t *testing.T) {
	b := newBoard(t, 100)
	b.mostOpen = 2
	a, z := b.add("A"), b.add("B")
	b.run(time.Second, map[*claim]float64{b.ask(a): testPiece})
	a.host.limit = 3
	b.ask(a)
	b.ask(a)
	if c := b.next(a, b.now); c != nil {
		t.Errorf("a third lease: %s", b)
	}
	b.ask(z) // who has none
}

func TestPatience(t *testing.T) {
	passing := faultf(FaultPassing, "reset")
	t.Run("drops after the retries", func(t *testing.T) {
		b := newBoard(t, 4)
		a := b.add("A")
		for i := range 3 {
			if b.fault(a, passing, b.now, 0, 3, 0) {
				t.Fatalf("dropped at try %d of 3", i+1)
			}
			if b.next(a, b.now) != nil {
				t.Fatalf("asked again at once after try %d", i+1)
			}
			b.now = a.notBefore
		}
		if !b.fault(a, passing, b.now, 0, 3, 0) || b.alive() {
			t.Error("not dropped after 3 tries")
		}
	})
	t.Run("connections that fail together are one try", func(t *testing.T) {
		b := newBoard(t, 4)
		a := b.add("A")
		for range 5 {
			if b.fault(a, passing, b.now, 0, 1, 0) {
				t.Fatal("dropped at the first try")
			}
		}
		b.now = a.notBefore
		if !b.fault(a, passing, b.now, 0, 1, 0) {
			t.Error("not dropped at the second")
		}
	})
	t.Run("progress resets the count", func(t *testing.T) {
		b := newBoard(t, 4)
		a := b.add("A")
		for i := range 4 {
			if b.fault(a, passing, b.now, 0, 1, 0) {
				t.Fatal("dropped in spite of progress")
			}
			b.now = a.notBefore
			b.brought(b.ask(a), i, b.now)
			b.ended(b.claims[0])
		}
	})
	t.Run("refusal beside a working connection lowers the host's number", func(t *testing.T) {
		b, a := atWork(t)
		refused := b.ask(a)
		b.ended(refused)
		b.fault(a, faultf(FaultBusy, "HTTP 429"), b.now, 0, 0, 0)
		if a.gone || a.host.limit != 1 || a.host.most != 1 {
			t.Errorf("gone %v, limit %d, most %d", a.gone, a.host.limit, a.host.most)
		}
	})
	t.Run("refusal beside a working connection ends nothing, however long it is to last", func(t *testing.T) {
		b, a := atWork(t)
		b.ended(b.ask(a))
		f := &Fault{Kind: FaultBusy, RetryAfter: time.Hour, Err: ErrNoSource}
		if b.fault(a, f, b.now, time.Minute, 5, 0) || a.notBefore > b.now || a.host.most != 1 {
			t.Errorf("gone %v, not before %v, most %d", a.gone, a.notBefore, a.host.most)
		}
	})
	t.Run("what an unknown URL is refused is no matter of connections", func(t *testing.T) {
		b := newBoard(t, 4)
		h := newHost(4)
		a, u := b.join("A", h), b.join("B", h)
		b.ask(a)
		b.ended(b.ask(u))
		if !b.fault(u, &Fault{Kind: FaultBusy, Err: statusError(403)}, b.now, 0, 5, 0) || h.most != 4 {
			t.Errorf("gone %v, most %d", u.gone, h.most)
		}
	})
	for status, gone := range map[statusError]bool{403: true, 429: false, 503: false} {
		t.Run(fmt.Sprintf("a stranger's first answer is %d", status), func(t *testing.T) {
			b := newBoard(t, 4)
			a := b.add("A")
			busy := &Fault{Kind: FaultBusy, Err: status}
			if b.fault(a, busy, b.now, 0, 1, 0) != gone {
				t.Fatalf("gone is %v", a.gone)
			}
			if !gone && b.next(a, b.now) != nil {
				t.Error("asked again at once")
			}
			b.now = a.notBefore
			if !gone && !b.fault(a, busy, b.now, 0, 1, 0) {
				t.Error("not dropped after 1 retry")
			}
		})
	}
	for _, tt := range []struct {
		name             string
		after, deadline  time.Duration
		gone             bool
		notBeforeAtLeast time.Duration
	}{
		{"Retry-After within the deadline is obeyed", 20 * time.Second, time.Minute, false, 20 * time.Second},
		{"Retry-After past the deadline", 2 * time.Minute, time.Minute, true, 0},
		{"long Retry-After without a deadline", time.Hour, 0, true, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBoard(t, 4)
			a := b.add("A")
			f := &Fault{Kind: FaultBusy, RetryAfter: tt.after, Err: ErrNoSource}
			gone := b.fault(a, f, b.now, tt.deadline, 5, 0)
			if gone != tt.gone || !gone && a.notBefore < tt.notBeforeAtLeast {
				t.Errorf("gone %v, not before %v", gone, a.notBefore)
			}
			if says := strings.Contains(f.Error(), "asks to wait for "+tt.after.String()); says != tt.gone {
				t.Errorf("error is %q", f)
			}
		})
	}
}

// hostRates runs a host whose total rate depends on how many connections are
// open, and returns how many it ends with.
func hostRates(h *host, d time.Duration, rate func(open int) float64) int {
	for now := time.Duration(0); now < d; now += tick {
		h.open = h.limit
		h.received += int64(rate(h.open) * tick.Seconds())
		h.tick(now)
	}
	return h.limit
}

func TestHostAddsConnectionsWhileTheyPay(t *testing.T) {
	for _, tt := range []struct {
		name string
		rate func(open int) float64
		want int
	}{
		{"each connection is throttled", func(n int) float64 { return 1e6 * float64(n) }, 4},
		{"the link is full", func(int) float64 { return 1e6 }, 1},
		{"two fill it", func(n int) float64 { return 1e6 * float64(min(n, 2)) }, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := hostRates(newHost(4), 10*time.Second, tt.rate); got != tt.want {
				t.Errorf("%d connections, want %d", got, tt.want)
			}
		})
	}
}

func TestHostIsNotJudgedWhileConnectionsAreIdle(t *testing.T) {
	h := newHost(4)
	now := time.Duration(0)
	for ; h.limit < 2; now += tick {
		h.open = h.limit
		h.received += 1e5
		h.tick(now)
	}
	for end := now + 5*time.Second; now < end; now += tick {
		h.received += 1e5 // by one of the two
		if h.tick(now); h.limit != 2 || h.settled {
			t.Fatalf("at %v the second, which nobody used, was judged", now)
		}
	}
}

// TestHostIsJudgedAnewWhenPiecesLieApart: what one connection gave of long runs is no
// measure for two that are asked for single pieces.
func TestHostIsJudgedAnewWhenPiecesLieApart(t *testing.T) {
	b := newBoard(t, 64)
	m := b.add("M")
	for _, tt := range []struct {
		pieces []int
		anew   bool
	}{
		{Run(0, 1), false},
		{Run(1, 9), false},
		{[]int{11, 13, 16}, true},
		{[]int{21, 23, 26}, false}, // they already did
		{Run(30, 31), false},
		{[]int{41, 43, 46}, false},
		{Run(50, 54), false},
		{[]int{55, 57, 58}, true},
	} {
		m.host.before, m.host.settled = 1e6, true
		c := b.claim(m, tt.pieces, b.now)
		if anew := m.host.before == 0 && !m.host.settled; anew != tt.anew {
			t.Errorf("pieces %v: judged anew is %v", tt.pieces, anew)
		}
		b.ended(c)
	}
}

func TestMeterIsHonestFromTheStartAndFalls(t *testing.T) {
	var m meter
	for now := tick; now <= time.Second; now += tick {
		m.sample(now, 1e6*now.Seconds())
		if r := m.rate(); r < 0.99e6 || r > 1.01e6 {
			t.Fatalf("at %v the rate is %.0f", now, r)
		}
	}
	m.sample(6*time.Second, 1e6)
	if r := m.rate(); r > 0.02e6 {
		t.Errorf("after five silent seconds the rate is %.0f", r)
	}
}

// TestLateAnswerIsNoSlowness: a mirror that takes a second to answer is not robbed
// of what it was just asked for.
func TestLateAnswerIsNoSlowness(t *testing.T) {
	for _, latency := range []time.Duration{0, time.Second} {
		b := newBoard(t, 8)
		m := b.add("M")
		m.host.limit = 2
		c := b.claim(m, Run(0, 4), b.now)
		b.run(tick, nil)
		b.sample(c, b.now, 1, latency)
		m.proven = true
		b.run(2*time.Second+tick, map[*claim]float64{c: 2 * testPiece})
		b.claim(m, Run(4, 8), b.now)
		b.run(trust+tick, nil)
		if robbed := b.next(m, b.now) != nil; robbed != (latency == 0) {
			t.Errorf("it answers after %v, and the board is %s", latency, b)
		}
	}
}

// TestUnprovenMirrorIsTrustedLess: all is there but a piece that a mirror is to bring, and
// of which only a few bytes have come. A peer who would bring it at once soon does, and
// the sooner if the mirror has not brought any other.
func TestUnprovenMirrorIsTrustedLess(t *testing.T) {
	for proven, want := range map[bool]time.Duration{false: doubt, true: trust} {
		b := newBoard(t, 3)
		m := b.add("M")
		p := b.addPeer("P", "...", "###")
		first := p
		if proven {
			first = m
		}
		b.run(time.Second, map[*claim]float64{b.claim(first, []int{2}, b.now): testPiece, b.claim(p, []int{1}, b.now): testPiece})
		began := b.now
		c := b.claim(m, []int{0}, began)
		for b.next(p, b.now) == nil && b.now < time.Minute {
			b.run(tick, map[*claim]float64{c: 20})
		}
		if took := b.now - began; took != want {
			t.Errorf("proven %v: raced after %v, want %v", proven, took, want)
		}
	}
}

// TestStalledClaimIsCalledOff, later the next time, and not where the line is slow.
func TestStalledClaimIsCalledOff(t *testing.T) {
	for _, tt := range []struct {
		name string
		rate float64 // bytes a second
		best float64 // that mirrors gave
		want time.Duration
	}{
		{"a byte now and then", 20, testPiece, crawlAfter},
		{"always so", 20, 20, 0},
		{"slower than it was", testPiece / 12, testPiece, 0},
		{"soon done", testPiece / 20, 2 * testPiece, 0},
	} {
		b := newBoard(t, 8)
		m := b.add("M")
		b.best = tt.best
		for _, want := range []time.Duration{tt.want, 2 * tt.want} {
			c := b.claim(m, []int{1}, b.now)
			began := b.now
			for !b.stalls(c, b.now) && len(c.rest) > 0 && b.now-began < 2*time.Minute {
				b.run(tick, map[*claim]float64{c: tt.rate})
			}
			took := b.now - began
			if want == 0 && m.stalls > 0 || want > 0 && took != want {
				t.Errorf("%s: called off after %v, want %v (0: never)", tt.name, took, want)
			}
			b.ended(c)
			b.done.Clear(1)
		}
	}
}

// atWork is a board with a source that has two connections of three.
func atWork(t *testing.T) (*board, *party) {
	b := newBoard(t, 40)
	a := b.add("A")
	b.run(time.Second, map[*claim]float64{b.ask(a): testPiece})
	a.host.limit = 3
	b.ask(a)
	return b, a
}

// TestClaimBesideNeighboursIsNotCalledOff: a crowd that shares a mirror slows it, too.
func TestClaimBesideNeighboursIsNotCalledOff(t *testing.T) {
	b := newBoard(t, 8)
	b.crowd("........")
	m := b.add("M")
	b.addPeer("B", "........", "........")
	b.best = testPiece
	c := b.claim(m, []int{1}, b.now)
	b.run(time.Minute, map[*claim]float64{c: 20})
	if b.stalls(c, b.now) {
		t.Error("it is called off")
	}
}
