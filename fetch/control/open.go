package control

import (
	"context"
	"fmt"
)

// Open makes a Desk at which the user's other processes are answered, and metrics
// are served if there is a place for them, until it is closed or ctx ends. Its
// error is about that place; the desk does without a socket.
func Open(ctx context.Context, o Options) (*Desk, error) {
	d := newDesk(o)
	ctx, d.shut = context.WithCancel(ctx)
	if o.Metrics != "" {
		l, err := listenMetrics(ctx, o.Metrics)
		if err != nil {
			d.shut()
			return nil, fmt.Errorf("serve metrics: %w", err)
		}
		o.Verbose("metrics are at http://%v/metrics", l.Addr())
		d.answering.Go(func() { d.serveMetrics(ctx, l) })
	}
	// Now, so that whoever has heard anything of this process can find it.
	s, err := serve(ctx, native(), o.Folders, d)
	if err != nil {
		o.Verbose("shoal status will not show this: %v", err)
		return d, nil
	}
	d.answering.Go(func() {
		<-ctx.Done()
		if err := s.close(); err != nil {
			o.Verbose("close the socket of shoal status: %v", err)
		}
	})
	return d, nil
}

// Close ends what Open has begun.
func (d *Desk) Close() {
	d.shut()
	d.answering.Wait()
}
