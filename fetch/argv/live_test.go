package argv

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// TestLive reads every limit as its flag is read, and writes it so that it can be
// read again.
func TestLive(t *testing.T) {
	var l Live
	for _, c := range []struct{ key, value, want string }{
		{"limit-down", "2MiB", "2M"}, {"limit-down", "1000", "1000"}, {"limit-down", "0", ""}, {"limit-up", "1.5M/s", "1536K"},
		{"max-upload", "1T", "1T"}, {"connections", "7", "7"}, {"seed-time", "90", "1m30s"}, {"seed-time", "0", "0s"},
		{"seed-idle", "1h", "1h"}, {"seed-idle", "0", ""}, {"seed-ratio", "1.0", "1"}, {"seed-ratio", "2.5", "2.5"},
		{"monthly-upload", "20G", "20G"}, {"monthly-upload", "0", ""}, {"quiet-hours", "09:00-18, 22:30-6", "9-18,22:30-6"},
		{"quiet-hours", "none", ""}, {"share-anyway", "1", "true"}, {"share-anyway", "false", ""},
	} {
		if err := l.Set(c.key, c.value); err != nil || l.Get(c.key) != c.want {
			t.Errorf("%s=%s is %q, %v; want %q", c.key, c.value, l.Get(c.key), err, c.want)
		}
		if text := l.Get(c.key); text != "" {
			if err := l.Set(c.key, text); err != nil || l.Get(c.key) != text {
				t.Errorf("%s=%s became %q, %v", c.key, text, l.Get(c.key), err)
			}
		}
	}
	before := l
	for _, c := range []struct{ key, value string }{
		{"limit-up", "much"}, {"limit-up", "-1"}, {"limit-up", ""}, {"connections", "0"}, {"seed-ratio", "NaN"}, {"listen", ":1"}, {"", "1"},
		{"quiet-hours", "9-9"}, {"monthly-upload", "-1"}, {"share-anyway", "perhaps"},
	} {
		err := l.Set(c.key, c.value)
		if _, ok := errors.AsType[*UsageError](err); !ok || l != before {
			t.Errorf("%s=%s: %v, and now %+v", c.key, c.value, err, l)
		}
	}
	if quiet := NewLive(HTTP{}, Swarm{QuietHours: [][2]int{{1350, 360}}}, false); len(quiet.Quiet()) != 1 || quiet.Quiet()[0] != [2]int{1350, 360} {
		t.Errorf("the quiet hours are %q, %v", quiet.QuietHours, quiet.Quiet())
	}
	seed := NewLive(HTTP{}, Swarm{SeedTime: -1}, true)
	if seed.Get("seed-time") != "" || seed.SeedTime != 0 {
		t.Errorf("a seed's time is %v, %q", seed.SeedTime, seed.Get("seed-time"))
	}
	if fetch := NewLive(HTTP{Connections: 4}, Swarm{SeedTime: time.Minute}, false); fetch.Get("seed-time") != "1m" || fetch.Get("connections") != "4" {
		t.Errorf("a fetch has %+v", fetch)
	}
}

func TestLiveNumber(t *testing.T) {
	l := Live{LimitUp: 5, Connections: 2, SeedTime: 90 * time.Second, SeedRatio: 1.5, QuietHours: "9-18"}
	for key, want := range map[string]float64{
		"limit-up": 5, "limit-down": 0, "connections": 2, "seed-time": 90, "seed-ratio": 1.5, "quiet-hours": 1, "share-anyway": 0, "listen": 0,
	} {
		if got := l.Number(key); got != want {
			t.Errorf("%s is %v, want %v", key, got, want)
		}
	}
}

func TestOrders(t *testing.T) {
	id := "b3:574266058f634ae538518a397f267d59dcdc25f06a13b1cc3faccc306bdf29e5"
	for _, args := range [][]string{
		{"status"}, {"status", "57"}, {"status", "--watch", id}, {"stop", id}, {"stop", "--all"}, {"pause", "1234"}, {"continue"},
		{"set", "limit-up=1M"}, {"set", "b3:57", "limit-up=1M", "seed-time=0"}, {"set", "--all", "--", "--limit-up=1M"},
	} {
		if _, err := Parse(Input{Args: args, Getenv: func(string) string { return "" }}); err != nil {
			t.Errorf("%q: %v", args, err)
		}
	}
	for _, args := range [][]string{
		{"status", "x"}, {"status", "1", "2"}, {"stop", id + "0"}, {"stop", "b3:"}, {"stop", ""}, {"stop", "--all", "57"}, {"pause", "B3:57"},
		{"set"}, {"set", "57"}, {"set", "57", "58"}, {"set", "limit-up"}, {"set", "limit-up=1M", "57"}, {"set", "no=1"}, {"set", "--all", "57", "limit-up=1"},
	} {
		_, err := Parse(Input{Args: args, Getenv: func(string) string { return "" }})
		if usage, ok := errors.AsType[*UsageError](err); !ok || usage.Hint == "" {
			t.Errorf("%q: %v", args, err)
		}
	}
}

func TestFixed(t *testing.T) {
	s := Swarm{NoLAN: true, NoShare: true}
	want := []Setting{{"no-share", "true"}, {"no-lan", "true"}}
	if got := s.Fixed(); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestServes(t *testing.T) {
	for _, test := range []struct {
		l    Live
		want time.Duration
	}{
		{Live{}, 0}, {Live{SeedTime: time.Minute}, time.Minute}, {Live{Stay: true}, -1}, {Live{Stay: true, SeedTime: time.Hour}, time.Hour},
	} {
		if got := test.l.Serves(); got != test.want {
			t.Errorf("%+v serves for %v, want %v", test.l, got, test.want)
		}
	}
}
