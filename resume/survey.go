package resume

import (
	"errors"
	"io/fs"
	"os"
	"path"
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

// surveyPart looks at the part, or a folder about to become one, at root. A
// link or another special file where a file or folder should be is an error,
// because writing could end up outside of it, or in another of its files.
func surveyPart(m *verify.Manifest, root string) (survey, error) {
	s := survey{sizes: slices.Repeat([]int64{-1}, len(m.Files))}
	fi, err := os.Lstat(root)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fail("open", root, err)
	}
	if fi.Mode().Type() != kindOf(m) {
		return s, inTheWay("open", root, describe(fi.Mode()), "move it away, or choose another name with -o")
	}
	s.exists = true
	if !m.Folder() {
		s.add(m, 0, fi)
		return s, nil
	}
	return s, s.walk(m, root)
}

// walk surveys a folder. What the manifest does not name may be anything.
func (s *survey) walk(m *verify.Manifest, root string) error {
	names := namesIn(m)
	r, err := os.OpenRoot(root)
	if err != nil {
		return fail("open", root, err)
	}
	defer func() { _ = r.Close() }() // only read from
	return fs.WalkDir(r.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		full := filepath.Join(root, filepath.FromSlash(name))
		if err != nil {
			return fail("open", full, err)
		}
		i, named := names[name]
		switch {
		case !named && d.IsDir():
			return fs.SkipDir
		case !named, i == isFolder && d.IsDir():
			return nil
		case i == isFolder || !d.Type().IsRegular():
			return inTheWay("open", full, describe(d.Type()), "move it away")
		}
		fi, err := d.Info()
		if err != nil {
			return fail("open", full, err)
		}
		s.add(m, i, fi)
		return nil
	})
}

// isFolder stands for a folder among the numbers of files.
const isFolder = -1

// namesIn returns the slash-separated paths of all files and folders of m, with
// the number of the file or isFolder.
func namesIn(m *verify.Manifest) map[string]int {
	names := make(map[string]int, len(m.Files)+1)
	for i := range m.Files {
		names[m.Files[i].Path] = i
		dir := path.Dir(m.Files[i].Path)
		for names[dir] != isFolder {
			names[dir] = isFolder
			dir = path.Dir(dir)
		}
	}
	return names
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
