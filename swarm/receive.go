package swarm

import (
	"fmt"
	"time"

	"github.com/shoal-dl/shoal/swarm/wire"
)

const (
	reportEvery = 50 * time.Millisecond // how often a lease's owner is told of bytes, between pieces
	busyPause   = time.Second           // how long to leave a peer alone that is busy
)

// takeData reads a block and puts it where it belongs. It runs in the reader's
// goroutine, which never waits for memory: there is some for all that was asked
// for.
func (p *Peer) takeData(f *wire.Data) error {
	p.coming(f.ID)
	whole, err := p.conn.AwaitBlock()
	if err != nil {
		return err
	}
	read := p.conn.ReadBlock
	if !whole {
		// Not straight into the piece: its memory may be taken back while the
		// reader waits for the rest.
		buf := p.swarm.node.blocks.get()
		defer p.swarm.node.blocks.put(buf)
		block := (*buf)[:f.Size]
		if err := p.conn.ReadBlock(block); err != nil {
			return err
		}
		read = func(dst []byte) error { copy(dst, block); return nil }
	}
	d, now := &p.down, time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.requests[f.ID]
	if r == nil || f.Offset != r.offset || f.Size > r.left {
		return breachf("read DATA: it was not asked for")
	}
	d.moved = now
	d.rate.add(f.Size, now)
	d.received += int64(f.Size)
	if r.lease != nil {
		if err := read(r.part.buf[r.offset : r.offset+f.Size]); err != nil {
			return err
		}
		r.delivered(f.Size, now)
	}
	d.settle(f.ID, r, f.Size, now)
	return p.askMore(now)
}

// coming tells the owner of a lease that the first bytes of it are about to come.
func (p *Peer) coming(id uint32) {
	d := &p.down
	d.mu.Lock()
	defer d.mu.Unlock()
	if r := d.requests[id]; r != nil && r.lease != nil && !r.lease.begun {
		r.lease.begun = true
		signal(r.lease.wake)
	}
}

// delivered notes that n bytes are in their piece, and tells the lease's owner what he
// must know.
func (r *request) delivered(n int, now time.Time) {
	l := r.lease
	r.part.got += n
	l.received += n
	switch {
	case r.part.got == len(r.part.buf):
		l.rouse()
	case now.Sub(l.reported) >= reportEvery:
		signal(l.wake)
	}
}

// takeReject ends a request, and with it the lease.
func (p *Peer) takeReject(f *wire.Reject) error {
	d, now := &p.down, time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.requests[f.ID]
	if r == nil {
		return breachf("read REJECT: it was not asked for")
	}
	d.settle(f.ID, r, r.left, now)
	if r.lease != nil {
		r.lease.fail(rejection(r.piece, f.Reason))
	}
	switch f.Reason {
	case wire.RejectMissing, wire.RejectFailed:
		p.lacks(r.piece)
	case wire.RejectUnshared:
		p.unshared()
	}
	return p.askMore(now)
}

// rejection is what the owner of a lease is told of a REJECT.
func rejection(piece int, reason wire.RejectReason) *Error {
	e := &Error{Withdrawn: reason == wire.RejectCancelled, Err: fmt.Errorf("fetch piece %d: the peer rejects it: %v", piece, reason)}
	switch reason {
	case wire.RejectBusy:
		e.RetryAfter = busyPause
	case wire.RejectUnshared:
		e.Lasting = true
	}
	return e
}

// askMore sees to it that enough is asked ahead. The caller holds down.mu.
func (p *Peer) askMore(now time.Time) error {
	d := &p.down
	if !d.hungry() {
		return nil
	}
	if d.unasked() {
		return p.say(func(frames []byte) []byte { return d.ask(frames, now) })
	}
	for _, l := range d.leases {
		if len(l.left) > 0 {
			signal(l.wake) // to bring memory
		}
	}
	return nil
}
