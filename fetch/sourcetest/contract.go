// Package sourcetest is the contract of fetch.Source as tests, run for every
// implementation, and a network in memory to run them on.
package sourcetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-dl/shoal/fetch"
	"github.com/shoal-dl/shoal/verify"
)

const pieceSize = 64 << 10

// Run tests a kind of source. make returns one that has everything: content
// holds the bytes of m's files one after the other. It runs inside a synctest
// bubble, so it must use connections in memory (see [Net]), and leaves what it
// started to t.Cleanup.
func Run(t *testing.T, make func(t *testing.T, m *verify.Manifest, content []byte) fetch.Source) {
	contents := map[string]map[string]int{
		"file":   {"file": 9*pieceSize + 1234},
		"folder": {"a": 3*pieceSize + 1, "b/empty": 0, "b/one piece": 100, "c": 4 * pieceSize},
	}
	tests := map[string]func(*testing.T, *subject){
		"whole":                 testWhole,
		"every run":             testEveryRun,
		"empty lease":           testEmpty,
		"several leases":        testSeveral,
		"breaking out":          testBreak,
		"cancelled":             testCancelled,
		"cancelled at first":    testCancelledFirst,
		"waiting for a buffer":  testBufferWaits,
		"name tells no secrets": testName,
	}
	for kind, files := range contents {
		m, content := Content(t, pieceSize, files)
		for name, test := range tests {
			t.Run(kind+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					test(t, &subject{Source: make(t, m, content), manifest: m, content: content})
				})
			})
		}
	}
}

// Content makes files of the given sizes by path, of random bytes that are the
// same each time, and returns their manifest and bytes in its order.
func Content(t testing.TB, pieceSize int64, sizes map[string]int) (*verify.Manifest, []byte) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "content")
	random := rand.NewChaCha8([32]byte{1})
	for path, size := range sizes {
		data := make([]byte, size)
		_, _ = random.Read(data)
		full := filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(full), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	m, err := verify.Create(t.Context(), dir, verify.CreateOptions{PieceSize: pieceSize})
	if err != nil {
		t.Fatal(err)
	}
	var content []byte
	for _, f := range m.Files {
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(f.Path)))
		if err != nil {
			t.Fatal(err)
		}
		content = append(content, data...)
	}
	return m, content
}

// subject is a source under test.
type subject struct {
	fetch.Source
	manifest *verify.Manifest
	content  []byte
}

func (s *subject) piece(i int) []byte {
	span := s.manifest.Span(i)
	at := span.Offset
	for _, f := range s.manifest.Files[:span.File] {
		at += f.Size
	}
	return s.content[at:][:span.Size]
}

// bring takes a lease of the pieces [first, end) until the source ends it or
// until tells to break out. It checks all that must hold of any lease.
func (s *subject) bring(ctx context.Context, first, end int, until func(piece int) bool) error {
	var lent [][]byte
	var received, yielded int
	lease := fetch.Lease{
		First: first, End: end,
		Buffer: func(_ context.Context, n int) ([]byte, error) {
			lent = append(lent, make([]byte, n))
			return lent[len(lent)-1], nil
		},
		Received: func(n int) { received += n },
	}
	next := first
	for raw, err := range s.Pieces(ctx, lease) {
		if err != nil {
			return err
		}
		own := func(b []byte) bool { return &b[0] == &raw.Data[0] }
		switch {
		case raw.Piece != next || next == end:
			return fmt.Errorf("got piece %d, wanted %d of [%d, %d)", raw.Piece, next, first, end)
		case !bytes.Equal(raw.Data, s.piece(next)):
			return fmt.Errorf("got wrong bytes for piece %d", next)
		case !slices.ContainsFunc(lent, own):
			return fmt.Errorf("piece %d is not in memory from Buffer", next)
		}
		yielded += len(raw.Data)
		if received < yielded {
			return fmt.Errorf("told of %d bytes when %d were yielded", received, yielded)
		}
		if next++; until != nil && until(raw.Piece) {
			return nil
		}
	}
	if next != end {
		return fmt.Errorf("ended without error before piece %d of [%d, %d)", next, first, end)
	}
	if received != yielded {
		return fmt.Errorf("told of %d bytes, yielded %d", received, yielded)
	}
	return nil
}

func testWhole(t *testing.T, s *subject) {
	for range 2 {
		if err := s.bring(t.Context(), 0, s.manifest.NumPieces(), nil); err != nil {
			t.Fatal(err)
		}
	}
}

func testEveryRun(t *testing.T, s *subject) {
	for first := range s.manifest.NumPieces() {
		for end := first + 1; end <= s.manifest.NumPieces(); end++ {
			if err := s.bring(t.Context(), first, end, nil); err != nil {
				t.Fatalf("[%d, %d): %v", first, end, err)
			}
		}
	}
}

func testEmpty(t *testing.T, s *subject) {
	if err := s.bring(t.Context(), 2, 2, nil); err != nil {
		t.Fatal(err)
	}
}

func testSeveral(t *testing.T, s *subject) {
	var all sync.WaitGroup
	n := s.manifest.NumPieces()
	for _, run := range [][2]int{{0, n}, {0, 3}, {3, 6}, {n - 1, n}} {
		all.Go(func() {
			if err := s.bring(t.Context(), run[0], run[1], nil); err != nil {
				t.Errorf("%v: %v", run, err)
			}
		})
	}
	all.Wait()
}

// testBreak breaks out after each piece in turn; nothing may be left of it.
func testBreak(t *testing.T, s *subject) {
	n := s.manifest.NumPieces()
	if err := s.bring(t.Context(), 0, n, nil); err != nil { // opens what is kept open
		t.Fatal(err)
	}
	synctest.Wait()
	before := runtime.NumGoroutine()
	for last := range n - 1 {
		err := s.bring(t.Context(), 0, n, func(piece int) bool { return piece == last })
		if err != nil {
			t.Fatal(err)
		}
	}
	synctest.Wait()
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines are left, there were %d", after, before)
	}
	if err := s.bring(t.Context(), 0, n, nil); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func testCancelled(t *testing.T, s *subject) {
	ctx, cancel := context.WithCancel(t.Context())
	began := time.Now()
	err := s.bring(ctx, 0, s.manifest.NumPieces(), func(int) bool { cancel(); return false })
	checkStopped(t, err, began)
}

func testCancelledFirst(t *testing.T, s *subject) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	checkStopped(t, s.bring(ctx, 0, s.manifest.NumPieces(), nil), began)
}

// testBufferWaits never gives memory for the second piece.
func testBufferWaits(t *testing.T, s *subject) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	given := false
	lease := fetch.Lease{
		End: s.manifest.NumPieces(),
		Buffer: func(ctx context.Context, n int) ([]byte, error) {
			if !given {
				given = true
				return make([]byte, n), nil
			}
			time.AfterFunc(time.Hour, cancel)
			<-ctx.Done()
			return nil, context.Cause(ctx)
		},
		Received: func(int) {},
	}
	began := time.Now()
	var last error
	for _, last = range s.Pieces(ctx, lease) {
		if last != nil {
			break
		}
	}
	checkStopped(t, last, began.Add(time.Hour))
}

// checkStopped wants ctx's own error, without delay and without blame.
func checkStopped(t *testing.T, err error, since time.Time) {
	t.Helper()
	if !errors.Is(err, context.Canceled) || fetch.AsFault(err) != nil {
		t.Errorf("got %v, wanted the context's error", err)
	}
	if d := time.Since(since); d > time.Second {
		t.Errorf("it took %v to stop", d)
	}
}

func testName(t *testing.T, s *subject) {
	if s.Name() == "" || s.Kind() == "" {
		t.Errorf("name %q, kind %q", s.Name(), s.Kind())
	}
	if bytes.Contains([]byte(s.Name()), []byte("secret")) {
		t.Errorf("the name %q tells the word that make hid in the address", s.Name())
	}
}
