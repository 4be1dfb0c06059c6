package fetch

import (
	"cmp"
	"math"
	"net/url"
	"slices"
	"strings"

	"github.com/shoal-dl/shoal/verify"
)

// Mirrors makes the sources of m's content: the mirrors it lists, and those
// that the user named besides, which become trusted (see [Client.Trust]). The
// preferred ones come first, those without a priority later, the user's last;
// each URL counts once. Relative ones are resolved against the URL that the
// manifest came from, and left out if it came from none. A folder's that the user
// named need not end in "/". There is an error for each mirror that cannot be used.
//
// To those that a manifest file of the user's lists go the credentials that were
// meant for this run.
func (c *Client) Mirrors(m *verify.Manifest, from string, more []string) ([]Source, []error) {
	var sources []Source
	var unusable []error
	for _, u := range MirrorURLs(m, from, more) {
		mirror, err := NewMirror(c, m, u)
		if err != nil {
			unusable = append(unusable, err)
			continue
		}
		sources = append(sources, mirror)
	}
	if c.options.Meant && from != "-" && webURL(from) == nil {
		for _, u := range mirrorURLs(m, from) {
			c.raise(u, handed)
		}
	}
	for _, u := range more {
		c.Trust(u)
	}
	return sources, unusable
}

// MirrorURLs is what [Client.Mirrors] makes sources of, each URL once, as it is: it
// may hold credentials.
func MirrorURLs(m *verify.Manifest, from string, more []string) (urls []string) {
	for _, u := range append(mirrorURLs(m, from), bases(m, more)...) {
		if !slices.Contains(urls, u) {
			urls = append(urls, u)
		}
	}
	return urls
}

// bases returns the mirrors that the user named, with the slash that a folder's
// ends in; one with a query is left as it is.
func bases(m *verify.Manifest, named []string) []string {
	if !m.Folder() {
		return named
	}
	named = slices.Clone(named)
	for i, u := range named {
		if !strings.HasSuffix(u, "/") && !strings.ContainsAny(u, "?#") {
			named[i] += "/"
		}
	}
	return named
}

// webURL is where a manifest came from; nil if from no server.
func webURL(from string) *url.URL {
	u, _ := parseURL(from)
	return u
}

// mirrorURLs returns the absolute URLs of m's mirrors in order of preference.
func mirrorURLs(m *verify.Manifest, from string) []string {
	mirrors := slices.DeleteFunc(absolute(m.Mirrors, webURL(from)), isRelative)
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
