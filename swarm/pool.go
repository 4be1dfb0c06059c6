package swarm

import "sync"

// pool lends buffers of one size.
type pool struct {
	size int
	free sync.Pool // of *[]byte
}

func (p *pool) get() *[]byte {
	if b, ok := p.free.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, p.size)
	return &b
}

func (p *pool) put(b *[]byte) { p.free.Put(b) }
