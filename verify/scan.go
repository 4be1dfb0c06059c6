package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// scanned is a file that Create is to describe.
type scanned struct {
	path string      // as the manifest has it
	info fs.FileInfo // of the file itself, also when a symbolic link leads to it
}

// scan opens what is to be published and lists its files in the order of their
// paths' bytes. Folders without any file leave no trace, nor do the files in
// except. The caller closes the tree.
func scan(ctx context.Context, path string, except []string) (*tree, []scanned, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	t, err := openTree(path, info.IsDir())
	if err != nil {
		return nil, nil, err
	}
	files, err := t.list(ctx, info)
	if err == nil {
		files, err = without(files, except)
	}
	if err != nil {
		return nil, nil, errors.Join(err, t.Close())
	}
	slices.SortFunc(files, func(a, b scanned) int { return cmp.Compare(a.path, b.path) })
	return t, files, nil
}

// list finds the files of the tree, whose own description is info.
func (t *tree) list(ctx context.Context, info fs.FileInfo) ([]scanned, error) {
	if t.root == nil {
		if !info.Mode().IsRegular() {
			return nil, notRegular(t.path, info.Mode())
		}
		return []scanned{{path: filepath.Base(t.path), info: info}}, nil
	}
	var files []scanned
	err := fs.WalkDir(t.root.FS(), ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case entry.IsDir():
			return nil
		}
		info, err := t.describe(path, entry)
		if err != nil {
			return err
		}
		files = append(files, scanned{path: path, info: info})
		return nil
	})
	return files, err
}

// without returns the files that are none of those at the paths in except, by
// whatever name they are reached.
func without(files []scanned, except []string) ([]scanned, error) {
	for _, path := range except {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files = slices.DeleteFunc(files, func(f scanned) bool { return os.SameFile(f.info, info) })
	}
	if len(files) == 0 {
		return nil, errors.New("the folder has no files")
	}
	return files, nil
}

// describe returns what the entry at path is, following a symbolic link to a
// file inside the tree, and refuses whatever is no regular file.
func (t *tree) describe(path string, entry fs.DirEntry) (fs.FileInfo, error) {
	if entry.Type() != fs.ModeSymlink {
		info, err := entry.Info()
		if err == nil && !info.Mode().IsRegular() {
			err = notRegular(path, info.Mode())
		}
		return info, err
	}
	info, err := t.root.Stat(path) // which refuses to leave the root
	switch {
	case err != nil:
		return nil, fmt.Errorf("follow symbolic link: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("follow symbolic link: %w", notRegular(path, info.Mode()))
	}
	return info, nil
}
