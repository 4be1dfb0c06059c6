package fetch_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/shoal-dl/shoal/fetch"
	"github.com/shoal-dl/shoal/fetch/sourcetest"
)

// asked is the bytes that a request is for.
func asked(r *http.Request) (first, last int) {
	if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &first, &last); err != nil {
		panic(err)
	}
	return first, last
}

// partial begins the answer to a request for a range of content, and tells which.
func partial(w http.ResponseWriter, r *http.Request, content []byte) (first, last int) {
	first, last = asked(r)
	w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, len(content)))
	w.WriteHeader(http.StatusPartialContent)
	return first, last
}

// stall sends some of a body, and no more.
func stall(w http.ResponseWriter, r *http.Request, some []byte) {
	_, _ = w.Write(some)
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
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

// TestPutOff: of what has come of a piece when its lease is put off, nothing is asked for
// again when the piece is.
func TestPutOff(t *testing.T) {
	m, content := oneFile(t, 3*piece)
	const come = piece / 3 // of the piece under way
	for name, steps := range map[string][]struct {
		first, end int
		stop       int   // bytes after which the lease is ended, 0 for never, -1 for before any
		cause      error // of that
		from       int   // the first byte that is asked for
	}{
		"and goes on":             {{0, 1, come, fetch.ErrPutOff, 0}, {0, 1, 0, nil, come}, {0, 1, 0, nil, 0}},
		"in the midst of a lease": {{0, 3, piece + come, fetch.ErrPutOff, 0}, {1, 3, 0, nil, piece + come}},
		"others come between":     {{1, 2, come, fetch.ErrPutOff, piece}, {0, 3, 0, nil, 0}, {1, 3, 0, nil, piece + come}},
		"twice":                   {{1, 2, come, fetch.ErrPutOff, piece}, {1, 2, come, fetch.ErrPutOff, piece + come}, {1, 2, 0, nil, piece + 2*come}},
		"the later one is kept":   {{1, 2, come, fetch.ErrPutOff, piece}, {2, 3, come, fetch.ErrPutOff, 2 * piece}, {1, 2, 0, nil, piece}, {2, 3, 0, nil, 2*piece + come}},
		"before anything came":    {{1, 2, come, fetch.ErrPutOff, piece}, {2, 3, -1, fetch.ErrPutOff, 2 * piece}, {1, 2, 0, nil, piece + come}},
		"it was called off":       {{1, 2, come, fetch.ErrCalledOff, piece}, {1, 2, 0, nil, piece}},
	} {
		t.Run(name, func(t *testing.T) {
			var stop int
			var end context.CancelCauseFunc
			from := make(chan int, 1)
			s := newMirror(t, newClient(t, fetch.ClientOptions{}), m, serve(t, func(w http.ResponseWriter, r *http.Request) {
				first, last := partial(w, r, content)
				from <- first
				switch {
				case stop == 0:
					_, _ = w.Write(content[first : last+1])
				case stop < 0:
					end(fetch.ErrPutOff)
					<-r.Context().Done()
				default:
					stall(w, r, content[first:][:stop])
				}
			}).URL)
			memory := make([]byte, piece)
			for i, step := range steps {
				ctx, cancel := context.WithCancelCause(t.Context())
				stop, end = step.stop, cancel
				received := 0
				var got []byte
				for raw, err := range s.Pieces(ctx, fetch.Lease{
					Pieces: fetch.Run(step.first, step.end),
					Buffer: func(_ context.Context, n int) ([]byte, error) { return memory[:n], nil },
					Received: func(n int) {
						if received += n; received == stop {
							cancel(step.cause)
						}
					},
				}) {
					if err != nil && (ctx.Err() == nil || fetch.AsFault(err) != nil) {
						t.Fatalf("step %d: %v", i, err)
					}
					got = append(got, raw.Data...)
				}
				cancel(nil)
				if want := content[step.first*piece : step.end*piece]; step.cause == nil && !bytes.Equal(got, want) {
					t.Errorf("step %d: got %d bytes that are not right", i, len(got))
				}
				if from := <-from; from != step.from {
					t.Errorf("step %d: asked from byte %d on, not %d", i, from, step.from)
				}
				if step.cause == nil && received != step.end*piece-step.from {
					t.Errorf("step %d: told of %d bytes", i, received)
				}
			}
		})
	}
}

// putOffAfter has a lease of the first piece put off when it has come so far.
func putOffAfter(t *testing.T, s fetch.Source, n int) {
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	lease := fetch.Lease{
		Pieces: []int{0},
		Buffer: func(_ context.Context, n int) ([]byte, error) { return make([]byte, n), nil },
		Received: func(more int) {
			if n -= more; n <= 0 {
				cancel(fetch.ErrPutOff)
			}
		},
	}
	for _, err := range s.Pieces(ctx, lease) {
		if err == nil {
			t.Fatal("it was not put off")
		}
	}
}

// TestPutOffWithoutRange: a server that ignores Range brings the first piece of a file
// again, as a lease of that alone does not tell it from others.
func TestPutOffWithoutRange(t *testing.T) {
	m, content := oneFile(t, piece)
	var slow atomic.Bool
	slow.Store(true)
	s := newMirror(t, newClient(t, fetch.ClientOptions{}), m, serve(t, func(w http.ResponseWriter, r *http.Request) {
		if slow.Swap(false) {
			stall(w, r, content[:piece/2])
			return
		}
		_, _ = w.Write(content)
	}).URL)
	putOffAfter(t, s, piece/2)
	if got, err := bring(t.Context(), s, m, 0, 1); err != nil || !bytes.Equal(got, content) {
		t.Errorf("got %d bytes and %v", len(got), err)
	}
}

// TestMostKept: of a large piece only so much is kept.
func TestMostKept(t *testing.T) {
	const most = 4 << 20
	m, content := sourcetest.Content(t, 2*most, map[string]int{"f": 2 * most})
	var slow atomic.Bool
	slow.Store(true)
	from := make(chan int, 2)
	s := newMirror(t, newClient(t, fetch.ClientOptions{}), m, serve(t, func(w http.ResponseWriter, r *http.Request) {
		first, last := partial(w, r, content)
		from <- first
		if slow.Swap(false) {
			stall(w, r, content[:most+most/2])
			return
		}
		_, _ = w.Write(content[first : last+1])
	}).URL)
	putOffAfter(t, s, most+most/2)
	if got, err := bring(t.Context(), s, m, 0, 1); err != nil || !bytes.Equal(got, content) {
		t.Errorf("got %d bytes and %v", len(got), err)
	}
	if a, b := <-from, <-from; a != 0 || b != most {
		t.Errorf("asked from %d and %d on", a, b)
	}
}
