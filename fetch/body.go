package fetch

import (
	"context"
	"errors"
	"io"
	"time"

	"golang.org/x/time/rate"
)

// quantum is how many bytes are paid for at a time under a rate limit.
const quantum = 64 << 10

// NewLimit makes a limiter for [ClientOptions] with a burst of about 50 ms. It
// starts empty, so that the first second is no exception. It returns nil, no
// limit, unless bytesPerSecond is positive.
func NewLimit(bytesPerSecond int64) *rate.Limiter {
	if bytesPerSecond <= 0 {
		return nil
	}
	burst := int(max(bytesPerSecond/20, 4<<10))
	l := rate.NewLimiter(rate.Limit(bytesPerSecond), burst)
	l.AllowN(time.Now(), burst)
	return l
}

// pay waits until the limiter grants n bytes, at most its burst. Unlike
// [rate.Limiter.WaitN] it does not fail before ctx ends.
func pay(ctx context.Context, l *rate.Limiter, n int) error {
	r := l.ReserveN(time.Now(), n)
	delay := r.Delay()
	if delay == 0 {
		return nil
	}
	t := time.NewTimer(delay)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		r.Cancel()
		return ctx.Err()
	}
}

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
	if b.limit != nil && len(p) > 0 {
		if b.credit == 0 {
			n := min(len(p), b.limit.Burst(), quantum)
			if err := pay(b.watch.ctx, b.limit, n); err != nil {
				return 0, err
			}
			b.credit = n
		}
		p = p[:min(len(p), b.credit)]
	}
	b.watch.wait()
	n, err := b.source.Read(p)
	b.watch.rest()
	if b.limit != nil {
		b.credit -= n
	}
	if n > 0 && b.received != nil {
		b.received(n)
	}
	return n, err
}

// close gives up what has not been read, and the connection with it.
func (b *body) close() { _ = b.source.Close() }
