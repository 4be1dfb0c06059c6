package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/shoal-dl/shoal/fetch"
)

// TestManyContacts shows people the first of many, and programs all.
func TestManyContacts(t *testing.T) {
	var contacts []fetch.Contact
	for i := range shownContacts + 3 {
		contacts = append(contacts, fetch.Contact{Host: fmt.Sprintf("%d.example", i), Kind: "peer", Why: "a peer that you named"})
	}
	contacts = append(contacts, fetch.Contact{Host: "\x1b.example", Kind: "mirror", Why: "a mirror", Via: "proxy.example"})
	m := manifest(t, "f")
	say := func(d *download) { d.Contacts(m.ID(), contacts) }
	text, _ := play(t, Options{}, say)
	for _, line := range []string{
		"19.example                    peer      a peer that you named\n" +
			"                              peer      and 3 more; --json lists all\n",
		`\x1b.example                  mirror    a mirror, through proxy.example` + "\n",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("there is no %q in %s", line, text)
		}
	}
	equal(t, "lines", fmt.Sprint(strings.Count(text, "\n")), fmt.Sprint(shownContacts+2))
	events, _ := play(t, Options{JSON: true}, say)
	equal(t, "events", fmt.Sprint(strings.Count(events, `"event":"contact"`)), fmt.Sprint(len(contacts)))
	text, _ = play(t, Options{}, func(d *download) { d.Contacts(m.ID(), nil) })
	equal(t, "for nobody", text, "nobody would be contacted\n")
}
