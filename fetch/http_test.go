package fetch_test

import (
	"bytes"
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/shoal-dl/shoal/fetch"
	"github.com/shoal-dl/shoal/fetch/sourcetest"
	"github.com/shoal-dl/shoal/verify"
)

const piece = 64 << 10

// newClient makes a client that is closed with the test.
func newClient(t testing.TB, o fetch.ClientOptions) *fetch.Client {
	t.Helper()
	c, err := fetch.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// memoryMirror makes a mirror that a handler serves in memory, for use inside a
// synctest bubble.
func memoryMirror(t *testing.T, m *verify.Manifest, handler http.HandlerFunc, o fetch.ClientOptions) *fetch.Mirror {
	t.Helper()
	network := new(sourcetest.Net)
	serveMemory(t, network, "mirror.example:80", handler)
	url := "http://user:secret@mirror.example/" + m.Files[0].Path + "?token=secret"
	if m.Folder() {
		url = "http://user:secret@mirror.example/dir/?token=secret"
	}
	return newMirror(t, newClient(t, o.WithDial(network.Dial)), m, url)
}

func serveMemory(t *testing.T, network *sourcetest.Net, addr string, handler http.Handler) {
	var serving sync.WaitGroup
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serving.Add(1)
		defer serving.Done()
		handler.ServeHTTP(w, r)
	})}
	listener := network.Listen(addr)
	serving.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() {
		_ = server.Close()
		serving.Wait()
	})
}

func newMirror(t testing.TB, c *fetch.Client, m *verify.Manifest, url string) *fetch.Mirror {
	t.Helper()
	s, err := fetch.NewMirror(c, m, url)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serve starts a server on loopback.
func serve(t testing.TB, handler http.HandlerFunc) *httptest.Server {
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s
}

// serveBytes serves data as nginx does, ranges and conditions included.
func serveBytes(w http.ResponseWriter, r *http.Request, data []byte) {
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// bring takes a lease and returns the bytes of its pieces.
func bring(ctx context.Context, s fetch.Source, m *verify.Manifest, first, end int) ([]byte, error) {
	var all []byte
	lease := fetch.Lease{
		First: first, End: end,
		Buffer:   func(_ context.Context, n int) ([]byte, error) { return make([]byte, n), nil },
		Received: func(int) {},
	}
	for raw, err := range s.Pieces(ctx, lease) {
		if err != nil {
			return all, err
		}
		all = append(all, raw.Data...)
	}
	return all, nil
}

// kindOf is the kind of a fault, or -1 when err is none.
func kindOf(err error) fetch.FaultKind {
	if f := fetch.AsFault(err); f != nil {
		return f.Kind
	}
	return -1
}

// oneFile makes the manifest of a file of so many bytes.
func oneFile(t testing.TB, size int) (*verify.Manifest, []byte) {
	return sourcetest.Content(t, piece, map[string]int{"file.bin": size})
}

// quiet keeps what servers log of broken clients out of the tests' output.
var quiet = log.New(io.Discard, "", 0)

// netrcFile makes $NETRC name a file with this text.
func netrcFile(t *testing.T, text string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "netrc")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NETRC", path)
}
