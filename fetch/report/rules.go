package report

import (
	"fmt"
	"strings"
	"time"
)

// Rule is what the user's rules say about uploading.
type Rule struct {
	Reason string    // why nothing is uploaded, as programs are told; "" if it is
	LAN    bool      // not to peers in the local network either
	Until  time.Time // when that ends; zero if it cannot be foreseen
}

type sharingFields struct {
	State  string  `json:"state"`  // on, lan: only in the local network, or off
	Reason string  `json:"reason"` // quiet-hours, battery, metered, monthly-upload, or "" when it is on
	Until  *string `json:"until"`  // as time is; null when the end is not known
}

// Sharing says that another rule about uploading is in force than before. Most is
// the bytes that may be uploaded in a month.
func (r *Reporter) Sharing(rule Rule, most int64) {
	now := time.Now()
	r.post(func() {
		r.console.note(rule.text(most))
		r.view.show(newEvent("sharing", "", now, rule.fields()))
	})
}

func (r Rule) fields() sharingFields {
	f := sharingFields{State: "on", Reason: r.Reason}
	switch {
	case r.LAN:
		f.State = "off"
	case r.Reason != "":
		f.State = "lan"
	}
	if !r.Until.IsZero() {
		until := instant(r.Until)
		f.Until = &until
	}
	return f
}

// text says why nothing is uploaded, and what changes that.
func (r Rule) text(most int64) string {
	not := "not uploading"
	if !r.LAN {
		not += " to the Internet"
	}
	switch r.Reason {
	case "":
		return "uploading again"
	case "quiet-hours":
		if !r.Until.IsZero() {
			not += " until " + r.Until.Format("15:04")
		}
		return not + ": these are quiet hours; --quiet-hours none lifts them"
	case "battery":
		return not + ": this machine runs on its battery; mains or --share-anyway turns it on"
	case "metered":
		return not + ": the connection is metered; another one or --share-anyway turns it on"
	case "monthly-upload":
		return fmt.Sprintf("%s until %s: the month's %s are used up; --monthly-upload allows more",
			not, r.Until.Format("January 2"), Bytes(most))
	}
	return not + ": " + r.Reason
}

// hours writes spans of a day, in minutes since midnight, such as "from 9:00 to
// 18:00 and from 22:30 to 6:00".
func hours(spans [][2]int) string {
	texts := make([]string, len(spans))
	for i, s := range spans {
		texts[i] = fmt.Sprintf("from %d:%02d to %d:%02d", s[0]/60, s[0]%60, s[1]/60, s[1]%60)
	}
	return strings.Join(texts, " and ")
}
