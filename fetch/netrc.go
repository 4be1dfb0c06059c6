package fetch

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// netrc holds the log-ins of a netrc file by lower-case host; "" is the default.
type netrc map[string]*login

type login struct{ user, password string }

// find looks up the log-in for a URL, or returns nil. Only who is named is shown
// the default, and a stranger nothing over plain http. A nil netrc has none.
func (n netrc) find(u *url.URL, t standing) *login {
	if t == stranger && u.Scheme != "https" {
		return nil
	}
	l := n[strings.ToLower(u.Hostname())]
	if l == nil && t == named {
		l = n[""]
	}
	if l == nil || *l == (login{}) {
		return nil
	}
	return l
}

// loadNetrc reads the file that $NETRC names, or else ~/.netrc (on Windows
// also ~/_netrc).
func loadNetrc() (netrc, error) {
	path := os.Getenv("NETRC")
	if path == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, fmt.Errorf("read netrc: %w", err)
		}
		path = filepath.Join(home, ".netrc")
		if _, err := os.Stat(path); err != nil && runtime.GOOS == "windows" {
			path = filepath.Join(home, "_netrc")
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read netrc: %w", err)
	}
	return parseNetrc(string(text)), nil
}

// parseNetrc reads the format of ftp(1) with the quotes and comments that curl
// knows. The first entry for a host wins; what is not understood is skipped.
func parseNetrc(text string) netrc {
	n := netrc{}
	entry := &login{}
	words := netrcWords(text)
	for len(words) > 0 {
		key := words[0]
		words = words[1:]
		if key == "default" {
			entry = n.enter("")
			continue
		}
		if len(words) == 0 {
			break
		}
		switch value := words[0]; key {
		case "machine":
			entry = n.enter(strings.ToLower(value))
		case "login":
			entry.user = value
		case "password":
			entry.password = value
		case "account":
		default:
			continue
		}
		words = words[1:]
	}
	return n
}

// enter adds a host; when it is there already, what is returned is discarded.
func (n netrc) enter(host string) *login {
	l := &login{}
	if n[host] == nil {
		n[host] = l
	}
	return l
}

// netrcWords leaves out comments, and macros, which end with an empty line.
func netrcWords(text string) []string {
	var words []string
	inMacro := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case inMacro:
			inMacro = line != ""
			continue
		case strings.HasPrefix(line, "#"):
			continue
		case strings.HasPrefix(line, "macdef"):
			inMacro = true
			continue
		}
		for line != "" {
			var word string
			word, line = nextWord(line)
			words = append(words, word)
		}
	}
	return words
}

// nextWord cuts the first word off a trimmed line. One in double quotes may
// contain spaces and, after a backslash, quotes.
func nextWord(line string) (word, rest string) {
	if line[0] != '"' {
		end := strings.IndexAny(line, " \t")
		if end < 0 {
			return line, ""
		}
		return line[:end], strings.TrimSpace(line[end:])
	}
	var b strings.Builder
	for i := 1; i < len(line); i++ {
		switch c := line[i]; {
		case c == '"':
			return b.String(), strings.TrimSpace(line[i+1:])
		case c == '\\' && i+1 < len(line):
			i++
			b.WriteByte(line[i])
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}
