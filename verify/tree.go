package verify

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// ErrNotRegular is wrapped by what Create and Check say of a folder, symbolic
// link, pipe or device that stands where a file should be. Such a thing is not
// opened: reading a pipe could wait for ever.
var ErrNotRegular = errors.New("not a regular file")

// ErrNotFolder is wrapped by what Check says of something else that stands where
// the folder should be.
var ErrNotFolder = errors.New("not a folder")

// tree is content on disk: one file, or a folder whose files are reached only
// through the folder, so that no symbolic link can lead out of it.
type tree struct {
	path string   // of the file or the folder
	root *os.Root // nil for one file
}

// openTree opens content that lies at path. What it fails with wraps
// fs.ErrNotExist when there is no such folder.
func openTree(path string, folder bool) (*tree, error) {
	if !folder {
		return &tree{path: path}, nil
	}
	info, err := os.Stat(path) // before OpenRoot, which would wait for the writer of a pipe
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("open %s: %w", path, ErrNotFolder)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &tree{path: path, root: root}, nil
}

// Close ends the use of the tree.
func (t *tree) Close() error {
	if t.root == nil {
		return nil
	}
	return t.root.Close()
}

// name is what a message calls the file at a manifest's path: one file may lie on
// disk under another name.
func (t *tree) name(path string) string {
	if t.root == nil {
		return t.path
	}
	return path
}

// lstat describes the file at a manifest's path without following a symbolic
// link.
func (t *tree) lstat(path string) (fs.FileInfo, error) {
	if t.root == nil {
		return os.Lstat(t.path)
	}
	return t.root.Lstat(path)
}

// open opens the file at a manifest's path for reading.
func (t *tree) open(path string) (*os.File, error) {
	if t.root == nil {
		return os.Open(t.path)
	}
	return t.root.Open(path)
}

// notRegular returns an error that names what stands at path.
func notRegular(path string, mode fs.FileMode) error {
	what := "a special file"
	switch mode.Type() {
	case fs.ModeDir:
		what = "a folder"
	case fs.ModeSymlink:
		what = "a symbolic link"
	case fs.ModeNamedPipe:
		what = "a pipe"
	case fs.ModeSocket:
		what = "a socket"
	}
	return fmt.Errorf("%s is %s: %w", path, what, ErrNotRegular)
}
