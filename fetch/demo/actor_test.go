//go:build unix

package demo

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shoal-dl/shoal/fetch/report"
)

// play lets a shell play the part of the program.
func play(t *testing.T) *troupe {
	t.Helper()
	t.Setenv("SHOAL_HTTP_ONLY", "true")
	t.Setenv("HTTPS_PROXY", "http://192.0.2.1/")
	c, err := newTroupe(t.TempDir(), func(string, ...any) {})
	if err != nil {
		t.Fatal(err)
	}
	c.program = "/bin/sh"
	t.Cleanup(c.close)
	return c
}

func TestActorsThatFail(t *testing.T) {
	for script, want := range map[string]string{
		"true": "",
		`echo '{"event":"exit","code":5,"error":"no room","hint":"make some"}'; exit 5`: `5 fetch failed: no room (make some)`,
		`echo no event; echo one >&2; echo shoal: two >&2; exit 7`:                      `1 fetch failed: exit status 7: two ()`,
		`kill -9 $$`: `1 fetch failed: signal: killed ()`,
	} {
		err := play(t).run(t.Context(), "fetch", func(event) {}, "-c", script)
		got := ""
		if f, ok := errors.AsType[*Failure](err); ok {
			got = strings.Join([]string{string(rune('0' + f.Code)), f.Error(), "(" + f.Hint + ")"}, " ")
		} else if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", script, got, want)
		}
	}
}

// TestFetchThatDies tells a fetch that is killed by the show from one that dies by
// itself, and from one that is over too early.
func TestFetchThatDies(t *testing.T) {
	half := `echo '{"event":"start","pieces":1,"have":45}'; `
	for script, want := range map[string]string{
		half + "sleep 1000": "",
		"kill -9 $$":        "fetch failed: signal: killed",
		`echo '{"event":"exit","code":4,"error":"nobody there"}'; exit 4`: "fetch failed: nobody there",
		`echo '{"event":"exit"}'`: "fetch failed: it was over before it could be killed",
	} {
		r := report.New(report.Options{Stdout: io.Discard, Stderr: io.Discard})
		s := &show{Reporter: r, cast: play(t), stage: &stage{size: 100, fair: &mirror{}}, books: newBooks(100)}
		s.cast.program = filepath.Join(s.cast.dir, "program")
		if err := os.WriteFile(s.cast.program, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := s.fetchHalf(t.Context()); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", script, got, want)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestActorThatNeverBegins(t *testing.T) {
	for script, ok := range map[string]bool{
		`echo '{"event":"start"}'; sleep 1000`: true, "true": false, "false": false,
	} {
		c := play(t)
		a, err := c.start(t.Context(), "seed", func(event) {}, "-c", script)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.ready(t.Context()); (err == nil) != ok {
			t.Errorf("%s: %v", script, err)
		}
	}
}

// TestActorsGo checks that an actor and what it has started are gone, whoever
// ends it: stdout is at its end only when nobody holds it any more.
func TestActorsGo(t *testing.T) {
	const forever = `echo '{"event":"start"}'; sleep 1000 & wait`
	why := errors.New("enough")
	ctx, stop := context.WithCancelCause(t.Context())
	for name, end := range map[string]func(c *troupe, a *actor){
		"the stop":  func(*troupe, *actor) { stop(why) },
		"the close": func(c *troupe, _ *actor) { c.close() },
		"the kill":  func(_ *troupe, a *actor) { _ = a.kill() },
	} {
		c := play(t)
		part := ctx
		if name != "the stop" {
			part = t.Context()
		}
		a, err := c.start(part, "seed", func(event) {}, "-c", forever)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		end(c, a)
		err = a.wait(part)
		if name == "the stop" && !errors.Is(err, why) || err == nil {
			t.Errorf("after %s: %v", name, err)
		}
	}
}

func TestActorsShareNothing(t *testing.T) {
	c := play(t)
	var homes []string
	for _, name := range []string{"seed-1", "seed-2", "fetch", "fetch alone"} {
		err := c.run(t.Context(), name, func(e event) { homes = append(homes, e.Source) }, "-c",
			`echo "{\"source\":\"$XDG_CONFIG_HOME $XDG_CACHE_HOME$SHOAL_HTTP_ONLY$HTTPS_PROXY\"}"`)
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, home := range homes {
		config, cache, _ := strings.Cut(home, " ")
		for _, path := range []string{config, cache} {
			if !strings.HasPrefix(path, c.dir) {
				t.Errorf("it looks at %s", path)
			}
			if entries, err := os.ReadDir(path); err != nil || len(entries) > 0 {
				t.Errorf("%s: %v, %v", path, entries, err)
			}
		}
		if i == 1 && home == homes[0] {
			t.Error("two peers share a cache")
		}
	}
	if len(homes) != 4 {
		t.Errorf("they say %q", homes)
	}
}
