package fetch

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bits-and-blooms/bitset"
)

const testPiece = 1 << 20

// board is a ledger with a clock, for tests that are seen rather than read:
// its pieces are drawn as in ledger.String.
type board struct {
	*ledger
	t   *testing.T
	now time.Duration
}

func newBoard(t *testing.T, pieces int, have ...uint) *board {
	b := bitset.New(uint(pieces))
	for _, i := range have {
		b.Set(i)
	}
	return &board{
		t:      t,
		ledger: newLedger(pieces, func(int) int64 { return testPiece }, func(int) int { return pieces }, b),
	}
}

func (b *board) add(name string) *party { return b.join(name, newHost(4)) }

// ask expects p to be given a claim.
func (b *board) ask(p *party) *claim {
	b.t.Helper()
	c := b.next(p, b.now)
	if c == nil {
		b.t.Fatalf("%s got nothing; board %s", p.name, b)
	}
	return c
}

// run lets time pass in which the claims receive so many bytes a second, and
// brings the pieces that became whole.
func (b *board) run(d time.Duration, rates map[*claim]float64) (off []*claim) {
	for range int(d / tick) {
		b.now += tick
		for _, c := range slices.Clone(b.claims) {
			got := c.received + int64(math.Ceil(rates[c]*tick.Seconds()))
			b.sample(c, b.now, got, 0)
			for len(c.rest) > 0 && c.received-c.begun >= testPiece && !slices.Contains(off, c) {
				_, o := b.brought(c, c.rest[0], b.now)
				off = append(off, o...)
			}
			if len(c.rest) == 0 {
				b.ended(c)
			}
		}
		for _, c := range off {
			if slices.Contains(b.claims, c) {
				b.ended(c)
			}
		}
	}
	return off
}

func (b *board) looks(want string) {
	b.t.Helper()
	if got := b.String(); got != want {
		b.t.Errorf("at %v the board is %s, want %s", b.now, got, want)
	}
}

// String draws the pieces: free ".", done "#", and the letter of the party
// that is to bring it; small when two race.
func (l *ledger) String() string {
	var b strings.Builder
	for i := range l.pieces {
		b.WriteByte(l.mark(i))
	}
	return b.String()
}

func (l *ledger) mark(piece int) byte {
	if l.done.Test(uint(piece)) {
		return '#'
	}
	for _, c := range l.claims {
		if !slices.Contains(c.rest, piece) {
			continue
		}
		for i, p := range l.parties {
			switch {
			case p == c.by && c.race:
				return byte('a' + i)
			case p == c.by:
				return byte('A' + i)
			}
		}
	}
	return '.'
}
