package fetch

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestWhoIsCalledOffPaysNothing: the others do not wait for what he did not read.
func TestWhoIsCalledOffPaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimit(20 * leastBurst)
		over, cancel := context.WithCancel(t.Context())
		cancel()
		for range 10 {
			if _, err := pay(over, l, leastBurst); err == nil {
				t.Fatal("paid after the end")
			}
		}
		start := time.Now()
		if _, err := pay(t.Context(), l, leastBurst); err != nil || time.Since(start) > time.Second/10 {
			t.Errorf("%v after %v, wanted a burst after 50 ms", err, time.Since(start))
		}
	})
}
