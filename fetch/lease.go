package fetch

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// lease is a Lease under way, with the goroutine that brings it.
type lease struct {
	claim    *claim
	source   *sourceState
	cancel   context.CancelCauseFunc
	began    time.Time
	received atomic.Int64 // bytes; written by the source
	latency  atomic.Int64 // nanoseconds until the answer began, 0 if it has not; likewise
}

// heard is told of n more bytes by the source, or of none when they are about to come.
func (l *lease) heard(n int) {
	if l.latency.Load() == 0 {
		l.latency.Store(max(int64(time.Since(l.began)), 1))
	}
	l.received.Add(int64(n))
}

// answered is after how long the source began to answer, 0 if it has not.
func (l *lease) answered() time.Duration { return time.Duration(l.latency.Load()) }

// event is what a lease's goroutines tell the loop: a piece was stored, or was
// wrong, or could not be stored; or, with ended, the lease is over.
type event struct {
	lease *lease
	piece int
	ended bool
	err   error
}

func (r *running) start(s *sourceState, c *claim) {
	ctx, cancel := context.WithCancelCause(r.ctx)
	l := &lease{claim: c, source: s, cancel: cancel, began: time.Now()}
	r.leases = append(r.leases, l)
	r.tell(c)
	go r.bring(ctx, l, slices.Clone(c.rest))
}

// bring runs in the lease's own goroutine: it reads what the source yields,
// while a second one proves and stores the piece before.
func (r *running) bring(ctx context.Context, l *lease, pieces []int) {
	defer l.cancel(nil)
	mine := borrowed{pool: r.pool, peer: l.source.Kind() != KindMirror}
	work := Lease{
		Pieces: pieces,
		Buffer: mine.get,
		Received: func(n int) {
			l.heard(n)
			r.Gauges.Received.Add(int64(n))
		},
	}
	raws := make(chan Raw)
	var prover sync.WaitGroup
	prover.Go(func() {
		for raw := range raws {
			err := r.keep(raw)
			r.pool.put(raw.Data, mine.peer)
			r.events <- event{lease: l, piece: raw.Piece, err: err}
		}
	})
	missing, fault := len(work.Pieces), error(nil)
	for raw, err := range l.source.Pieces(ctx, work) {
		if err != nil {
			fault = err
			break
		}
		if r.await(ctx, raw.Piece) != nil {
			break
		}
		mine.handOn(raw.Data)
		raws <- raw
		missing--
	}
	mine.release()
	close(raws)
	prover.Wait()
	r.events <- event{lease: l, ended: true, err: verdict(ctx, fault, missing)}
}

// verdict makes a *Fault of how a lease ended, or nil when its source is not to
// blame. No source may end its lease early and be asked again at once for ever.
func verdict(ctx context.Context, err error, missing int) error {
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil && AsFault(err) == nil:
		return &Fault{Kind: FaultLasting, Err: err}
	case err == nil && missing > 0:
		return faultf(FaultPassing, "ended %d pieces early", missing)
	}
	return err
}

// await holds a source back that is ahead of what the store can take.
func (r *running) await(ctx context.Context, piece int) error {
	if w, ok := r.Store.(Windowed); ok {
		return w.Await(ctx, piece)
	}
	return nil
}

func (r *running) keep(raw Raw) error {
	p, err := r.Manifest.Prove(raw.Piece, raw.Data)
	if err != nil {
		return err
	}
	return r.Store.Put(p)
}
