package fetch

import "context"

const (
	poolBytes    = 24 << 20 // memory for pieces under way
	poolMost     = 48 << 20 // what it may grow to when there are many sources and large pieces
	fewestPooled = 4
	racing       = 2 // pieces beyond a window: those that two sources bring at once
)

// pool lends memory for pieces. It holds a fixed number of buffers, made on
// first use, so memory does not depend on the size of the content.
type pool struct {
	size int64
	free chan []byte // nil stands for a buffer not made yet
}

// newPool makes a pool for pieces of size bytes, to be brought by so many
// sources, where no more than window pieces are wanted at a time.
func newPool(size int64, sources, window int) *pool {
	n := max(int(poolBytes/size), min(sources+2, int(poolMost/size)))
	n = max(fewestPooled, min(n, window+racing))
	p := &pool{size: size, free: make(chan []byte, n)}
	for range n {
		p.free <- nil
	}
	return p
}

// leases is how many leases may be under way at once: each needs a buffer to
// read into, and as a rule has one that is being proven.
func (p *pool) leases() int { return max(cap(p.free)/2, min(cap(p.free)-1, 5)) }

func (p *pool) get(ctx context.Context, n int) ([]byte, error) {
	select {
	case b := <-p.free:
		if b == nil {
			b = make([]byte, p.size)
		}
		return b[:n], nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (p *pool) put(b []byte) { p.free <- b[:cap(b)] }

// borrowed keeps account of the buffers one lease holds, so that what its
// source does not hand on comes back when the lease ends. It is used by one
// goroutine, the source's.
type borrowed struct {
	pool *pool
	out  [][]byte
}

func (b *borrowed) get(ctx context.Context, n int) ([]byte, error) {
	buf, err := b.pool.get(ctx, n)
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
		b.pool.put(o)
	}
	b.out = nil
}
