package fetch_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-dl/shoal/fetch"
)

// TestSilence has servers that stop at each stage; only their time counts.
func TestSilence(t *testing.T) {
	m, content := oneFile(t, 4*piece)
	forever := func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	tests := map[string]http.HandlerFunc{
		"no header": forever,
		"half a redirect": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(http.StatusFound)
			_ = http.NewResponseController(w).Flush()
			forever(w, r)
		},
		"no body": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", len(content)-1, len(content)))
			w.WriteHeader(http.StatusPartialContent)
			_ = http.NewResponseController(w).Flush()
			forever(w, r)
		},
		"half a body": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", len(content)-1, len(content)))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(content[:piece+piece/2])
			_ = http.NewResponseController(w).Flush()
			forever(w, r)
		},
	}
	for name, server := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := memoryMirror(t, m, server, fetch.ClientOptions{Timeout: 20 * time.Second})
				began := time.Now()
				_, err := bring(t.Context(), s, m, 0, 4)
				checkFault(t, err, fetch.FaultPassing, "no byte for 20s")
				if d := time.Since(began); d != 20*time.Second {
					t.Errorf("noticed after %v", d)
				}
			})
		})
	}
}

func TestSilentConnect(t *testing.T) {
	m, _ := oneFile(t, 100)
	synctest.Test(t, func(t *testing.T) {
		o := fetch.ClientOptions{}.WithDial(func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		s := newMirror(t, newClient(t, o), m, "http://mirror.example/")
		_, err := bring(t.Context(), s, m, 0, 1)
		checkFault(t, err, fetch.FaultPassing, "no byte for 15s")
	})
}

// TestOurOwnTimeIsNotTheirs lets the consumer be far slower than the time-out.
func TestOurOwnTimeIsNotTheirs(t *testing.T) {
	m, content := oneFile(t, 4*piece)
	synctest.Test(t, func(t *testing.T) {
		s := memoryMirror(t, m, serveContent(m, content), fetch.ClientOptions{})
		lease := fetch.Lease{
			Pieces: fetch.Run(0, 4),
			Buffer: func(_ context.Context, n int) ([]byte, error) {
				time.Sleep(time.Hour)
				return make([]byte, n), nil
			},
			Received: func(int) {},
		}
		n := 0
		for _, err := range s.Pieces(t.Context(), lease) {
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
			n++
		}
		if n != 4 {
			t.Errorf("got %d pieces", n)
		}
	})
}

// TestDrip has a server that sends a byte a second: it is never silent, each
// byte is told of, and it can be called off at once.
func TestDrip(t *testing.T) {
	m, content := oneFile(t, piece)
	synctest.Test(t, func(t *testing.T) {
		s := memoryMirror(t, m, func(w http.ResponseWriter, r *http.Request) {
			for i := range content {
				if _, err := w.Write(content[i:][:1]); err != nil {
					return
				}
				_ = http.NewResponseController(w).Flush()
				time.Sleep(time.Second)
			}
		}, fetch.ClientOptions{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		received := 0
		lease := fetch.Lease{
			Pieces: fetch.Run(0, 1),
			Buffer: func(_ context.Context, n int) ([]byte, error) { return make([]byte, n), nil },
			Received: func(n int) {
				if received += n; received == 1000 {
					cancel()
				}
			},
		}
		began := time.Now()
		for _, err := range s.Pieces(ctx, lease) {
			if !errors.Is(err, context.Canceled) || fetch.AsFault(err) != nil {
				t.Errorf("got %v", err)
			}
		}
		if d := time.Since(began); received != 1000 || d > 1001*time.Second {
			t.Errorf("%d bytes in %v", received, d)
		}
	})
}
