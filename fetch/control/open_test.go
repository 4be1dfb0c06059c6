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

// TestOpenCanBeFoundAtOnce by who has heard of it, and no longer than until it is closed.
func TestOpenCanBeFoundAtOnce(t *testing.T) {
	dir := folder(t)
	for _, tt := range []struct {
		folders []string
		want    int
	}{
		{[]string{dir}, 1},
		{[]string{filepath.Join(dir, "a", "b"), dir}, 1}, // where there is nothing it cannot be
		{[]string{filepath.Join(dir, "a", "b")}, 0},
	} {
		var said []string
		d, err := Open(t.Context(), Options{Folders: tt.folders, Verbose: func(format string, _ ...any) { said = append(said, format) }})
		if err != nil {
			t.Fatal(err)
		}
		open, err := sockets(dir)
		if err != nil || len(open) != tt.want || len(said) != 1-tt.want {
			t.Errorf("folders %v: %d sockets, %v; it said %q", tt.folders, len(open), err, said)
		}
		d.Close()
		if left, err := sockets(dir); err != nil || len(left) != 0 {
			t.Errorf("folders %v: %d sockets are left, %v", tt.folders, len(left), err)
		}
	}
}
