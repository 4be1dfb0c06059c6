package fetch_test

import (
	"testing"

	"github.com/shoal-dl/shoal/fetch"
)

func TestShown(t *testing.T) {
	for from, want := range map[string]string{
		"https://ann:secret@host:8443/a%2Fb/m.shoal?sig=secret#x": "https://host:8443/a%2Fb/m.shoal",
		"/home/ann/m.shoal": "/home/ann/m.shoal",
		"-":                 "-",
	} {
		if got := fetch.Shown(from); got != want {
			t.Errorf("%s is shown as %s, want %s", from, got, want)
		}
	}
}
