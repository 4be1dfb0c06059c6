package fetch_test

import (
	"context"
	"errors"
	"math"
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
						First: i * n / connections, End: (i + 1) * n / connections,
						Buffer:   func(_ context.Context, n int) ([]byte, error) { return buf[:n], nil },
						Received: func(n int) { got.Add(int64(n)) },
					}
					for range s.Pieces(ctx, lease) {
					}
				})
			}
			all.Wait()
			if rate := float64(got.Load()) / 10; math.Abs(rate/float64(limit)-1) > 0.03 {
				t.Errorf("%.0f bytes a second, wanted %d", rate, limit)
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

func TestNoLimit(t *testing.T) {
	if fetch.NewLimit(0) != nil || fetch.NewLimit(-1) != nil {
		t.Error("there is a limit of nothing")
	}
}
