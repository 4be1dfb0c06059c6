package argv

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/urfave/cli/v2"
	"github.com/xrash/smetrics"
)

// similar is the least Jaro-Winkler likeness, of at most 1, at which a name is
// offered for a misspelt one.
const similar = 0.8

// nearest is the known name of more than one letter that is most like word,
// or "" when none is like it.
func nearest[T any](word string, known map[string]T) string {
	best, name := similar, ""
	for _, k := range slices.Sorted(maps.Keys(known)) {
		// The last two figures are those of Winkler's own paper: a common
		// start of up to four letters counts, if the rest is likely at all.
		if likeness := smetrics.JaroWinkler(word, k, 0.7, 4); likeness > best && len(k) > 1 {
			best, name = likeness, k
		}
	}
	return name
}

// unknownFlag is the error for a flag that no verb has; near is the name of
// one that may be meant, or "", and then the verb's help lists them.
func unknownFlag(word, near string) *UsageError {
	hint := ""
	if near != "" {
		hint = "did you mean --" + near + "?"
	}
	return &UsageError{Text: "unknown flag " + word, Hint: hint}
}

// unknownVerb is the error for a first operand that is neither a verb nor
// anything that could be a manifest.
func unknownVerb(word string, verbs []*cli.Command) *UsageError {
	names := map[string]bool{"help": true}
	for _, v := range verbs {
		for _, n := range v.Names() {
			names[n] = true
		}
	}
	hint := "shoal --help lists the commands; a manifest is a URL, a file or -"
	if near := nearest(word, names); near != "" {
		hint = "did you mean shoal " + near + "?"
	}
	return &UsageError{Text: fmt.Sprintf("unknown command %q", word), Hint: hint}
}

// Quote is a path as it must be typed at a Unix shell to stay one word, and not
// to be taken for a flag.
func Quote(path string) string {
	word := path
	if strings.HasPrefix(word, "-") {
		word = "./" + word
	}
	plain := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("%+,-./:=@_", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
