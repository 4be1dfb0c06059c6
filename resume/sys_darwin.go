package resume

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// reserve makes f size bytes long, and takes the space from the disk at once
// where the file system can.
func reserve(f *os.File, size int64) error {
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	if more := size - fi.Size(); more > 0 {
		store := unix.Fstore_t{Flags: unix.F_ALLOCATEALL, Posmode: unix.F_PEOFPOSMODE, Length: more}
		if err := unix.FcntlFstore(f.Fd(), unix.F_PREALLOCATE, &store); isFull(err) {
			return err
		}
	}
	return f.Truncate(size)
}

// startWriteback does nothing: darwin has no such call.
func startWriteback(*os.File) {}

// syncAll tells that there is no call to sync one file system.
func syncAll(*os.File) (bool, error) { return false, nil }

// renameNew renames from to to unless something is there: then fs.ErrExist.
func renameNew(from, to string) error {
	err := unix.RenamexNp(from, to, unix.RENAME_EXCL)
	if unsupported(err) {
		return renameChecked(from, to)
	}
	return err
}

// exchange swaps two paths in one step. It tells whether that can be done here.
func exchange(a, b string) (bool, error) {
	err := unix.RenamexNp(a, b, unix.RENAME_SWAP)
	return !unsupported(err), err
}

// unsupported tells whether the file system does not know the flags of a call.
func unsupported(err error) bool {
	return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP)
}
