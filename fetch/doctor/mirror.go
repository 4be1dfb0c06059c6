package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/shoal-dl/shoal/fetch"
	"github.com/shoal-dl/shoal/verify"
)

const (
	mirrorLimit = 30 * time.Second    // for one piece of a mirror
	certDays    = 14 * 24 * time.Hour // that a certificate should be good for, still
)

// Mirrors checks every mirror of a manifest, and those that the user named
// besides, by one piece each.
func Mirrors(c *fetch.Client, m *verify.Manifest, from string, named []string) []Check {
	sources, unusable := c.Mirrors(m, from, named)
	var checks []Check
	for _, s := range sources {
		mirror := s.(*fetch.Mirror) // what Mirrors makes
		checks = append(checks, Check{Name: "mirror", About: mirror.Name(), Limit: mirrorLimit, Look: func(ctx context.Context) (Finding, error) {
			e, err := mirror.Examine(ctx)
			return judge(e, err, m.NumPieces(), time.Now())
		}})
	}
	for _, err := range unusable {
		checks = append(checks, Check{Name: "mirror", Look: func(context.Context) (Finding, error) {
			return Finding{Hint: "mend the manifest, or the --mirror"}, err
		}})
	}
	return checks
}

// judge says what it means how a mirror did.
func judge(e fetch.Examined, err error, pieces int, now time.Time) (Finding, error) {
	f := Finding{State: OK, Bytes: e.Received, Took: e.Took}
	fault := fetch.AsFault(err)
	switch {
	case fault != nil:
		f.Hint = remedy(fault, e)
		return f, err
	case errors.Is(err, context.DeadlineExceeded) && e.Received > 0:
		f.State, f.Hint = Warning, "a fetch would leave most of the work to others"
		f.Seen = fmt.Sprintf("slow: %d of %d bytes of a piece came in %v, so that nothing is proven", e.Received, e.Size, mirrorLimit)
		return f, nil
	case err != nil:
		return f, err
	case e.Piece < 0:
		f.Seen = "not asked: the content is empty"
		return f, nil
	case !e.Right:
		f.State, f.Hint = Broken, "put the right file there, or take this mirror out of the manifest; a fetch drops it at its first piece"
		f.Seen = fmt.Sprintf("wrong content: piece %d is not what the manifest says; ", e.Piece) + traits(e, pieces, now)
		return f, nil
	}
	f.Seen = "right content; " + traits(e, pieces, now)
	if days := e.CertEnds.Sub(now); !e.CertEnds.IsZero() && days < certDays {
		f.State, f.Hint = Warning, "the server's certificate is to be renewed"
	}
	if !e.Ranged && pieces > 1 {
		f.State, f.Hint = Warning, "let the server honour Range: without, it can be read from front to back only, over one connection"
	}
	return f, nil
}

// remedy is what to do about a fault.
func remedy(f *fetch.Fault, e fetch.Examined) string {
	switch {
	case f.Kind == fetch.FaultBusy:
		return "it refuses for now, or refuses us; try again later"
	case strings.HasPrefix(f.Error(), "TLS: "):
		return "its certificate is to be mended there; --cacert trusts an authority of your own"
	case e.Received > 0:
		return "it broke off: try again, and see whether the server or something between ends long replies"
	case e.Status >= 200 && e.Status < 300:
		return "put the right file there, or take this mirror out of the manifest"
	case f.Kind == fetch.FaultLasting:
		return "check the URL, and what the server wants to see"
	case e.Proxy != "":
		return "see whether the server runs, and what the proxy lets through"
	}
	return "see whether the server runs, and whether a firewall stands between"
}

// traits says what a mirror is like.
func traits(e fetch.Examined, pieces int, now time.Time) string {
	said := []string{"ranges"}
	switch {
	case !e.Ranged && pieces > 1:
		said[0] = "ignores Range"
	case !e.Ranged:
		said[0] = "no range was needed"
	}
	validator := string(e.Validator) + " validator"
	if e.Validator == fetch.NoValidator {
		validator = "no validator"
	}
	said = append(said, validator, e.Protocol)
	switch left := e.CertEnds.Sub(now); {
	case e.CertEnds.IsZero():
	case left <= 0: // seen with --insecure alone
		said = append(said, "certificate no longer good")
	default:
		said = append(said, "certificate good for "+plural(int(left.Hours()/24), "day"))
	}
	if e.At != "" {
		said = append(said, "redirected to "+e.At)
	}
	if len(e.Addrs) > 0 {
		said = append(said, "at "+join(e.Addrs))
	}
	if e.Proxy != "" {
		said = append(said, "through "+e.Proxy)
	}
	return strings.Join(said, ", ")
}

// mostAddrs is how many addresses of one host are shown.
const mostAddrs = 4

func join(addrs []netip.Addr) string {
	var texts []string
	for _, a := range addrs[:min(len(addrs), mostAddrs)] {
		texts = append(texts, a.String())
	}
	if more := len(addrs) - mostAddrs; more > 0 {
		texts = append(texts, fmt.Sprintf("%d more", more))
	}
	return strings.Join(texts, " ")
}
