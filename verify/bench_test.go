package verify

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/zeebo/blake3"
)

// benchSize is the size of the file that benchmarks read, in bytes; it stays in
// the page cache.
const benchSize = 512 << 20

// benchFile writes the file that benchmarks read.
func benchFile(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "content.bin")
	if err := os.WriteFile(path, pattern(benchSize), 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}

// BenchmarkHashLibrary is what Check is measured against: the hash library on
// all processors, with nothing to read. Create hashes each byte twice, so its
// yardstick is half of that.
func BenchmarkHashLibrary(b *testing.B) {
	b.SetBytes(1 << 20)
	b.RunParallel(func(pb *testing.PB) {
		data := pattern(1 << 20)
		for pb.Next() {
			blake3.Sum256(data)
		}
	})
}

func BenchmarkCreate(b *testing.B) {
	path := benchFile(b)
	b.SetBytes(benchSize)
	for b.Loop() {
		if _, err := Create(b.Context(), path, CreateOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	path := benchFile(b)
	m, err := Create(b.Context(), path, CreateOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(benchSize)
	for b.Loop() {
		if _, err := m.Check(b.Context(), path, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkProve(b *testing.B) {
	data := pattern(1 << 20)
	m := newManifest(b, 1<<20, map[string][]byte{"a": data})
	b.SetBytes(1 << 20)
	for b.Loop() {
		if _, err := m.Prove(0, data); err != nil {
			b.Fatal(err)
		}
	}
}
