package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// draw draws what Check found: the pieces, # good and . not, and the damage.
func draw(m *Manifest, c Checked) string {
	var b strings.Builder
	for i := range m.Files {
		b.WriteByte('[')
		for first, end := m.Pieces(i); first < end; first++ {
			if c.Good.Test(uint(first)) {
				b.WriteByte('#')
			} else {
				b.WriteByte('.')
			}
		}
		b.WriteByte(']')
	}
	for _, d := range c.Damage {
		fmt.Fprintf(&b, " %s:%s@%d+%d", d.Path, d.Kind, d.Offset, d.Length)
	}
	return b.String()
}

func TestCheck(t *testing.T) {
	const k = MinPieceSize
	content := map[string][]byte{"a": pattern(4*k + 10), "d/b": pattern(2 * k), "e": nil, "f": pattern(3)}
	m := newManifest(t, k, content)
	flip := func(offset int) func([]byte) []byte {
		return func(data []byte) []byte { data[offset] ^= 1; return data }
	}
	cut := func(n int) func([]byte) []byte { return func(data []byte) []byte { return data[:n] } }
	add := func(n int) func([]byte) []byte {
		return func(data []byte) []byte { return append(data, make([]byte, n)...) }
	}
	gone := func([]byte) []byte { return nil }

	tests := []struct {
		name string
		path string // of the file that is spoiled
		how  []func([]byte) []byte
		want string
	}{
		{"right", "a", nil, "[#####][##][][#]"},
		{"first piece", "a", []func([]byte) []byte{flip(0)}, "[.####][##][][#] a:bad@0+65536"},
		{"last, short piece", "a", []func([]byte) []byte{flip(4*k + 9)}, "[####.][##][][#] a:bad@262144+10"},
		{"neighbours make one range", "a", []func([]byte) []byte{flip(k), flip(2 * k), flip(4 * k)},
			"[#..#.][##][][#] a:bad@65536+131072 a:bad@262144+10"},
		{"end within a piece", "a", []func([]byte) []byte{cut(2*k + 5)}, "[##...][##][][#] a:missing@131077+131077"},
		{"end between pieces", "a", []func([]byte) []byte{cut(2 * k)}, "[##...][##][][#] a:missing@131072+131082"},
		{"bad and missing", "a", []func([]byte) []byte{flip(k), cut(2 * k)},
			"[#....][##][][#] a:bad@65536+65536 a:missing@131072+131082"},
		{"nothing left", "a", []func([]byte) []byte{cut(0)}, "[.....][##][][#] a:missing@0+262154"},
		{"surplus", "d/b", []func([]byte) []byte{add(7)}, "[#####][##][][#] d/b:surplus@131072+7"},
		{"bad and surplus", "d/b", []func([]byte) []byte{flip(2*k - 1), add(1)},
			"[#####][#.][][#] d/b:bad@65536+65536 d/b:surplus@131072+1"},
		{"gone with its folder", "d/b", []func([]byte) []byte{gone}, "[#####][..][][#] d/b:missing@0+131072"},
		{"gone, empty", "e", []func([]byte) []byte{gone}, "[#####][##][][#] e:missing@0+0"},
		{"no longer empty", "e", []func([]byte) []byte{add(1)}, "[#####][##][][#] e:surplus@0+1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			files := make(map[string][]byte)
			for path, data := range content {
				files[path] = bytes.Clone(data)
			}
			if data := files[test.path]; test.how != nil {
				data = append([]byte{}, data...)
				for _, spoil := range test.how {
					data = spoil(data)
				}
				if files[test.path] = data; data == nil {
					delete(files, test.path)
				}
			}
			var done atomic.Int64
			root := writeTree(t, files)
			c, err := m.Check(t.Context(), root, func(n int64) { done.Add(n) })
			if err != nil {
				t.Fatal(err)
			}
			if got := draw(m, c); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if done.Load() != m.Size() {
				t.Errorf("progress of %d bytes, want %d", done.Load(), m.Size())
			}
		})
	}
}

func TestCheckNothingThere(t *testing.T) {
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	folder := newManifest(t, MinPieceSize, map[string][]byte{"a": []byte("a"), "b": nil})
	one := newManifest(t, MinPieceSize, map[string][]byte{"a": []byte("a")})
	for m, want := range map[*Manifest]string{
		folder: "[.][] a:missing@0+1 b:missing@0+0",
		one:    "[.] a:missing@0+1",
	} {
		c, err := m.Check(t.Context(), nowhere, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := draw(m, c); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestCheckFolderAndFileSwapped(t *testing.T) {
	files := map[string][]byte{"a": []byte("a"), "d/b": nil}
	m := newManifest(t, MinPieceSize, files)
	root := writeTree(t, files)
	_, err := m.Check(t.Context(), filepath.Join(root, "a"), nil)
	wantError(t, err, "not a folder", "a file where the folder should be")

	// A file in the place of an inner folder hides what should be there.
	c, err := m.Check(t.Context(), writeTree(t, map[string][]byte{"a": []byte("a"), "d": nil}), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := draw(m, c), "[#][] d/b:missing@0+0"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestCheckLargePieces has pieces larger than a block, and stretches.
func TestCheckLargePieces(t *testing.T) {
	const size = 2*stretchSize + 2*stretchSize/3
	data := pattern(size)
	for _, pieceSize := range []int64{MinPieceSize, 4 * blockSize, 2 * stretchSize} {
		path := filepath.Join(writeTree(t, map[string][]byte{"x": data}), "x")
		m, err := Create(t.Context(), path, CreateOptions{PieceSize: pieceSize})
		if err != nil {
			t.Fatal(err)
		}
		c, err := m.Check(t.Context(), path, nil)
		if err != nil || len(c.Damage) > 0 || int(c.Good.Count()) != m.NumPieces() {
			t.Fatalf("pieces of %d: %d of %d good, %v, %v", pieceSize, c.Good.Count(), m.NumPieces(), c.Damage, err)
		}
		spoiled := bytes.Clone(data)
		spoiled[size-1] ^= 1
		if err := os.WriteFile(path, spoiled, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err = m.Check(t.Context(), path, nil)
		if err != nil || len(c.Damage) != 1 || int(c.Good.Count()) != m.NumPieces()-1 {
			t.Errorf("pieces of %d, spoiled: %d of %d good, %v, %v", pieceSize, c.Good.Count(), m.NumPieces(), c.Damage, err)
		}
	}
}

func TestCheckStops(t *testing.T) {
	files := map[string][]byte{"a": pattern(8 << 20), "b": pattern(8 << 20)}
	m := newManifest(t, MinPieceSize, files)
	root := writeTree(t, files)
	stop := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	if _, err := m.Check(ctx, root, func(int64) { cancel(stop) }); !errors.Is(err, stop) {
		t.Errorf("stopped while hashing: %v", err)
	}
}
