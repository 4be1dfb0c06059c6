package control

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shoal-dl/shoal/fetch"
)

func TestOpenServesUntilClosed(t *testing.T) {
	var at string
	d, err := Open(t.Context(), Options{
		Verb: "seed", Down: fetch.NewLimit(0), Up: fetch.NewLimit(0), Stop: func() {}, Metrics: ":0", Folders: []string{filepath.Join(t.TempDir(), "run")},
		Verbose: func(format string, args ...any) {
			if strings.HasPrefix(format, "metrics") {
				at = "http://" + args[0].(interface{ String() string }).String() + "/metrics"
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(at)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || !strings.Contains(string(text), "shoal_start_time_seconds") {
		t.Errorf("%v: %s", err, text)
	}
	_, taken := Open(t.Context(), Options{Metrics: strings.TrimSuffix(strings.TrimPrefix(at, "http://"), "/metrics")})
	if taken == nil || !strings.HasPrefix(taken.Error(), "serve metrics: ") {
		t.Errorf("at a port that is taken: %v", taken)
	}
	d.Close()
	if resp, err := http.Get(at); err == nil {
		_ = resp.Body.Close()
		t.Error("it serves metrics after Close")
	}
}
