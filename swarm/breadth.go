package swarm

import "time"

const (
	fewServed = 3 // hosts served at once, while more of them would not be sent more in all

	// trialTurns is how many turns' bytes a trial takes, within these times.
	trialTurns = 8
	trialLeast = time.Second
	trialMost  = 4 * time.Second

	trialGain   = 1.25             // of all that is sent, for which many are served at once
	trialFirst  = 10 * time.Second // before the first trial: at first it matters most that somebody has whole pieces
	trialSoon   = 15 * time.Second // after a trial that changed something
	trialSeldom = 2 * time.Minute  // after many that did not
)

// breadth decides how many hosts are served at once, when more want to be. If few
// fill the line, few it is: each has a whole piece the sooner, and can pass it on.
// Whether they fill it, shows when many are served for a while. It is plain data.
type breadth struct {
	many   bool
	since  time.Time     // more than few have wanted something; the zero Time if they do not
	sent   int64         // bytes since then
	before float64       // bytes a second before the trial that is on; 0 if none is
	next   time.Time     // the next trial is no sooner
	pause  time.Duration // before it
}

// most is how many hosts may be served at once.
func (b *breadth) most() int {
	if b.many {
		return mostServed
	}
	return fewServed
}

// enough tells that no more than few hosts want something, with which a trial ends.
func (b *breadth) enough() {
	b.since = time.Time{}
	if b.before > 0 {
		b.many, b.before = !b.many, 0
	}
}

// weigh looks at what was sent, now and then while more than few hosts want something.
func (b *breadth) weigh(now time.Time) {
	if b.since.IsZero() {
		b.since, b.sent = now, 0
		if b.next.IsZero() {
			b.next = now.Add(trialFirst)
		}
		return
	}
	took := now.Sub(b.since)
	if took < trialLeast || took < trialMost && b.sent < trialTurns*quantum {
		return
	}
	rate := float64(b.sent) / took.Seconds()
	b.since, b.sent = now, 0
	if b.before > 0 {
		b.conclude(rate, now)
	} else if rate > 0 && !now.Before(b.next) {
		b.many, b.before = !b.many, rate
	}
}

// conclude ends a trial in which so many bytes a second were sent.
func (b *breadth) conclude(rate float64, now time.Time) {
	few, many := b.before, rate
	if !b.many {
		few, many = many, few
	}
	better := many >= few*trialGain
	if better == b.many {
		b.pause = trialSoon
	} else {
		b.pause = min(max(2*b.pause, trialSoon), trialSeldom)
	}
	b.many, b.before, b.next = better, 0, now.Add(b.pause)
}
