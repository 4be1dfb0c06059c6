package report

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-dl/shoal/fetch"
	"github.com/shoal-dl/shoal/verify"
)

func TestEventsAreThePromisedOnes(t *testing.T) {
	stdout, stderr := play(t, Options{JSON: true, Terminal: true}, fetchWell)
	golden(t, "complete.jsonl", stdout)
	equal(t, "stderr", stderr, "")

	stdout, stderr = play(t, Options{JSON: true, Quiet: true}, fetchBadly)
	golden(t, "failed.jsonl", stdout)
	equal(t, "stderr", stderr, "shoal: no source has the right content\nhint: try another mirror\n")

	stdout, _ = play(t, Options{JSON: true}, func(d *download) {
		d.Start(1048576, 0, &d.Gauges)
		d.Complete("/srv/debian.iso")
		d.Transfer.Exit(nil, Verdict{0, "", false})
	})
	golden(t, "already.jsonl", stdout)

	stdout, _ = play(t, Options{JSON: true}, func(d *download) {
		d.Reporter.Exit(errors.New("not a valid manifest"), Verdict{6, "", false})
	})
	golden(t, "unresolved.jsonl", stdout)
}

func TestEventsOfTheCaller(t *testing.T) {
	type damage struct {
		Path string `json:"path"`
	}
	scene := func(d *download) {
		d.Event("damage", verify.ID{1}, damage{"a&b"})
		d.Event("empty", verify.ID{}, struct{}{})
		d.Result("b3:…")
	}
	stdout, _ := play(t, Options{JSON: true}, scene)
	equal(t, "with JSON", stdout, `{"schema":1,"time":"2000-01-01T00:00:00.125Z","event":"damage","id":"b3:01`+
		strings.Repeat("00", 31)+`","path":"a&b"}
{"schema":1,"time":"2000-01-01T00:00:00.125Z","event":"empty","id":""}
`)
	stdout, _ = play(t, Options{}, scene)
	equal(t, "without JSON", stdout, "b3:…\n")
}

func TestEventThatCannotBeEncodedIsAnError(t *testing.T) {
	for _, fields := range []any{42, nil, func() {}} {
		synctest.Test(t, func(t *testing.T) {
			r := New(Options{JSON: true, Stdout: new(bytes.Buffer), Stderr: new(bytes.Buffer)})
			r.Event("x", verify.ID{}, fields)
			if err := r.Close(); err == nil {
				t.Errorf("fields %v: Close returns no error", fields)
			}
		})
	}
}

func TestContentOnStdout(t *testing.T) {
	talk := func(d *download) {
		d.Reporter.Warn("careful", "a hint")
		d.Verbosef("detail")
		d.Error(errors.New("trouble"), "a hint")
		fetchWell(d)
		d.Status()
	}
	stdout, stderr := play(t, Options{JSON: true, Quiet: true, Verbose: true, ContentOnStdout: true, Terminal: true}, talk)
	equal(t, "stdout", stdout, "")
	golden(t, "complete.jsonl", stderr)

	stdout, stderr = play(t, Options{ContentOnStdout: true}, fetchWell)
	equal(t, "stdout", stdout, "")
	if !strings.HasPrefix(stderr, "debian.iso: 1.0 MiB in 2.1 s") {
		t.Errorf("stderr is %q", stderr)
	}
}

func TestWarningAmongEvents(t *testing.T) {
	warn := func(d *download) {
		d.Reporter.Warn("careful", "a hint")
		d.Transfer.Warn("of this one")
	}
	stdout, stderr := play(t, Options{JSON: true, ContentOnStdout: true}, warn)
	equal(t, "stdout", stdout, "")
	equal(t, "stderr", stderr, `{"schema":1,"time":"2000-01-01T00:00:00.125Z","event":"warning","id":"","text":"careful","hint":"a hint"}
{"schema":1,"time":"2000-01-01T00:00:00.125Z","event":"warning","id":"`+idText(manifest(t, "debian.iso").ID())+`","text":"of this one","hint":""}
`)
	stdout, stderr = play(t, Options{JSON: true}, warn)
	equal(t, "stdout beside the events", stdout, "")
	equal(t, "stderr beside the events", stderr, "shoal: careful\nhint: a hint\nshoal: of this one\n")
	_, stderr = play(t, Options{JSON: true, ContentOnStdout: true, Quiet: true}, warn)
	equal(t, "stderr with -q", stderr, "")
}

// unreadable is a pipe that nobody reads, until it is closed.
type unreadable chan struct{}

func (u unreadable) Write([]byte) (int, error) {
	<-u
	return 0, errors.New("broken pipe")
}

// TestNobodyReads: once the work is to end, a reader who does not read is not waited
// for, and who reads stderr is told why it ended.
func TestNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stdout, stderr, stop := make(unreadable), new(bytes.Buffer), make(chan struct{})
		r := New(Options{JSON: true, Stdout: stdout, Stderr: stderr, Stop: stop})
		d := r.Transfer(manifest(t, "debian.iso"))
		d.Start(0, 1, new(fetch.Gauges))
		<-time.After(time.Minute)
		close(stop)
		began := time.Now()
		d.Exit(errors.New("interrupted"), Verdict{130, "go on", true})
		if err := r.Close(); !errors.Is(err, ErrUnread) || time.Since(began) > unread {
			t.Errorf("Close: %v after %v", err, time.Since(began))
		}
		equal(t, "stderr", stderr.String(), "shoal: interrupted\nhint: go on\n")
		close(stdout)
	})
}

func TestSummary(t *testing.T) {
	stdout, stderr := play(t, Options{}, fetchWell)
	equal(t, "stdout", stdout, "/srv/debian.iso\n")
	equal(t, "stderr", stderr, "debian.iso: 1.0 MiB in 2.1 s, 361.8 KiB/s, "+
		"512.0 KiB from mirrors, 256.0 KiB from peers, 256.0 KiB already here, 1000 B wasted\n")

	_, stderr = play(t, Options{}, func(d *download) {
		d.Start(1048576, 0, &d.Gauges)
		d.Complete("debian.iso")
	})
	equal(t, "stderr", stderr, "debian.iso: 1.0 MiB, already here\n")

	stdout, stderr = play(t, Options{Quiet: true}, fetchWell)
	equal(t, "stdout with -q", stdout, "/srv/debian.iso\n")
	equal(t, "stderr with -q", stderr, "")
}

func TestFailure(t *testing.T) {
	const lost = "shoal: mirror https://a.example/debian.iso banned: sent wrong bytes for piece 3\n" +
		`shoal: mirror https://b.example/debian.iso left: 404 <Not Found> & \x1b[31mgone` + "\n"
	const failed = "shoal: no source has the right content\nhint: try another mirror\n"
	for _, c := range []struct {
		name   string
		o      Options
		stderr string
	}{
		{"plain", Options{}, lost + failed},
		{"quiet", Options{Quiet: true}, failed},
		{"verbose", Options{Verbose: true}, "shoal: mirror https://a.example/debian.iso joined\n" +
			"shoal: https://a.example/debian.iso sent wrong bytes for piece 3\n" + lost + failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			stdout, stderr := play(t, c.o, fetchBadly)
			equal(t, "stdout", stdout, "")
			equal(t, "stderr", stderr, c.stderr)
		})
	}
}

func TestLinesOnAPipe(t *testing.T) {
	fetchFor := func(seconds int) func(*download) {
		return func(d *download) {
			d.Start(1048576/2, 1, &d.Gauges)
			d.SourceChanged(mirror("a"), fetch.StateJoined, "")
			d.bring(seconds, 16384)
			d.Transfer.Exit(nil, Verdict{130, "", true})
		}
	}
	_, stderr := play(t, Options{}, fetchFor(9))
	equal(t, "9 s", stderr, "")
	_, stderr = play(t, Options{}, fetchFor(25))
	equal(t, "25 s", stderr, "debian.iso: 67 % of 1.0 MiB, 16.0 KiB/s, 21 s left, 1 mirror\n"+
		"debian.iso: 82 % of 1.0 MiB, 16.0 KiB/s, 11 s left, 1 mirror\n")
	for _, o := range []Options{{Quiet: true}, {NoProgress: true}, {JSON: true}, {NoProgress: true, Terminal: true}} {
		_, stderr = play(t, o, fetchFor(25))
		equal(t, fmt.Sprintf("with %+v", o), stderr, "")
	}
	_, stderr = play(t, Options{}, func(d *download) {
		task := d.Task("hashing x", 0)
		task.SetTotal(2000)
		task.Add(1000)
		time.Sleep(11 * time.Second)
		task.Done()
		time.Sleep(time.Minute)
	})
	equal(t, "task", stderr, "hashing x: 50 % of 2.0 KiB, 0 B/s\n")
}

func TestStatus(t *testing.T) {
	for _, o := range []Options{{}, {Quiet: true}, {JSON: true}, {NoProgress: true}} {
		_, stderr := play(t, o, func(d *download) {
			d.Status()
			d.Task("hashing \x1b", 0)
			d.Start(1048576/2, 1, &d.Gauges)
			d.Status()
		})
		equal(t, fmt.Sprintf("with %+v", o), stderr, "shoal: nothing is being transferred at the moment\n"+
			`hashing \x1b: 0 B, 0 B/s`+"\n"+"debian.iso: 50 % of 1.0 MiB, 0 B/s, no source\n")
	}
	_, stderr := play(t, Options{JSON: true, ContentOnStdout: true}, func(d *download) {
		d.Start(1048576/2, 1, &d.Gauges)
		d.Status()
	})
	if !strings.Contains(stderr, `"event":"progress"`) {
		t.Errorf("with events on stderr the answer is %q, want a progress event", stderr)
	}
}

func TestColor(t *testing.T) {
	none := "shoal: careful\nhint: so\n"
	color := yellow + "shoal:" + plain + " careful\n" + cyan + "hint:" + plain + " so\n"
	for _, c := range []struct {
		color       string
		terminal    bool
		environment string
		want        string
	}{
		{"auto", true, "", color},
		{"", true, "", color},
		{"auto", false, "", none},
		{"auto", true, "NO_COLOR=1", none},
		{"auto", true, "TERM=dumb", none},
		{"never", true, "", none},
		{"always", false, "", color},
		{"always", true, "NO_COLOR=1", color},
	} {
		getenv := func(key string) string {
			value, _ := strings.CutPrefix(c.environment, key+"=")
			if value == c.environment {
				return ""
			}
			return value
		}
		o := Options{Color: c.color, Terminal: c.terminal, Getenv: getenv}
		_, stderr := play(t, o, func(d *download) { d.Reporter.Warn("careful", "so") })
		equal(t, fmt.Sprintf("%+v", c), stderr, c.want)
	}
}

// gate is a writer that blocks until it is opened.
type gate struct {
	open chan struct{}
	out  bytes.Buffer
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	return g.out.Write(p)
}

func TestReaderThatIsBehindStopsNobody(t *testing.T) {
	m := manifest(t, "debian.iso")
	synctest.Test(t, func(t *testing.T) {
		out := &gate{open: make(chan struct{})}
		r := New(Options{JSON: true, Stdout: out, Stderr: new(bytes.Buffer)})
		transfer := r.Transfer(m)
		transfer.Start(0, 1, new(fetch.Gauges))
		for piece := range 1000 {
			transfer.BadPiece(mirror("a"), piece)
		}
		time.Sleep(time.Hour)
		close(out.open)
		transfer.Exit(errors.New("the deadline has passed"), Verdict{4, "", true})
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		written := out.out.String()
		lines := strings.SplitAfter(written, "\n")
		for piece := range 1000 {
			want := fmt.Sprintf(`"event":"bad_piece","id":"%s","source":"https://a.example/debian.iso","piece":%d}`, m.ID(), piece)
			if line := lines[1+piece]; !strings.Contains(line, want) {
				t.Fatalf("line %d is %q, want bad_piece %d", 1+piece, line, piece)
			}
		}
		if n := strings.Count(written, `"event":"progress"`); n > 2 {
			t.Errorf("%d progress events after an hour without a reader, want one or two", n)
		}
		if last := lines[len(lines)-2]; !strings.Contains(last, `"event":"exit"`) {
			t.Errorf("the last line is %q, want exit", last)
		}
	})
}

// broken is a pipe that nobody reads any more.
type broken struct{ writes int }

func (b *broken) Write([]byte) (int, error) {
	b.writes++
	return 0, syscall.EPIPE
}

func TestBrokenPipe(t *testing.T) {
	for _, c := range []struct {
		name string
		o    Options
		want error
	}{
		{"events", Options{JSON: true}, syscall.EPIPE},
		{"path", Options{}, syscall.EPIPE},
		{"events on stderr", Options{JSON: true, ContentOnStdout: true}, syscall.EPIPE},
		{"only stderr", Options{ContentOnStdout: true, Quiet: true}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := manifest(t, "debian.iso")
			synctest.Test(t, func(t *testing.T) {
				pipe := new(broken)
				c.o.Stdout, c.o.Stderr = pipe, pipe
				if c.want == nil {
					c.o.Stdout = new(bytes.Buffer)
				}
				d := &download{Reporter: New(c.o)}
				d.Transfer = d.Reporter.Transfer(m)
				fetchWell(d)
				d.Reporter.Warn("careful")
				if err := d.Close(); !errors.Is(err, c.want) {
					t.Errorf("Close returns %v, want %v", err, c.want)
				}
				if pipe.writes > 2 {
					t.Errorf("a broken pipe was written to %d times", pipe.writes)
				}
			})
		})
	}
}

func TestAfterClose(t *testing.T) {
	stdout, stderr := play(t, Options{Verbose: true}, func(d *download) {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		d.Verbosef("detail")
		fetchWell(d)
		d.Status()
	})
	equal(t, "stdout", stdout, "")
	equal(t, "stderr", stderr, "")
}

func TestManyCallers(t *testing.T) {
	const callers, lines = 20, 50
	_, stderr := play(t, Options{Verbose: true, Terminal: true}, func(d *download) {
		d.Start(0, 1, &d.Gauges)
		task := d.Task("hashing", 0)
		var wg sync.WaitGroup
		for caller := range callers {
			wg.Go(func() {
				for line := range lines {
					d.Verbosef("<%d %d>", caller, line)
					d.SourceChanged(mirror("a"), fetch.StateJoined, "")
					d.FromMirrors.Add(1)
					task.Add(1)
					task.SetTotal(int64(line))
				}
			})
		}
		wg.Wait()
		task.Done()
	})
	for caller := range callers {
		rest := stderr
		for line := range lines {
			var ok bool
			if _, rest, ok = strings.Cut(rest, fmt.Sprintf("<%d %d>", caller, line)); !ok {
				t.Fatalf("line %d of caller %d is lost or out of order", line, caller)
			}
		}
	}
}
