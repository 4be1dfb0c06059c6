package resume

import (
	"io/fs"
	"os"
	"path/filepath"

	"github.com/shoal-dl/shoal/verify"
)

// marks are what changes when a file does: its size, the times in nanoseconds
// at which its bytes and anything about it were last changed, and the device
// and number that tell it from other files.
type marks [5]uint64

// markless is of what is no file, or cannot be looked at.
var markless marks

// size is that of the file, in bytes.
func (m marks) size() int64 { return int64(m[0]) }

// touched tells whether other marks are of the same file with the same bytes, of which
// no more than something about it was changed.
func (m marks) touched(other marks) bool {
	m[2] = other[2]
	return m == other
}

// marksAt returns the marks of the files of m at root. It takes no reading, and
// follows no symbolic link.
func marksAt(m *verify.Manifest, root string) []marks {
	all := make([]marks, len(m.Files))
	lstat := func(string) (fs.FileInfo, error) { return os.Lstat(root) }
	if m.Folder() {
		if fi, err := os.Stat(root); err != nil || !fi.IsDir() {
			return all // before OpenRoot, which would wait for the writer of a pipe
		}
		r, err := os.OpenRoot(root)
		if err != nil {
			return all
		}
		defer func() { _ = r.Close() }() // only looked at
		lstat = func(name string) (fs.FileInfo, error) { return r.Lstat(filepath.FromSlash(name)) }
	}
	for i := range all {
		fi, err := lstat(m.Files[i].Path)
		if err != nil || !fi.Mode().IsRegular() {
			continue
		}
		if found, err := marksOf(pathOf(m, root, i), fi); err == nil {
			all[i] = found
		}
	}
	return all
}
