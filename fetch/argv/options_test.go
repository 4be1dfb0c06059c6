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

	"aead.dev/minisign"

	"github.com/shoal-dl/shoal/fetch"
	"github.com/shoal-dl/shoal/verify"
)

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
	for _, epoch := range []string{"-1", "today", "274877906944"} {
		_, err := Parse(Input{Args: []string{"create", "f"}, Getenv: func(key string) string {
			return map[string]string{"SOURCE_DATE_EPOCH": epoch}[key]
		}})
		if _, ok := errors.AsType[*UsageError](err); !ok {
			t.Errorf("SOURCE_DATE_EPOCH=%s: %v", epoch, err)
		}
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

// TestCreateKeepsWhatItReads refuses names by which the manifest or its signature
// would take the place of the content or the key.
func TestCreateKeepsWhatItReads(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"f", "g.minisig", "key", "m.minisig", "f.shoal"} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for line, want := range map[string]string{
		"create f -o f":                          "f cannot be both the content and its manifest",
		"create f -o key --sign key":             "key cannot be both the secret key and the manifest",
		"create f -o m --sign m.minisig":         "m.minisig cannot be both the secret key and the manifest's signature",
		"create f --overwrite --sign f.shoal":    "f.shoal cannot be both the secret key and the manifest",
		"create g.minisig -o g --sign key":       "g.minisig cannot be both the content and the manifest's signature",
		"create g.minisig -o g":                  "",
		"create f -o m --sign key":               "",
		"create f --sign key -o f.shoal --quiet": "",
		"create f -o - --quiet":                  "",
	} {
		_, err := parse(t, strings.Fields(line)...)
		if got, _ := errors.AsType[*UsageError](err); err != nil && (got == nil || got.Text != want) || err == nil && want != "" {
			t.Errorf("shoal %s: %v, want %q", line, err, want)
		}
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

// TestReplaces leaves alone what no earlier create can have written.
func TestReplaces(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("f", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := verify.Create(t.Context(), "f", verify.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	_, secret, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	sig := minisign.Sign(secret, manifest)
	for name, text := range map[string][]byte{
		"f.shoal": manifest, "m": manifest, "m.minisig": sig, "other": sig, "other.minisig": sig, "n": manifest, "n.minisig": manifest, "none.minisig": sig,
	} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		output, path string
		want         bool
	}{
		{"", "f.shoal", false}, {".", "f.shoal", false}, {"m", "m", true}, {"m", "m.minisig", true}, {"other", "other", false},
		{"other", "other.minisig", false}, {"n", "n.minisig", false}, {"none", "none.minisig", false},
	} {
		o := &Create{Path: "f", Output: test.output}
		if got := o.Replaces(test.path); got != test.want {
			t.Errorf("create -o %q replaces %s: %v", test.output, test.path, got)
		}
		if o.Overwrite = true; !o.Replaces(test.path) {
			t.Errorf("create -o %q --overwrite does not replace %s", test.output, test.path)
		}
	}
}

func TestPathOf(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, err := range []error{
		os.Mkdir("d", 0o700), os.MkdirAll("one/sub", 0o700), os.WriteFile("one/sub/n", nil, 0o600),
		os.Mkdir("linked", 0o700), os.Symlink(must(filepath.Abs("one/sub")), "linked/sub"),
		os.MkdirAll("both/sub", 0o700), os.WriteFile("both/sub/n", nil, 0o600), os.WriteFile("both/n", nil, 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	file := &verify.Manifest{Name: "n", Files: []verify.File{{Path: "n"}}}
	only := &verify.Manifest{Name: "n", Files: []verify.File{{Path: "sub/n"}}}
	folder := &verify.Manifest{Name: "n", Files: []verify.File{{Path: "a"}, {Path: "b"}}}
	for _, test := range []struct {
		m          *verify.Manifest
		manifests  int
		path, want string
	}{
		{file, 1, "", "n"}, {file, 1, "f", "f"}, {file, 1, "d", filepath.Join("d", "n")},
		{file, 1, "no/", filepath.Join("no", "n")}, {folder, 1, "no", "no"},
		{only, 1, "one", filepath.Join("one", "sub", "n")}, {only, 2, "one", filepath.Join("one", "sub", "n")}, {only, 1, "", "n"},
		{only, 1, "d", filepath.Join("d", "n")}, {only, 1, "linked", filepath.Join("linked", "n")}, {only, 1, "both", filepath.Join("both", "n")},
		{folder, 1, "", "n"}, {folder, 1, "d", "d"}, {folder, 2, "d", filepath.Join("d", "n")},
	} {
		if got := (&Seed{Manifests: make([]string, test.manifests), Path: test.path}).PathOf(test.m); got != test.want {
			t.Errorf("of %d manifests, one of %d files with path %q is at %s, want %s", test.manifests, len(test.m.Files), test.path, got, test.want)
		}
		if got := (&Verify{Path: test.path}).PathOf(test.m); test.manifests == 1 && got != test.want {
			t.Errorf("what verify checks with path %q is at %s, want %s", test.path, got, test.want)
		}
	}
}

func must(s string, err error) string {
	if err != nil {
		panic(err)
	}
	return s
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
