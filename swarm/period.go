package swarm

import (
	"context"
	"math"
	"time"
)

// Period is how long a complete content is served. The first of its limits to
// be reached ends it.
type Period struct {
	Time  time.Duration // from its beginning; negative means no limit
	Idle  time.Duration // without anybody asking; 0 means no limit
	Ratio float64       // bytes sent by those of the content; 0 means no limit
}

// look is how often the limits are looked at.
const look = 250 * time.Millisecond

// Serve waits until the period is over, sharing has come to its end, or ctx
// ends, or the swarm is left. It calls tell at once and then every second with
// when the period ends at the latest, the zero time if that is never, and what
// goes on. What the period is may change at any time.
func (s *Swarm) Serve(ctx context.Context, period func() Period, tell func(until time.Time, st Stats)) {
	if period().Time == 0 || !s.serves {
		return
	}
	begun := time.Now()
	clock := time.NewTicker(look)
	defer clock.Stop()
	for told := (time.Time{}); ; {
		p, st, now := period(), s.Stats(), time.Now()
		s.enough.Store(p.bytes(s.manifest.Size()))
		if now.Sub(told) >= time.Second {
			told = now
			tell(p.until(begun), st)
		}
		if s.over(p, begun, now, st) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-s.leaving:
			return
		case <-clock.C:
		case <-s.sated:
		}
	}
}

// bytes is how many may be sent of content of that size; 0 means any number.
func (p Period) bytes(size int64) int64 { return int64(math.Ceil(p.Ratio * float64(size))) }

// until is when a period ends at the latest; the zero time if that is never.
func (p Period) until(begun time.Time) time.Time {
	if p.Time < 0 {
		return time.Time{}
	}
	return begun.Add(p.Time)
}

// over tells whether a limit is reached.
func (s *Swarm) over(p Period, begun, now time.Time, st Stats) bool {
	idle := now.Sub(begun)
	if st.LastAsked.After(begun) {
		idle = now.Sub(st.LastAsked)
	}
	most := p.bytes(s.manifest.Size())
	return p.Time >= 0 && now.Sub(begun) >= p.Time ||
		p.Idle > 0 && idle >= p.Idle ||
		most > 0 && st.Uploaded >= most ||
		s.unshared()
}

// Uploaded is how many bytes of blocks were sent to peers, as they travelled.
func (s *Swarm) Uploaded() int64 { return s.uploaded.Load() }
