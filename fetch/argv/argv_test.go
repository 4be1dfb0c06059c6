package argv

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/shoal-dl/shoal/fetch"
	"github.com/shoal-dl/shoal/verify"
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

func TestValues(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("-dir", 0o700); err != nil {
		t.Fatal(err)
	}
	f := mustParse[*Fetch](t, "fetch", "m.shoal", "-", "--header", "A: -1, 2", "--header=-B:=x",
		"--limit-down", "1.5MiB", "--timeout", "90", "--deadline=1h30m", "--output", "-dir",
		"--mirror", "https://a/", "--mirror", "http://b/f?x=1,2", "--seed-time", "0", "--http-only",
		"--peer", "[::1]:7411", "--prefer", "speed")
	want := Fetch{
		Look: Look{Color: "auto"},
		HTTP: HTTP{
			ClientOptions: fetch.ClientOptions{Headers: []string{"A: -1, 2", "-B:=x"}, Meant: true, Timeout: 90 * time.Second},
			Mirrors:       []string{"https://a/", "http://b/f?x=1,2"}, LimitDown: 3 << 19, Connections: 4, Retries: 5, Deadline: 90 * time.Minute,
		},
		Swarm: Swarm{
			Peers: []string{"[::1]:7411"}, Prefer: fetch.PreferSpeed, HTTPOnly: true,
			SeedIdle: 10 * time.Second, SeedRatio: 1, MonthlyUpload: 20 << 30, Listen: ":0",
		},
		Manifests: []string{"m.shoal", "-"}, Output: "-dir",
	}
	f.Origins = nil // TestOrigins looks at them
	if !reflect.DeepEqual(*f, want) {
		t.Errorf("got  %+v\nwant %+v", *f, want)
	}
}

func TestCreate(t *testing.T) {
	c := mustParse[*Create](t, "create", "dir", "--mirror", "dir/", "--salt", "beef", "--discovery", "lan,dht",
		"--piece-size", "1M", "--name", "n", "--modified")
	want := Create{
		Look: Look{Color: "auto"}, Path: "dir",
		CreateOptions: verify.CreateOptions{
			Name: "n", PieceSize: 1 << 20, Mirrors: []verify.Mirror{{URL: "dir/"}}, Salt: []byte{0xbe, 0xef},
			Discovery: []string{"dht", "lan"}, Modified: true,
		},
	}
	if c.Created.IsZero() {
		t.Error("there is no creation time")
	}
	if c.Created = want.Created; !reflect.DeepEqual(*c, want) {
		t.Errorf("got  %+v\nwant %+v", *c, want)
	}
	c = mustParse[*Create](t, "create", "f", "--salt=random", "--discovery=none")
	other := mustParse[*Create](t, "create", "f", "--salt=random")
	if len(c.Salt) != 32 || bytes.Equal(c.Salt, other.Salt) || c.Discovery != nil {
		t.Errorf("got %+v", *c)
	}
	got, err := Parse(Input{Args: []string{"create", "f"}, Getenv: func(key string) string {
		return map[string]string{"SOURCE_DATE_EPOCH": "1700000000"}[key]
	}})
	if err != nil || got.(*Create).Created.Unix() != 1700000000 {
		t.Errorf("with SOURCE_DATE_EPOCH: %+v, %v", got, err)
	}
}

func TestSeed(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		line, path string
		manifests  []string
	}{
		{"m.shoal", "", []string{"m.shoal"}},
		{"plain", "", []string{"plain"}},
		{"m.shoal f", "f", []string{"m.shoal"}},
		{"m.shoal n.shoal", "", []string{"m.shoal", "n.shoal"}},
		{"https://h/m - " + dir, dir, []string{"https://h/m", "-"}},
	} {
		s := mustParse[*Seed](t, append([]string{"seed"}, strings.Fields(test.line)...)...)
		if !reflect.DeepEqual(s.Manifests, test.manifests) || s.Path != test.path {
			t.Errorf("seed %s: manifests %q at %q", test.line, s.Manifests, s.Path)
		}
	}
	// It stays, unless it is told when to leave; --seed-time 0 is no time.
	for line, want := range map[string]Swarm{
		"seed m.shoal":               {SeedTime: -1},
		"seed m.shoal --seed-time 0": {SeedTime: -1},
		"seed m.shoal --seed-time 1h --seed-idle 90 --trust":   {SeedTime: time.Hour, SeedIdle: 90 * time.Second},
		"seed m.shoal --seed-ratio 2 --max-upload 1G --no-lan": {SeedTime: -1, SeedRatio: 2, MaxUpload: 1 << 30, NoLAN: true},
	} {
		want.Listen, want.MonthlyUpload = ":0", 20<<30
		s := mustParse[*Seed](t, strings.Fields(line)...)
		s.Origins = nil
		if !reflect.DeepEqual(s.Swarm, want) || s.Trusted != strings.Contains(line, "--trust") {
			t.Errorf("%s: got %+v, want %+v", line, s.Swarm, want)
		}
	}
}

func TestDoctor(t *testing.T) {
	got, err := Parse(Input{Args: []string{"doctor", "m.shoal", "--limit-up", "1M", "-o", "dir", "--no-dht"}, Getenv: func(key string) string {
		return map[string]string{"SHOAL_CONNECTIONS": "2"}[key]
	}})
	if err != nil {
		t.Fatal(err)
	}
	d := got.(*Doctor)
	if d.Manifest != "m.shoal" || d.Output != "dir" || d.Origins["limit-up"].From != FromFlag {
		t.Errorf("got %+v", d)
	}
	said := strings.Join(d.InForce, ", ")
	for _, want := range []string{"limit-up 1M (--limit-up)", "connections 2 (SHOAL_CONNECTIONS)", "no-dht (--no-dht)", "seed-time 1m (default)"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not among %s", want, said)
		}
	}
	if strings.Contains(said, "limit-down") || strings.Contains(said, "no-lan") {
		t.Errorf("what is not set holds: %s", said)
	}
	if d := mustParse[*Doctor](t, "doctor"); d.Manifest != "" || d.Output != "" {
		t.Errorf("got %+v", d)
	}
}

func TestTarget(t *testing.T) {
	t.Chdir(t.TempDir())
	here := filepath.Base(must(os.Getwd())) + ".shoal"
	for _, test := range []struct{ path, output, want string }{
		{"d/f.iso", "", "f.iso.shoal"}, {".", "", here}, {"f", "m.json", "m.json"}, {"f", "-", "-"},
		{"d/f", ".", "f.shoal"},
	} {
		if got := must((&Create{Path: test.path, Output: test.output}).Target()); got != test.want {
			t.Errorf("create %s -o %q writes to %s, want %s", test.path, test.output, got, test.want)
		}
	}
}

func TestPathOf(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("d", 0o700); err != nil {
		t.Fatal(err)
	}
	file := &verify.Manifest{Name: "n", Files: []verify.File{{Path: "n"}}}
	folder := &verify.Manifest{Name: "n", Files: []verify.File{{Path: "a"}, {Path: "b"}}}
	for _, test := range []struct {
		m          *verify.Manifest
		manifests  int
		path, want string
	}{
		{file, 1, "", "n"}, {file, 1, "f", "f"}, {file, 1, "d", filepath.Join("d", "n")},
		{folder, 1, "", "n"}, {folder, 1, "d", "d"}, {folder, 2, "d", filepath.Join("d", "n")},
	} {
		if got := (&Seed{Manifests: make([]string, test.manifests), Path: test.path}).PathOf(test.m); got != test.want {
			t.Errorf("of %d manifests, one of %d files with path %q is at %s, want %s", test.manifests, len(test.m.Files), test.path, got, test.want)
		}
	}
}

func must(s string, err error) string {
	if err != nil {
		panic(err)
	}
	return s
}

// TestUsageErrors holds every way to be refused: one line, and often a hint.
func TestUsageErrors(t *testing.T) {
	for _, test := range []struct{ line, text, hint string }{
		{"", "no command given", "shoal fetch URL"},
		{"-q", "no command given", "shoal --help"},
		{"fecth http://h/m", `unknown command "fecth"`, "did you mean shoal fetch?"},
		{"zzz", `unknown command "zzz"`, "--help lists"},
		{"fetch", "shoal fetch wants MANIFEST...", "shoal fetch --help"},
		{"fetch http://h/m --ouptut f", "unknown flag --ouptut", "did you mean --output?"},
		{"fetch http://h/m -output f", "unknown flag -output", "did you mean --output?"},
		{"fetch http://h/m --zzz", "unknown flag --zzz", "--help"},
		{"fetch http://h/m --o f", "unknown flag --o", ""},
		{"fetch http://h/m -qx", "unknown flag -qx", ""},
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
		{"fetch http://h/m --mirror ftp://h/", "want a URL that begins with http", ""},
		{"fetch http://h/m --header novalue", `want "Key: value"`, ""},
		{"fetch http://h/m --peer host", "want HOST:PORT", ""},
		{"fetch http://h/m --peer host:0", "want HOST:PORT", ""},
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
		{"seed a.shoal --no-share", "shoal seed takes no --no-share", "shoal fetch does"},
		{"seed a.shoal --trust --recheck", "--trust hashes nothing", "choose"},
		{"seed a.shoal --http-only", "shoal seed takes no --http-only", ""},
		{"create f g", `shoal create: one operand too many: "g"`, "--help"},
		{"create f --piece-size 100K", "want a power of two", ""},
		{"create f --salt xyz", "want random", ""},
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
		if strings.Contains(usage.Text, "\n") {
			t.Errorf("shoal %s: more than a line: %q", test.line, usage.Text)
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

func TestHelpAnywhere(t *testing.T) {
	for line, want := range map[string]string{
		"--help":                        "usage: shoal COMMAND",
		"-h":                            "usage: shoal COMMAND",
		"help":                          "usage: shoal COMMAND",
		"fetch --help":                  "usage: shoal fetch",
		"fetch http://h/m --help -o f":  "usage: shoal fetch",
		"fetch http://h/m --bogus -h":   "usage: shoal fetch",
		"--help create":                 "usage: shoal create",
		"http://h/m -h":                 "usage: shoal fetch",
		"help get":                      "usage: shoal fetch",
		"help version":                  "usage: shoal version",
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

func TestLayers(t *testing.T) {
	config := filepath.Join(t.TempDir(), "config.toml")
	text := "limit-down = \"2M\"\nconnections = 2\nquiet = true\nmirror = [\"http://file/a\", \"http://file/b\"]\n" +
		"seed-ratio = 0.5\ntimeout = 20\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{
		"SHOAL_CONNECTIONS": "3", "SHOAL_NO_PROGRESS": "1", "SHOAL_PREFER": "",
		"SHOAL_HEADER": "A: b c\n\nD: e", "SHOAL_PEER": "h:1  i:2",
	}
	in := Input{
		Args: []string{"fetch", "http://h/m", "--timeout", "30s", "--quiet=false"}, Config: config,
		Getenv: func(key string) string { return env[key] },
	}
	got, err := Parse(in)
	if err != nil {
		t.Fatal(err)
	}
	f := got.(*Fetch)
	switch {
	case f.Timeout != 30*time.Second, f.Quiet:
		t.Errorf("the line does not win: %+v", f)
	case f.Connections != 3, !f.NoProgress, !reflect.DeepEqual(f.Headers, []string{"A: b c", "D: e"}),
		!reflect.DeepEqual(f.Peers, []string{"h:1", "i:2"}):
		t.Errorf("the environment does not come second: %+v", f)
	case f.LimitDown != 2<<20, f.SeedRatio != 0.5, !reflect.DeepEqual(f.Mirrors, []string{"http://file/a", "http://file/b"}):
		t.Errorf("the file does not come third: %+v", f)
	case f.Prefer != fetch.PreferAuto:
		t.Errorf("an empty variable is not unset: %+v", f)
	}
	in.Args = append(in.Args, "--mirror", "http://line/")
	if got, err = Parse(in); err != nil || !reflect.DeepEqual(got.(*Fetch).Mirrors, []string{"http://line/"}) {
		t.Errorf("a list on the line adds to the file's: %+v, %v", got, err)
	}
}

// TestOrigins holds that each flag remembers the layer it came from, whichever
// verb it belongs to.
func TestOrigins(t *testing.T) {
	config := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(config, []byte("# mine\nlimit-up = \"2M\"\nlimit-down = 5\nmax-upload = \"1G\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"SHOAL_LIMIT_UP": "3M", "SHOAL_MAX_UPLOAD": "2G", "SHOAL_NO_DHT": ""}
	for _, verb := range []string{"fetch", "resume", "verify", "seed"} {
		got, err := Parse(Input{
			Args: []string{verb, "m.shoal", "--max-upload=3G", "-q"}, Config: config,
			Getenv: func(key string) string { return env[key] },
		})
		if err != nil {
			t.Fatal(err)
		}
		origins := reflect.ValueOf(got).Elem().FieldByName("Origins").Interface().(Origins)
		want := map[string]string{
			"max-upload": "flag --max-upload", "quiet": "flag --quiet", "limit-up": "variable SHOAL_LIMIT_UP",
			"no-dht": "default ", "listen": "default ",
		}
		if verb != "seed" {
			want["limit-down"] = "file " + config + ":3"
		}
		for flag, want := range want {
			if o := origins[flag]; string(o.From)+" "+o.Where != want {
				t.Errorf("shoal %s: --%s is from %+v, want %q", verb, flag, o, want)
			}
		}
	}
}

// TestMeant lets credentials go to the mirrors of a manifest at hand only when all
// of them are on the line.
func TestMeant(t *testing.T) {
	for line, want := range map[string]bool{
		"":                             false,
		"--header X:1":                 true,
		"--cert c.pem":                 true,
		"--netrc":                      true,
		"SHOAL_HEADER=X:1":             false,
		"SHOAL_HEADER=X:1 --cert c":    false,
		"--header X:1 SHOAL_NETRC=yes": false,
		"--header X:1 SHOAL_NETRC=no":  true,
		"--timeout 1s":                 false,
	} {
		env := map[string]string{}
		args := []string{"fetch", "m.shoal"}
		for _, word := range strings.Fields(line) {
			if name, value, ok := strings.Cut(word, "="); ok {
				env[name] = strings.NewReplacer("yes", "true", "no", "false").Replace(value)
				continue
			}
			args = append(args, word)
		}
		got, err := Parse(Input{Args: args, Getenv: func(key string) string { return env[key] }})
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if got := got.(*Fetch).Meant; got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}

func TestLayerErrors(t *testing.T) {
	for text, want := range map[string]string{
		"quiet = true\nlimt-down = 3":   "config.toml:2: limt-down: no such setting",
		"quiet = \"yes\"":               "config.toml:1: quiet: want true or false",
		"\noutput = 5":                  "config.toml:2: output: want a string",
		"mirror = [1]":                  "config.toml:1: mirror: want a list of strings",
		"mirror = 1":                    "config.toml:1: mirror: want a string or a list of strings",
		"timeout = \"soon\"":            "config.toml:1: timeout: want a time",
		"connections = 0":               "config.toml:1: connections: want a whole number",
		"quiet = ":                      "config.toml:1: ",
		"[fetch]\nquiet = true":         "config.toml:1: fetch: no such setting",
		"o = \"x\"":                     "config.toml:1: o: no such setting",
		"header = [\"novalue\"]\n":      "config.toml:1: header: want \"Key: value\"",
		"connections = 1979-05-27\n":    "config.toml:1: connections: want a string",
		"timeout = [\"1s\"]\nquiet=1\n": "want",
	} {
		config := filepath.Join(t.TempDir(), "config.toml")
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Parse(Input{Args: []string{"fetch", "http://h/m"}, Getenv: func(string) string { return "" }, Config: config})
		if usage, ok := errors.AsType[*UsageError](err); !ok || !strings.Contains(usage.Text, want) {
			t.Errorf("config %q: got %v, want %q", text, err, want)
		}
	}
	env := func(key string) string { return map[string]string{"SHOAL_INSECURE": "yes please"}[key] }
	_, err := Parse(Input{Args: []string{"fetch", "http://h/m"}, Getenv: env})
	if err == nil || err.Error() != `SHOAL_INSECURE="yes please": want true or false` {
		t.Errorf("variable: got %v", err)
	}
	if _, err := Parse(Input{Args: []string{"version"}, Getenv: env}); err != nil {
		t.Errorf("version looks at variables: %v", err)
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

func TestPubkeyFile(t *testing.T) {
	const key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
	file := filepath.Join(t.TempDir(), "minisign.pub")
	if err := os.WriteFile(file, []byte("untrusted comment: k\n"+key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, arg := range []string{key, file} {
		if f := mustParse[*Fetch](t, "fetch", "m.shoal", "--pubkey", arg); f.Pubkey != key {
			t.Errorf("--pubkey %s: got %q", arg, f.Pubkey)
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
