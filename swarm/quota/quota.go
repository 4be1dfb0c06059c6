// Package quota is the user's rules about when, and how much in a month, may be
// uploaded: they protect a data plan and a battery. It decides in plain data;
// the clock, the battery and the link are looked at by functions it is handed.
package quota

import "time"

// Rules are what the user wants.
type Rules struct {
	Monthly int64 // bytes to peers on the Internet in a calendar month, over all runs of this user; 0 means no limit
	Quiet   Hours // when nothing is uploaded
	Anyway  bool  // on battery and on a metered link, too
}

// The reasons for which nothing is uploaded, as programs are told them.
const (
	QuietHours = "quiet-hours"
	Battery    = "battery"
	Metered    = "metered"
	Monthly    = "monthly-upload"
)

// Verdict is what the rules say at a moment. The zero Verdict forbids nothing.
type Verdict struct {
	Reason string    // why nothing is uploaded; "" if it may be
	LAN    bool      // not to peers in the local network either
	Until  time.Time // when that ends; zero if it cannot be foreseen
}

// Forbids tells whether nothing may be uploaded to a peer, in the local network
// or not.
func (v Verdict) Forbids(lan bool) bool { return v.Reason != "" && (v.LAN || !lan) }

// Lasting tells whether waiting for the end is of no use to anybody.
func (v Verdict) Lasting() bool { return v.Reason == Monthly }

// state is how things are at a moment.
type state struct {
	now              time.Time // in the user's zone
	battery, metered bool
	spent            bool // the month's bytes are
}

// judge applies the rules. What concerns all peers comes first.
func (r Rules) judge(s state) Verdict {
	if until, quiet := r.Quiet.at(s.now); quiet {
		return Verdict{Reason: QuietHours, LAN: true, Until: until}
	}
	switch {
	case s.battery && !r.Anyway:
		return Verdict{Reason: Battery, LAN: true}
	case s.spent && r.Monthly > 0:
		y, m, _ := s.now.Date()
		return Verdict{Reason: Monthly, Until: time.Date(y, m+1, 1, 0, 0, 0, 0, s.now.Location())}
	case s.metered && !r.Anyway:
		return Verdict{Reason: Metered}
	}
	return Verdict{}
}
