package doctor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

const (
	oldest   = 2026             // the year of this program: no clock is behind it that is right
	uneasy   = 30 * time.Second // that a clock may be off without a word
	deafness = 2 * time.Minute  // from which on peers and the local network take us for a replay
	stepped  = time.Second      // that it may have been set by while we looked
)

// Clock compares this machine's clock with those of the servers that were asked
// anyway. It is for after them. began is when the examination did; created is
// when the manifest was written, or zero.
func Clock(began, created time.Time, servers func() map[string]time.Duration) Check {
	return Check{Name: "clock", Look: func(context.Context) (Finding, error) {
		return judgeClock(time.Now(), began, created, servers()), nil
	}}
}

func judgeClock(now, began, created time.Time, servers map[string]time.Duration) Finding {
	const set = "set the clock, best by a time service"
	step := now.Round(0).Sub(began.Round(0)) - now.Sub(began) // by the wall, and by what only runs on
	ahead, n := median(servers)
	f := Finding{State: OK}
	switch {
	case n == 0:
		f.Seen = "no server was asked that it could be compared with; it says " + now.UTC().Format(time.DateTime) + " UTC"
	case ahead.Abs() <= uneasy:
		f.Seen = "agrees with " + plural(n, "server")
	default:
		f.Seen = "is " + off(ahead) + plural(n, "server")
		f.State, f.Hint = Warning, set
		if ahead.Abs() > deafness && n > 1 {
			f.State = Broken
		}
	}
	switch {
	case now.Year() < oldest:
		f.State, f.Hint = Broken, set
		f.Seen += fmt.Sprintf("; that is before this program was made, in %d", oldest)
	case f.State == OK && created.Sub(now) > uneasy:
		f.State, f.Hint = Warning, set+"; or that of the manifest's author is wrong"
		f.Seen += "; the manifest was written " + created.Sub(now).Round(time.Second).String() + " from now"
	case f.State == OK && step.Abs() > stepped:
		f.State, f.Hint = Warning, "something sets it in leaps: let one time service do it"
		f.Seen += "; it was set by " + step.Round(time.Second).String() + " just now"
	}
	if f.State != OK && ahead.Abs() > deafness {
		f.Hint += "; peers hang up on a clock that is more than two minutes off"
	}
	return f
}

// off says how far our clock is from that of others.
func off(ahead time.Duration) string {
	word := " behind that of "
	if ahead < 0 {
		word = " ahead of that of "
	}
	return ahead.Abs().Round(time.Second).String() + word
}

// median is the middle one of how far servers are ahead, and how many there are.
func median(servers map[string]time.Duration) (time.Duration, int) {
	all := slices.Sorted(maps.Values(servers))
	if len(all) == 0 {
		return 0, 0
	}
	return all[len(all)/2], len(all)
}

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
