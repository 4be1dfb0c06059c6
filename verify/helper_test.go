package verify

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// pattern returns n bytes that look random and are the same each time.
func pattern(n int) []byte {
	data := make([]byte, n)
	source := rand.NewChaCha8([32]byte{1})
	_, _ = source.Read(data)
	return data
}

// writeTree writes files, by slash-separated path, into a new folder.
func writeTree(t testing.TB, files map[string][]byte) string {
	t.Helper()
	root := t.TempDir()
	for path, data := range files {
		path = filepath.Join(root, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// newManifest returns the manifest of the given files.
func newManifest(t testing.TB, pieceSize int64, files map[string][]byte) *Manifest {
	t.Helper()
	m, err := Create(t.Context(), writeTree(t, files), CreateOptions{Name: "content", PieceSize: pieceSize})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// wantError fails the test unless err says what it should about something.
func wantError(t *testing.T, err error, text, about string) {
	t.Helper()
	if err == nil {
		t.Errorf("%.100q: no error, want one with %q", about, text)
	} else if !strings.Contains(err.Error(), text) {
		t.Errorf("%.100q: error %q, want one with %q", about, err, text)
	}
}
