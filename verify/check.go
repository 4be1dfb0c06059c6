package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"syscall"

	"github.com/bits-and-blooms/bitset"
	"golang.org/x/sync/errgroup"
)

// DamageKind tells what is wrong with a range of bytes.
type DamageKind string

// The kinds of damage, as the JSON output names them.
const (
	DamageBad     DamageKind = "bad"     // the bytes are wrong
	DamageMissing DamageKind = "missing" // the file ends before them, or is not there
	DamageSurplus DamageKind = "surplus" // the file should have ended before them
)

// Damage is a range of bytes of a file that is not as the manifest says.
type Damage struct {
	Path   string // as in the manifest
	Offset int64  // bytes from the beginning of the file
	Length int64  // bytes; 0 only for an empty file that is missing
	Kind   DamageKind
}

// Checked is what Check found.
type Checked struct {
	Good   *bitset.BitSet // the pieces that are right
	Damage []Damage       // by file and offset; empty when all is right
}

// Check hashes what lies at root, a file or, when m.Folder(), a folder,
// against the manifest, in parallel. progress, unless nil, is told of n more
// bytes that were hashed or found missing, m.Size() in the end, by several
// goroutines at once.
//
// Neighbouring bad pieces make one range. When a file ends within a piece, the
// range from there is missing; what there is of the piece cannot be proven and
// counts neither as bad nor as good. Files that the manifest does not name are
// no damage. The error is that of the disk, or wraps ErrNotRegular or ErrNotFolder
// when something else than a file or a folder lies where one should be.
func (m *Manifest) Check(ctx context.Context, root string, progress func(n int64)) (Checked, error) {
	if progress == nil {
		progress = func(int64) {}
	}
	c := &checker{
		manifest: m,
		progress: progress,
		sizes:    make([]int64, len(m.Files)),
		mem:      newBlocks(),
		good:     bitset.New(uint(m.NumPieces())),
	}
	if err := c.check(ctx, root); err != nil {
		return Checked{}, fmt.Errorf("check %s: %w", root, err)
	}
	return Checked{Good: c.good, Damage: c.damage()}, nil
}

// absent is the size of a file that is not there.
const absent = -1

// checker is one run of Check.
type checker struct {
	manifest *Manifest
	tree     *tree // nil when there is nothing at the root
	progress func(int64)
	mem      *blocks
	sizes    []int64 // of the files on disk, or absent; fixed before hashing begins

	mu   sync.Mutex
	good *bitset.BitSet // guarded by mu
}

// check fills in sizes and good.
func (c *checker) check(ctx context.Context, root string) error {
	t, err := openTree(root, c.manifest.Folder())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if t != nil {
		defer func() { _ = t.Close() }() // only read from
	}
	c.tree = t
	for i := range c.sizes {
		if c.sizes[i], err = c.measure(&c.manifest.Files[i]); err != nil {
			return err
		}
	}
	return c.hash(ctx)
}

// measure returns the size of a file on disk, or absent.
func (c *checker) measure(f *File) (int64, error) {
	if c.tree == nil {
		return absent, nil
	}
	info, err := c.tree.lstat(f.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return absent, nil
	case err != nil:
		return 0, err
	case !info.Mode().IsRegular():
		return 0, notRegular(c.tree.name(f.Path), info.Mode())
	}
	return info.Size(), nil
}

// stretchSize is about how many bytes one goroutine reads at a time: enough to
// make opening the file again cheap, and little, so that the goroutines stay
// close to one another, which spares a disk's head and uses what it reads ahead.
const stretchSize = 4 << 20

// hash hashes all pieces that lie on disk whole, in stretches.
func (c *checker) hash(ctx context.Context) error {
	g, working := errgroup.WithContext(ctx) // ends with the first error
	g.SetLimit(readers())
	step := max(1, int(stretchSize/c.manifest.PieceSize))
	for i := range c.manifest.Files {
		first, end := c.manifest.Pieces(i)
		whole := c.wholePieces(i)
		for piece := first; piece < first+whole && working.Err() == nil; piece += step {
			g.Go(func() error { return c.hashStretch(working, piece, min(piece+step, first+whole)) })
		}
		if first+whole < end {
			c.progress(c.manifest.Files[i].Size - c.manifest.Span(first+whole).Offset)
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// wholePieces returns how many pieces of a file lie on disk whole.
func (c *checker) wholePieces(file int) int {
	f, have := &c.manifest.Files[file], c.sizes[file]
	switch {
	case have == absent:
		return 0
	case have >= f.Size:
		return len(f.Pieces)
	}
	return int(have / c.manifest.PieceSize)
}

// hashStretch hashes the pieces [first, end) of one file.
func (c *checker) hashStretch(ctx context.Context, first, end int) error {
	begin, last := c.manifest.Span(first), c.manifest.Span(end-1)
	path := c.manifest.Files[begin.File].Path
	file, err := c.tree.open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read from

	b := c.mem.get()
	defer c.mem.put(b)
	h := newPieceHasher(c.manifest.PieceSize)
	for offset, stop := begin.Offset, last.Offset+int64(last.Size); offset < stop; offset += int64(b.n) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		b.n, err = file.ReadAt(b.buf[:min(int64(len(b.buf)), stop-offset)], offset)
		if err != nil && (!errors.Is(err, io.EOF) || offset+int64(b.n) < stop) {
			return fmt.Errorf("read %s at byte %d: %w", path, offset+int64(b.n), err)
		}
		_, _ = h.Write(b.buf[:b.n])
		c.progress(int64(b.n))
	}
	c.compare(first, h.finish())
	return nil
}

// compare notes which of the pieces from first on have the right digests.
func (c *checker) compare(first int, got []Digest) {
	file := c.manifest.fileOf(first)
	want := c.manifest.Files[file].Pieces[first-c.manifest.first[file]:]
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range got {
		if got[i] == want[i] {
			c.good.Set(uint(first + i))
		}
	}
}

// damage lists what is wrong, once everything is hashed.
func (c *checker) damage() []Damage {
	var list []Damage
	for i := range c.manifest.Files {
		list = c.fileDamage(list, i)
	}
	return list
}

// fileDamage appends to list what is wrong with a file.
func (c *checker) fileDamage(list []Damage, file int) []Damage {
	f, have := &c.manifest.Files[file], c.sizes[file]
	first, _ := c.manifest.Pieces(file)
	found := len(list)
	for piece := first; piece < first+c.wholePieces(file); piece++ {
		if c.good.Test(uint(piece)) {
			continue
		}
		span := c.manifest.Span(piece)
		if len(list) > found && list[len(list)-1].Offset+list[len(list)-1].Length == span.Offset {
			list[len(list)-1].Length += int64(span.Size)
			continue
		}
		list = append(list, Damage{f.Path, span.Offset, int64(span.Size), DamageBad})
	}
	switch {
	case have == absent:
		list = append(list, Damage{f.Path, 0, f.Size, DamageMissing})
	case have < f.Size:
		list = append(list, Damage{f.Path, have, f.Size - have, DamageMissing})
	case have > f.Size:
		list = append(list, Damage{f.Path, f.Size, have - f.Size, DamageSurplus})
	}
	return list
}
