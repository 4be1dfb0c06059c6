package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/shoal-dl/shoal/fetch"
	"github.com/shoal-dl/shoal/fetch/report"
)

// resolve checks whether the manifest can be had, and keeps it.
func (e *examination) resolve() Check {
	return Check{Name: "manifest", Limit: time.Minute, Look: func(ctx context.Context) (Finding, error) {
		var err error
		e.manifest, err = e.Client.Manifest(ctx, e.Manifest, e.Stdin, e.ID, e.Pubkey)
		if err != nil {
			return Finding{Hint: "check its URL or path; nothing can be said about mirrors without it"}, err
		}
		m := e.manifest.Manifest
		f := Finding{State: OK, Seen: fmt.Sprintf("%s, %s in %s, %s", m.Name, report.Bytes(m.Size()),
			plural(m.NumPieces(), "piece"), plural(len(fetch.MirrorURLs(m, e.manifest.URL, nil)), "mirror"))}
		if len(m.Discovery) > 0 {
			f.Seen += ", discovery " + strings.Join(m.Discovery, " and ")
		}
		switch {
		case e.nobody():
			f.State, f.Hint = Warning, "nobody is left who could have the content: add --mirror, or a way to peers"
		case !e.manifest.Secure && e.ID == nil && e.Pubkey == "":
			f.State = Warning
			f.Seen += "; it came over plain http, so that anybody on the way could have changed it"
			f.Hint = "pin the content with --id, or demand a signature with --pubkey"
		}
		return f, nil
	}}
}
