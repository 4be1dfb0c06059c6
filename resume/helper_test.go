package resume

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bits-and-blooms/bitset"

	"github.com/shoal-dl/shoal/verify"
)

const pieceSize = 64 << 10

// content is a manifest and the bytes it describes.
type content struct {
	*verify.Manifest
	origin Origin
	data   [][]byte // of each piece
}

// fileSpec is a file to make.
type fileSpec struct {
	size int
	mode fs.FileMode
}

// randomBytes returns size bytes that are the same for the same seed.
func randomBytes(seed, size int) []byte {
	b := make([]byte, size)
	source := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = source.Read(b)
	return b
}

// oneFile is the content of one file called name.
func oneFile(t testing.TB, name string, seed, size int) *content {
	t.Helper()
	return newContent(t, seed, map[string]fileSpec{name: {size: size, mode: 0o644}})
}

// newContent makes the content of the given files, in a folder "content" if
// there are several.
func newContent(t testing.TB, seed int, files map[string]fileSpec) *content {
	t.Helper()
	root := filepath.Join(t.TempDir(), "content")
	for i, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(root, filepath.FromSlash(name))
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, randomBytes(seed+i, files[name].size), files[name].mode))
		when := time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)
		must(t, os.Chtimes(path, when, when))
	}
	m, err := verify.Create(t.Context(), root, verify.CreateOptions{PieceSize: pieceSize, Modified: true})
	must(t, err)
	return contentOf(t, m, root)
}

// contentOf reads the pieces of m below root back.
func contentOf(t testing.TB, m *verify.Manifest, root string) *content {
	t.Helper()
	raw, err := m.Encode()
	must(t, err)
	c := &content{Manifest: m, origin: Origin{URL: "https://a.example/" + m.Name + ".shoal", Raw: raw}}
	for i := range m.Files {
		all, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(m.Files[i].Path)))
		must(t, err)
		c.data = append(c.data, slices.Collect(slices.Chunk(all, pieceSize))...)
	}
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open opens c at path, and closes it when the test ends.
func (c *content) open(t testing.TB, path string, o Options) *File {
	t.Helper()
	f, err := Open(t.Context(), c.Manifest, c.origin, path, o)
	must(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// put puts pieces into f, all of them if none are given.
func (c *content) put(t testing.TB, f *File, pieces ...int) {
	t.Helper()
	if pieces == nil {
		pieces = rand.Perm(c.NumPieces())
	}
	for _, i := range pieces {
		must(t, f.Put(c.prove(t, i)))
	}
}

func (c *content) prove(t testing.TB, i int) verify.Piece {
	t.Helper()
	p, err := c.Prove(i, c.data[i])
	must(t, err)
	return p
}

// inPlace fails the test unless c, complete, is all there is of it in its
// folder.
func (c *content) inPlace(t testing.TB, path string) {
	t.Helper()
	checked, err := c.Check(t.Context(), path, nil)
	must(t, err)
	if len(checked.Damage) > 0 {
		t.Errorf("%s is damaged: %v", path, checked.Damage)
	}
	noLitter(t, path)
}

// noLitter fails the test if there is a part or a record beside path.
func noLitter(t testing.TB, path string) {
	t.Helper()
	pl, err := placeOf(path)
	must(t, err)
	for _, left := range []string{pl.part, pl.state, pl.old} {
		if _, err := os.Lstat(left); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s was left behind (%v)", filepath.Base(left), err)
		}
	}
}

// picture draws a set of pieces: "##.#" has all of four but the third.
func picture(set *bitset.BitSet) string {
	var b strings.Builder
	for i := range set.Len() {
		if set.Test(i) {
			b.WriteByte('#')
		} else {
			b.WriteByte('.')
		}
	}
	return b.String()
}

// has fails the test unless f had exactly the pieces drawn when it was opened.
func has(t testing.TB, f *File, want string) {
	t.Helper()
	if got := picture(f.Have()); got != want {
		t.Errorf("has pieces %s, want %s", got, want)
	}
}

// claims fails the test unless every piece in have is really in the part.
func (c *content) claims(t testing.TB, have *bitset.BitSet, part string) {
	t.Helper()
	for i := range have.EachSet() {
		span := c.Span(int(i))
		got := make([]byte, span.Size)
		file, err := os.Open(pathOf(c.Manifest, part, span.File))
		must(t, err)
		_, err = file.ReadAt(got, span.Offset)
		file.Close()
		if err != nil || !bytes.Equal(got, c.data[i]) {
			t.Fatalf("piece %d is claimed and not there (%v)", i, err)
		}
	}
}

// tree describes all that lies in dir, so that two looks can be compared.
func tree(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s %v", path, d.Type())
		if d.Type().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %d %x", len(data), data[:min(len(data), 64)])
		}
		b.WriteByte('\n')
		return nil
	}))
	return b.String()
}

// diskError fails the test unless err is an *Error that wraps want and has a
// hint.
func diskError(t testing.TB, err, want error) {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok || !errors.Is(err, want) {
		t.Fatalf("got error %v, want an *Error of %v", err, want)
	}
	if e.Hint == "" {
		t.Errorf("%v comes without a hint", err)
	}
}
