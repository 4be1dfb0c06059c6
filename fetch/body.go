package fetch

import (
	"context"
	"errors"
	"io"
	"time"

	"golang.org/x/time/rate"
)

// watch is a context that ends when a server is silent for too long. It counts
// only between wait and rest, while it is the server's turn.
type watch struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	limit  time.Duration
}

// watch starts to wait. It must be stopped.
func (c *Client) watch(ctx context.Context) *watch {
	w := &watch{limit: c.options.Timeout}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.timer = time.AfterFunc(w.limit, func() {
		w.cancel(faultf(FaultPassing, "no byte for %v", w.limit))
	})
	return w
}

func (w *watch) wait() { w.timer.Reset(w.limit) }
func (w *watch) rest() { w.timer.Stop() }

func (w *watch) stop() {
	w.timer.Stop()
	w.cancel(nil)
}

// fault tells why a request failed under the watch: a *Fault, or the context's
// error when it was the caller who ended it.
func (w *watch) fault(err error) error {
	if f := AsFault(context.Cause(w.ctx)); f != nil {
		return f
	}
	if w.ctx.Err() != nil {
		return w.ctx.Err()
	}
	return networkFault(err)
}

// cut tells, like fault, why a body ended after done of want bytes; want is
// negative when that is not known.
func (w *watch) cut(err error, done, want int64) error {
	switch ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF); {
	case ended && want < 0:
		return faultf(FaultPassing, "body broke off after %d bytes", done)
	case ended:
		return faultf(FaultPassing, "body ended after %d of %d bytes", done, want)
	}
	return w.fault(err)
}

// body reads that of a reply, watched and at no more than the limited rate.
type body struct {
	source   io.ReadCloser
	watch    *watch
	limit    *rate.Limiter
	credit   int         // bytes paid for and not read yet
	received func(n int) // nil while nobody wants to know
}

func (c *Client) body(source io.ReadCloser, w *watch) *body {
	return &body{source: source, watch: w, limit: c.options.Limit}
}

// Read implements io.Reader: one read from the network.
func (b *body) Read(p []byte) (int, error) {
	// The transport notices the end of a context a little later.
	if err := b.watch.ctx.Err(); err != nil {
		return 0, err
	}
	limited := limits(b.limit) && len(p) > 0
	if limited {
		if b.credit <= 0 {
			n, err := pay(b.watch.ctx, b.limit, min(len(p), quantum))
			if err != nil {
				return 0, err
			}
			b.credit = n
		}
		p = p[:min(len(p), b.credit)]
	}
	b.watch.wait()
	n, err := b.source.Read(p)
	b.watch.rest()
	if limited {
		b.credit -= n
	}
	if n > 0 && b.received != nil {
		b.received(n)
	}
	return n, err
}

// close gives up what has not been read, and the connection with it.
func (b *body) close() { _ = b.source.Close() }
