package demo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// event is a line that an actor prints, with what the demo wants of it.
type event struct {
	Event  string
	ID     string
	Source string
	State  string
	Reason string
	Piece  int
	Size   int64
	Pieces int
	Have   int64
	Rate   int64
	Code   int
	Error  string
	Hint   string
}

// Failure is an actor's end that the story does not have.
type Failure struct {
	Actor string // what it was to do
	Code  int    // its exit code
	Text  string // its last words
	Hint  string
}

func (f *Failure) Error() string { return fmt.Sprintf("%s failed: %s", f.Actor, f.Text) }

// troupe starts actors, each a process of this same program, and sees them all
// off the stage.
type troupe struct {
	program string
	dir     string
	env     []string
	detail  func(format string, args ...any)

	actors []*actor
	wg     sync.WaitGroup
}

// newTroupe makes one whose actors find no configuration and no cache but those
// in dir.
func newTroupe(dir string, detail func(string, ...any)) (*troupe, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	t := &troupe{program: program, dir: dir, detail: detail}
	t.env = slices.DeleteFunc(os.Environ(), func(kv string) bool {
		key, _, _ := strings.Cut(strings.ToUpper(kv), "=")
		return strings.HasPrefix(key, "SHOAL_") || strings.HasPrefix(key, "XDG_") || strings.HasSuffix(key, "_PROXY")
	})
	return t, nil
}

// home is the environment of an actor that shares nothing with the others.
func (t *troupe) home(name string) (env []string, err error) {
	env = slices.Clone(t.env)
	for _, kind := range []string{"CONFIG_HOME", "CACHE_HOME", "DATA_HOME", "STATE_HOME", "RUNTIME_DIR", "CONFIG_DIRS"} {
		path := filepath.Join(t.dir, name, strings.ToLower(kind))
		if err := os.MkdirAll(path, 0o700); err != nil {
			return nil, fmt.Errorf("make folder for %s: %w", name, err)
		}
		env = append(env, "XDG_"+kind+"="+path)
	}
	return env, nil
}

// actor is a process that plays a part.
type actor struct {
	name  string
	cmd   *exec.Cmd
	began time.Time
	said  lastWords

	started chan struct{} // closed by the event start
	ended   chan struct{} // closed at the end; the rest may be read then
	exit    event
	err     error // of waiting for it; nil means exit code 0
}

// start starts an actor that does what the arguments say, until ctx ends. hear
// is called with each of its events, in order, from one goroutine.
func (t *troupe) start(ctx context.Context, name string, hear func(event), args ...string) (*actor, error) {
	home, _, _ := strings.Cut(name, " ")
	env, err := t.home(home)
	if err != nil {
		return nil, err
	}
	a := &actor{name: name, started: make(chan struct{}), ended: make(chan struct{})}
	a.said.detail = func(line string) { t.detail("%s: %s", name, strings.TrimPrefix(line, "shoal: ")) }
	a.cmd = exec.CommandContext(ctx, t.program, args...)
	a.cmd.Args[0], a.cmd.Dir, a.cmd.Env = "shoal", t.dir, env
	a.cmd.Stderr = &a.said
	a.cmd.Cancel = a.kill
	a.cmd.WaitDelay = time.Second
	bind(a.cmd)
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	t.detail("%s: $ shoal %s", name, strings.Join(args, " "))
	a.began = time.Now()
	if err := a.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	t.actors = append(t.actors, a)
	t.wg.Go(func() { a.listen(out, hear) })
	if err := bound(a.cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err) // close sees it off
	}
	return a, nil
}

// listen reads what the actor says until it ends.
func (a *actor) listen(out io.Reader, hear func(event)) {
	defer close(a.ended)
	started := sync.OnceFunc(func() { close(a.started) })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			continue // what is no event is no use
		}
		switch e.Event {
		case "start":
			started()
		case "exit":
			a.exit = e
		}
		hear(e)
	}
	a.err = a.cmd.Wait()
}

// kill ends it as a power failure would.
func (a *actor) kill() error { return killAll(a.cmd) }

// wait waits until it has ended, and returns nil if it did what it should.
func (a *actor) wait(ctx context.Context) error {
	<-a.ended
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if a.err == nil {
		return nil
	}
	f := &Failure{Actor: a.name, Code: a.exit.Code, Text: a.exit.Error, Hint: a.exit.Hint}
	if f.Code == 0 {
		f.Code, f.Text = 1, a.err.Error()
		if words := a.said.String(); words != "" {
			f.Text += ": " + words
		}
	}
	return f
}

// ready waits until it has begun its work.
func (a *actor) ready(ctx context.Context) error {
	select {
	case <-a.started:
		return nil
	case <-a.ended:
		if err := a.wait(ctx); err != nil {
			return err
		}
		return &Failure{Actor: a.name, Code: 1, Text: "it ended too early"}
	}
}

// run is start, and wait.
func (t *troupe) run(ctx context.Context, name string, hear func(event), args ...string) error {
	a, err := t.start(ctx, name, hear, args...)
	if err != nil {
		return err
	}
	return a.wait(ctx)
}

// dismiss bids some actors go, and waits until they have; what they have to say
// then is no part of the story.
func dismiss(actors []*actor) {
	for _, a := range actors {
		if interrupt(a.cmd) != nil {
			_ = a.kill() // it may have ended already
		}
	}
	for _, a := range actors {
		<-a.ended
	}
}

// close ends all actors that are left.
func (t *troupe) close() {
	for _, a := range t.actors {
		select {
		case <-a.ended:
		default:
			_ = a.kill() // it may have ended meanwhile
		}
	}
	t.wg.Wait()
}

// lastWords is an actor's stderr: each line is a detail, and the last one is
// remembered.
type lastWords struct {
	detail func(line string)

	mu   sync.Mutex
	part []byte
	last string
}

// longestLine is where a line without an end is cut.
const longestLine = 4 << 10

func (w *lastWords) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.part = append(w.part, p...)
	for {
		line, rest, whole := bytes.Cut(w.part, []byte("\n"))
		if !whole {
			w.part = w.part[:min(len(w.part), longestLine)]
			return len(p), nil
		}
		w.last, w.part = string(line), rest
		w.detail(w.last)
	}
}

func (w *lastWords) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.TrimPrefix(w.last, "shoal: ")
}
