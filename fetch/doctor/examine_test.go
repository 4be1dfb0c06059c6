package doctor

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shoal-dl/shoal/fetch"
	"github.com/shoal-dl/shoal/fetch/argv"
	"github.com/shoal-dl/shoal/fetch/report"
	"github.com/shoal-dl/shoal/verify"
)

// view is a Probe that finds nothing wrong but that nobody is in the DHT.
type view struct{}

func (view) Nodes() []string                    { return []string{"192.0.2.1:6881"} }
func (view) DHT(context.Context) (Reach, error) { return Reach{Asked: 1}, nil }
func (view) Door(context.Context) (Door, error) { return Door{Local: true}, nil }
func (view) LAN(context.Context) (Voice, error) { return Voice{Heard: []string{"eth0"}}, nil }
func goodDisk(context.Context) (Trial, error) {
	return Trial{Folder: "/", Free: 1, Wrote: 1 << 30, Took: 1}, nil
}
func oneProbe(bool, []string) Probe { return view{} }

func TestExamineWithoutManifest(t *testing.T) {
	for _, test := range []struct {
		swarm argv.Swarm
		want  []string
		err   string
	}{
		{
			argv.Swarm{}, []string{"ok limits", "ok disk", "ok proxy", "ok names", "broken dht", "ok inbound", "ok lan", "ok clock"},
			"examined 8 things: 1 broken",
		},
		{argv.Swarm{NoDHT: true, NoShare: true}, []string{"ok limits", "ok disk", "ok proxy", "ok names", "ok lan", "ok clock"}, ""},
		{argv.Swarm{HTTPOnly: true}, []string{"ok limits", "ok disk", "ok proxy", "ok names", "ok clock"}, ""},
	} {
		got, err := examined(t, &argv.Doctor{Swarm: test.swarm}, oneProbe)
		if !slices.Equal(got, test.want) {
			t.Errorf("%+v: %q, want %q", test.swarm, got, test.want)
		}
		if err == nil && test.err != "" || err != nil && err.Error() != test.err {
			t.Errorf("%+v: error %v, want %q", test.swarm, err, test.err)
		}
	}
}

// TestExamineWays leaves out what a download of the manifest would not do, and
// tells when nobody is left who could have the content.
func TestExamineWays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	peer := []string{"127.0.0.1:1"}
	for _, test := range []struct {
		published verify.CreateOptions
		mirrors   []string
		swarm     argv.Swarm
		want      string
	}{
		{published: verify.CreateOptions{}, want: "warning manifest"},
		{published: verify.CreateOptions{Mirrors: []verify.Mirror{{URL: "f"}}}, want: "warning manifest"},
		{published: verify.CreateOptions{Peers: peer}, want: "ok manifest"},
		{published: verify.CreateOptions{Peers: peer}, swarm: argv.Swarm{HTTPOnly: true}, want: "warning manifest"},
		{swarm: argv.Swarm{Peers: peer}, want: "ok manifest"},
		{mirrors: []string{"http://127.0.0.1:1/f"}, want: "ok manifest, broken mirror"},
		{published: verify.CreateOptions{Discovery: []string{"dht"}}, want: "ok manifest, broken dht, ok inbound"},
		{published: verify.CreateOptions{Discovery: []string{"dht"}}, swarm: argv.Swarm{NoShare: true}, want: "ok manifest, broken dht"},
		{published: verify.CreateOptions{Discovery: []string{"dht"}}, swarm: argv.Swarm{HTTPOnly: true}, want: "warning manifest"},
		{published: verify.CreateOptions{Discovery: []string{"dht"}}, swarm: argv.Swarm{NoDHT: true}, want: "warning manifest, ok inbound"},
		{published: verify.CreateOptions{Discovery: []string{"lan"}}, want: "ok manifest, ok inbound, ok lan"},
		{published: verify.CreateOptions{Discovery: []string{"lan"}}, swarm: argv.Swarm{NoLAN: true}, want: "warning manifest, ok inbound"},
	} {
		published(t, path, test.published)
		o := &argv.Doctor{Manifest: path + ".shoal", Swarm: test.swarm}
		o.Mirrors = test.mirrors
		got, _ := examined(t, o, oneProbe)
		got = slices.DeleteFunc(got, func(line string) bool {
			return slices.Contains([]string{"ok limits", "ok disk", "ok proxy", "ok names", "ok clock"}, line)
		})
		if got := strings.Join(got, ", "); got != test.want {
			t.Errorf("%+v, --mirror %q, %+v: %q, want %q", test.published, test.mirrors, test.swarm, got, test.want)
		}
	}
}

// TestExamineLooksIntoTheManifest has its nodes asked, its time compared and its
// way here judged.
func TestExamineLooksIntoTheManifest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	nodes := []string{"127.0.0.1:2"}
	id := published(t, path, verify.CreateOptions{Discovery: []string{"dht"}, Bootstrap: nodes, Created: time.Now().Add(time.Hour)})
	var asked []string
	probe := func(_ bool, bootstrap []string) Probe {
		asked = bootstrap
		return view{}
	}
	got, _ := examined(t, &argv.Doctor{Manifest: path + ".shoal"}, probe)
	if !slices.Equal(asked, nodes) || !slices.Contains(got, "warning clock") || !slices.Contains(got, "ok manifest") {
		t.Errorf("asked %q, found %q", asked, got)
	}
	plain := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(path))))
	defer plain.Close()
	for _, pin := range []*verify.ID{nil, &id} {
		o := &argv.Doctor{Manifest: plain.URL + "/f.shoal", Trust: argv.Trust{ID: pin}}
		got, _ := examined(t, o, oneProbe)
		if slices.Contains(got, "warning manifest") != (pin == nil) {
			t.Errorf("over plain http, pinned to %v: %q", pin, got)
		}
	}
}

// published writes the manifest of what is at path beside it.
func published(t *testing.T, path string, o verify.CreateOptions) verify.ID {
	t.Helper()
	m, err := verify.Create(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".shoal", encoded, 0o600); err != nil {
		t.Fatal(err)
	}
	return m.ID()
}

func TestExplained(t *testing.T) {
	contacts := []fetch.Contact{{Host: "a.example:80", Via: "proxy.example:3128"}, {Host: "b.example:80"}, {Host: "192.0.2.1:80"}}
	got := Explained(contacts)
	if len(got) != 4 || got[3].Kind != "resolver" || got[3].Why != "looks up b.example" {
		t.Errorf("got %+v", got)
	}
	if got := Explained(contacts[2:]); len(got) != 1 {
		t.Errorf("an address is looked up: %+v", got)
	}
}

// examined is the state and the name of each check that is made.
func examined(t *testing.T, o *argv.Doctor, probe func(bool, []string) Probe) (checks []string, err error) {
	t.Helper()
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		t.Setenv(name, "")
	}
	c, err := fetch.NewClient(fetch.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var out bytes.Buffer
	r := report.New(report.Options{Stdout: &out, Stderr: new(bytes.Buffer)})
	err = Examine(t.Context(), Subject{
		Doctor: o, Client: c, Report: r, Disk: goodDisk, Probe: probe,
		Found:    func(*fetch.Resolved) int64 { return 0 },
		Contacts: func(*fetch.Resolved) []fetch.Contact { return nil },
	})
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if words := strings.Fields(line); words[0] != "hint:" {
			checks = append(checks, words[0]+" "+words[1])
		}
	}
	return checks, err
}
