package resume

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bits-and-blooms/bitset"

	"github.com/shoal-dl/shoal/verify"
)

// Pending is an interrupted download, or one that is running in another
// process.
type Pending struct {
	Path     string // final path
	Part     string // where the data lies now
	Origin   Origin // where the manifest came from
	Manifest *verify.Manifest
	Have     int64 // bytes of the pieces the record claims; 0 if the part is gone
}

// Find returns the interrupted downloads in a folder, by name. A record that
// cannot be read does not hide the others: they are returned together with the
// error.
func Find(dir string) ([]Pending, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fail("open", dir, err)
	}
	var found []Pending
	var errs error
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), stateSuffix)
		if !ok || name == "" || !e.Type().IsRegular() {
			continue
		}
		if fi, err := e.Info(); err != nil || fi.Size() == 0 {
			continue // gone already, or only just begun
		}
		p, err := Load(filepath.Join(dir, name))
		if err != nil {
			errs = errors.Join(errs, err)
			continue
		}
		found = append(found, p)
	}
	return found, errs
}

// Wanted returns the paths of the interrupted downloads that a user names, each
// once, for a shell's * names both part and record: a folder that is none
// itself stands for those in it, and no name for those in the current folder,
// where there need not be any.
// The error is that of records which cannot be read.
func Wanted(names []string) (paths []string, err error) {
	if len(names) == 0 {
		return pathsIn(".")
	}
	var errs error
	for _, name := range names {
		final := filepath.Clean(finalOf(name))
		found := []string{final}
		if fi, err := os.Stat(name); err == nil && fi.IsDir() && !hasRecord(final) {
			var in []string
			in, err = pathsIn(name)
			errs = errors.Join(errs, err)
			if len(in) > 0 || err != nil || final == "." || final == ".." {
				found = in
			}
		}
		for _, path := range found {
			if !slices.Contains(paths, path) {
				paths = append(paths, path)
			}
		}
	}
	return paths, errs
}

// pathsIn returns the final paths of what Find finds, and of parts without a
// record: Load says what is wrong with these.
func pathsIn(dir string) (paths []string, err error) {
	found, err := Find(dir)
	for _, p := range found {
		paths = append(paths, p.Path)
	}
	parts, _ := os.ReadDir(dir) // Find has said why not
	for _, e := range parts {
		name, ok := strings.CutSuffix(e.Name(), partSuffix)
		final := filepath.Join(dir, name)
		if fi, err := os.Lstat(final + stateSuffix); ok && name != "" && (err != nil || fi.Size() == 0) {
			paths = append(paths, final)
		}
	}
	return paths, err
}

// hasRecord tells whether there is a record, good or bad, of a download to final.
func hasRecord(final string) bool {
	pl, err := placeOf(final)
	if err != nil {
		return false
	}
	_, err = os.Lstat(pl.state)
	return err == nil
}

// Load returns the interrupted download at path, which is its final path or the
// name of its part or record. If only its claims are torn, it has nothing until
// Open hashes it. The error is an *Error; it wraps fs.ErrNotExist if there is no
// record.
func Load(path string) (Pending, error) {
	pl, err := placeOf(finalOf(path))
	if err != nil {
		return Pending{}, err
	}
	r, err := readRecord(pl)
	if err != nil {
		return Pending{}, err
	}
	pl = pl.named(r.origin.name)
	m, err := verify.Parse(r.origin.Raw)
	if err != nil {
		return Pending{}, damaged(pl, fmt.Errorf("%w: %s", errDamaged, err.Error())) // not to be taken for a manifest's fault
	}
	_, have, err := r.newest(m.NumPieces())
	if err != nil {
		have = bitset.New(uint(m.NumPieces()))
	}
	p := Pending{Path: pl.final, Part: pl.part, Origin: r.origin, Manifest: m}
	if _, err := os.Lstat(pl.part); err == nil {
		p.Have = sizeOf(m, have)
	}
	return p, nil
}

// named is the place of a final path of that name, which the record gives that stands
// here, if it can be its record.
func (pl place) named(name string) place {
	to, err := placeOf(filepath.Join(pl.dir, name))
	if err != nil || name != filepath.Base(name) || to.state != pl.state {
		return pl
	}
	return to
}

// readRecord reads the record of the download at pl, without locking it.
func readRecord(pl place) (record, error) {
	if err := pl.regularOrAbsent(pl.state); err != nil {
		return record{}, err
	}
	f, err := os.OpenFile(pl.state, os.O_RDONLY|noFollow, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return record{}, noRecord(pl)
	}
	if err != nil {
		return record{}, fail("open", pl.state, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxRecord))
	if err != nil {
		return record{}, fail("read", pl.state, err)
	}
	if len(b) == 0 {
		return record{}, noRecord(pl)
	}
	r, err := decodeRecord(b)
	if err != nil {
		return record{}, damaged(pl, err)
	}
	return r, nil
}

// noRecord is the error of a download without a record, or with one that is
// empty: what of it lies there, if anything, has lost its manifest.
func noRecord(pl place) error {
	if _, err := os.Lstat(pl.part); err == nil {
		return &Error{Op: "resume", Path: pl.part, Err: fmt.Errorf("no record of it: %w", fs.ErrNotExist), Hint: startOver}
	}
	return &Error{
		Op: "resume", Path: pl.final, Err: fmt.Errorf("no interrupted download: %w", fs.ErrNotExist),
		Hint: "shoal fetch starts one, and keeps what it finds of it",
	}
}

// damaged is the error of a record that cannot be used.
func damaged(pl place, err error) error {
	return &Error{Op: "read", Path: pl.state, Err: err, Hint: startOver}
}

// startOver is what to do about a part that has lost its manifest.
const startOver = "run shoal fetch with the manifest again: what lies on disk is hashed, and what is right of it kept"

// sizeOf adds up the bytes of the pieces in have.
func sizeOf(m *verify.Manifest, have *bitset.BitSet) int64 {
	var n int64
	for piece := range have.EachSet() {
		n += int64(m.Span(int(piece)).Size)
	}
	return n
}
