package report

import (
	"github.com/shoal-dl/shoal/fetch/argv"
	"github.com/shoal-dl/shoal/verify"
)

// Shares says what of a content will be shared, before the first byte is.
// A seed stays.
func (r *Reporter) Shares(m *verify.Manifest, o argv.Swarm, stay bool) {
	if text := terms(m, o, stay); text != "" {
		r.Note("sharing " + text)
	}
}

// Consent answers whether a download would share its content, and by whose word.
// Content that goes to stdout alone is not kept.
func (r *Reporter) Consent(m *verify.Manifest, o argv.Swarm, kept bool) {
	why, shared := terms(m, o, false), false
	switch {
	case o.HTTPOnly:
		why = "by --http-only, mirrors are all there is"
	case o.NoShare:
		why = "you do not let it, by --no-share"
	case !kept:
		why = "what goes to stdout is not kept"
	case why == "":
		why = "the publisher does not let it, by the manifest's discovery"
	default:
		shared = true
	}
	text := "nothing would be shared: " + why
	if shared {
		text = "would be shared: " + why
	}
	r.Result(Safe(text))
	r.Event("consent", m.ID(), struct {
		Shared bool   `json:"shared"`
		Why    string `json:"why"`
	}{shared, why})
}

// terms says what is shared, how long and how much, if the publisher and the user
// both let it be; "" means nothing.
func terms(m *verify.Manifest, o argv.Swarm, stay bool) string {
	if o.NoShare || !m.Shareable() && !stay {
		return ""
	}
	long, off := "while it downloads", "--no-share turns it off"
	switch {
	case stay && o.SeedTime > 0:
		long, off = "for up to "+argv.Duration(o.SeedTime), "Ctrl-C ends it"
	case stay:
		long, off = "until it is stopped", "Ctrl-C ends it"
	case o.SeedTime > 0:
		long += " and for up to " + argv.Duration(o.SeedTime) + " after"
	}
	if stay && o.SeedIdle > 0 {
		long += ", until nobody has asked for " + argv.Duration(o.SeedIdle)
	}
	if o.SeedRatio > 0 && o.SeedTime != 0 {
		long += ", until " + Bytes(int64(o.SeedRatio*float64(m.Size()))) + " are sent"
	}
	if o.MaxUpload > 0 {
		long += ", and never more than " + Bytes(o.MaxUpload)
	}
	if o.MonthlyUpload > 0 {
		long += ", at most " + Bytes(o.MonthlyUpload) + " a month over the Internet"
	}
	if len(o.QuietHours) > 0 {
		long += ", not " + hours(o.QuietHours)
	}
	return m.Name + " with peers " + long + "; " + off
}
