package verify

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits of a manifest's entries. All are far above what anybody needs; they
// bound what a hostile manifest can make its readers keep or try.
const (
	maxEntries  = 1024 // mirrors, peers and the like, of each kind
	maxURL      = 8 << 10
	maxAddress  = 255 + len(":65535")
	maxWord     = 64
	maxSalt     = 64
	maxComment  = 64 << 10
	maxPriority = 999_999 // RFC 5854, section 4.2.10
)

// checkCount tells why a list cannot have n entries.
func checkCount(n int) error {
	if n > maxEntries {
		return fmt.Errorf("more than %d entries", maxEntries)
	}
	return nil
}

// checkSize tells why no file can have n bytes.
func checkSize(n int64) error {
	if n < 0 {
		return fmt.Errorf("%d is negative", n)
	}
	return nil
}

// checkPriority tells why n cannot be the priority of a mirror.
func checkPriority(n int64) error {
	if n < 0 || n > maxPriority {
		return fmt.Errorf("%d is not from 0 to %d", n, maxPriority)
	}
	return nil
}

// checkMirror tells why s cannot be the URL of a mirror. Schemes that are not
// known are let through: they are for later readers.
func checkMirror(s string) error {
	switch {
	case s == "":
		return errors.New("is empty")
	case len(s) > maxURL:
		return fmt.Errorf("%s is longer than %d bytes", quote(s), maxURL)
	}
	if _, err := url.Parse(s); err != nil || !utf8.ValidString(s) {
		return fmt.Errorf("%s is not a URL", quote(s))
	}
	return nil
}

// checkAddress tells why s is not the host:port of a peer.
func checkAddress(s string) error {
	if len(s) > maxAddress {
		return fmt.Errorf("%s is longer than %d bytes", quote(s), maxAddress)
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" || strings.ContainsFunc(host, notInHost) {
		return fmt.Errorf("%s is not of the form host:port", quote(s))
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("%s has no port from 1 to 65535", quote(s))
	}
	return nil
}

// notInHost tells whether no host name or address contains r.
func notInHost(r rune) bool {
	return r == utf8.RuneError || unicode.IsControl(r) || unicode.IsSpace(r) || strings.ContainsRune(`/\@?#"<>`, r)
}

// checkDiscovery tells why s cannot be a word of Manifest.Discovery.
func checkDiscovery(s string) error {
	if s == "" || len(s) > maxWord || strings.ContainsFunc(s, notInHost) {
		return fmt.Errorf("%s is not a word of at most %d bytes", quote(s), maxWord)
	}
	return nil
}

// checkSalt tells why salt cannot be that of a manifest.
func checkSalt(salt []byte) error {
	if len(salt) > maxSalt {
		return fmt.Errorf("is longer than %d bytes", maxSalt)
	}
	return nil
}

// checkComment tells why s cannot be the comment of a manifest.
func checkComment(s string) error {
	if len(s) > maxComment {
		return fmt.Errorf("is longer than %d bytes", maxComment)
	}
	if !utf8.ValidString(s) {
		return errors.New("is not UTF-8")
	}
	return nil
}

// checkTime tells why t cannot stand in a manifest. Outside of these years
// systems disagree about times, and RFC 3339 has no way to write some.
func checkTime(t time.Time) error {
	if t.IsZero() {
		return nil
	}
	if year := t.UTC().Year(); year < 1970 || year > 9999 {
		return fmt.Errorf("%s is not from the years 1970 to 9999", t.Format(time.RFC3339))
	}
	return nil
}

// checkAll tells the first entry of list that check objects to.
func checkAll(list []string, check func(string) error) error {
	if err := checkCount(len(list)); err != nil {
		return err
	}
	if i := slices.IndexFunc(list, func(s string) bool { return check(s) != nil }); i >= 0 {
		return check(list[i])
	}
	return nil
}
