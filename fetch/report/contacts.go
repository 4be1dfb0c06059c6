package report

import (
	"fmt"
	"time"

	"github.com/shoal-dl/shoal/fetch"
	"github.com/shoal-dl/shoal/verify"
)

// Checked is one thing that was examined.
type Checked struct {
	Check string // what: a word
	About string // which one, where there are several
	State string // ok, warning or broken
	Seen  string
	Hint  string // what to do about it; may be empty

	Bytes int64 // that were moved to find out
	Took  time.Duration
}

// Checked answers with what was examined, for people in a line or two.
func (r *Reporter) Checked(id verify.ID, c Checked) {
	var rate float64
	if c.Took > 0 {
		rate = float64(c.Bytes) / c.Took.Seconds()
	}
	text := c.Seen
	if c.About != "" {
		text = c.About + ": " + text
	}
	if c.Bytes > 0 {
		text += fmt.Sprintf("; %s in %v, %s", Bytes(c.Bytes), c.Took.Round(time.Millisecond), speed(rate))
	}
	r.Result(fmt.Sprintf("%-8s %-9s %s", c.State, c.Check, Safe(text)))
	if c.Hint != "" {
		r.Result(fmt.Sprintf("%-8s %-9s hint: %s", "", "", Safe(c.Hint)))
	}
	r.Event("check", id, struct {
		Check   string  `json:"check"`
		About   string  `json:"about"`
		State   string  `json:"state"`
		Seen    string  `json:"seen"`
		Hint    string  `json:"hint"`
		Rate    int64   `json:"rate"`    // bytes a second; 0 = not measured
		Seconds float64 `json:"seconds"` // for that
	}{c.Check, c.About, c.State, c.Seen, c.Hint, int64(rate), c.Took.Seconds()})
}

// shownContacts is how many contacts of one sort people are shown.
const shownContacts = 20

// Contacts answers with who would be contacted, and why.
func (r *Reporter) Contacts(id verify.ID, contacts []fetch.Contact) {
	shown := map[string]int{}
	for i, c := range contacts {
		r.Event("contact", id, struct {
			Host string `json:"host"`
			Kind string `json:"kind"`
			Why  string `json:"why"`
			Via  string `json:"via"`
		}{c.Host, c.Kind, c.Why, c.Via})
		sort := c.Kind + c.Why
		if shown[sort]++; shown[sort] <= shownContacts {
			text := c.Why
			if c.Via != "" {
				text += ", through " + c.Via
			}
			r.Result(fmt.Sprintf("%-28s  %-8s  %s", Safe(c.Host), c.Kind, Safe(text)))
		}
		if more := shown[sort] - shownContacts; more > 0 && (i+1 == len(contacts) || contacts[i+1].Kind+contacts[i+1].Why != sort) {
			r.Result(fmt.Sprintf("%-28s  %-8s  and %d more; --json lists all", "", c.Kind, more))
		}
	}
	if len(contacts) == 0 {
		r.Result("nobody would be contacted")
	}
}
