package resume

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/bits-and-blooms/bitset"

	"github.com/shoal-dl/shoal/verify"
)

// survey is what lies on the disk of a part, by names and sizes alone.
type survey struct {
	exists    bool
	sizes     []int64 // of each file of the manifest; -1 = not there
	allocated int64   // bytes of disk that the manifest's files take, at most their sizes
}

// surveyPart looks at the part, or a folder about to become one, at path. A
// link or another special file anywhere in it is an error, because writing
// could end up outside of it, or in another of its files.
func surveyPart(m *verify.Manifest, path string) (survey, error) {
	s := survey{sizes: slices.Repeat([]int64{-1}, len(m.Files))}
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fail("open", path, err)
	}
	if fi.Mode().Type() != kindOf(m) {
		return s, inTheWay("open", path, describe(fi.Mode()), "move it away, or choose another name with -o")
	}
	s.exists = true
	if !m.Folder() {
		s.add(m, 0, fi)
		return s, nil
	}
	return s, s.walk(m, path)
}

// walk surveys a folder.
func (s *survey) walk(m *verify.Manifest, path string) error {
	files := make(map[string]int, len(m.Files))
	for i := range m.Files {
		files[m.Files[i].Path] = i
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return fail("open", path, err)
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		full := filepath.Join(path, filepath.FromSlash(name))
		if err != nil {
			return fail("open", full, err)
		}
		i, ours := files[name]
		if d.IsDir() && !ours {
			return nil
		}
		if !d.Type().IsRegular() {
			return inTheWay("open", full, describe(d.Type()), "move it away")
		}
		if !ours {
			return nil
		}
		fi, err := d.Info()
		if err != nil {
			return fail("open", full, err)
		}
		s.add(m, i, fi)
		return nil
	})
}

// add notes what file i of the manifest is like.
func (s *survey) add(m *verify.Manifest, i int, fi fs.FileInfo) {
	s.sizes[i] = fi.Size()
	s.allocated += min(allocated(fi), m.Files[i].Size)
}

// supports tells whether the pieces in have can be there: each file that has
// one is as long as it should be. Otherwise somebody has been at the part.
func (s *survey) supports(m *verify.Manifest, have *bitset.BitSet) bool {
	for _, i := range filesWith(m, have) {
		if s.sizes[i] != m.Files[i].Size {
			return false
		}
	}
	return true
}

// room makes sure that the disk can hold what of m is not yet allocated.
func (s *survey) room(m *verify.Manifest, pl place) error {
	need := m.Size() - s.allocated
	if need <= 0 {
		return nil
	}
	free, err := freeSpace(pl.dir)
	if err == nil && free < need {
		return noSpace(pl.part, pl.dir, need, free)
	}
	return nil // a file system that cannot tell will say so when it is full
}
