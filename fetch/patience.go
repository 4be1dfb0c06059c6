package fetch

import (
	"fmt"
	"time"
)

// Waits between the tries of one source: doubling, with jitter, as in
// "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).
const (
	firstWait   = 250 * time.Millisecond // of a source that never brought anything
	provenWait  = 500 * time.Millisecond
	longestWait = 30 * time.Second
	// longestObeyed is how far a Retry-After may reach when there is no
	// deadline that says so.
	longestObeyed = 5 * time.Minute
)

// patience is how often a source has failed in a row, and when to ask it again.
type patience struct {
	tries     int           // in a row without any progress
	notBefore time.Duration // time since the job's start
}

// wait sets the time of the next try. jitter is in [0,1).
func (p *patience) wait(now, first time.Duration, jitter float64) {
	d := min(first<<min(p.tries-1, 10), longestWait)
	p.notBefore = now + time.Duration(float64(d)*(0.5+jitter/2))
}

// fault judges a party after one of its claims failed and was closed, and tells
// whether it is dropped. deadline is 0 when there is none; jitter is in [0,1).
func (l *ledger) fault(p *party, f *Fault, now, deadline time.Duration, retries int, jitter float64) (dropped bool) {
	if p.gone {
		return false
	}
	switch f.Kind {
	case FaultLasting:
		p.gone = true
	case FaultNoRange:
		if p.noRange {
			p.retry(now, retries, jitter)
		}
		p.noRange = true
	case FaultBusy:
		if f.RetryAfter == 0 && !p.proven && refusesStrangers(f) {
			p.gone = true // no time will change its mind
			break
		}
		if p.host.refused(now) {
			if f.RetryAfter > 0 && f.exceeds(now, deadline) {
				return false // those that work are worth keeping
			}
			break
		}
		p.retry(now, retries, jitter)
	case FaultPassing, FaultWithdrawn: // for which we did not ask
		p.retry(now, retries, jitter)
	}
	if f.RetryAfter > 0 && !p.gone {
		p.obey(f, now, deadline)
	}
	return p.gone
}

// surplus tells whether a claim that was closed failed because its connection was one
// more than the server takes, as far as can be told: it was on trial, and brought
// nothing while another one of the same mirror works. That is no try.
func (l *ledger) surplus(c *claim, f *Fault, now time.Duration) bool {
	return f.Kind == FaultPassing && c.received == 0 && c.by.proven && c.by.open > 0 && c.by.host.surplus(now)
}

// retry counts a try and sets the time of the next one, or drops the party.
// Connections that fail together are one try.
func (p *party) retry(now time.Duration, retries int, jitter float64) {
	if now < p.notBefore {
		return
	}
	if p.tries++; p.tries > retries {
		p.gone = true
		return
	}
	first := firstWait
	if p.proven {
		first = provenWait
	}
	p.wait(now, first, jitter)
}

// obey keeps a Retry-After that fits the deadline; else the source is of no
// more use.
func (p *party) obey(f *Fault, now, deadline time.Duration) {
	if f.exceeds(now, deadline) {
		p.gone = true
		f.Err = fmt.Errorf("%w, and asks to wait for %v", f.Err, f.RetryAfter)
		return
	}
	p.notBefore = max(p.notBefore, now+f.RetryAfter)
}

// exceeds tells whether a Retry-After is longer than there is time.
func (f *Fault) exceeds(now, deadline time.Duration) bool {
	if deadline == 0 {
		deadline = now + longestObeyed
	}
	return now+f.RetryAfter >= deadline
}
