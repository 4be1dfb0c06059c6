package fetch

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

// quantum is how many bytes are paid for at a time under a rate limit.
const quantum = 64 << 10

// NewLimit makes a limiter for [ClientOptions] with a burst of about 50 ms. It
// starts empty, so that the first second is no exception. There is no limit
// unless bytesPerSecond is positive, but one can be set later.
func NewLimit(bytesPerSecond int64) *rate.Limiter {
	l := rate.NewLimiter(rate.Inf, leastBurst)
	SetLimit(l, bytesPerSecond)
	return l
}

// leastBurst is the least burst of a limiter, in bytes.
const leastBurst = 4 << 10

// SetLimit changes a limiter made by [NewLimit]; all who use it obey from now on.
func SetLimit(l *rate.Limiter, bytesPerSecond int64) {
	if bytesPerSecond <= 0 {
		l.SetLimit(rate.Inf)
		return
	}
	burst := int(max(bytesPerSecond/20, leastBurst))
	l.SetBurst(burst)
	l.SetLimit(rate.Limit(bytesPerSecond))
	now := time.Now()
	l.AllowN(now, int(l.TokensAt(now)))
}

// limits tells whether there is a limit now.
func limits(l *rate.Limiter) bool { return l != nil && l.Limit() != rate.Inf }

// pay waits until the limiter grants n bytes, or fewer if its burst is less, and
// returns how many. Unlike [rate.Limiter.WaitN] it does not fail before ctx ends.
func pay(ctx context.Context, l *rate.Limiter, n int) (int, error) {
	n = min(n, l.Burst())
	r := l.ReserveN(time.Now(), n)
	for !r.OK() { // the limit was lowered in between
		n = min(n, l.Burst())
		r = l.ReserveN(time.Now(), n)
	}
	delay := r.Delay()
	if delay == 0 {
		return n, nil
	}
	t := time.NewTimer(delay)
	defer t.Stop()
	select {
	case <-t.C:
		return n, nil
	case <-ctx.Done():
		r.Cancel()
		return 0, ctx.Err()
	}
}
