package fetch_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"aead.dev/minisign"

	"github.com/shoal-dl/shoal/fetch"
	"github.com/shoal-dl/shoal/fetch/sourcetest"
	"github.com/shoal-dl/shoal/verify"
)

// manifestWith encodes a manifest with these mirror URLs.
func manifestWith(t *testing.T, urls ...string) []byte {
	t.Helper()
	m, _ := oneFile(t, 100)
	for _, u := range urls {
		m.Mirrors = append(m.Mirrors, verify.Mirror{URL: u})
	}
	raw, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// body is a handler that sends these bytes.
func body(data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data) }
}

func mirrorURLs(r *fetch.Resolved) string {
	var all []string
	for _, m := range r.Manifest.Mirrors {
		all = append(all, m.URL)
	}
	return strings.Join(all, " ")
}

func TestManifestFromTheWeb(t *testing.T) {
	raw := manifestWith(t, "file.bin", "/up", "//other.example/x", "https://abs.example/y?z")
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/file.shoal" {
			http.Redirect(w, r, "/v2/file.shoal", http.StatusFound)
			return
		}
		_, _ = w.Write(raw)
	})
	r, err := newClient(t, fetch.ClientOptions{}).Manifest(t.Context(), s.URL+"/latest", nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	want := s.URL + "/v2/file.bin " + s.URL + "/up http://other.example/x https://abs.example/y?z"
	if got := mirrorURLs(r); got != want {
		t.Errorf("mirrors %s, wanted %s", got, want)
	}
	if r.URL != s.URL+"/v2/file.shoal" || r.Secure || !bytes.Equal(r.Raw, raw) {
		t.Errorf("from %s, secure %v, %d bytes", r.URL, r.Secure, len(r.Raw))
	}
}

func TestManifestOverTLSIsSecure(t *testing.T) {
	s := httptest.NewTLSServer(body(manifestWith(t)))
	defer s.Close()
	r, err := newClient(t, fetch.ClientOptions{Insecure: true}).Manifest(t.Context(), s.URL, nil, nil, "")
	if err != nil || !r.Secure {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestManifestFromThisMachine(t *testing.T) {
	raw := manifestWith(t, "file.bin", "https://abs.example/y")
	t.Chdir(t.TempDir())
	if err := os.WriteFile("m.shoal", raw, 0o666); err != nil {
		t.Fatal(err)
	}
	path, err := filepath.Abs("m.shoal")
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, fetch.ClientOptions{})
	for ref, want := range map[string]string{"m.shoal": path, "-": "-"} {
		r, err := c.Manifest(t.Context(), ref, bytes.NewReader(raw), nil, "")
		if err != nil {
			t.Fatal(err)
		}
		if r.URL != want || !r.Secure || !bytes.Equal(r.Raw, raw) || mirrorURLs(r) != "file.bin https://abs.example/y" {
			t.Errorf("%s: from %s, secure %v, mirrors %s", ref, r.URL, r.Secure, mirrorURLs(r))
		}
	}
}

// TestBadManifests has servers whose answer is none.
func TestBadManifests(t *testing.T) {
	raw := manifestWith(t)
	huge := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = w.Write(bytes.Repeat([]byte{' '}, 1<<20))
		}
	}
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	for range verify.MaxDecoded >> 20 {
		_, _ = z.Write(bytes.Repeat([]byte{' '}, 1<<20))
	}
	_, _ = z.Write(raw)
	_ = z.Close()
	hostile := bytes.Replace(raw, []byte(`"name": "file.bin"`), []byte(`"name": "../x"`), 1)
	if bytes.Equal(hostile, raw) {
		t.Fatal("the name was not found")
	}
	tests := []struct {
		name   string
		server http.HandlerFunc
		is     error
		text   string
	}{
		{"not found", status(404), fetch.ErrNoManifest, "HTTP 404 Not Found"},
		{"forbidden", status(403), fetch.ErrNoManifest, "HTTP 403 Forbidden"},
		{"not modified", status(304), fetch.ErrNoManifest, "HTTP 304 Not Modified"},
		{"redirect loop", status(302, "Location: /m.shoal"), fetch.ErrNoManifest, "redirect loop"},
		{"busy for an hour", status(503, "Retry-After: 3600"), fetch.ErrNoManifest, "HTTP 503"},
		{"truncated", body(raw[:len(raw)/2]), verify.ErrManifest, ""},
		{"oversized", huge, verify.ErrManifest, "larger than 16 MiB"},
		{"zip bomb", body(bomb.Bytes()), verify.ErrManifest, "larger than 64 MiB"},
		{"hostile name", body(hostile), verify.ErrManifest, "../x"},
		{"empty", body(nil), verify.ErrManifest, ""},
		{"web page", body([]byte("\n<!DOCTYPE html><html>Log in, please")), verify.ErrManifest, "it is a web page"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			url := serve(t, test.server).URL
			ref := strings.Replace(url, "//", "//ann:secret@", 1) + "/m.shoal?token=secret"
			r, err := newClient(t, fetch.ClientOptions{}).Manifest(t.Context(), ref, nil, nil, "")
			if r != nil || !errors.Is(err, test.is) {
				t.Fatalf("got %v, wanted one that is %v", err, test.is)
			}
			if !strings.Contains(err.Error(), test.text) || !strings.Contains(err.Error(), url+"/m.shoal") || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %q, wanted it to say %q and where", err, test.text)
			}
		})
	}
}

func TestBadManifestRefs(t *testing.T) {
	c := newClient(t, fetch.ClientOptions{})
	for _, ref := range []string{"ftp://ann:secret@host/x", "http://", "https://%zz:secret@", filepath.Join(t.TempDir(), "none"), t.TempDir()} {
		if _, err := c.Manifest(t.Context(), ref, nil, nil, ""); !errors.Is(err, fetch.ErrNoManifest) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", ref, err)
		}
	}
}

// TestManifestIsTriedAgain has a server that is ready at the third request.
func TestManifestIsTriedAgain(t *testing.T) {
	raw := manifestWith(t)
	tests := map[string]struct {
		server      http.HandlerFunc
		least, most time.Duration
	}{
		"error":       {status(500), 750 * time.Millisecond, 2250 * time.Millisecond},
		"truncated":   {answer("HTTP/1.1 200 OK\nContent-Length: 100\n\nx"), 750 * time.Millisecond, 2250 * time.Millisecond},
		"retry after": {status(429, "Retry-After: 7"), 14 * time.Second, 14 * time.Second},
		"silence":     {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 30 * time.Second, 33 * time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := new(sourcetest.Net)
				requests := 0
				serveMemory(t, network, "m.example:80", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if requests++; requests < 3 {
						test.server(w, r)
						return
					}
					_, _ = w.Write(raw)
				}))
				c := newClient(t, fetch.ClientOptions{}.WithDial(network.Dial))
				began := time.Now()
				if _, err := c.Manifest(t.Context(), "http://m.example/", nil, nil, ""); err != nil {
					t.Fatal(err)
				}
				if d := time.Since(began); d < test.least || d > test.most {
					t.Errorf("it took %v, wanted %v to %v", d, test.least, test.most)
				}
			})
		})
	}
}

// TestManifestIsGivenUp counts the tries at a server that never is ready, and
// bounds the time of one that drips.
func TestManifestIsGivenUp(t *testing.T) {
	drip := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = w.Write([]byte{' '})
			_ = http.NewResponseController(w).Flush()
			time.Sleep(time.Second)
		}
	}
	tests := map[string]struct {
		server   http.HandlerFunc
		requests int
		most     time.Duration
		text     string
	}{
		"errors":    {status(502), 4, 6 * time.Second, "HTTP 502 Bad Gateway"},
		"forbidden": {status(403), 1, 0, "HTTP 403 Forbidden"},
		"drip":      {drip, 1, 5 * time.Minute, "was not here after 5m0s"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := new(sourcetest.Net)
				requests := 0
				serveMemory(t, network, "m.example:80", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					requests++
					test.server(w, r)
				}))
				c := newClient(t, fetch.ClientOptions{}.WithDial(network.Dial))
				began := time.Now()
				_, err := c.Manifest(t.Context(), "http://m.example/", nil, nil, "")
				if !errors.Is(err, fetch.ErrNoManifest) || !strings.Contains(err.Error(), test.text) {
					t.Errorf("got %v", err)
				}
				if d := time.Since(began); requests != test.requests || d > test.most {
					t.Errorf("%d requests in %v", requests, d)
				}
			})
		})
	}
}

func TestManifestIsCalledOff(t *testing.T) {
	stop := errors.New("the user wants to stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel(stop)
		<-r.Context().Done()
	})
	_, err := newClient(t, fetch.ClientOptions{}).Manifest(ctx, s.URL, nil, nil, "")
	if !errors.Is(err, stop) || errors.Is(err, fetch.ErrNoManifest) {
		t.Errorf("got %v", err)
	}
}

func TestManifestPin(t *testing.T) {
	raw := manifestWith(t)
	m, err := verify.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	c, url := newClient(t, fetch.ClientOptions{}), serve(t, body(raw)).URL
	id := m.ID()
	if _, err := c.Manifest(t.Context(), url, nil, &id, ""); err != nil {
		t.Error(err)
	}
	id[0] ^= 1
	if r, err := c.Manifest(t.Context(), url, nil, &id, ""); r != nil || !errors.Is(err, fetch.ErrWrongID) {
		t.Errorf("got %v", err)
	}
}

func TestManifestSignature(t *testing.T) {
	public, private, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	raw := manifestWith(t)
	right, wrong := minisign.Sign(private, raw), minisign.Sign(private, raw[1:])
	dir := t.TempDir()
	for name, sig := range map[string][]byte{"right": right, "wrong": wrong, "none": nil, "large": bytes.Repeat(right, 1000)} {
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o666); err != nil {
			t.Fatal(err)
		}
		if sig == nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name+".minisig"), sig, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "key=1" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		http.FileServer(http.Dir(dir)).ServeHTTP(w, r)
	})
	c := newClient(t, fetch.ClientOptions{})
	for _, name := range []string{"right", "wrong", "none", "large"} {
		for _, ref := range []string{filepath.Join(dir, name), s.URL + "/" + name + "?key=1"} {
			r, err := c.Manifest(t.Context(), ref, nil, nil, public.String())
			if ok := err == nil; ok != (name == "right") || !ok && (r != nil || !errors.Is(err, verify.ErrSignature)) {
				t.Errorf("%s: %v", ref, err)
			}
		}
	}
	if _, err := c.Manifest(t.Context(), "-", bytes.NewReader(raw), nil, public.String()); !errors.Is(err, verify.ErrSignature) {
		t.Errorf("from stdin: %v", err)
	}
}

// TestManifestURLIsTrusted sends the user's headers to the manifest's origin and
// to the mirrors there, but to no other that it lists.
func TestManifestURLIsTrusted(t *testing.T) {
	m, content := oneFile(t, 100)
	var leaked, sent atomic.Int32
	other := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Token") != "" {
			leaked.Add(1)
		}
		serveBytes(w, r, content)
	})
	m.Mirrors = []verify.Mirror{{URL: "file.bin"}, {URL: other.URL}}
	raw, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	home := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Token") != "" {
			sent.Add(1)
		}
		if r.URL.Path == "/m.shoal" {
			_, _ = w.Write(raw)
			return
		}
		serveBytes(w, r, content)
	})
	c := newClient(t, fetch.ClientOptions{Headers: []string{"X-Token: secret"}})
	resolved, err := c.Manifest(t.Context(), home.URL+"/m.shoal", nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range resolved.Manifest.Mirrors {
		if _, err := bring(t.Context(), newMirror(t, c, m, u.URL), m, 0, 1); err != nil {
			t.Fatal(err)
		}
	}
	if s, l := sent.Load(), leaked.Load(); s != 2 || l != 0 {
		t.Errorf("the token was sent home %d times of 2, and to another %d times", s, l)
	}
}

// TestReadingStdinIsCalledOff has a stdin on which nothing ever comes.
func TestReadingStdinIsCalledOff(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	defer writer.Close()
	cancel()
	_, err := newClient(t, fetch.ClientOptions{}).Manifest(ctx, "-", reader, nil, "")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
