package doctor

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/shoal-dl/shoal/fetch"
	"github.com/shoal-dl/shoal/fetch/argv"
	"github.com/shoal-dl/shoal/fetch/report"
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
		for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
			t.Setenv(name, "")
		}
		c, err := fetch.NewClient(fetch.ClientOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		r := report.New(report.Options{Stdout: &out, Stderr: new(bytes.Buffer)})
		err = Examine(t.Context(), Subject{Doctor: &argv.Doctor{Swarm: test.swarm}, Client: c, Report: r, Disk: goodDisk, Probe: oneProbe})
		c.Close()
		if e := r.Close(); e != nil {
			t.Fatal(e)
		}
		var got []string
		for line := range strings.Lines(out.String()) {
			if words := strings.Fields(line); words[0] != "hint:" {
				got = append(got, words[0]+" "+words[1])
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%+v: %q, want %q\n%s", test.swarm, got, test.want, &out)
		}
		if err == nil && test.err != "" || err != nil && err.Error() != test.err {
			t.Errorf("%+v: error %v, want %q", test.swarm, err, test.err)
		}
	}
}
