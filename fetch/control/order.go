package control

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/shoal-dl/shoal/fetch/argv"
)

// TargetError says that a target names nothing, or more than one thing.
type TargetError struct {
	Text string
	Hint string
}

func (e *TargetError) Error() string { return e.Text }

// Target is what is to be told something: a transfer, or all of a process.
type Target struct {
	*Running
	Transfer *Transfer // nil: the process
}

// Name is that of the content, or those of all contents of the process.
func (t Target) Name() string {
	if t.Transfer != nil {
		return t.Transfer.Name
	}
	var names []string
	for _, t := range t.Transfers {
		names = append(names, t.Name)
	}
	return strings.Join(names, ", ")
}

// ID is that of the content; empty if it is about the process.
func (t Target) ID() string {
	if t.Transfer == nil {
		return ""
	}
	return t.Transfer.ID
}

// choose finds what a word means: a content id, the beginning of one, or the
// number of a process. Without a word it is the only process there is. Its error
// is a *TargetError.
func choose(all []Running, word string) (Target, error) {
	found := matches(all, word)
	switch {
	case len(found) == 1:
		return found[0], nil
	case word == "" && len(found) == 0:
		return Target{}, &TargetError{Text: "nothing of yours is being transferred"}
	case word == "":
		return Target{}, &TargetError{fmt.Sprintf("%d transfers are running", len(found)), "name one, as shoal status lists them, or say --all"}
	case len(found) == 0:
		return Target{}, &TargetError{fmt.Sprintf("no running transfer is called %s", word), "shoal status lists them"}
	}
	return Target{}, &TargetError{
		fmt.Sprintf("%s may be any of %d transfers", word, len(found)),
		"name it by more of its content id, or by the number of its process",
	}
}

// matches are all that a word may mean. No word may mean any transfer, or a process
// that has none yet.
func matches(all []Running, word string) (found []Target) {
	for i := range all {
		r := &all[i]
		if n, err := strconv.Atoi(word); err == nil && n == r.PID {
			found = append(found, Target{r, nil})
		}
		for j := range r.Transfers {
			t := &r.Transfers[j]
			if word == "" || strings.HasPrefix(t.ID, "b3:"+strings.TrimPrefix(word, "b3:")) {
				found = append(found, Target{r, t})
			}
		}
		if word == "" && len(r.Transfers) == 0 {
			found = append(found, Target{r, nil})
		}
	}
	return found
}

// Only finds the processes that a word may mean, as Find does; no word means all.
func (c *Client) Only(ctx context.Context, word string) ([]Process, error) {
	all, err := c.Find(ctx)
	shown, wrong := only(all, word)
	return shown, errors.Join(wrong, err)
}

// only leaves those that a word may mean.
func only(all []Running, word string) ([]Process, error) {
	var shown []Process
	if word == "" {
		for _, r := range all {
			shown = append(shown, r.Process)
		}
		return shown, nil
	}
	found := matches(all, word)
	if len(found) == 0 {
		_, err := choose(all, word)
		return nil, err
	}
	for _, t := range found {
		p := t.Process
		if t.Transfer != nil {
			p.Transfers = []Transfer{*t.Transfer}
		}
		shown = append(shown, p)
	}
	return shown, nil
}

// Obey has running processes do what the user wants, all of them at once, and
// returns whom it has told.
func (c *Client) Obey(ctx context.Context, o *argv.Order) ([]Target, error) {
	all, err := c.Find(ctx)
	told, wrong := obey(ctx, all, o)
	return told, errors.Join(wrong, err)
}

// obey is Obey for those that were found.
func obey(ctx context.Context, all []Running, o *argv.Order) ([]Target, error) {
	var targets []Target
	for i := range all {
		targets = append(targets, Target{&all[i], nil})
	}
	if !o.All {
		one, err := choose(all, o.Target)
		if err != nil {
			return nil, err
		}
		targets = []Target{one}
	}
	var telling sync.WaitGroup
	errs := make([]error, len(targets))
	for i, t := range targets {
		telling.Go(func() { errs[i] = t.obey(ctx, o) })
	}
	telling.Wait()
	var done []Target
	for i, t := range targets {
		if errs[i] == nil {
			done = append(done, t)
		}
	}
	return done, errors.Join(errs...)
}

func (t Target) obey(ctx context.Context, o *argv.Order) error {
	for _, s := range o.Settings {
		if err := t.Tell(ctx, Request{Do: DoSet, ID: t.ID(), Key: s.Key, Value: s.Value}); err != nil {
			return err
		}
	}
	if o.Verb == DoSet {
		return nil
	}
	return t.Tell(ctx, Request{Do: o.Verb, ID: t.ID()})
}
