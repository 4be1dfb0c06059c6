package argv

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/shoal-dl/shoal/fetch"
)

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
		"connections = 1979-05-27\n":    "config.toml:1: connections: want a string or a number",
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
	config := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(config, []byte("zzz = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(Input{Args: []string{"version"}, Getenv: env, Config: config}); err != nil {
		t.Errorf("version looks at variables or the config file: %v", err)
	}
	if f, err := Parse(Input{Args: []string{"fetch", "http://h/m"}, Getenv: func(string) string { return "" }, Config: config + "/none"}); err != nil {
		t.Errorf("a file in place of the config's folder: %v, %v", f, err)
	}
}
