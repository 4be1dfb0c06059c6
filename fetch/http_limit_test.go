package fetch_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-dl/shoal/fetch"
)

// TestLimit runs several connections at a limit for ten seconds.
func TestLimit(t *testing.T) {
	const connections = 4
	for _, limit := range []int64{20 << 10, 300_000, 4 << 20} {
		m, content := oneFile(t, int(11*limit))
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			o := fetch.ClientOptions{Limit: fetch.NewLimit(limit)}
			s := memoryMirror(t, m, serveContent(m, content), o)
			var got atomic.Int64
			var all sync.WaitGroup
			for i := range connections {
				all.Go(func() {
					buf := make([]byte, piece)
					n := m.NumPieces()
					lease := fetch.Lease{
						Pieces:   fetch.Run(i*n/connections, (i+1)*n/connections),
						Buffer:   func(_ context.Context, n int) ([]byte, error) { return buf[:n], nil },
						Received: func(n int) { got.Add(int64(n)) },
					}
					for range s.Pieces(ctx, lease) {
					}
				})
			}
			all.Wait()
			if n := got.Load(); n > 10*limit || n < 97*limit/10 {
				t.Errorf("%d bytes a second, wanted %d", n/10, limit)
			}
		})
	}
}

// TestLimitAndDeadline reads what there is time for: the limiter must not fail
// before the deadline because a wait would go beyond it.
func TestLimitAndDeadline(t *testing.T) {
	m, content := oneFile(t, 2*piece)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 9500*time.Millisecond)
		defer cancel()
		s := memoryMirror(t, m, serveContent(m, content), fetch.ClientOptions{Limit: fetch.NewLimit(4 << 10)})
		began := time.Now()
		_, err := bring(ctx, s, m, 0, 2)
		if !errors.Is(err, context.DeadlineExceeded) || fetch.AsFault(err) != nil || time.Since(began) != 9500*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// TestLimitChanges runs unlimited, then at a limit, then at a lower one.
func TestLimitChanges(t *testing.T) {
	m, content := oneFile(t, 64*piece)
	synctest.Test(t, func(t *testing.T) {
		limit := fetch.NewLimit(0)
		s := memoryMirror(t, m, serveContent(m, content), fetch.ClientOptions{Limit: limit})
		for _, step := range []struct{ bytesPerSecond, pieces int64 }{{0, 8}, {64 << 10, 8}, {1 << 10, 1}, {-1, 8}} {
			fetch.SetLimit(limit, step.bytesPerSecond)
			began := time.Now()
			if _, err := bring(t.Context(), s, m, 0, int(step.pieces)); err != nil {
				t.Fatal(err)
			}
			want := 0.0
			if step.bytesPerSecond > 0 {
				want = float64(step.pieces*piece) / float64(step.bytesPerSecond)
			}
			if took := time.Since(began).Seconds(); took < 0.95*want-1 || took > 1.05*want+1 {
				t.Errorf("%d pieces at %d bytes a second took %.1f s, want %.1f", step.pieces, step.bytesPerSecond, took, want)
			}
		}
	})
}
