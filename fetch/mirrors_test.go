package fetch

import (
	"net/url"
	"slices"
	"testing"

	"github.com/shoal-dl/shoal/verify"
)

func TestMirrors(t *testing.T) {
	c, err := NewClient(ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m := &verify.Manifest{Files: make([]verify.File, 1), Mirrors: []verify.Mirror{
		{URL: "unsaid"}, {URL: "https://b/x", Priority: 2}, {URL: "/root", Priority: 1}, {URL: "https://b/x"},
		{URL: "gopher://old/x", Priority: 3},
	}}
	for from, want := range map[string][]string{
		"http://h/d/m.shoal": {"http://h/root", "https://b/x", "http://h/d/unsaid", "http://user/x"},
		"/home/m.shoal":      {"https://b/x", "http://user/x"},
		"-":                  {"https://b/x", "http://user/x"},
	} {
		sources, unusable := c.Mirrors(m, from, []string{"http://user/x", "https://b/x"})
		var got []string
		for _, s := range sources {
			got = append(got, s.Name())
		}
		if !slices.Equal(got, want) || len(unusable) != 1 {
			t.Errorf("from %s: got %q and %v, want %q", from, got, unusable, want)
		}
	}
	m.Files = make([]verify.File, 2)
	m.Mirrors = []verify.Mirror{{URL: "https://b/listed"}}
	more := []string{"http://user/x", "http://user/x/", "http://user/y?z"}
	sources, unusable := c.Mirrors(m, "-", more)
	if len(sources) != 1 || sources[0].Name() != "http://user/x/" || len(unusable) != 2 || more[0] != "http://user/x" {
		t.Errorf("of a folder: got %v and %v", sources, unusable)
	}
	user, other := &url.URL{Scheme: "http", Host: "user"}, &url.URL{Scheme: "http", Host: "h"}
	if c.trusts(user) != named || c.trusts(other) != stranger {
		t.Errorf("trusted are %v, not just the mirrors that the user named", c.trusted)
	}
	if c, err = NewClient(ClientOptions{Meant: true}); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{"http://h/d/m.shoal", "-", "m.shoal"} {
		c.Mirrors(m, from, nil)
		if got := c.trusts(&url.URL{Scheme: "https", Host: "b"}) == handed; got != (from == "m.shoal") {
			t.Errorf("from %s, a mirror that it lists is shown what is meant for it: %v", from, got)
		}
	}
}

// TestRecorded lets what is set for all runs go to nothing that only a record names.
func TestRecorded(t *testing.T) {
	for meant, want := range map[bool]standing{false: stranger, true: handed} {
		c, err := NewClient(ClientOptions{Meant: meant})
		if err != nil {
			t.Fatal(err)
		}
		c.Recorded("https://b/m.shoal")
		if got := c.trusts(&url.URL{Scheme: "https", Host: "b"}); got != want {
			t.Errorf("meant %v: %v", meant, got)
		}
	}
}
