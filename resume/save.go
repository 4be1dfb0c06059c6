package resume

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// Savable tells, before any work is done for it, whether Save would find
// something in its way at path. The error is that of Save.
func Savable(path string, overwrite bool) error {
	fi, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fail("create", path, err)
	case !fi.Mode().IsRegular():
		return inTheWay("create", path, describe(fi.Mode()), "choose another name with -o")
	case !overwrite:
		return inTheWay("create", path, "there is such a file", "--overwrite replaces it, -o chooses another name")
	}
	return nil
}

// Save writes a small file as a whole: whoever looks at path, even after a
// crash, finds what was there before or all of data. Without overwrite nothing
// is replaced. Errors are *Error, wrapping ErrExists where that is meant.
func Save(path string, data []byte, overwrite bool) error {
	if err := Savable(path, overwrite); err != nil {
		return err
	}
	// Not os.CreateTemp, whose files nobody else may read.
	temp := fmt.Sprintf("%s.%08x.tmp", path, rand.Uint32())
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return unsaved("create", path, err)
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(unsaved("write", path, err), os.Remove(temp))
	}
	move := renameNew
	if overwrite {
		move = os.Rename
	}
	if err := move(temp, path); err != nil {
		return errors.Join(fail("write", path, err), os.Remove(temp))
	}
	return fail("sync", filepath.Dir(path), syncDir(filepath.Dir(path)))
}

// unsaved is fail where nothing is left to go on from.
func unsaved(op, path string, err error) error {
	failed := fail(op, path, err)
	if e, ok := errors.AsType[*Error](failed); ok && e.Full() {
		e.Hint = "free some space, or choose another disk with -o"
	}
	return failed
}
