package argv

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/shoal-dl/shoal/fetch"
	"github.com/shoal-dl/shoal/verify"
)

// value is a flag whose text a function reads into any type.
type value[T any] struct {
	to    *T
	parse func(string) (T, error)
	text  string
}

// Set implements cli.Generic.
func (v *value[T]) Set(s string) error {
	x, err := v.parse(s)
	if err != nil {
		return err
	}
	*v.to, v.text = x, s
	return nil
}

// String returns what was set, as the parsing library wants to copy it.
func (v *value[T]) String() string { return v.text }

// list is a flag that may be repeated.
type list struct {
	to    *[]string
	check func(string) error
	lines bool // an element may hold blanks, so that only lines separate them
}

// Set implements cli.Generic; it adds an element.
func (l *list) Set(s string) error {
	if err := l.check(s); err != nil {
		return err
	}
	*l.to = append(*l.to, s)
	return nil
}

// String implements cli.Generic.
func (l *list) String() string { return strings.Join(*l.to, "\n") }

// split takes apart the elements in an environment variable.
func (l *list) split(s string) []string {
	if !l.lines {
		return strings.Fields(s)
	}
	return slices.DeleteFunc(strings.Split(s, "\n"), func(e string) bool { return strings.TrimSpace(e) == "" })
}

// flagOf is a flag of any type. A default, if not empty, must be readable.
func flagOf[T any](name string, to *T, parse func(string) (T, error), def, usage string) cli.Flag {
	v := &value[T]{to: to, parse: parse}
	if def != "" {
		if err := v.Set(def); err != nil {
			panic(fmt.Sprintf("default of --%s: %v", name, err))
		}
	}
	return &cli.GenericFlag{Name: name, Value: v, Usage: usage}
}

// listOf is a flag that may be repeated.
func listOf(name string, to *[]string, check func(string) error, usage string) cli.Flag {
	return &cli.GenericFlag{Name: name, Value: &list{to: to, check: check}, Usage: usage + " (repeatable)"}
}

// oneOf reads one of a few words.
func oneOf(words ...string) func(string) (string, error) {
	return func(s string) (string, error) {
		if !slices.Contains(words, s) {
			return "", errors.New("want one of " + strings.Join(words, ", "))
		}
		return s, nil
	}
}

// parsePreference reads whom to fetch from.
func parsePreference(s string) (fetch.Preference, error) {
	word, err := oneOf("auto", "speed", "peers")(s)
	return map[string]fetch.Preference{"speed": fetch.PreferSpeed, "peers": fetch.PreferPeers}[word], err
}

// isHostPort accepts HOST:PORT with a port that can be dialled.
func isHostPort(s string) error {
	host, port, err := net.SplitHostPort(s)
	if n, e := strconv.ParseUint(port, 10, 16); err != nil || e != nil || n == 0 || host == "" {
		return errors.New("want HOST:PORT")
	}
	return nil
}

// parseListen reads an address to listen on: the host may be empty, and port
// 0 lets the system choose.
func parseListen(s string) (string, error) {
	_, port, err := net.SplitHostPort(s)
	if _, e := strconv.ParseUint(port, 10, 16); err != nil || e != nil {
		return "", errors.New("want HOST:PORT, or :0 for any port")
	}
	return s, nil
}

// isHeader accepts "Key: value".
func isHeader(s string) error {
	key, _, ok := strings.Cut(s, ":")
	if !ok || strings.TrimSpace(key) == "" || strings.ContainsAny(s, "\r\n") {
		return errors.New("want \"Key: value\"")
	}
	return nil
}

// isMirror accepts an absolute http or https URL.
func isMirror(s string) error {
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return errors.New("want a URL that begins with http:// or https://")
	}
	return nil
}

// isPublished accepts what a manifest may list as a mirror: such a URL, or one
// relative to the manifest's own.
func isPublished(s string) error {
	u, err := url.Parse(s)
	if err != nil || s == "" {
		return errors.New("want a URL")
	}
	if u.Scheme == "" && u.Host == "" {
		return nil
	}
	return isMirror(s)
}

// parseKey reads a minisign public key: the base64 line itself, or a file that
// holds it.
func parseKey(s string) (string, error) {
	if isKey(s) {
		return s, nil
	}
	text, err := os.ReadFile(s)
	if err != nil {
		return "", errors.New("want a minisign public key, or a file that holds one")
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); isKey(line) {
			return line, nil
		}
	}
	return "", errors.New("the file holds no minisign public key")
}

// isKey tells whether s has the form of a minisign public key: "Ed", an 8-byte
// number and 32 bytes of Ed25519 key, in base64.
func isKey(s string) bool {
	raw, err := base64.StdEncoding.DecodeString(s)
	return err == nil && len(raw) == 42 && string(raw[:2]) == "Ed"
}

// parseID reads a content id.
func parseID(s string) (*verify.ID, error) {
	id, err := verify.ParseID(s)
	if err != nil {
		return nil, errors.New("want b3: and 64 hex digits")
	}
	return &id, nil
}

// parsePieceSize reads a piece size, which manifests bound.
func parsePieceSize(s string) (int64, error) {
	n, err := parseSize(s)
	if err != nil || n < 64<<10 || n > 64<<20 || n&(n-1) != 0 {
		return 0, errors.New("want a power of two from 64K to 64M")
	}
	return n, nil
}

// parseDiscovery reads what a publisher consents to.
func parseDiscovery(s string) ([]string, error) {
	if s == "none" {
		return nil, nil
	}
	words := strings.Split(s, ",")
	for _, w := range words {
		if w != "dht" && w != "lan" {
			return nil, errors.New("want dht, lan, both with a comma between, or none")
		}
	}
	slices.Sort(words)
	return slices.Compact(words), nil
}

// randomSalt is how many bytes "random" stands for.
const randomSalt = 32

// parseSalt reads a salt: "random", or bytes in hex.
func parseSalt(s string) ([]byte, error) {
	if s == "random" {
		b := make([]byte, randomSalt)
		_, _ = rand.Read(b) // it never fails, says its documentation
		return b, nil
	}
	b, err := hex.DecodeString(s)
	if err != nil || len(b) == 0 || len(b) > 64 {
		return nil, errors.New("want random, or 1 to 64 bytes in hex")
	}
	return b, nil
}

// creation is the time to be written as a manifest's: now, unless
// SOURCE_DATE_EPOCH says otherwise, as reproducible builds want it
// (https://reproducible-builds.org/specs/source-date-epoch).
func creation(epoch string) (time.Time, error) {
	if epoch == "" {
		return time.Now(), nil
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil || seconds < 0 || seconds > 1<<37 {
		return time.Time{}, &UsageError{Text: fmt.Sprintf("SOURCE_DATE_EPOCH=%q: want seconds since 1970", epoch)}
	}
	return time.Unix(seconds, 0).UTC(), nil
}
