package report

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// tall returns what a terminal shows that knows what a panel needs besides: to
// go up some lines, and to erase all below. The line with the cursor ends in
// "_", and what scrolls out of rows lines cannot be reached any more.
func tall(t *testing.T, rows int, written string) string {
	t.Helper()
	lines, y, x := []string{""}, 0, 0
	for len(written) > 0 {
		switch {
		case strings.HasPrefix(written, clearRight):
			lines[y] = lines[y][:min(x, len(lines[y]))]
			written = written[len(clearRight):]
		case strings.HasPrefix(written, clearBelow):
			lines[y] = lines[y][:min(x, len(lines[y]))]
			lines = lines[:y+1]
			written = written[len(clearBelow):]
		case strings.HasPrefix(written, "\x1b["):
			n := int(written[2] - '0')
			if written[3] != 'A' || n < 1 || n > 9 || y-n < len(lines)-rows {
				t.Fatalf("the terminal was sent %q in line %d of %d", written[:4], y, len(lines))
			}
			y -= n
			written = written[4:]
		case written[0] == '\r':
			x, written = 0, written[1:]
		case written[0] == '\n':
			y, x, written = y+1, 0, written[1:]
			if y == len(lines) {
				lines = append(lines, "")
			}
		default:
			lines[y] = lines[y][:x] + written[:1] + lines[y][min(x+1, len(lines[y])):]
			x, written = x+1, written[1:]
		}
	}
	lines[y] += "_"
	return strings.Join(lines, "|")
}

func TestPanel(t *testing.T) {
	var rows atomic.Int32
	o := Options{Terminal: true, Color: "never", Height: func() int { return int(rows.Load()) }}
	_, stderr := play(t, o, func(d *download) {
		shows := func(want string) {
			t.Helper()
			time.Sleep(barPeriod)
			synctest.Wait()
			equal(t, "the screen", tall(t, 9, d.stderr.String()), want)
		}
		d.Start(0, 1, &d.Gauges)
		lines := "one|two|three"
		panel := d.Panel(func(p Pen) []string {
			equal(t, "the paint", p.Paint(Red, "text"), "text")
			return strings.Split(lines, "|")
		})
		shows("one|two|three_")
		d.Error(errors.New("trouble"), "")
		shows("shoal: trouble|one|two|three_")
		lines = "one|2|three"
		shows("shoal: trouble|one|2|three_")
		lines = "one"
		shows("shoal: trouble|one_")
		lines = "one|two|three|four"
		shows("shoal: trouble|one|two|three|four_")
		rows.Store(3)
		shows("shoal: trouble|three|four_")
		panel.Close()
		shows("shoal: trouble|debian.iso   0% [                          ]  0.0/1.0 MiB  0 B/s  --  no source_")
	})
	if strings.Contains(stderr, "\x1b[?25") {
		t.Error("the cursor was hidden or shown")
	}
}

func TestNoPanelWhereNoneBelongs(t *testing.T) {
	for name, o := range map[string]Options{
		"pipe": {}, "quiet": {Terminal: true, Quiet: true}, "JSON": {Terminal: true, JSON: true},
		"no progress": {Terminal: true, NoProgress: true},
	} {
		stdout, stderr := play(t, o, func(d *download) {
			d.Panel(func(Pen) []string { t.Error(name + ": a panel was drawn"); return nil })
			time.Sleep(time.Second)
		})
		equal(t, name, stdout+stderr, "")
	}
}

func TestStep(t *testing.T) {
	step := func(d *download) { d.Step("seed", "peers serve it") }
	_, stderr := play(t, Options{}, step)
	equal(t, "for people", stderr, "peers serve it\n")
	stdout, stderr := play(t, Options{JSON: true}, step)
	equal(t, "for programs", stdout, `{"schema":1,"time":"2000-01-01T00:00:00.125Z","event":"step","id":"","step":"seed","text":"peers serve it"}`+"\n")
	equal(t, "stderr with --json", stderr, "")
}

func TestEveryPiece(t *testing.T) {
	bring := func(d *download) { d.Brought(mirror("a"), 3) }
	stdout, _ := play(t, Options{JSON: true}, bring)
	equal(t, "without --verbose", stdout, "")
	stdout, _ = play(t, Options{JSON: true, Verbose: true}, bring)
	if !strings.HasSuffix(stdout, `"source":"https://a.example/debian.iso","kind":"mirror","piece":3,"size":262144}`+"\n") {
		t.Errorf("with --verbose: %q", stdout)
	}
}
