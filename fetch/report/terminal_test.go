package report

import (
	"bytes"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rivo/uniseg"

	"github.com/shoal-dl/shoal/fetch"
)

// screen returns what a terminal of so many columns shows after the bytes were
// written to it, the line with the cursor included. It knows no more than the
// console may use, and fails the test on anything else and on a bar that wraps.
func screen(t *testing.T, cols int, written string) []string {
	t.Helper()
	var lines []string
	var line []rune
	col := 0
	fits := func() {
		if uniseg.StringWidth(string(line)) > cols {
			t.Fatalf("in %d columns the bar wraps: %q", cols, string(line))
		}
	}
	const erase = '\v' // stands for the sequence
	for _, r := range strings.ReplaceAll(written, "\x1b[K", string(erase)) {
		switch {
		case r == erase:
			line = line[:min(col, len(line))]
			fits()
		case r == '\r':
			fits()
			col = 0
		case r == '\n':
			lines = append(lines, string(line))
			line, col = nil, 0
		case r < ' ':
			t.Fatalf("the terminal was sent %q", r)
		default:
			line = slices.Concat(line[:col], []rune{r}, line[min(col+1, len(line)):])
			col++
		}
	}
	fits()
	return append(lines, string(line))
}

// shows compares a screen with the lines it should show.
func (d *download) shows(t *testing.T, cols int, want ...string) {
	t.Helper()
	synctest.Wait()
	equal(t, "the screen", strings.Join(screen(t, cols, d.stderr.String()), "\n"), strings.Join(want, "\n"))
}

func TestBarOnATerminal(t *testing.T) {
	var cols atomic.Int32
	o := Options{Terminal: true, Color: "never", Width: func() int { return int(cols.Load()) }}
	stdout, stderr := play(t, o, func(d *download) {
		task := d.Task("checking debian.iso", 1048576)
		task.Add(1048576 / 4)
		d.shows(t, 80, "checking debian.iso  25% [======>                     ]  0.2/1.0 MiB  0 B/s  --")
		task.Done()
		d.shows(t, 80, "")

		d.Start(262144, 2, &d.Gauges)
		d.SourceChanged(mirror("a"), fetch.StateJoined, "")
		d.bring(2, 262144)
		const bar = "debian.iso  75% [==============>     ]  0.8/1.0 MiB  259.2 KiB/s  1 s  1 mirror"
		d.shows(t, 80, bar)

		d.Reporter.Warn("the clock is wrong", "set it")
		d.shows(t, 80, "shoal: the clock is wrong", "hint: set it", bar)

		cols.Store(50)
		time.Sleep(barPeriod)
		d.shows(t, 80, "shoal: the clock is wrong", "hint: set it",
			"debian...  75% [===>  ]  0.8/1.0 MiB  246.7 KiB/s")

		d.FromMirrors.Add(262144)
		d.Complete("debian.iso")
		d.shows(t, 80, "shoal: the clock is wrong", "hint: set it",
			"debian.iso: 1.0 MiB in 2.1 s, 365.7 KiB/s, 768.0 KiB from mirrors, 256.0 KiB already here", "")
	})
	equal(t, "stdout", stdout, "debian.iso\n")
	if strings.Contains(stderr, "\x1b[?25") {
		t.Error("the cursor was hidden or shown")
	}
}

func TestBarLeavesNothingBehind(t *testing.T) {
	_, stderr := play(t, Options{Terminal: true}, func(d *download) {
		d.Start(0, 1, &d.Gauges)
		d.bring(300, 100)
	})
	if lines := screen(t, 80, stderr); len(lines) != 1 || lines[0] != "" {
		t.Errorf("after five minutes the screen shows %q", lines)
	}
	if strings.Contains(stderr, "\n") {
		t.Error("the bar printed a newline")
	}
}

func TestBarOfWhatBeganLast(t *testing.T) {
	other := manifest(t, "other.iso")
	play(t, Options{Terminal: true}, func(d *download) {
		d.Start(0, 1, &d.Gauges)
		second := d.Reporter.Transfer(other)
		second.Start(1048576/2, 1, new(fetch.Gauges))
		d.shows(t, 80, `other.iso  50% [============>              ]  0.5/1.0 MiB  0 B/s  --  no source`)
		second.Exit(nil, Verdict{130, "", true})
		d.shows(t, 80, `debian.iso   0% [                          ]  0.0/1.0 MiB  0 B/s  --  no source`)
	})
}

func TestNoBarWhereNoneBelongs(t *testing.T) {
	dumb := func(key string) string { return map[string]string{"TERM": "dumb"}[key] }
	control := regexp.MustCompile(`[\x00-\x09\x0b-\x1f]`)
	for name, o := range map[string]Options{
		"pipe":          {},
		"quiet":         {Terminal: true, Quiet: true},
		"JSON":          {Terminal: true, JSON: true},
		"no progress":   {Terminal: true, NoProgress: true},
		"dumb terminal": {Terminal: true, Getenv: dumb},
	} {
		o.Color = "never"
		stdout, stderr := play(t, o, func(d *download) {
			d.Start(0, 1, &d.Gauges)
			d.Task("hashing", 10)
			d.bring(60, 100)
			d.Status()
			d.Error(errors.New("trouble"), "")
		})
		if found := control.FindString(stdout + stderr); found != "" {
			t.Errorf("%s: %q was written", name, found)
		}
	}
}

// TestPasswordWithoutTerminal takes the password from the variable, or says so.
func TestPasswordWithoutTerminal(t *testing.T) {
	stdin, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	set := map[string]string{"SHOAL_SIGN_PASSWORD": "word"}
	r := New(Options{Stdout: new(bytes.Buffer), Stderr: new(bytes.Buffer), Getenv: func(key string) string { return set[key] }})
	if word, err := r.Password(t.Context(), stdin, "Password: "); word != "word" || err != nil {
		t.Errorf("it is %q, %v", word, err)
	}
	delete(set, "SHOAL_SIGN_PASSWORD")
	if word, err := r.Password(t.Context(), stdin, "Password: "); err == nil || !strings.Contains(err.Error(), "SHOAL_SIGN_PASSWORD") {
		t.Errorf("without it it is %q, %v", word, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
