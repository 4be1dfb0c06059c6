package swarm

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/shoal-dl/shoal/swarm/wire"
)

// Lease is the pieces that a peer is to bring.
type Lease struct {
	Pieces []int // in the order in which they are wanted

	// Buffer returns memory for one piece of n bytes, waiting until there is
	// some. It fails only when ctx ends.
	Buffer func(ctx context.Context, n int) ([]byte, error)

	// Received is told of n more bytes of the lease, and of none when the first are
	// about to come. It must not block.
	Received func(n int)
}

// Raw is one piece as a peer sent it, not yet proven.
type Raw struct {
	Piece int    // index in the manifest
	Data  []byte // exactly as long as the piece
}

// Error is why a peer did not bring what it was asked for.
type Error struct {
	Lasting    bool          // it will not do better another time
	Withdrawn  bool          // it has agreed not to: see Withdraw
	RetryAfter time.Duration // how long to leave it alone; 0 if that is not known
	Err        error         // in words for the user
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Pieces brings the pieces of the lease in their order, yielding each one,
// unverified, as soon as it and those before it are whole. What it yields belongs
// to the caller; all else that Buffer gave is not used any more when it returns.
// Breaking out of the loop or ending ctx gives up the rest of the lease.
//
// A failure is yielded once, as the last element: an *Error, or the cause with
// which ctx ended. Several leases may run at once; they are asked for in the
// order of their beginning.
func (p *Peer) Pieces(ctx context.Context, l Lease) iter.Seq2[Raw, error] {
	return func(yield func(Raw, error) bool) {
		b := p.begin(l.Pieces)
		defer p.drop(b)
		alarm := time.NewTimer(0)
		defer alarm.Stop()
		for range l.Pieces {
			raw, err := p.nextPiece(ctx, b, l, alarm)
			if err != nil {
				yield(Raw{}, err)
				return
			}
			if !yield(raw, nil) {
				return
			}
		}
	}
}

// begin enters a lease.
func (p *Peer) begin(pieces []int) *bringing {
	d := &p.down
	d.mu.Lock()
	defer d.mu.Unlock()
	b := &bringing{left: pieces, wake: make(chan struct{}, 1), err: d.err}
	d.leases = append(d.leases, b)
	return b
}

// drop ends a lease, and cancels what is still to come of it.
func (p *Peer) drop(b *bringing) {
	d := &p.down
	d.mu.Lock()
	defer d.mu.Unlock()
	d.leases = slices.DeleteFunc(d.leases, func(o *bringing) bool { return o == b })
	if d.err != nil {
		return
	}
	err := p.say(func(frames []byte) []byte {
		for id, r := range d.requests {
			if r.lease == b {
				r.lease, r.part = nil, nil
				frames = wire.Cancel{ID: id}.Append(frames)
			}
		}
		return frames
	})
	if err == nil {
		err = p.askMore(time.Now())
	}
	if err != nil {
		p.close(err, byeFor(err))
	}
}

// Withdraw asks the peer not to bring a piece, if it has not begun to. The lease of the
// piece fails if the peer agrees, and else goes on. It tells whether there is one: it may
// be about to begin.
func (p *Peer) Withdraw(piece int) bool {
	d := &p.down
	d.mu.Lock()
	defer d.mu.Unlock()
	l, asked := d.leaseOf(piece)
	switch {
	case l == nil:
		return false
	case !asked:
		l.fail(&Error{Withdrawn: true, Err: fmt.Errorf("fetch piece %d: not asked for yet", piece)})
	default:
		if err := p.say(wire.Withdraw{Piece: piece}.Append); err != nil {
			p.close(err, byeFor(err))
		}
	}
	return true
}

// nextPiece waits until the next piece of the lease is whole. Meanwhile it brings
// memory for the ones that follow.
func (p *Peer) nextPiece(ctx context.Context, b *bringing, l Lease, alarm *time.Timer) (Raw, error) {
	for {
		if ctx.Err() != nil {
			return Raw{}, context.Cause(ctx)
		}
		s := p.step(ctx, b)
		if s.received > 0 || s.begun {
			l.Received(s.received)
		}
		switch {
		case s.whole != nil:
			return Raw{s.whole.piece, s.whole.buf}, nil
		case s.err != nil:
			return Raw{}, s.err
		case s.memory != nil:
			if err := p.bringMemory(s.memory, b, l); err != nil {
				return Raw{}, err
			}
		default:
			alarm.Reset(s.wait)
			select {
			case <-b.wake:
			case <-alarm.C:
			case <-ctx.Done():
			}
		}
	}
}

// step is what the owner of a lease is to do next.
type step struct {
	begun    bool            // tell that the first bytes are about to come
	received int             // tell of so many bytes
	whole    *part           // and hand this on,
	err      error           // or fail,
	memory   context.Context // or get memory for a piece, until this ends,
	wait     time.Duration   // or wait, so long at most
}

func (p *Peer) step(ctx context.Context, b *bringing) step {
	d, now := &p.down, time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	s := step{begun: b.begun && !b.told, received: b.received}
	b.told = b.begun
	b.received, b.reported = 0, now
	if len(b.parts) > 0 && b.parts[0].got == len(b.parts[0].buf) {
		s.whole = b.parts[0]
		b.parts = b.parts[1:]
		return s
	}
	if s.err = b.err; s.err != nil {
		return s
	}
	if len(b.left) > 0 && !d.unasked() && d.hungry() {
		s.memory, b.interrupt = context.WithCancel(ctx)
		return s
	}
	s.wait, s.err = p.silence(b, now)
	return s
}

// silence tells how long to wait for the peer at most before it must be looked at
// again, or that it has been silent for too long. It owes an answer to what was
// cancelled, too: the lease may wait for no more than that.
func (p *Peer) silence(b *bringing, now time.Time) (time.Duration, error) {
	limit := p.swarm.node.options.Timeout
	if p.down.ahead == 0 {
		return limit, nil
	}
	// Bytes of a block that is not whole yet are a sign of life, but not for
	// ever, as other frames are too.
	none := now.Sub(p.down.moved)
	least := min(none, p.stream.quiet())
	if least >= limit || none >= 4*limit {
		return 0, &Error{Err: fmt.Errorf("fetch piece %d: no byte for %v", b.next(), limit)}
	}
	return min(limit-least, 4*limit-none), nil
}

// next is the piece that is to be handed on next; there is one.
func (b *bringing) next() int {
	if len(b.parts) > 0 {
		return b.parts[0].piece
	}
	return b.left[0]
}

// bringMemory gets memory for the next piece of the lease and asks for it. It
// waits no longer than until there is a whole piece to hand on.
func (p *Peer) bringMemory(ctx context.Context, b *bringing, l Lease) error {
	piece := b.left[0] // the owner's, who we are
	buf, err := l.Buffer(ctx, p.swarm.manifest.Span(piece).Size)
	d := &p.down
	d.mu.Lock()
	defer d.mu.Unlock()
	b.interrupt()
	b.interrupt = nil
	if err != nil {
		if ctx.Err() == nil {
			return fmt.Errorf("fetch piece %d: %w", piece, err)
		}
		return nil // the caller finds out what has ended
	}
	b.left = b.left[1:]
	b.parts = append(b.parts, &part{piece: piece, buf: buf})
	return p.askMore(time.Now())
}
