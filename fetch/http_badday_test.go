package fetch_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-dl/shoal/fetch"
	"github.com/shoal-dl/shoal/fetch/sourcetest"
	"github.com/shoal-dl/shoal/verify"
)

// answer is a handler that writes exactly this, then closes the connection.
func answer(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, strings.ReplaceAll(text, "\n", "\r\n"))
	}
}

// status is a handler that answers with a status and headers "Name: value".
func status(code int, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			w.Header().Set(name, value)
		}
		w.WriteHeader(code)
	}
}

// TestBadMirrors asks each server for the second and third piece, 131072 bytes
// from 65536 on, of a file of 300000.
func TestBadMirrors(t *testing.T) {
	m, content := oneFile(t, 300000)
	part := strings.Repeat("x", 131072)
	good := "HTTP/1.1 206 Partial Content\nContent-Range: bytes 65536-196607/300000\n"
	tests := []struct {
		name   string
		server http.HandlerFunc
		kind   fetch.FaultKind
		text   string
	}{
		{"truncated body", answer(good + "Content-Length: 131072\n\n" + part[:70000]), fetch.FaultPassing, "body ended after 70000 of 131072 bytes"},
		{"truncated body without length", answer(good + "Connection: close\n\n" + part[:5]), fetch.FaultPassing, "body ended after 5 of 131072 bytes"},
		{"truncated chunks", answer(good + "Transfer-Encoding: chunked\n\n2\nxx\n"), fetch.FaultPassing, "body ended after 2 of 131072 bytes"},
		{"empty body", answer(good + "Connection: close\n\n"), fetch.FaultPassing, "body ended after 0 of 131072 bytes"},
		{"no answer", answer(""), fetch.FaultPassing, "connection closed without an answer"},
		{"nonsense", answer("SSH-2.0-OpenSSH_10.2\n"), fetch.FaultPassing, "malformed HTTP"},
		{"other range", answer(strings.Replace(good, "65536-196607", "0-131071", 1) + "Content-Length: 131072\n\n" + part), fetch.FaultLasting, "sent bytes 0-131071 when asked for 65536-196607"},
		{"shorter range", answer(strings.Replace(good, "196607", "196606", 1) + "\n" + part), fetch.FaultLasting, "sent bytes 65536-196606"},
		{"other unit", answer(strings.Replace(good, ": bytes", ": pages", 1) + "\n" + part), fetch.FaultLasting, "Content-Range"},
		{"no Content-Range", answer("HTTP/1.1 206 Partial Content\n\n" + part), fetch.FaultLasting, "0 Content-Range headers"},
		{"two Content-Ranges", answer(good + "Content-Range: bytes 0-131071/300000\n\n" + part), fetch.FaultLasting, "2 Content-Range headers"},
		{"unreadable Content-Range", answer("HTTP/1.1 206 Partial Content\nContent-Range: bytes \u202eall of it\n\n" + part), fetch.FaultLasting, `sent Content-Range "bytes \u202eall of it"`},
		{"other size", answer(strings.Replace(good, "300000", "300001", 1) + "\n" + part), fetch.FaultLasting, "has 300001 bytes, the manifest says 300000"},
		{"Content-Length too large", answer(good + "Content-Length: 131073\n\n" + part + "x"), fetch.FaultLasting, "Content-Length 131073 for a range of 131072 bytes"},
		{"Content-Length too small", answer(good + "Content-Length: 131071\n\n" + part), fetch.FaultLasting, "Content-Length 131071 for a range of 131072 bytes"},
		{"multipart", answer(good + "Content-Type: multipart/byteranges; boundary=x\n\n--x"), fetch.FaultLasting, "multipart"},
		{"gzip on a range", answer(good + "Content-Encoding: gzip\n\n" + part), fetch.FaultLasting, `coded as "gzip"`},
		{"gzip on the whole", answer("HTTP/1.1 200 OK\nContent-Encoding: GZip\n\n" + part), fetch.FaultLasting, `coded as "GZip"`},
		{"whole file", serveWhole(content), fetch.FaultNoRange, "ignores Range"},
		{"whole other file", serveWhole(content[1:]), fetch.FaultLasting, "has 299999 bytes, the manifest says 300000"},
		{"out of range", status(416, "Content-Range: bytes */100"), fetch.FaultLasting, "has 100 bytes, the manifest says 300000"},
		{"out of range without size", status(416), fetch.FaultLasting, "HTTP 416"},
		{"unauthorized", status(401), fetch.FaultLasting, "HTTP 401 Unauthorized"},
		{"forbidden", status(403), fetch.FaultBusy, "HTTP 403 Forbidden"},
		{"not found", status(404), fetch.FaultLasting, "HTTP 404 Not Found"},
		{"gone", status(410), fetch.FaultLasting, "HTTP 410 Gone"},
		{"timeout", status(408), fetch.FaultPassing, "HTTP 408"},
		{"server error", status(500), fetch.FaultPassing, "HTTP 500 Internal Server Error"},
		{"unknown error", status(599), fetch.FaultPassing, "HTTP 599"},
		{"no content", status(204), fetch.FaultLasting, "HTTP 204 No Content"},
		{"not modified", status(304), fetch.FaultLasting, "HTTP 304 Not Modified"},
		{"huge headers", status(200, "X: "+strings.Repeat("x", 1<<20)), fetch.FaultPassing, "headers exceeded"},
		{"redirect to itself", status(302, "Location: /file.bin"), fetch.FaultLasting, "redirect loop"},
		{"redirect nowhere", status(302), fetch.FaultLasting, "HTTP 302 Found without a Location"},
		{"redirect to a file", status(302, "Location: file:///etc/passwd"), fetch.FaultLasting, "not an HTTP address"},
		{"redirect to nonsense", status(302, "Location: http://[::1"), fetch.FaultLasting, "not an HTTP address"},
		{"endless redirects", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path+"x", http.StatusFound)
		}, fetch.FaultLasting, "more than 10 redirects"},
		{"reset", func(w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := http.NewResponseController(w).Hijack()
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}, fetch.FaultPassing, "connection reset"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			url := serve(t, test.server).URL + "/file.bin?token=secret"
			s := newMirror(t, newClient(t, fetch.ClientOptions{}), m, url)
			_, err := bring(t.Context(), s, m, 1, 3)
			checkFault(t, err, test.kind, test.text)
		})
	}
}

func checkFault(t *testing.T, err error, kind fetch.FaultKind, text string) {
	t.Helper()
	if kindOf(err) != kind || !strings.Contains(err.Error(), text) {
		t.Errorf("got %q of kind %d, wanted %q of kind %d", err, kindOf(err), text, kind)
	}
	if err != nil && (strings.Contains(err.Error(), "secret") || strings.ContainsAny(err.Error(), "\x1b\u202e\n")) {
		t.Errorf("%q is not for the user's eyes", err)
	}
}

// serveWhole ignores Range.
func serveWhole(data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Range")
		serveBytes(w, r, data)
	}
}

func TestRetryAfter(t *testing.T) {
	m, _ := oneFile(t, 100)
	tests := []struct {
		server http.HandlerFunc
		want   time.Duration
	}{
		{status(429, "Retry-After: 7"), 7 * time.Second},
		{status(503, "Retry-After: Sun, 22 Nov 2026 12:01:00 GMT", "Date: Sun, 22 Nov 2026 12:00:00 GMT"), time.Minute},
		{status(503, "Retry-After: Sun, 22 Nov 2026 12:00:00 GMT", "Date: Sun, 22 Nov 2026 12:01:00 GMT"), 0},
		{status(503, "Retry-After: 99999999999"), 1000 * time.Hour},
		{status(503, "Retry-After: 99999999999999999999"), 1000 * time.Hour},
		{status(503, "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT", "Date: Sun, 22 Nov 2026 12:00:00 GMT"), 1000 * time.Hour},
		{status(403, "Retry-After: -5"), 0},
		{status(429, "Retry-After: soon"), 0},
		{status(503), 0},
	}
	for i, test := range tests {
		s := newMirror(t, newClient(t, fetch.ClientOptions{}), m, serve(t, test.server).URL)
		_, err := bring(t.Context(), s, m, 0, 1)
		f := fetch.AsFault(err)
		if f == nil || f.Kind != fetch.FaultBusy || f.RetryAfter != test.want {
			t.Errorf("%d: got %v (%+v), wanted FaultBusy for %v", i, err, f, test.want)
		}
	}
}

// TestRetryAfterWithoutDate compares a date with our own clock.
func TestRetryAfterWithoutDate(t *testing.T) {
	m, _ := oneFile(t, 100)
	synctest.Test(t, func(t *testing.T) {
		s := memoryMirror(t, m, func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Date"] = nil
			w.Header().Set("Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
			w.WriteHeader(http.StatusTooManyRequests)
		}, fetch.ClientOptions{})
		_, err := bring(t.Context(), s, m, 0, 1)
		if f := fetch.AsFault(err); f == nil || f.RetryAfter != time.Hour {
			t.Errorf("got %v (%+v)", err, f)
		}
	})
}

// TestCorruptBytes checks that what a mirror sends wrong passes as a piece of
// the right length and does not stand the proof.
func TestCorruptBytes(t *testing.T) {
	m, content := oneFile(t, 3*piece)
	for _, at := range []int{0, piece, 2*piece - 1, 3*piece - 1} {
		bad := bytes.Clone(content)
		bad[at] ^= 0x40
		s := newMirror(t, newClient(t, fetch.ClientOptions{}), m, serve(t, serveContent(m, bad)).URL+"/file.bin")
		got, err := bring(t.Context(), s, m, 0, 3)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			_, err := m.Prove(i, got[i*piece:][:piece])
			if wrong := errors.Is(err, verify.ErrWrongPiece); wrong != (i == at/piece) {
				t.Errorf("byte %d: piece %d: %v", at, i, err)
			}
		}
	}
}

// TestEndlessBody takes what was asked for from servers that never stop.
func TestEndlessBody(t *testing.T) {
	m, content := oneFile(t, 300000)
	for _, header := range []string{"HTTP/1.1 206 Partial Content\nContent-Range: bytes 0-65535/300000\n\n", "HTTP/1.1 200 OK\n\n"} {
		s := newMirror(t, newClient(t, fetch.ClientOptions{}), m, serve(t, func(w http.ResponseWriter, r *http.Request) {
			conn, _, _ := http.NewResponseController(w).Hijack()
			defer conn.Close()
			_, _ = io.WriteString(conn, strings.ReplaceAll(header, "\n", "\r\n"))
			_, err := conn.Write(content)
			for err == nil {
				_, err = conn.Write(content)
			}
		}).URL)
		if got, err := bring(t.Context(), s, m, 0, 1); err != nil || !bytes.Equal(got, content[:piece]) {
			t.Errorf("got %d bytes and %v", len(got), err)
		}
	}
}

// TestForbiddenAfterSome has a server that has enough after five requests.
func TestForbiddenAfterSome(t *testing.T) {
	m, content := oneFile(t, 8*piece)
	var requests atomic.Int32
	s := newMirror(t, newClient(t, fetch.ClientOptions{}), m, serve(t, func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) > 5 {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		serveBytes(w, r, content)
	}).URL)
	for i := range 8 {
		_, err := bring(t.Context(), s, m, i, i+1)
		if want := i >= 5; want != (kindOf(err) == fetch.FaultBusy) {
			t.Errorf("request %d: %v", i, err)
		}
	}
	if n := requests.Load(); n != 8 {
		t.Errorf("%d requests for 8 pieces", n)
	}
}

// TestSwappedContent exchanges the file between two leases.
func TestSwappedContent(t *testing.T) {
	m, content := oneFile(t, 4*piece)
	var broken, swapped atomic.Bool
	s := newMirror(t, newClient(t, fetch.ClientOptions{}), m, serve(t, func(w http.ResponseWriter, r *http.Request) {
		if broken.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		if swapped.Load() {
			w.Header().Set("ETag", `"new"`)
			serveBytes(w, r, make([]byte, len(content)))
			return
		}
		w.Header().Set("ETag", `"old"`)
		serveBytes(w, r, content)
	}).URL)
	got, err := bring(t.Context(), s, m, 0, 2)
	if err != nil || !bytes.Equal(got, content[:2*piece]) || s.Changed() != "" {
		t.Fatalf("before: %v, changed %q", err, s.Changed())
	}
	broken.Store(true)
	if _, err = bring(t.Context(), s, m, 2, 4); err == nil {
		t.Fatal("no error while it was broken")
	}
	broken.Store(false)
	swapped.Store(true)
	got, err = bring(t.Context(), s, m, 2, 4)
	if err != nil || !bytes.Equal(got, make([]byte, 2*piece)) {
		t.Errorf("after: %v", err)
	}
	if text := s.Changed(); !strings.Contains(text, `"old"`) || !strings.Contains(text, `"new"`) {
		t.Errorf("changed: %q", text)
	}
}

// TestDiesAndComesBack asks the same mirror before, while and after its server
// is away.
func TestDiesAndComesBack(t *testing.T) {
	m, content := oneFile(t, 3*piece)
	synctest.Test(t, func(t *testing.T) {
		network := new(sourcetest.Net)
		s := newMirror(t, newClient(t, fetch.ClientOptions{}.WithDial(network.Dial)), m, "http://mirror.example/")
		start := func() *http.Server {
			server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serveBytes(w, r, content) })}
			go server.Serve(network.Listen("mirror.example:80"))
			synctest.Wait()
			return server
		}
		first := start()
		if _, err := bring(t.Context(), s, m, 0, 1); err != nil {
			t.Fatal(err)
		}
		_ = first.Close()
		synctest.Wait()
		_, err := bring(t.Context(), s, m, 1, 2)
		checkFault(t, err, fetch.FaultPassing, "connection refused")
		second := start()
		defer second.Close()
		if got, err := bring(t.Context(), s, m, 1, 3); err != nil || !bytes.Equal(got, content[piece:]) {
			t.Errorf("back again: %v", err)
		}
	})
}

func TestUnreachableMirrors(t *testing.T) {
	m, content := oneFile(t, 100)
	secure := httptest.NewTLSServer(serveContent(m, content))
	defer secure.Close()
	secure.Config.ErrorLog = quiet
	plain := serve(t, serveContent(m, content))
	plain.Config.ErrorLog = quiet
	dead := serve(t, status(200))
	dead.Close()
	tests := []struct {
		name, url string
		kind      fetch.FaultKind
		text      string
	}{
		{"refused", dead.URL, fetch.FaultPassing, "connection refused"},
		{"unknown authority", secure.URL, fetch.FaultLasting, "TLS: certificate signed by unknown authority"},
		{"no TLS", strings.Replace(plain.URL, "http:", "https:", 1), fetch.FaultLasting, "TLS: the server does not speak it"},
		{"no such host", "http://mirror.invalid/", fetch.FaultPassing, "look up mirror.invalid:"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newMirror(t, newClient(t, fetch.ClientOptions{}), m, test.url+"/file.bin")
			_, err := bring(t.Context(), s, m, 0, 1)
			checkFault(t, err, test.kind, test.text)
		})
	}
}

// TestGzipNotAccepted has a server that compresses whatever accepts it.
func TestGzipNotAccepted(t *testing.T) {
	m, content := oneFile(t, 3*piece)
	s := newMirror(t, newClient(t, fetch.ClientOptions{}), m, serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = gzip.NewWriter(w).Write(content)
			return
		}
		serveBytes(w, r, content)
	}).URL)
	if got, err := bring(t.Context(), s, m, 1, 3); err != nil || !bytes.Equal(got, content[piece:]) {
		t.Error(err)
	}
}
