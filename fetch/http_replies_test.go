package fetch_test

import (
	"bytes"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/shoal-dl/shoal/fetch"
)

// asked is the bytes that a request is for.
func asked(r *http.Request) (first, last int) {
	if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &first, &last); err != nil {
		panic(err)
	}
	return first, last
}

// breakOff serves a range of content, of which only n(its size) bytes come.
func breakOff(content []byte, n func(size int) int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		first, last := asked(r)
		part := content[first : last+1]
		conn, buf, _ := http.NewResponseController(w).Hijack()
		defer conn.Close()
		_, _ = fmt.Fprintf(buf, "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %d-%d/%d\r\nContent-Length: %d\r\n\r\n", first, last, len(content), len(part))
		_, _ = buf.Write(part[:min(n(len(part)), len(part))])
		_ = buf.Flush()
	}
}

// subset serves less of a range than was asked for, and says so.
func subset(content []byte, n func(size int) int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		first, last := asked(r)
		last = first + min(n(last+1-first), last+1-first) - 1
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, len(content)))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(content[first : last+1])
	}
}

// TestBrokenOff has servers that never send all of what they were asked for.
func TestBrokenOff(t *testing.T) {
	m, content := oneFile(t, 5*piece+99)
	half := func(size int) int { return (size + 1) / 2 }
	few := func(int) int { return 3 * piece / 7 }
	wholePieces := func(int) int { return piece }
	for _, test := range []struct {
		name   string
		server http.HandlerFunc
	}{
		{"half of it", breakOff(content, half)},
		{"less than a piece", breakOff(content, few)},
		{"a piece", breakOff(content, wholePieces)},
		{"half of it, and says so", subset(content, half)},
		{"less than a piece, and says so", subset(content, few)},
		{"a piece, and says so", subset(content, wholePieces)},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newMirror(t, newClient(t, fetch.ClientOptions{}), m, serve(t, test.server).URL)
			got, err := bring(t.Context(), s, m, 1, 6)
			if err != nil || !bytes.Equal(got, content[piece:]) {
				t.Errorf("got %d bytes and %v", len(got), err)
			}
		})
	}
}

// TestBrokenOffWithoutRange reads a file from its front where the first reply breaks off.
func TestBrokenOffWithoutRange(t *testing.T) {
	m, content := oneFile(t, 5*piece+99)
	var requests atomic.Int32
	s := newMirror(t, newClient(t, fetch.ClientOptions{}), m, serve(t, func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == 2 {
			w.Header().Set("Content-Length", fmt.Sprint(len(content)))
			_, _ = w.Write(content[:3*piece+5])
			return
		}
		serveWhole(content)(w, r)
	}).URL)
	_, err := bring(t.Context(), s, m, 1, 2)
	checkFault(t, err, fetch.FaultNoRange, "ignores Range")
	if got, err := bring(t.Context(), s, m, 1, 6); err != nil || !bytes.Equal(got, content[piece:]) {
		t.Errorf("got %d bytes and %v", len(got), err)
	}
	if n := requests.Load(); n != 3 {
		t.Errorf("%d requests", n)
	}
}

// TestBrokenOffOverAndOver is done with a server that sends a byte at a time.
func TestBrokenOffOverAndOver(t *testing.T) {
	m, content := oneFile(t, 3*piece)
	var requests atomic.Int32
	one := breakOff(content, func(int) int { return 1 })
	s := newMirror(t, newClient(t, fetch.ClientOptions{}), m, serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		one(w, r)
	}).URL)
	_, err := bring(t.Context(), s, m, 0, 3)
	n := requests.Load()
	checkFault(t, err, fetch.FaultPassing, fmt.Sprintf("body ended after %d of %d bytes", n, 3*piece))
	if n > 100 {
		t.Errorf("%d requests", n)
	}
}

// TestSubsetIsNoEnd has a server whose reply goes on after what it says it is.
func TestSubsetIsNoEnd(t *testing.T) {
	m, content := oneFile(t, 3*piece)
	s := newMirror(t, newClient(t, fetch.ClientOptions{}), m, serve(t, func(w http.ResponseWriter, r *http.Request) {
		first, last := asked(r)
		last = first + (last-first)/2
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/*", first, last))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(content[first : last+1])
		_ = http.NewResponseController(w).Flush()
		_, _ = w.Write(make([]byte, piece))
	}).URL)
	if got, err := bring(t.Context(), s, m, 0, 3); err != nil || !bytes.Equal(got, content) {
		t.Errorf("got %d bytes and %v", len(got), err)
	}
}

// TestSubsetThenRefusal gives the reason for which the rest of a range did not come.
func TestSubsetThenRefusal(t *testing.T) {
	m, content := oneFile(t, 3*piece)
	few := subset(content, func(int) int { return 100 })
	s := newMirror(t, newClient(t, fetch.ClientOptions{}), m, serve(t, func(w http.ResponseWriter, r *http.Request) {
		if first, _ := asked(r); first > 0 {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		few(w, r)
	}).URL)
	_, err := bring(t.Context(), s, m, 0, 3)
	checkFault(t, err, fetch.FaultBusy, "HTTP 429")
}
