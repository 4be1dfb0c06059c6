package argv

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestUsageErrors holds every way to be refused: one line, and often a hint.
func TestUsageErrors(t *testing.T) {
	for _, test := range []struct{ line, text, hint string }{
		{"", "no command given", "shoal fetch URL"},
		{"-q", "no command given", "shoal --help"},
		{"fecth http://h/m", `unknown command "fecth"`, "did you mean shoal fetch?"},
		{".", `unknown command "."`, "--help lists"},
		{"zzz", `unknown command "zzz"`, "--help lists"},
		{"fetch", "shoal fetch wants MANIFEST...", "shoal fetch --help"},
		{"fetch http://h/m --ouptut f", "unknown flag --ouptut", "did you mean --output?"},
		{"fetch http://h/m -output f", "unknown flag -output", "did you mean --output?"},
		{"fetch http://h/m --zzz", "unknown flag --zzz", "--help"},
		{"fetch http://h/m --o f", "unknown flag --o", ""},
		{"fetch http://h/m -qx", "unknown flag -qx", ""},
		{"fetch http://h/m -haeder k:v", "unknown flag -haeder", "did you mean --header?"},
		{"fetch http://h/m --output", "--output needs a value", ""},
		{"fetch http://h/m -o", "--output needs a value", ""},
		{"fetch http://h/m --quiet=maybe", `invalid boolean value "maybe" for --quiet`, ""},
		{"fetch http://h/m --timeout soon", `invalid value "soon" for --timeout: want a time`, ""},
		{"fetch http://h/m --timeout=-1s", "want a time", ""},
		{"fetch http://h/m --timeout 0", "--timeout 0 would call every source dead", ""},
		{"fetch http://h/m --limit-down 5X", "want bytes a second", ""},
		{"fetch http://h/m --connections 0", "want a whole number from 1 on", ""},
		{"fetch http://h/m --retries -1", "want a whole number from 0 on", ""},
		{"fetch http://h/m --seed-ratio -1", "want a number", ""},
		{"fetch http://h/m --monthly-upload much", "want a size", ""},
		{"fetch http://h/m --quiet-hours 9", "want hours such as 9-18", ""},
		{"seed m.shoal --quiet-hours 9-25", "want hours such as 9-18", ""},
		{"fetch http://h/m --prefer me", "want one of auto, speed, peers", ""},
		{"fetch http://h/m --id b3:12", "want b3: and 64 hex digits", ""},
		{"fetch http://h/m --pubkey nofile", "want a minisign public key", ""},
		{"fetch http://h/m --pubkey RWR4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg=", "want a minisign public key", ""},
		{"fetch http://h/m --mirror ftp://h/", "want a URL that begins with http", ""},
		{"fetch http://h/m --header novalue", `want "Key: value"`, ""},
		{"fetch http://h/m --peer host", "want HOST:PORT", ""},
		{"fetch http://h/m --peer host:0", "want HOST:PORT", ""},
		{"fetch http://h/m --peer :7411", "want HOST:PORT", ""},
		{"fetch http://h/m --listen 7411", "want HOST:PORT, or :0", ""},
		{"fetch http://h/m --key k", "--key needs --cert", ""},
		{"fetch a.shoal b.shoal -o -", "only one manifest's content", "-o DIR"},
		{"fetch a.shoal b.shoal -o f", "several manifests need a folder", "make it first"},
		{"fetch a.shoal b.shoal --id " + someID, "--id names one content", "one by one"},
		{"fetch - -", "stdin holds one manifest", ""},
		{"fetch a.shoal -o - --on-complete c", "--on-complete needs a file", "-o FILE"},
		{"fetch a.shoal --recheck --no-resume", "--recheck keeps", "choose"},
		{"fetch a.shoal --repair", "shoal fetch takes no --repair", "shoal verify does"},
		{"seed", "shoal seed wants MANIFEST...", "--help"},
		{"seed a.shoal b.shoal nofolder", "several manifests want a folder", "one manifest at a time"},
		{"seed a.shoal b.shoal --id " + someID, "--id names one content", "one by one"},
		{"seed - -", "stdin holds one manifest", ""},
		{"seed a.shoal --no-share", "shoal seed takes no --no-share", "shoal fetch does"},
		{"seed a.shoal --trust --recheck", "--trust hashes nothing", "choose"},
		{"seed a.shoal --http-only", "shoal seed takes no --http-only", ""},
		{"create f g", `shoal create: one operand too many: "g"`, "--help"},
		{"create f --piece-size 100K", "want a power of two", ""},
		{"create f --salt xyz", "want random", ""},
		{"create f --salt=", "want random", ""},
		{"create f --salt " + strings.Repeat("00", 65), "want random", ""},
		{"create f --discovery dht,all", "want dht, lan", ""},
		{"create f --mirror ftp://h/f", "want a URL that begins", ""},
		{"create f -o - --sign k", "a manifest on stdout has no place", "minisig"},
		{"create f -o - --json", "cannot share stdout", "-o FILE"},
		{"completion tcsh", `no completions for "tcsh"`, "bash, zsh and fish"},
		{"help fecth", `unknown command "fecth"`, "did you mean shoal fetch?"},
	} {
		_, err := parse(t, strings.Fields(test.line)...)
		usage, ok := errors.AsType[*UsageError](err)
		if !ok {
			t.Errorf("shoal %s: error is %v", test.line, err)
			continue
		}
		if !strings.Contains(usage.Text, test.text) || !strings.Contains(usage.Hint, test.hint) {
			t.Errorf("shoal %s:\n\tgot  %q, hint %q\n\twant %q, hint %q", test.line, usage.Text, usage.Hint, test.text, test.hint)
		}
		if strings.HasSuffix(usage.Text, "parse error") {
			t.Errorf("shoal %s: it ends in the parsing library's words: %q", test.line, usage.Text)
		}
		if strings.Contains(usage.Text, "\n") {
			t.Errorf("shoal %s: more than a line: %q", test.line, usage.Text)
		}
	}
}

// TestEmptyWords gives what a script makes of a variable that is not set: not what
// goes without saying, such as this folder, or a manifest that is not signed.
func TestEmptyWords(t *testing.T) {
	for _, args := range [][]string{
		{"fetch", ""}, {""}, {"fetch", "m.shoal", ""}, {"resume", ""}, {"seed", "m.shoal", ""}, {"create", ""}, {"verify", "m.shoal", ""}, {"show", ""},
		{"fetch", "m.shoal", "-o", ""}, {"fetch", "m.shoal", "--output="}, {"create", "f", "-o", ""}, {"create", "f", "--sign", ""},
		{"fetch", "m.shoal", "--cacert", ""}, {"fetch", "m.shoal", "--cert", "", "--key", ""}, {"fetch", "m.shoal", "--id", ""}, {"fetch", "m.shoal", "--pubkey", ""},
	} {
		_, err := parse(t, args...)
		if _, ok := errors.AsType[*UsageError](err); !ok {
			t.Errorf("shoal %q: error is %v", args, err)
		}
	}
}

func TestUsageErrorRemembersJSON(t *testing.T) {
	for line, want := range map[string]bool{
		"fetch --json --zzz": true, "fetch --zzz": false, "fetch --zzz -- --json": false,
	} {
		_, err := parse(t, strings.Fields(line)...)
		usage, ok := errors.AsType[*UsageError](err)
		if !ok || usage.JSON != want {
			t.Errorf("%s: got %+v", line, err)
		}
	}
}

func TestUsageErrorSaysWhatToDo(t *testing.T) {
	for line, want := range map[string]string{
		"fetch m.shoal --seed-time never": "see shoal fetch --help",
		"seed m.shoal --seed-time":        "see shoal seed --help",
		"--zzz m.shoal":                   "see shoal fetch --help",
		"resume --zzz":                    "see shoal resume --help",
		"fetch m.shoal --q":               "see shoal fetch --help",
		"--zzz":                           "see shoal --help",
	} {
		_, err := parse(t, strings.Fields(line)...)
		usage, ok := errors.AsType[*UsageError](err)
		if !ok || usage.Hint != want {
			t.Errorf("shoal %s: got %+v, want the hint %q", line, err, want)
		}
	}
}

func TestUsageErrorRemembersWhoListens(t *testing.T) {
	config := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(config, []byte("json = true\noutput = \"-\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		line, variable, config string
		json, stdout           bool
	}{
		{line: "fetch m.shoal --zzz -o -", stdout: true},
		{line: "m.shoal --zzz -o - -o f"},
		{line: "create f --zzz -o -"},
		{line: "fetch m.shoal --zzz", variable: "1", json: true},
		{line: "fetch m.shoal --zzz --json=false", variable: "1"},
		{line: "fetch m.shoal --zzz", config: config, json: true, stdout: true},
		{line: "fetch m.shoal --zzz", variable: "0", config: config, stdout: true},
	} {
		_, err := Parse(Input{Args: strings.Fields(test.line), Config: test.config, Getenv: func(name string) string {
			return map[string]string{"SHOAL_JSON": test.variable}[name]
		}})
		usage, ok := errors.AsType[*UsageError](err)
		if !ok || usage.JSON != test.json || usage.Stdout != test.stdout {
			t.Errorf("%+v: got %+v", test, err)
		}
	}
}
