package fetch

import (
	"cmp"
	"math"
	"net/url"
	"slices"

	"github.com/shoal-dl/shoal/verify"
)

// Mirrors makes the sources of m's content: the mirrors it lists, and those
// that the user named besides, which become trusted (see [Client.Trust]). The
// preferred ones come first, those without a priority later, the user's last;
// each URL counts once. Relative ones are resolved against the URL that the
// manifest came from, and left out if it came from none. There is an error for
// each mirror that cannot be used.
func (c *Client) Mirrors(m *verify.Manifest, from string, named []string) ([]Source, []error) {
	var sources []Source
	var unusable []error
	urls := append(mirrorURLs(m, from), named...)
	for i, u := range urls {
		if slices.Contains(urls[:i], u) {
			continue
		}
		mirror, err := NewMirror(c, m, u)
		if err != nil {
			unusable = append(unusable, err)
			continue
		}
		sources = append(sources, mirror)
	}
	for _, u := range named {
		c.Trust(u)
	}
	return sources, unusable
}

// mirrorURLs returns the absolute URLs of m's mirrors in order of preference.
func mirrorURLs(m *verify.Manifest, from string) []string {
	base, err := url.Parse(from)
	if err != nil || (base.Scheme != "http" && base.Scheme != "https") {
		base = nil
	}
	mirrors := absolute(m.Mirrors, base)
	rank := func(m verify.Mirror) int {
		if m.Priority == 0 {
			return math.MaxInt // not said
		}
		return m.Priority
	}
	slices.SortStableFunc(mirrors, func(a, b verify.Mirror) int { return cmp.Compare(rank(a), rank(b)) })
	var urls []string
	for _, m := range mirrors {
		urls = append(urls, m.URL)
	}
	return urls
}
