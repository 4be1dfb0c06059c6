package yield

import (
	"fmt"
	"testing"
	"time"
)

var lines = []struct {
	rate float64 // bytes a second
	trip time.Duration
}{
	{60e3, 20 * time.Millisecond},
	{125e3, 80 * time.Millisecond},
	{625e3, 20 * time.Millisecond},
	{2.5e6, 5 * time.Millisecond},
	{2.5e6, 20 * time.Millisecond},
	{2.5e6, 200 * time.Millisecond},
	{12.5e6, 20 * time.Millisecond},
	{12.5e6, 80 * time.Millisecond},
	{125e6, 10 * time.Millisecond},
}

// TestAlone wants a line that nobody else uses to be used, without a queue that
// anybody who comes would notice.
func TestAlone(t *testing.T) {
	for _, tt := range lines {
		for _, jitter := range []time.Duration{0, 10 * time.Millisecond} {
			t.Run(fmt.Sprint(tt.rate*8/1e6, "Mbit/s,", tt.trip, ",", jitter), func(t *testing.T) {
				l := newLine(tt.rate, tt.trip)
				l.jitter = jitter
				l.run(10*time.Second, nil)
				l.run(time.Minute, nil)
				used, wait := l.ours/60/tt.rate, l.wait(time.Minute)
				t.Logf("used %.1f %%, queue %v", 100*used, wait)
				if used < 0.9 {
					t.Errorf("used %.1f %%", 100*used)
				}
				if wait > 20*time.Millisecond {
					t.Errorf("queue of %v", wait)
				}
			})
		}
	}
}

// TestRival wants a TCP flow to get what it would without us, whoever was first,
// and the line to be used again soon after it has ended.
func TestRival(t *testing.T) {
	for _, tt := range lines {
		t.Run(fmt.Sprint(tt.rate*8/1e6, "Mbit/s,", tt.trip), func(t *testing.T) {
			l := newLine(tt.rate, tt.trip)
			l.run(10*time.Second, nil)
			l.rival = &rival{window: 14480}
			l.run(10*time.Second, nil)
			l.run(20*time.Second, nil)
			theirs := l.theirs / 20 / tt.rate
			l.run(20*time.Minute, nil)
			late := l.theirs / 1200 / tt.rate
			l.rival = nil
			l.run(12*time.Second, nil)
			l.run(10*time.Second, nil)
			after := l.ours / 10 / tt.rate
			t.Logf("%.1f %%, in the long run %.1f %%; afterwards we use %.1f %%", 100*theirs, 100*late, 100*after)
			least := 1 - max(0.1, 1.5*Least/tt.rate)
			if theirs < least || late < least {
				t.Errorf("the rival got %.1f %% and %.1f %%", 100*theirs, 100*late)
			}
			if after < 0.85 {
				t.Errorf("used %.1f %% afterwards", 100*after)
			}
		})
	}
}
