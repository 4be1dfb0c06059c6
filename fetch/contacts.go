package fetch

import (
	"slices"
	"strings"

	"github.com/shoal-dl/shoal/verify"
)

// Contact is somebody to whom packets would go.
type Contact struct {
	Host string // HOST:PORT, or what stands for those that nobody can name yet
	Kind string // manifest, mirror, proxy, resolver, peer, dht or lan
	Why  string
	Via  string // the proxy that stands between; empty for none
}

// Contacts is every server that a fetch of the manifest would contact: ref is
// what was asked for, from where it then came from, and named are the mirrors
// that the user named. It sends nothing.
func (c *Client) Contacts(m *verify.Manifest, ref, from string, named []string) []Contact {
	var all []Contact
	all = c.contact(all, "manifest", "where the manifest is; asked for it just now", ref)
	all = c.contact(all, "manifest", "where the manifest's URL led; asked just now", from)
	listed := mirrorURLs(m, from)
	for _, u := range append(slices.Clone(listed), bases(m, named)...) {
		if _, err := NewMirror(c, m, u); err != nil {
			continue // a fetch leaves it out
		}
		why := "a mirror that the manifest lists"
		if !slices.Contains(listed, u) {
			why = "a mirror that you named"
		}
		all = c.contact(all, "mirror", why, u)
	}
	if slices.ContainsFunc(all, func(k Contact) bool { return k.Kind == "mirror" }) {
		all = append(all, Contact{Host: "other servers", Kind: "mirror", Why: "where mirrors redirect to"})
	}
	return all
}

// contact adds the server of a URL, and the proxy before it, each once for each
// reason. What is no URL has no server.
func (c *Client) contact(all []Contact, kind, why, rawURL string) []Contact {
	u, err := parseURL(rawURL)
	if err != nil {
		return all
	}
	_, host, _ := strings.Cut(origin(u), "://")
	k := Contact{Host: host, Kind: kind, Why: why}
	if _, k.Via, err = c.Proxy(rawURL); err == nil && k.Via != "" {
		all = once(all, Contact{Host: k.Via, Kind: "proxy", Why: "a proxy, by --proxy or the environment"})
	}
	if kind == "manifest" && slices.ContainsFunc(all, func(o Contact) bool { return o.Host == host }) {
		return all
	}
	return once(all, k)
}

func once(all []Contact, k Contact) []Contact {
	if slices.Contains(all, k) {
		return all
	}
	return append(all, k)
}
