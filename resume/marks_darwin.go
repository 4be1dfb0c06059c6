package resume

import (
	"io/fs"
	"os"
	"syscall"
)

// marksOf returns the marks of the file at path, which fi describes.
func marksOf(path string, fi fs.FileInfo) (marks, error) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return marks{}, &fs.PathError{Op: "stat", Path: path, Err: fs.ErrInvalid}
	}
	return marks{uint64(st.Size), uint64(st.Mtimespec.Nano()), uint64(st.Ctimespec.Nano()), uint64(st.Dev), st.Ino}, nil
}

// marksOfOpen returns the marks of an open file.
func marksOfOpen(f *os.File) (marks, error) {
	fi, err := f.Stat()
	if err != nil {
		return marks{}, err
	}
	return marksOf(f.Name(), fi)
}
