package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// each runs a test over every transport there is on this system.
func each(t *testing.T, f func(t *testing.T, tr transport)) {
	t.Parallel()
	t.Run("loopback", func(t *testing.T) { f(t, transport{listenLoopback, dialLoopback}) })
	if runtime.GOOS != "windows" {
		t.Run("unix", func(t *testing.T) { f(t, transport{listenUnix, dialUnix}) })
	}
}

// folder is a short one: the path of a Unix socket has room for 107 bytes.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ctl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "shoal")
}

// handler answers as it is told to, and remembers what it was asked.
type handler struct {
	mu     sync.Mutex
	asked  []Request
	answer Answer
}

func (h *handler) Handle(r Request) Answer {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = append(h.asked, r)
	return h.answer
}

func (h *handler) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.asked)
}

// open starts a server, to be closed by the test or at its end.
func open(t *testing.T, tr transport, dir string, h Handler) *server {
	t.Helper()
	s, err := serve(t.Context(), tr, []string{dir}, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		select {
		case <-s.closing:
		default:
			_ = s.close()
		}
	})
	return s
}

func client(t *testing.T, tr transport, dirs ...string) *Client {
	return &Client{Folders: dirs, Verbose: t.Logf, transport: &tr}
}

func TestAskAndTell(t *testing.T) {
	each(t, func(t *testing.T, tr transport) {
		dir := folder(t)
		now := time.Now()
		var handlers []*handler
		for i := range 3 { // three processes, the last started first
			h := &handler{answer: Answer{Process: &Process{PID: 100 + i, Verb: "fetch", Started: now.Add(-time.Duration(i) * time.Hour)}}}
			handlers = append(handlers, h)
			open(t, tr, dir, h)
		}
		c := client(t, tr, dir)
		found, err := c.Find(t.Context())
		if err != nil || len(found) != 3 || found[0].PID != 102 || found[2].PID != 100 {
			t.Fatalf("found %+v, %v", found, err)
		}
		handlers[1].answer = Answer{}
		if err := found[1].Tell(t.Context(), Request{Do: DoSet, ID: "b3:1", Key: "limit-up", Value: "1M"}); err != nil {
			t.Error(err)
		}
		if r := handlers[1].asked[1]; r.Do != DoSet || r.ID != "b3:1" || r.Key != "limit-up" || r.Value != "1M" {
			t.Errorf("it was told %+v", r)
		}
		handlers[1].answer = Answer{Error: "no such thing"}
		if err := found[1].Tell(t.Context(), Request{Do: DoPause}); err == nil || err.Error() != "process 101: no such thing" {
			t.Errorf("the error is %v", err)
		}
	})
}

func TestOnlyTheUserMay(t *testing.T) {
	each(t, func(t *testing.T, tr transport) {
		if runtime.GOOS == "windows" {
			t.Skip("there the profile is the user's")
		}
		dir := folder(t)
		s := open(t, tr, dir, &handler{})
		for path, want := range map[string]os.FileMode{dir: 0o700, s.path: 0o600} {
			info, err := os.Lstat(path)
			if err != nil || info.Mode().Perm() != want {
				t.Errorf("%s is %v, %v", path, info.Mode(), err)
			}
		}
		// A folder that is open to others, a link, a file and what is somebody
		// else's are passed over.
		bad := folder(t)
		makers := []func() error{
			func() error { return errors.Join(os.Mkdir(bad, 0o700), os.Chmod(bad, 0o770)) },
			func() error { return os.Symlink(dir, bad) },
			func() error { return os.WriteFile(bad, nil, 0o600) },
		}
		if os.Getuid() == 0 {
			const other = 12345
			makers = append(makers, func() error { return errors.Join(os.Mkdir(bad, 0o700), os.Chown(bad, other, other)) })
		}
		for _, make := range makers {
			if err := make(); err != nil {
				t.Fatal(err)
			}
			next := folder(t)
			s, err := serve(t.Context(), tr, []string{bad, filepath.Join(bad, "no", "parent"), next}, &handler{})
			if err != nil || filepath.Dir(s.path) != next {
				t.Fatalf("beside %s it is %v, %v", bad, s, err)
			}
			if paths, err := sockets(bad); err == nil || paths != nil {
				t.Errorf("sockets %v were found in %s", paths, bad)
			}
			if err := errors.Join(s.close(), os.Remove(bad)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestToken knocks at loopback without the word and with a wrong one.
func TestToken(t *testing.T) {
	h := &handler{}
	s := open(t, transport{listenLoopback, dialLoopback}, folder(t), h)
	for _, token := range []string{"", "guessed", strings.ToLower(s.token)} {
		if got := say(t, s, encode(Request{Schema: schema, Do: DoStop, Token: token})); !strings.Contains(got, "token is wrong") {
			t.Errorf("with the token %q it says %s", token, got)
		}
	}
	if h.count() != 0 {
		t.Error("it was obeyed")
	}
}

// TestLoopbackOnly dials no address that a server of ours would not have.
func TestLoopbackOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	for _, text := range []string{"", "192.0.2.1:9 token", "localhost:9 token", "127.0.0.1 token", "127.0.0.1:9 " + strings.Repeat("x", maxAddress)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := dialLoopback(t.Context(), path); err == nil || !strings.HasSuffix(err.Error(), " is no address") {
			t.Errorf("to dial %.20q: %v", text, err)
		}
	}
}

// say writes to a server and returns all that it answers.
func say(t *testing.T, s *server, text []byte) string {
	t.Helper()
	c, err := net.Dial(s.listener.Addr().Network(), dialled(s))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = c.Write(text) // it may hang up early
	got, _ := io.ReadAll(c)
	return string(got)
}

// dialled is where to reach a server: a Unix socket was renamed since.
func dialled(s *server) string {
	if s.listener.Addr().Network() == "unix" {
		return s.path
	}
	return s.listener.Addr().String()
}

// TestHostile lets clients say what no shoal does. None gets more than a line, and
// those who behave are served all the same.
func TestHostile(t *testing.T) {
	each(t, func(t *testing.T, tr transport) {
		dir := folder(t)
		h := &handler{answer: Answer{Process: &Process{PID: 1}}}
		s := open(t, tr, dir, h)
		for _, text := range []string{
			"\n", "garbage\n", "{}\n", `{"schema":2,"do":"stop"}` + "\n", `{"schema":1}{"schema":1}` + "\n", "[[[[\n",
			strings.Repeat("[", maxRequest-1) + "\n", strings.Repeat("x", 10*maxRequest), "\x00\xff\n",
		} {
			got := say(t, s, []byte(text))
			if n := strings.Count(got, "\n"); n > 1 || got != "" && !json.Valid([]byte(got)) {
				t.Errorf("to %.20q it says %q", text, got)
			}
		}
		if h.count() != 0 {
			t.Errorf("it obeyed %+v", h.asked)
		}
		// More than there are places for connect and say nothing, or no end.
		for i := range 2 * mostAtOnce {
			c, err := net.Dial(s.listener.Addr().Network(), dialled(s))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if i%2 == 0 {
				_, _ = c.Write([]byte("{"))
			}
		}
		began := time.Now()
		for { // until they are hung up on
			if found, err := client(t, tr, dir).Find(t.Context()); err == nil && len(found) == 1 {
				break
			}
			if time.Since(began) > 5*timeToAsk {
				t.Fatal("they keep everybody out")
			}
		}
	})
}

// TestDead finds the sockets of processes that were killed.
func TestDead(t *testing.T) {
	each(t, func(t *testing.T, tr transport) {
		dir := folder(t)
		s := open(t, tr, dir, &handler{answer: Answer{Process: &Process{PID: 1}}})
		path, draft := newName(dir)
		l, _, err := tr.listen(t.Context(), draft)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(l.Close(), os.Rename(draft, path), os.WriteFile(filepath.Join(dir, "note"), nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		found, err := client(t, tr, dir, folder(t)).Find(t.Context())
		if err != nil || len(found) != 1 || found[0].path != s.path {
			t.Errorf("found %v, %v", found, err)
		}
		left, err := os.ReadDir(dir)
		if err != nil || len(left) != 2 {
			t.Errorf("%v are left, %v", left, err)
		}
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
		if found, err := client(t, tr, dir).Find(t.Context()); err != nil || len(found) != 0 {
			t.Errorf("found %v, %v", found, err)
		}
	})
}

// TestMute finds a process that takes connections and says nothing, one that says
// nonsense and one without end.
func TestMute(t *testing.T) {
	each(t, func(t *testing.T, tr transport) {
		dir := folder(t)
		if err := claim(dir); err != nil {
			t.Fatal(err)
		}
		for _, says := range []string{"nonsense\n", `{"schema":7}` + "\n", `{"schema":1}` + "\n", "", "endless"} {
			path, draft := newName(dir)
			l, _, err := tr.listen(t.Context(), draft)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(draft, path); err != nil {
				t.Fatal(err)
			}
			var serving sync.WaitGroup
			serving.Go(func() {
				c, err := l.Accept()
				if err != nil {
					return
				}
				defer c.Close()
				_, err = io.WriteString(c, says)
				for says == "endless" && err == nil {
					_, err = c.Write(bytes.Repeat([]byte("x"), 1<<20))
				}
				_, _ = io.Copy(io.Discard, c)
			})
			found, err := client(t, tr, dir).Find(t.Context())
			if err == nil || !strings.Contains(err.Error(), "does not answer") || len(found) != 0 {
				t.Errorf("who says %q is %v, %v", says, found, err)
			}
			_ = errors.Join(os.Remove(path), l.Close())
			serving.Wait()
		}
	})
}

// waiting is a connection that tells of each read after the first.
type waiting struct {
	net.Conn
	read  bool
	again chan struct{}
}

func (w *waiting) Read(p []byte) (int, error) {
	if w.read {
		select {
		case w.again <- struct{}{}:
		default:
		}
	}
	w.read = true
	return w.Conn.Read(p)
}

// TestStop sees that who tells a process to stop learns when it has.
func TestStop(t *testing.T) {
	each(t, func(t *testing.T, tr transport) {
		dir := folder(t)
		h := &handler{answer: Answer{Process: &Process{PID: 1}}}
		s := open(t, tr, dir, h)
		again := make(chan struct{}, 1)
		c := client(t, transport{tr.listen, func(ctx context.Context, path string) (net.Conn, string, error) {
			conn, token, err := tr.dial(ctx, path)
			return &waiting{Conn: conn, again: again}, token, err
		}}, dir)
		found, err := c.Find(t.Context())
		if err != nil || len(found) != 1 {
			t.Fatalf("found %v, %v", found, err)
		}
		h.answer = Answer{Ending: true}
		told := make(chan error)
		go func() { told <- found[0].Tell(t.Context(), Request{Do: DoStop}) }()
		select {
		case err := <-told:
			t.Fatalf("it did not wait: %v", err)
		case <-again: // it has the answer, and waits for the end
		}
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
		if err := <-told; err != nil {
			t.Error(err)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add(encode(Request{Schema: schema, Do: DoSet, Key: "limit-up", Value: "1M"}))
	f.Add(encode(Answer{Schema: schema, Process: &Process{Transfers: []Transfer{{Name: "f"}}}}))
	f.Add([]byte(`{"schema":1,"do":{}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		if r, err := decodeRequest(line); err == nil {
			again, err := decodeRequest(bytes.TrimSuffix(encode(r), []byte("\n")))
			if err != nil || again != r {
				t.Errorf("%+v became %+v, %v", r, again, err)
			}
		}
		if a, err := decodeAnswer(line); err == nil && bytes.Count(encode(a), []byte("\n")) != 1 {
			t.Errorf("%+v is no line", a)
		}
	})
}
