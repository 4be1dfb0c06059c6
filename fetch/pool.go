package fetch

import (
	"context"
	"sync"
)

const (
	poolBytes    = 24 << 20 // memory for pieces under way
	poolMost     = 48 << 20 // what it may grow to when there are many sources and large pieces
	fewestPooled = 4
	racing       = 2 // pieces beyond a window: those that two sources bring at once
	crowdSources = 8 // as how many sources a crowd counts
	forMirrors   = 2 // buffers that peers leave to mirrors: one to read into, and one that is being proven
)

// pool lends memory for pieces. It holds a fixed number of buffers, made on
// first use, so memory does not depend on the size of the content. The one that
// came back last is lent first, so that as few are made, and stay in the
// processor's cache, as are in use at once.
type pool struct {
	size   int64
	free   chan struct{} // one for each buffer that may be lent
	shared chan struct{} // one for each of those that peers may have; nil for all

	mu   sync.Mutex
	made [][]byte // those of them that have been made
}

// newPool makes a pool for pieces of size bytes, to be brought by so many
// sources, where no more than window pieces are wanted at a time.
func newPool(size int64, sources, window int) *pool {
	n := max(int(poolBytes/size), min(sources+2, int(poolMost/size)))
	n = max(fewestPooled, min(n, window+racing))
	p := &pool{size: size, free: make(chan struct{}, n)}
	for range n {
		p.free <- struct{}{}
	}
	return p
}

// keep has peers leave some buffers to mirrors. A slow peer takes long for a large piece,
// and many of them would have all the memory.
func (p *pool) keep(buffers int) {
	p.shared = make(chan struct{}, cap(p.free)-buffers)
	for range cap(p.shared) {
		p.shared <- struct{}{}
	}
}

// leases is how many leases may be under way at once: each needs a buffer to
// read into, and as a rule has one that is being proven.
func (p *pool) leases() int { return max(cap(p.free)/2, min(cap(p.free)-1, 5)) }

// get lends n bytes, to a peer or a mirror.
func (p *pool) get(ctx context.Context, n int, peer bool) ([]byte, error) {
	if peer && p.shared != nil {
		select {
		case <-p.shared:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	select {
	case <-p.free:
		return p.take()[:n], nil
	case <-ctx.Done():
		p.giveBack(peer)
		return nil, context.Cause(ctx)
	}
}

// giveBack lets another peer have what one had.
func (p *pool) giveBack(peer bool) {
	if peer && p.shared != nil {
		p.shared <- struct{}{}
	}
}

func (p *pool) take() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.made) - 1
	if last < 0 {
		return make([]byte, p.size)
	}
	b := p.made[last]
	p.made = p.made[:last]
	return b
}

func (p *pool) put(b []byte, peer bool) {
	p.mu.Lock()
	p.made = append(p.made, b[:cap(b)])
	p.mu.Unlock()
	p.free <- struct{}{}
	p.giveBack(peer)
}

// borrowed keeps account of the buffers one lease holds, so that what its
// source does not hand on comes back when the lease ends. It is used by one
// goroutine, the source's.
type borrowed struct {
	pool *pool
	peer bool // whether it is a peer's
	out  [][]byte
}

func (b *borrowed) get(ctx context.Context, n int) ([]byte, error) {
	buf, err := b.pool.get(ctx, n, b.peer)
	if err == nil {
		b.out = append(b.out, buf)
	}
	return buf, err
}

// handOn tells that the source gave data to the caller, who is to put it back.
func (b *borrowed) handOn(data []byte) {
	for i, o := range b.out {
		if len(o) > 0 && len(data) > 0 && &o[0] == &data[0] {
			b.out = append(b.out[:i], b.out[i+1:]...)
			return
		}
	}
}

func (b *borrowed) release() {
	for _, o := range b.out {
		b.pool.put(o, b.peer)
	}
	b.out = nil
}
