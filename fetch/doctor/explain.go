package doctor

import (
	"slices"
	"strings"

	"github.com/shoal-dl/shoal/fetch"
)

// Direct is the hosts among contacts that are connected to from here, so that
// their names are looked up here.
func Direct(contacts []fetch.Contact) (hosts []string) {
	for _, c := range contacts {
		if c.Via == "" {
			hosts = append(hosts, c.Host)
		}
	}
	return hosts
}

// Explained is contacts, with whoever is asked for the addresses of those that
// have a name.
func Explained(contacts []fetch.Contact) []fetch.Contact {
	names := namesOf(Direct(contacts))
	if len(names) == 0 {
		return contacts
	}
	resolver := fetch.Contact{Host: "this system's resolver", Kind: "resolver", Why: "looks up " + strings.Join(names, ", ")}
	return append(slices.Clip(contacts), resolver)
}
