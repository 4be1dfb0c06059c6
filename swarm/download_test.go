package swarm

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bits-and-blooms/bitset"

	"github.com/shoal-dl/shoal/swarm/swarmtest"
	"github.com/shoal-dl/shoal/swarm/wire"
)

// near is a line on which a few megabytes take no noticeable time.
var near = swarmtest.Line{Delay: time.Millisecond}

// testPair runs a test with a peer that has everything.
func testPair(t *testing.T, line swarmtest.Line, size int, test func(t *testing.T, c *content, p *Peer)) {
	c := newContent(t, size, 64<<10, false)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		seed, _ := w.seed(c, line)
		_, s := w.leech(c, Options{}, seed)
		test(t, c, firstPeer(t, s))
	})
}

// check wants the right bytes of those pieces, in that order.
func (c *content) check(t *testing.T, got []Raw, pieces []int) {
	t.Helper()
	if len(got) != len(pieces) {
		t.Errorf("got %d pieces of %d", len(got), len(pieces))
	}
	for i, raw := range got {
		if raw.Piece != pieces[i] || !bytes.Equal(raw.Data, c.piece(raw.Piece)) {
			t.Errorf("element %d is piece %d, or wrong", i, raw.Piece)
		}
	}
}

func TestPieces(t *testing.T) {
	tests := map[string][]int{
		"all":      upTo(21),
		"none":     {},
		"one":      {20}, // a short one
		"any":      {3, 17, 20, 4, 0},
		"the rest": {5},
	}
	testPair(t, near, 20*64<<10+999, func(t *testing.T, c *content, p *Peer) {
		for name, pieces := range tests {
			received := 0
			l := lease(pieces...)
			l.Received = func(n int) { received += n }
			got, err := bring(t.Context(), p, l)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			c.check(t, got, pieces)
			for _, raw := range got {
				received -= len(raw.Data)
			}
			if received != 0 {
				t.Errorf("%s: told of %d bytes too many", name, received)
			}
		}
	})
}

func TestPiecesSeveral(t *testing.T) {
	testPair(t, near, 40*64<<10, func(t *testing.T, c *content, p *Peer) {
		var all sync.WaitGroup
		for first := range 4 {
			pieces := upTo(40)[first*10:][:10]
			all.Go(func() {
				got, err := bring(t.Context(), p, lease(pieces...))
				if err != nil {
					t.Error(err)
				}
				c.check(t, got, pieces)
			})
		}
		all.Wait()
	})
}

// guarded is a lease whose memory must not be written to once it is over.
type guarded struct {
	Lease
	lent map[*byte][]byte
}

func guard(pieces ...int) *guarded {
	g := &guarded{lease(pieces...), map[*byte][]byte{}}
	g.Buffer = func(_ context.Context, n int) ([]byte, error) {
		buf := make([]byte, n)
		g.lent[&buf[0]] = buf
		return buf, nil
	}
	return g
}

// seal marks all that was not handed on, and returns a check of the marks.
func (g *guarded) seal(got []Raw) (check func(*testing.T)) {
	for _, raw := range got {
		delete(g.lent, &raw.Data[0])
	}
	for _, buf := range g.lent {
		for i := range buf {
			buf[i] = 0xee
		}
	}
	return func(t *testing.T) {
		for _, buf := range g.lent {
			if len(bytes.Trim(buf, "\xee")) > 0 {
				t.Error("memory was written to after the lease was over")
			}
		}
	}
}

func TestPiecesBreak(t *testing.T) {
	slow := swarmtest.Line{Up: 4 << 20, Delay: 20 * time.Millisecond}
	testPair(t, slow, 40*64<<10, func(t *testing.T, c *content, p *Peer) {
		for last := range 10 {
			g := guard(upTo(40)...)
			var got []Raw
			for raw, err := range p.Pieces(t.Context(), g.Lease) {
				if err != nil {
					t.Fatal(err)
				}
				if got = append(got, raw); raw.Piece == last {
					break
				}
			}
			check := g.seal(got)
			again, err := bring(t.Context(), p, lease(7, 33))
			if err != nil {
				t.Fatal(err)
			}
			c.check(t, again, []int{7, 33})
			check(t)
		}
	})
}

// TestBlockInParts has half of a block come a second before the other half. Meanwhile its
// memory is the lease's owner's to take back.
func TestBlockInParts(t *testing.T) {
	c := newContent(t, 10*64<<10, 64<<10, false)
	for _, givenUp := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			m := w.machine(near)
			w.played(m, c, c.all(), func(s *stranger) {
				for r := next[wire.Request](s); r != nil; r = next[wire.Request](s) {
					var frame bytes.Buffer
					for _, field := range []any{byte(9), uint32(13 + r.Length), r.ID, uint32(r.Offset), uint32(r.Length), byte(0)} {
						_ = binary.Write(&frame, binary.BigEndian, field)
					}
					block := c.piece(r.Piece)[r.Offset:][:r.Length]
					s.say(append(frame.Bytes(), block[:r.Length/2]...))
					time.Sleep(time.Second)
					s.say(block[r.Length/2:])
				}
			})
			_, s := w.leech(c, Options{}, m)
			p := firstPeer(t, s)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if givenUp {
				time.AfterFunc(500*time.Millisecond, cancel)
			}
			g, began := guard(4), time.Now()
			got, err := bring(ctx, p, g.Lease)
			if took := time.Since(began); givenUp != (err != nil) || givenUp && took > 500*time.Millisecond {
				t.Errorf("given up %v: %v after %v", givenUp, err, took)
			}
			check := g.seal(got)
			again, err := bring(t.Context(), p, lease(5))
			if err != nil {
				t.Error(err)
			}
			c.check(t, again, []int{5})
			check(t)
			if !givenUp {
				c.check(t, got, []int{4})
			}
		})
	}
}

func TestPiecesCancelled(t *testing.T) {
	testPair(t, near, 40*64<<10, func(t *testing.T, c *content, p *Peer) {
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		stop := errors.New("stop")
		n := 0
		for raw, err := range p.Pieces(ctx, lease(upTo(40)...)) {
			if n++; raw.Piece == 3 {
				cancel(stop)
			}
			if err != nil && !errors.Is(err, stop) || n > 5 {
				t.Fatalf("element %d: %v", n, err)
			}
		}
		if got, err := bring(ctx, p, lease(1)); !errors.Is(err, stop) || got != nil {
			t.Errorf("with a context that has ended: %v, %v", got, err)
		}
	})
}

// TestPiecesBegin wants to know that a piece is about to come long before it does.
func TestPiecesBegin(t *testing.T) {
	testPair(t, swarmtest.Line{Up: 64 << 10, Delay: time.Millisecond}, 4*64<<10, func(t *testing.T, c *content, p *Peer) {
		var told []int
		var began, came time.Duration
		l, asked := lease(1), time.Now()
		l.Received = func(n int) {
			if told = append(told, n); len(told) == 1 {
				began = time.Since(asked)
			}
			came = time.Since(asked)
		}
		got, err := bring(t.Context(), p, l)
		if err != nil {
			t.Fatal(err)
		}
		c.check(t, got, []int{1})
		if len(told) != 2 || told[0] != 0 || told[1] != 64<<10 || began > came/2 {
			t.Errorf("told of %v bytes, of the first after %v, of the last after %v", told, began, came)
		}
	})
}

// TestPiecesMemory gives memory for two pieces at a time.
func TestPiecesMemory(t *testing.T) {
	testPair(t, near, 40*64<<10, func(t *testing.T, c *content, p *Peer) {
		free := make(chan []byte, 2)
		free <- make([]byte, 64<<10)
		free <- make([]byte, 64<<10)
		l := lease(upTo(40)...)
		l.Buffer = func(ctx context.Context, n int) ([]byte, error) {
			select {
			case b := <-free:
				return b[:n], nil
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
		n := 0
		for raw, err := range p.Pieces(t.Context(), l) {
			if err != nil {
				t.Fatal(err)
			}
			c.check(t, []Raw{raw}, []int{n})
			n++
			time.Sleep(time.Millisecond) // the consumer is slow
			free <- raw.Data
		}
		if n != 40 {
			t.Errorf("got %d pieces", n)
		}
	})
}

func TestSilence(t *testing.T) {
	c := newContent(t, 10*64<<10, 64<<10, false)
	tests := map[string]func(w *world, s *stranger){
		"nothing": func(w *world, s *stranger) { <-w.t.Context().Done() },
		"chatter": func(w *world, s *stranger) {
			for s.Write(wire.Ping{}.Append(nil)) == nil && s.Flush() == nil {
				time.Sleep(time.Second)
			}
		},
	}
	limits := map[string]time.Duration{"nothing": 15 * time.Second, "chatter": time.Minute}
	for name, play := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				m := w.machine(near)
				w.played(m, c, c.all(), func(s *stranger) { play(w, s) })
				_, s := w.leech(c, Options{}, m)
				p := firstPeer(t, s)
				began := time.Now()
				_, err := bring(t.Context(), p, lease(1))
				e, ok := errors.AsType[*Error](err)
				if !ok || e.Lasting {
					t.Errorf("error %v is not a passing one", err)
				}
				if took := time.Since(began); took < limits[name] || took > limits[name]+time.Second {
					t.Errorf("it took %v to notice", took)
				}
				// What is never answered may leave no room for requests.
				for range 3 {
					began = time.Now()
					if _, err := bring(t.Context(), p, lease(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)); err == nil || time.Since(began) > limits[name] {
						t.Errorf("asked again, it took %v: %v", time.Since(began), err)
					}
				}
				p.close(errLeft, wire.ByeDone)
			})
		})
	}
}

// TestReject answers each request in some other way than with data.
func TestReject(t *testing.T) {
	c := newContent(t, 10*64<<10, 64<<10, false)
	tests := map[string]struct {
		answer func(id uint32) []byte
		want   Error
		have   uint // pieces that can be had afterwards
	}{
		"busy":     {reject(wire.RejectBusy), Error{RetryAfter: busyPause}, 10},
		"missing":  {reject(wire.RejectMissing), Error{}, 9},
		"failed":   {reject(wire.RejectFailed), Error{}, 9},
		"unshared": {reject(wire.RejectUnshared), Error{Lasting: true}, 0},
		"new":      {reject(200), Error{}, 10},
		"bye":      {func(uint32) []byte { return wire.Bye{}.Append(nil) }, Error{Lasting: true}, 10},
		"unasked":  {func(uint32) []byte { return wire.Reject{ID: 77}.Append(nil) }, Error{Lasting: true}, 10},
		"unknown":  {func(uint32) []byte { return []byte{0x99, 0, 0, 0, 0} }, Error{Lasting: true}, 10},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				m := w.machine(near)
				w.played(m, c, c.all(), func(s *stranger) {
					for r := next[wire.Request](s); r != nil; r = next[wire.Request](s) {
						s.say(tt.answer(r.ID))
					}
				})
				_, s := w.leech(c, Options{}, m)
				p := firstPeer(t, s)
				_, err := bring(t.Context(), p, lease(4))
				e, ok := errors.AsType[*Error](err)
				if !ok || e.Lasting != tt.want.Lasting || e.RetryAfter != tt.want.RetryAfter {
					t.Errorf("error %v (%+v), want %+v", err, e, tt.want)
				}
				p.Look(func(have, _ *bitset.BitSet) {
					if have.Count() != tt.have || tt.have == 9 && have.Test(4) {
						t.Errorf("%v can be had", have)
					}
				})
			})
		})
	}
}

func reject(reason wire.RejectReason) func(uint32) []byte {
	return func(id uint32) []byte { return wire.Reject{ID: id, Reason: reason}.Append(nil) }
}
