package argv

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

const someID = "b3:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

// parse reads a line with an empty environment and no config file.
func parse(t *testing.T, args ...string) (Command, error) {
	t.Helper()
	return Parse(Input{Args: args, Getenv: func(string) string { return "" }})
}

func mustParse[T Command](t *testing.T, args ...string) T {
	t.Helper()
	got, err := parse(t, args...)
	if err != nil {
		t.Fatalf("Parse(%q): %v", args, err)
	}
	verb, ok := got.(T)
	if !ok {
		t.Fatalf("Parse(%q) is a %T", args, got)
	}
	return verb
}

func TestFlagsStandAnywhere(t *testing.T) {
	for _, args := range [][]string{
		{"fetch", "http://h/m", "-o", "f", "-qv"},
		{"fetch", "-o", "f", "-qv", "http://h/m"},
		{"-q", "-v", "fetch", "http://h/m", "--output=f"},
		{"fetch", "-vqof", "http://h/m"},
		{"get", "-qv", "--output", "f", "--", "http://h/m"},
		{"http://h/m", "-o=f", "--quiet=true", "--verbose"},
	} {
		f := mustParse[*Fetch](t, args...)
		if f.Output != "f" || !f.Quiet || !f.Verbose || !reflect.DeepEqual(f.Manifests, []string{"http://h/m"}) {
			t.Errorf("%q: got %+v", args, f)
		}
	}
	f := mustParse[*Fetch](t, "fetch", "-o", ".", "--", "http://h/m", "-qv")
	if !reflect.DeepEqual(f.Manifests, []string{"http://h/m", "-qv"}) || f.Quiet {
		t.Errorf("-- did not end the flags: %+v", f)
	}
}

func TestHelpAnywhere(t *testing.T) {
	for line, want := range map[string]string{
		"--help":                        "usage: shoal COMMAND",
		"-h":                            "usage: shoal COMMAND",
		"help":                          "usage: shoal COMMAND",
		"fetch --help":                  "usage: shoal fetch",
		"fetch http://h/m --help -o f":  "usage: shoal fetch",
		"fetch http://h/m --bogus -h":   "usage: shoal fetch",
		"fetch http://h/m -qh":          "usage: shoal fetch",
		"create -hq":                    "usage: shoal create",
		"fetch -vhof http://h/m":        "usage: shoal fetch",
		"--help create":                 "usage: shoal create",
		"http://h/m -h":                 "usage: shoal fetch",
		"help get":                      "usage: shoal fetch",
		"help version":                  "usage: shoal version",
		"help help":                     "usage: shoal COMMAND",
		"resume --help --timeout never": "usage: shoal resume",
	} {
		if got := mustParse[*Help](t, strings.Fields(line)...).Text; !strings.Contains(got, want) {
			t.Errorf("shoal %s: help is %q", line, got)
		}
	}
	mustParse[*Version](t, "--version")
	mustParse[*Version](t, "version")
}

// TestMulticall lets the manifest stand where the verb would.
func TestMulticall(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("plain", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"https://h/m", "m.shoal", "-", "plain"} {
		if f := mustParse[*Fetch](t, word); f.Manifests[0] != word {
			t.Errorf("%s: %+v", word, f)
		}
	}
	if f := mustParse[*Fetch](t, "--", "create"); f.Manifests[0] != "create" {
		t.Errorf("after -- no word is a verb: %+v", f)
	}
	if f := mustParse[*Fetch](t, "fetch", "help"); f.Manifests[0] != "help" {
		t.Errorf("help is no verb behind a verb: %+v", f)
	}
}

// TestFlagsAgree keeps the sorting of a line independent of its verb: a name
// takes a value with every verb or with none.
func TestFlagsAgree(t *testing.T) {
	var got Command
	verb := map[string]*cli.Command{}
	first := map[string]cli.Flag{}
	for _, c := range newApp(&got, os.Getenv).Commands {
		for _, f := range c.Flags {
			for _, name := range f.Names() {
				if other, ok := first[name]; ok && (takesValue(other) != takesValue(f) || (asList(other) == nil) != (asList(f) == nil)) {
					t.Errorf("--%s differs between %s and %s", name, verb[name].Name, c.Name)
				}
				first[name], verb[name] = f, c
			}
		}
	}
}

func TestQuote(t *testing.T) {
	for word, want := range map[string]string{
		"": "''", "dir/debian-12.iso": "dir/debian-12.iso", "größe": "größe", "my file": "'my file'", "it's": `'it'\''s'`,
		"$HOME": "'$HOME'", "-x.iso": "./-x.iso", "-my file": "'./-my file'",
	} {
		if got := Quote(word); got != want {
			t.Errorf("Quote(%q) = %s, want %s", word, got, want)
		}
	}
}
