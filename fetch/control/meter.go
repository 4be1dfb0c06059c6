package control

import (
	"context"
	"iter"
	"math"
	"sync"
	"time"

	"github.com/shoal-dl/shoal/fetch"
)

// span is how far back a meter looks.
const span = 2 * time.Second

// meter counts bytes and knows how many a second came lately: each byte counts
// the less the longer ago it came.
type meter struct {
	mu    sync.Mutex
	total int64
	sum   float64   // bytes, as they count now
	since time.Time // of the first byte
	last  time.Time // sum is of then
}

func (m *meter) add(n int, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.since.IsZero() {
		m.since = now
	}
	m.fade(now)
	m.sum += float64(n)
	m.total += int64(n)
}

func (m *meter) fade(now time.Time) {
	m.sum *= math.Exp(-float64(now.Sub(m.last)) / float64(span))
	m.last = now
}

// read returns bytes a second, and bytes in all.
func (m *meter) read(now time.Time) (perSecond float64, total int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.since.IsZero() {
		return 0, 0
	}
	m.fade(now)
	// What lies before the first byte is no silence.
	weight := 1 - math.Exp(-float64(max(now.Sub(m.since), time.Millisecond))/float64(span))
	return math.Round(m.sum / (span.Seconds() * weight)), m.total
}

// counted is a source whose bytes are counted.
type counted struct {
	fetch.Source
	meter meter
}

// Pieces implements [fetch.Source].
func (c *counted) Pieces(ctx context.Context, l fetch.Lease) iter.Seq2[fetch.Raw, error] {
	received := l.Received
	l.Received = func(n int) {
		c.meter.add(n, time.Now())
		received(n)
	}
	return c.Source.Pieces(ctx, l)
}

// Changed tells, as that of a [fetch.Mirror], that what it has was exchanged.
func (c *counted) Changed() string {
	if s, ok := c.Source.(interface{ Changed() string }); ok {
		return s.Changed()
	}
	return ""
}
