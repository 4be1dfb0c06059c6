// Package doctor examines whether a fetch can do its work from here: the
// machine, its names, and the mirrors of a manifest. What concerns peers and
// disks is found out elsewhere and put in words here.
//
// It announces nothing and serves nobody.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// State is what an examination came to.
type State string

// The states, as the JSON events name them.
const (
	OK      State = "ok"
	Warning State = "warning" // it works, but not as well as it could, or nobody can tell
	Broken  State = "broken"
)

// Finding is what was seen.
type Finding struct {
	State State
	Seen  string
	Hint  string // what to do about it; empty when there is nothing to do

	// What was moved to find out, if that was measured.
	Bytes int64
	Took  time.Duration
}

// Check is one thing to be examined.
type Check struct {
	Name  string        // a word: "disk", "mirror"
	About string        // which one, where there are several: a URL
	Limit time.Duration // to be done within; 0 means a usual one

	// Look examines. An error means that it is broken.
	Look func(ctx context.Context) (Finding, error)
}

const (
	usualLimit = 10 * time.Second
	atOnce     = 32 // checks under way; the others wait, so that a manifest of a thousand mirrors needs no thousand sockets
)

// Run makes all checks at once, and shows what each found in their order, as
// soon as those before it are done. It returns how many are broken, and the
// cause of ctx's end if that came first.
func Run(ctx context.Context, checks []Check, show func(Check, Finding)) (broken int, err error) {
	found := make([]chan Finding, len(checks))
	free := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	defer wg.Wait()
	for i, c := range checks {
		found[i] = make(chan Finding, 1)
		wg.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			found[i] <- c.examine(ctx)
		})
	}
	for i, c := range checks {
		f := <-found[i]
		if ctx.Err() != nil {
			return broken, context.Cause(ctx)
		}
		if f.State == Broken {
			broken++
		}
		show(c, f)
	}
	return broken, nil
}

// examine makes one check within its time.
func (c Check) examine(ctx context.Context) Finding {
	if c.Limit == 0 {
		c.Limit = usualLimit
	}
	tooLong := fmt.Errorf("not done within %v", c.Limit)
	ctx, cancel := context.WithTimeoutCause(ctx, c.Limit, tooLong)
	defer cancel()
	f, err := c.Look(ctx)
	switch {
	case err == nil:
		return f
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		err = context.Cause(ctx)
	}
	f.State, f.Seen = Broken, err.Error()
	return f
}
