package swarm

import (
	"context"
	"sync"
)

// running is something that runs until it is closed.
type running struct {
	stop context.CancelFunc
	wait sync.WaitGroup
}

func (r *running) start(ctx context.Context, run func(ctx context.Context)) {
	ctx, r.stop = context.WithCancel(ctx)
	r.wait.Go(func() { run(ctx) })
}

func (r *running) close() {
	r.stop()
	r.wait.Wait()
}

// Open is New and Run: the node runs until it is closed or ctx ends.
func Open(ctx context.Context, o Options) (*Node, error) {
	n, err := New(o)
	if err != nil {
		return nil, err
	}
	if port := n.Port(); port != 0 {
		n.options.Verbose("listening at port %d", port)
	}
	n.running.start(ctx, func(ctx context.Context) { _ = n.Run(ctx) }) // it says why ctx ended
	return n, nil
}

// Close ends what Open has begun, and gives back to the month what was taken from
// it in advance.
func (n *Node) Close() {
	n.running.close()
	n.options.Quota.Close()
}

// OpenBackground is NewBackground and Run: it looks at the line until it is closed
// or ctx ends.
func OpenBackground(ctx context.Context, lan bool) *Background {
	b := NewBackground(lan)
	b.running.start(ctx, b.Run)
	return b
}

// Close ends what OpenBackground has begun. What was wrapped stays as it is.
func (b *Background) Close() { b.running.close() }
