package quota

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Options are the rules, and how to see what they are about.
type Options struct {
	Rules
	File    string           // in which the bytes of the month are counted; "" means by this process alone
	Probes  Probes           // of this machine
	Now     func() time.Time // in the user's zone; nil means time.Now
	Verbose func(format string, args ...any)
}

// Probes look at the machine. They give up when ctx ends; what cannot be found
// out is no reason not to upload. A nil one finds nothing.
type Probes struct {
	Battery func(ctx context.Context) bool // it runs on its battery
	Metered func(ctx context.Context) bool // its way to the Internet is paid by the byte
}

// Keeper applies the rules. Its methods may be called by several goroutines at
// once.
type Keeper struct {
	options Options
	verdict atomic.Pointer[Verdict]
	news    chan struct{} // capacity 1: the verdict may have changed

	mu               sync.Mutex
	tally            *tally
	spent            month // the latest whose bytes are used up
	battery, metered bool
	probed           time.Time // when they were looked at
}

const (
	lookEvery  = time.Second // at the clock
	probeEvery = time.Minute
	syncEvery  = 10 * time.Second
)

// New looks at the clock, and at nothing else.
func New(o Options) *Keeper {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Verbose == nil {
		o.Verbose = func(string, ...any) {}
	}
	k := &Keeper{options: o, news: make(chan struct{}, 1), tally: newTally(o.File, o.Monthly)}
	k.judge()
	return k
}

// SetRules changes the rules.
func (k *Keeper) SetRules(r Rules) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.options.Rules = r
	k.tally.allow(r.Monthly)
	k.spent = 0
	if k.tally.spent() {
		k.spent = k.month()
	}
	k.probed = time.Time{}
	k.judgeLocked()
	k.wake()
}

// wake has Run look at the verdict.
func (k *Keeper) wake() {
	select {
	case k.news <- struct{}{}:
	default:
	}
}

// Verdict is what the rules say now. A nil Keeper has none.
func (k *Keeper) Verdict() Verdict {
	if k == nil {
		return Verdict{}
	}
	return *k.verdict.Load()
}

// Take tells whether so many bytes may go to a peer on the Internet this month,
// and counts them. A nil Keeper counts nothing.
func (k *Keeper) Take(bytes int) bool {
	if k == nil {
		return true
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.month()
	ok := k.tally.take(int64(bytes), now)
	if !ok && k.spent != now {
		k.spent = now
		k.judgeLocked()
		k.wake()
	}
	return ok
}

// GiveBack takes back bytes that did not go out after all.
func (k *Keeper) GiveBack(bytes int) {
	if k == nil || bytes == 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tally.giveBack(int64(bytes))
}

// Used is how many bytes went to peers on the Internet this month, by this
// process and, as far as it has looked, by others.
func (k *Keeper) Used() int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tally.turn(k.month())
	return k.tally.used()
}

// Close puts back what was taken from the month in advance, and makes the count
// durable.
func (k *Keeper) Close() {
	if k == nil {
		return
	}
	k.mu.Lock()
	k.tally.close(k.month())
	k.mu.Unlock()
	k.sync()
}

// Run looks at the clock and at the machine until ctx ends, and calls tell with
// each verdict that is another than the last; the first last one forbids nothing.
func (k *Keeper) Run(ctx context.Context, tell func(Verdict)) {
	clock := time.NewTicker(lookEvery)
	defer clock.Stop()
	k.count()
	var told Verdict
	synced := time.Now()
	for {
		if v := k.judge(); v.Reason != told.Reason {
			told = v
			tell(v)
		}
		if k.probe(ctx) {
			continue
		}
		if now := time.Now(); now.Sub(synced) >= syncEvery {
			synced = now
			k.sync()
		}
		select {
		case <-clock.C:
		case <-k.news:
		case <-ctx.Done():
			return
		}
	}
}

// count looks how many bytes of the month others have left.
func (k *Keeper) count() {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.month()
	k.tally.refresh(now)
	if err := k.tally.err; err != nil && !errors.Is(err, errAlone) {
		k.options.Verbose("%v; this process counts alone", err)
	}
	if k.tally.spent() {
		k.spent = now
	}
}

// probe looks at the machine, if that matters and it is time to. It tells whether
// it has.
func (k *Keeper) probe(ctx context.Context) bool {
	if !k.toProbe(time.Now()) {
		return false
	}
	look := func(probe func(context.Context) bool) bool { return probe != nil && probe(ctx) }
	battery, metered := look(k.options.Probes.Battery), look(k.options.Probes.Metered)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.battery, k.metered = battery, metered
	return true
}

// toProbe tells whether it is time to look at the machine, which then is done.
func (k *Keeper) toProbe(now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.options.Anyway || !k.probed.IsZero() && now.Sub(k.probed) < probeEvery {
		return false
	}
	k.probed = now
	return true
}

// sync makes the count durable.
func (k *Keeper) sync() {
	k.mu.Lock()
	dirty := k.tally.dirty
	k.tally.dirty = false
	k.mu.Unlock()
	if dirty {
		if err := flush(k.tally.path); err != nil {
			k.options.Verbose("count uploads: %v", err)
		}
	}
}

// judge renews the verdict.
func (k *Keeper) judge() Verdict {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.judgeLocked()
}

// judgeLocked is judge for who holds k.mu.
func (k *Keeper) judgeLocked() Verdict {
	now := k.options.Now()
	v := k.options.judge(state{now: now, battery: k.battery, metered: k.metered, spent: k.spent >= monthOf(now)})
	k.verdict.Store(&v)
	return v
}

// month is the one that is counted now.
func (k *Keeper) month() month { return monthOf(k.options.Now()) }
