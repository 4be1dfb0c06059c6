package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/shoal-dl/shoal/fetch"
	"github.com/shoal-dl/shoal/fetch/report"
)

// Manifest checks whether the manifest can be had. pinned says that more than
// the transport vouches for it.
func Manifest(pinned bool, get func(ctx context.Context) (*fetch.Resolved, error)) Check {
	return Check{Name: "manifest", Limit: time.Minute, Look: func(ctx context.Context) (Finding, error) {
		r, err := get(ctx)
		if err != nil {
			return Finding{Hint: "check its URL or path; nothing can be said about mirrors without it"}, err
		}
		m := r.Manifest
		f := Finding{State: OK, Seen: fmt.Sprintf("%s, %s in %s, %s", m.Name, report.Bytes(m.Size()),
			plural(m.NumPieces(), "piece"), plural(len(m.Mirrors), "mirror"))}
		if len(m.Discovery) > 0 {
			f.Seen += ", discovery " + strings.Join(m.Discovery, " and ")
		}
		switch {
		case len(m.Mirrors)+len(m.Peers)+len(m.Discovery) == 0:
			f.State, f.Hint = Warning, "it names nobody who has the content: add --mirror or --peer"
		case !r.Secure && !pinned:
			f.State = Warning
			f.Seen += "; it came over plain http, so that anybody on the way could have changed it"
			f.Hint = "pin the content with --id, or demand a signature with --pubkey"
		}
		return f, nil
	}}
}
