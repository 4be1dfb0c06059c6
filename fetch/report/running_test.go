package report

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/rivo/uniseg"

	"github.com/shoal-dl/shoal/fetch/control"
)

// processes are a fetch with sources of every kind, a seed, and one that begins.
func processes(now time.Time) []control.Process {
	until := now.Add(42 * time.Minute)
	return []control.Process{
		{PID: 4711, Verb: "fetch", Transfers: []control.Transfer{{
			ID: "b3:9344a13dc7073c8893d216f7f7205942190edfd8df6547d5af204b1a84598356", Name: "debian.iso", Path: "/srv/debian.iso",
			State: control.Fetching, Size: 1 << 30, Done: 600 << 20, Down: 14 << 20, Up: 1 << 20,
			FromMirrors: 500 << 20, FromPeers: 80 << 20, FromLAN: 30 << 20, FromDisk: 20 << 20, Wasted: 1 << 20,
			Uploaded: 12 << 20, ToLAN: 2 << 20, Sharing: true,
			Why: "while it downloads, then until the first of seed-time 1m (default), seed-idle 10s (default), seed-ratio 1 (default)",
			Sources: []control.Source{
				{Name: "https://mirror.example/pub/linux/debian-cd/debian.iso", Kind: "mirror", Down: 10 << 20, From: 500 << 20},
				{Name: "192.168.1.4:7411", Kind: "lan", Down: 3 << 20, Up: 1 << 20, From: 30 << 20, To: 2 << 20},
				{Name: "[2001:db8:1234:5678:9abc:def0:1234:5678]:40000", Kind: "peer", Down: 1 << 20, From: 50 << 20, To: 10 << 20},
			},
		}}, Limits: []control.Limit{
			{Key: "limit-down", Value: "20M", Origin: "set"}, {Key: "connections", Value: "4", Origin: "default"},
			{Key: "seed-time", Value: "1m", Origin: "file", Where: "/home/somebody/.config/shoal/config.toml:3"},
		}},
		{PID: 815, Verb: "seed", Transfers: []control.Transfer{
			{ID: "b3:0", Name: "evil\x1b[2J\nname", Path: "/a", State: control.Seeding, Size: 3000, Done: 3000, Sharing: true, Until: &until, Why: "until the first of seed-time 1h (flag)"},
			{ID: "", Name: strings.Repeat("長い名前", 20), Path: "/" + strings.Repeat("x", 200), State: control.Paused, Why: "no-share"},
		}},
		{PID: 99, Verb: "resume"},
	}
}

func TestPicture(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.Local)
	got := picture(processes(now), 80, now)
	for _, line := range got {
		if uniseg.StringWidth(line) > 80 || strings.ContainsAny(line, "\x1b\n") {
			t.Errorf("%q is no line of 80 columns", line)
		}
	}
	want := `debian.iso  fetching, 58 % of 1.0 GiB
  now       down 14.0 MiB/s, up 1.0 MiB/s, 31 s left
  id        b3:9344a13dc707, process 4711 (fetch)
  path      /srv/debian.iso
  from      mirrors 500.0 MiB, LAN 30.0 MiB, peers 50.0 MiB, disk 20.0 MiB,
            wasted 1.0 MiB
  to        LAN 2.0 MiB, peers 10.0 MiB
  shared    while it downloads, then until the first of seed-time 1m (default),
            seed-idle 10s (default), seed-ratio 1 (default)
                                         down/s       up/s       from         to
  mirror ...nux/debian-cd/debian.iso   10.0 MiB          -  500.0 MiB          -
  lan    192.168.1.4:7411               3.0 MiB    1.0 MiB   30.0 MiB    2.0 MiB
  peer   ...bc:def0:1234:5678]:40000    1.0 MiB          -   50.0 MiB   10.0 MiB
  limits    limit-down     20M        set
            connections    4          default
            seed-time      1m         file /home/somebody/.config/shoal/confi...

evil\x1b[2J; name  seeding, 2.9 KiB
  now       down 0 B/s, up 0 B/s
  id        b3:0, process 815 (seed)
  path      /a
  from      nothing yet
  to        nothing yet
  shared    until 12:42:00 (42 min 00 s), until the first of seed-time 1h (flag)

長い名前長い名前長い名前長い名前長い名前長い名前長い名...  paused, 100 % of 0 B
  now       down 0 B/s, up 0 B/s
`
	if text := strings.Join(got, "\n") + "\n"; !strings.HasPrefix(text, want) {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	if text := strings.Join(picture(nil, 80, now), "\n"); text != "nothing is being transferred" {
		t.Errorf("of none it says %q", text)
	}
	for _, cols := range []int{10, 40, 200} {
		for _, line := range picture(processes(now), cols, now) {
			if uniseg.StringWidth(line) > cols {
				t.Errorf("%q has more than %d columns", line, cols)
			}
		}
	}
}

// TestScreen fills a terminal that is too low for all there is to see.
func TestScreen(t *testing.T) {
	var out bytes.Buffer
	r := New(Options{Stdout: &out, Stderr: new(bytes.Buffer)})
	r.processes(processes(time.Now()), 80, 5, true, true)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	equal(t, "the screen", out.String(), top+"debian.iso  fetching, 58 % of 1.0 GiB"+clearRight+
		"\n  now       down 14.0 MiB/s, up 1.0 MiB/s, 31 s left"+clearRight+
		"\n  id        b3:9344a13dc707, process 4711 (fetch)"+clearRight+
		"\n... and 32 lines more"+clearRight+clearBelow+"\n")
}

// TestRunningEvents reads what programs are told: every line is flat.
func TestRunningEvents(t *testing.T) {
	var out bytes.Buffer
	r := New(Options{Stdout: &out, Stderr: &out, JSON: true})
	r.processes(processes(time.Now()), 80, 0, false, false)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for line := range strings.Lines(out.String()) {
		for _, event := range []string{"status", "traffic", "limit"} {
			if strings.Contains(line, `"event":"`+event+`"`) {
				count[event]++
			}
		}
		if strings.Count(line, `"id":`) != 1 || strings.Contains(line, "[{") {
			t.Errorf("not flat: %s", line)
		}
	}
	if count["status"] != 3 || count["traffic"] != 3 || count["limit"] != 3 {
		t.Errorf("there are %v", count)
	}
}
