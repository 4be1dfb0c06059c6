package fetch

import (
	"net/url"
	"testing"
)

func TestParseNetrc(t *testing.T) {
	n := parseNetrc(`
# a comment with machine nobody in it
machine one.example login ann password "two words \"quoted\""
machine TWO.example
	login bob   # goes on
	account x
	password #1

macdef init
machine macro.example login evil
echo

machine one.example login second password ignored
machine three.example
machine
`)
	tests := map[string]login{
		"one.example":   {"ann", `two words "quoted"`},
		"ONE.EXAMPLE":   {"ann", `two words "quoted"`},
		"two.example":   {"bob", "#1"},
		"three.example": {},
		"macro.example": {},
		"nobody":        {},
	}
	for host, want := range tests {
		if got := n.find(&url.URL{Scheme: "http", Host: host}, named); got == nil && want != (login{}) || got != nil && *got != want {
			t.Errorf("%s: got %v, wanted %v", host, got, want)
		}
	}
}

func TestFindInNetrc(t *testing.T) {
	n := parseNetrc("default login anonymous password me@ machine known.example login x password y")
	for _, test := range []struct {
		url   string
		trust standing
		want  string
	}{
		{"http://known.example/", named, "x"},
		{"https://known.example/", named, "x"},
		{"http://known.example/", handed, "x"},
		{"http://known.example/", stranger, ""},
		{"https://known.example:8443/", stranger, "x"},
		{"http://other.example/", named, "anonymous"},
		{"http://other.example/", handed, ""},
		{"https://other.example/", stranger, ""},
	} {
		u, err := parseURL(test.url)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if l := n.find(u, test.trust); l != nil {
			got = l.user
		}
		if got != test.want {
			t.Errorf("%s, trust %v: got %q, wanted %q", test.url, test.trust, got, test.want)
		}
		if netrc(nil).find(u, test.trust) != nil {
			t.Error("an empty netrc has a log-in")
		}
	}
}

func FuzzParseNetrc(f *testing.F) {
	f.Add("machine a login b password \"c\\\"")
	f.Fuzz(func(_ *testing.T, text string) { parseNetrc(text) })
}
