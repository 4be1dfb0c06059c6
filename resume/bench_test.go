package resume

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/shoal-dl/shoal/verify"
)

const benchSize = 1 << 30

// benchPlaces are the folders to measure in: on the disk, and in memory where
// the system has such a place.
func benchPlaces(b *testing.B) map[string]string {
	places := map[string]string{"disk": b.TempDir()}
	if shm, err := os.MkdirTemp("/dev/shm", "resume"); err == nil {
		b.Cleanup(func() { os.RemoveAll(shm) })
		places["memory"] = shm
	}
	return places
}

// zeros is a manifest of zero bytes, and its pieces, proven.
func zeros(b *testing.B, size int64) (*verify.Manifest, []verify.Piece) {
	b.Helper()
	source := filepath.Join(b.TempDir(), "zeros")
	must(b, writeZeros(source, size))
	m, err := verify.Create(b.Context(), source, verify.CreateOptions{})
	must(b, err)
	zero := make([]byte, m.PieceSize)
	var pieces []verify.Piece
	for i := range m.NumPieces() {
		p, err := m.Prove(i, zero[:m.Span(i).Size])
		must(b, err)
		pieces = append(pieces, p)
	}
	return m, pieces
}

// fromFour calls do for each piece, from four goroutines that each have their
// own stretch, as four mirrors would.
func fromFour(b *testing.B, pieces []verify.Piece, do func(verify.Piece) error) {
	var wg sync.WaitGroup
	for k := range 4 {
		wg.Go(func() {
			for _, p := range pieces[k*len(pieces)/4 : (k+1)*len(pieces)/4] {
				if err := do(p); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkStore measures a whole download but for what it fetches: Open, Put
// and Finish.
func BenchmarkStore(b *testing.B) {
	m, pieces := zeros(b, benchSize)
	for where, dir := range benchPlaces(b) {
		b.Run(where, func(b *testing.B) {
			b.SetBytes(benchSize)
			for b.Loop() {
				path := filepath.Join(dir, "out")
				f, err := Open(b.Context(), m, Origin{}, path, Options{})
				must(b, err)
				fromFour(b, pieces, f.Put)
				must(b, f.Finish())
				must(b, f.Close())
				must(b, os.Remove(path))
			}
		})
	}
}

// BenchmarkPwrite is what BenchmarkStore is compared with: bare positioned
// writes and one sync at the end.
func BenchmarkPwrite(b *testing.B) {
	m, pieces := zeros(b, benchSize)
	for where, dir := range benchPlaces(b) {
		b.Run(where, func(b *testing.B) {
			b.SetBytes(benchSize)
			for b.Loop() {
				path := filepath.Join(dir, "out")
				f, err := os.Create(path)
				must(b, err)
				fromFour(b, pieces, func(p verify.Piece) error {
					_, err := f.WriteAt(p.Data(), m.Span(p.Index()).Offset)
					return err
				})
				must(b, f.Sync())
				must(b, f.Close())
				must(b, os.Remove(path))
			}
		})
	}
}

// BenchmarkSmall measures the whole of a 1 KiB download but for what it
// fetches.
func BenchmarkSmall(b *testing.B) {
	m, pieces := zeros(b, 1<<10)
	for where, dir := range benchPlaces(b) {
		b.Run(where, func(b *testing.B) {
			for b.Loop() {
				path := filepath.Join(dir, "out")
				f, err := Open(b.Context(), m, Origin{}, path, Options{})
				must(b, err)
				must(b, f.Put(pieces[0]))
				must(b, f.Finish())
				must(b, f.Close())
				must(b, os.Remove(path))
			}
		})
	}
}

// BenchmarkThousandFiles measures the same for a folder of a thousand files of
// 10 KiB, against making them one after the other without any sync.
func BenchmarkThousandFiles(b *testing.B) {
	files := map[string]fileSpec{}
	for i := range 1000 {
		files[fmt.Sprintf("%d/%d", i%10, i)] = fileSpec{10 << 10, 0o644}
	}
	c := newContent(b, 1, files)
	for where, dir := range benchPlaces(b) {
		path := filepath.Join(dir, "out")
		b.Run("store/"+where, func(b *testing.B) {
			for b.Loop() {
				f := c.open(b, path, Options{})
				for i := range c.data {
					must(b, f.Put(c.prove(b, i)))
				}
				must(b, f.Finish())
				must(b, f.Close())
				must(b, os.RemoveAll(path))
			}
		})
		b.Run("plain/"+where, func(b *testing.B) {
			for b.Loop() {
				for i := range c.Files {
					name := pathOf(c.Manifest, path, i)
					must(b, os.MkdirAll(filepath.Dir(name), 0o755))
					must(b, os.WriteFile(name, c.data[i], 0o644))
				}
				must(b, os.RemoveAll(path))
			}
		})
	}
}

// BenchmarkRead measures reading for peers what is in place, in runs as they are
// sent, against bare positioned reads.
func BenchmarkRead(b *testing.B) {
	const run = 256 << 10
	m, _ := zeros(b, benchSize/4)
	for where, dir := range benchPlaces(b) {
		path := filepath.Join(dir, "out")
		must(b, writeZeros(path, m.Size()))
		f, err := Offer(m, path)
		must(b, err)
		defer f.Close()
		bare, err := os.Open(path)
		must(b, err)
		defer bare.Close()
		buf := make([]byte, run)
		for name, read := range map[string]func(off int64) error{
			"file": func(off int64) error { return f.Read(int(off/m.PieceSize), off%m.PieceSize, buf) },
			"bare": func(off int64) error { _, err := bare.ReadAt(buf, off); return err },
		} {
			b.Run(name+"/"+where, func(b *testing.B) {
				b.SetBytes(run)
				for off := int64(0); b.Loop(); off = (off + run) % m.Size() {
					must(b, read(off))
				}
			})
		}
	}
}

// BenchmarkLook measures one look at the files in place, as Guard takes it.
func BenchmarkLook(b *testing.B) {
	for _, n := range []int{1, 1000, 10000} {
		files := map[string]fileSpec{}
		for i := range n {
			files[fmt.Sprintf("%d/%d", i%10, i)] = fileSpec{10, 0o644}
		}
		c := newContent(b, 1, files)
		path := filepath.Join(b.TempDir(), "out")
		c.stored(b, path)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				marksAt(c.Manifest, path)
			}
		})
	}
}
