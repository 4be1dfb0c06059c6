package fetch_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/shoal-dl/shoal/fetch"
	"github.com/shoal-dl/shoal/verify"
)

// BenchmarkMirror reads a file of 256 MiB over one connection from a server
// that sends it with sendfile, and drops what comes.
func BenchmarkMirror(b *testing.B) {
	const size = 256 << 20
	path := filepath.Join(b.TempDir(), "file.bin")
	if err := os.WriteFile(path, make([]byte, size), 0o666); err != nil {
		b.Fatal(err)
	}
	m, err := verify.Create(b.Context(), path, verify.CreateOptions{})
	if err != nil {
		b.Fatal(err)
	}
	server := serve(b, http.FileServer(http.Dir(filepath.Dir(path))).ServeHTTP)
	s := newMirror(b, newClient(b, fetch.ClientOptions{}), m, server.URL+"/file.bin")
	buf := make([]byte, m.PieceSize)
	lease := fetch.Lease{
		End:      m.NumPieces(),
		Buffer:   func(_ context.Context, n int) ([]byte, error) { return buf[:n], nil },
		Received: func(int) {},
	}
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range s.Pieces(b.Context(), lease) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
