package fetch_test

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/shoal-dl/shoal/fetch"
	"github.com/shoal-dl/shoal/fetch/sourcetest"
)

func TestMirrorURLIsChecked(t *testing.T) {
	c := newClient(t, fetch.ClientOptions{})
	file, _ := oneFile(t, 100)
	folder, _ := sourcetest.Content(t, piece, map[string]int{"a": 1, "b": 2})
	for _, url := range []string{"", "file.bin", "//host/file.bin", "ftp://host/file.bin", "http:///file.bin", "http://%zz/"} {
		if _, err := fetch.NewMirror(c, file, url); err == nil {
			t.Errorf("%q was accepted", url)
		}
	}
	if _, err := fetch.NewMirror(c, folder, "http://ann:secret@host/dir?x=secret"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a file's URL for a folder: %v", err)
	}
	s := newMirror(t, c, folder, "HTTPS://ann:secret@host:8443/dir/?x=secret#y")
	if s.Name() != "https://host:8443/dir/" || s.Kind() != fetch.KindMirror {
		t.Errorf("name %q, kind %q", s.Name(), s.Kind())
	}
}

// TestPathsAreEscaped has names that mean something else in a URL.
func TestPathsAreEscaped(t *testing.T) {
	sizes := map[string]int{"100% sure#1.txt": 10, "ä/b c+d;e=f&g": 20, "plain": 30}
	m, content := sourcetest.Content(t, piece, sizes)
	var mu sync.Mutex
	var seen []string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen = append(seen, r.URL.EscapedPath()+"?"+r.URL.RawQuery)
		mu.Unlock()
		serveContent(m, content)(w, r)
	})
	for _, base := range []string{"/dir/", "/a%2Fb//"} {
		seen = nil
		mirror := newMirror(t, newClient(t, fetch.ClientOptions{}), m, s.URL+base+"?key=1")
		got, err := bring(t.Context(), mirror, m, 0, 3)
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s: %v", base, err)
		}
		for i, f := range m.Files {
			path, _, _ := strings.Cut(seen[i], "?")
			if plain, err := url.PathUnescape(strings.TrimPrefix(path, base)); err != nil || plain != f.Path {
				t.Errorf("asked for %q for %q", seen[i], f.Path)
			}
			if !strings.HasSuffix(seen[i], "?key=1") {
				t.Errorf("the query is missing in %q", seen[i])
			}
		}
	}
}

// TestURLOfOneFile names one file in all ways, also by the folder it lies in.
func TestURLOfOneFile(t *testing.T) {
	m, content := oneFile(t, 100)
	asked := ""
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.RequestURI()
		serveBytes(w, r, content)
	})
	for given, want := range map[string]string{
		"/other":  "/other",
		"/dir/":   "/dir/" + m.Files[0].Path,
		"/?id=1":  "/?id=1",
		"":        "/",
		"/x?y=a/": "/x?y=a/",
	} {
		mirror := newMirror(t, newClient(t, fetch.ClientOptions{}), m, s.URL+given)
		if _, err := bring(t.Context(), mirror, m, 0, 1); err != nil || asked != want {
			t.Errorf("%q: asked for %q, %v; want %q", given, asked, err, want)
		}
	}
}

func TestFaultsNameTheFile(t *testing.T) {
	m, _ := sourcetest.Content(t, piece, map[string]int{"a": 1, "b/c": 2})
	s := newMirror(t, newClient(t, fetch.ClientOptions{}), m, serve(t, status(404)).URL+"/")
	_, err := bring(t.Context(), s, m, 1, 2)
	checkFault(t, err, fetch.FaultLasting, "b/c: HTTP 404 Not Found")
}

// TestConnectionIsUsedAgain brings lease after lease over one connection.
func TestConnectionIsUsedAgain(t *testing.T) {
	m, content := sourcetest.Content(t, piece, map[string]int{"a": 3 * piece, "b": 5, "c": piece})
	s := newMirror(t, newClient(t, fetch.ClientOptions{}), m, serve(t, serveContent(m, content)).URL+"/")
	dials := 0
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{ConnectStart: func(_, _ string) { dials++ }})
	for i := range m.NumPieces() {
		if _, err := bring(ctx, s, m, i, m.NumPieces()); err != nil {
			t.Fatal(err)
		}
	}
	if dials != 1 {
		t.Errorf("%d connections", dials)
	}
}

// TestConnectionsAreKept has four leases under way at once, twice.
func TestConnectionsAreKept(t *testing.T) {
	m, content := oneFile(t, 8*piece)
	s := newMirror(t, newClient(t, fetch.ClientOptions{}), m, serve(t, serveContent(m, content)).URL+"/file.bin")
	var dials atomic.Int32
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{ConnectStart: func(_, _ string) { dials.Add(1) }})
	for range 2 {
		var rests []func() (fetch.Raw, error, bool)
		for range 4 {
			next, stop := iter.Pull2(s.Pieces(ctx, fetch.Lease{
				Pieces:   fetch.Run(0, 8),
				Buffer:   func(_ context.Context, n int) ([]byte, error) { return make([]byte, n), nil },
				Received: func(int) {},
			}))
			defer stop()
			if _, err, _ := next(); err != nil {
				t.Fatal(err)
			}
			rests = append(rests, next)
		}
		for _, next := range rests {
			for _, err, ok := next(); ok; _, err, ok = next() {
				if err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if n := dials.Load(); n != 4 {
		t.Errorf("%d connections", n)
	}
}

// TestValidators records what If-Range carries, by what the server sends.
func TestValidators(t *testing.T) {
	const date, old = "Sun, 22 Nov 2026 12:00:00 GMT", "Sun, 22 Nov 2026 11:59:59 GMT"
	m, content := oneFile(t, 3*piece)
	tests := []struct{ name, etag, modified, date, want string }{
		{"strong", `"v1"`, old, date, `"v1"`},
		{"weak", `W/"v1"`, "", date, ""},
		{"weak with a date", `W/"v1"`, old, date, old},
		{"broken", `v1`, "", date, ""},
		{"date", "", old, date, old},
		{"date of this second", "", date, date, ""},
		{"none", "", "", date, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var sent []string
			s := newMirror(t, newClient(t, fetch.ClientOptions{}), m, serve(t, func(w http.ResponseWriter, r *http.Request) {
				sent = append(sent, r.Header.Get("If-Range"))
				for name, value := range map[string]string{"ETag": test.etag, "Last-Modified": test.modified, "Date": test.date} {
					if value != "" {
						w.Header().Set(name, value)
					}
				}
				r.Header.Del("If-Range")
				serveBytes(w, r, content)
			}).URL)
			for i := range 3 {
				if _, err := bring(t.Context(), s, m, i, i+1); err != nil {
					t.Fatal(err)
				}
			}
			if want := []string{"", test.want, test.want}; !slices.Equal(sent, want) {
				t.Errorf("If-Range was %q, wanted %q", sent, want)
			}
			if s.Changed() != "" {
				t.Errorf("changed: %s", s.Changed())
			}
		})
	}
}

// TestIfRangeIsDropped has a CDN that answers 200 to any If-Range.
func TestIfRangeIsDropped(t *testing.T) {
	m, content := oneFile(t, 4*piece)
	var requests, conditional atomic.Int32
	s := newMirror(t, newClient(t, fetch.ClientOptions{}), m, serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		w.Header().Set("ETag", `"v1"`)
		if r.Header.Get("If-Range") != "" {
			conditional.Add(1)
			r.Header.Del("Range")
		}
		serveBytes(w, r, content)
	}).URL)
	for i := range 4 {
		if got, err := bring(t.Context(), s, m, i, i+1); err != nil || !bytes.Equal(got, content[i*piece:][:piece]) {
			t.Fatal(err)
		}
	}
	if r, c := requests.Load(), conditional.Load(); r != 5 || c != 1 {
		t.Errorf("%d requests, %d of them with If-Range; wanted 5 and 1", r, c)
	}
}

// TestWithoutRange follows a server that ignores Range from its first lease on.
func TestWithoutRange(t *testing.T) {
	m, content := oneFile(t, 4*piece+7)
	s := newMirror(t, newClient(t, fetch.ClientOptions{}), m, serve(t, serveWhole(content)).URL)
	if got, err := bring(t.Context(), s, m, 0, 1); err != nil || !bytes.Equal(got, content[:piece]) {
		t.Errorf("from the front: %v", err)
	}
	_, err := bring(t.Context(), s, m, 2, 3)
	checkFault(t, err, fetch.FaultNoRange, "ignores Range")
	if got, err := bring(t.Context(), s, m, 2, 5); err != nil || !bytes.Equal(got, content[2*piece:]) {
		t.Errorf("to the end, once known: %v", err)
	}
}

// TestUnknownTotal has a server that does not say how long the file is.
func TestUnknownTotal(t *testing.T) {
	m, content := oneFile(t, 3*piece)
	s := newMirror(t, newClient(t, fetch.ClientOptions{}), m, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/*", piece, 2*piece-1))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(content[piece : 2*piece])
	}).URL)
	if got, err := bring(t.Context(), s, m, 1, 2); err != nil || !bytes.Equal(got, content[piece:2*piece]) {
		t.Error(err)
	}
}
