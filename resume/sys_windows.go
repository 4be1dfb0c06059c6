package resume

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// noFollow has no counterpart here: the Lstat before each open must do.
const noFollow = 0

// tryLock takes the exclusive lock on f, or returns ErrLocked at once. What is
// locked is a byte far behind the record, because a lock on its own bytes would
// keep others from reading it.
func tryLock(f *os.File) error {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	err := windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, &windows.Overlapped{OffsetHigh: 1 << 30})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return ErrLocked
	}
	return err
}

// isFull tells whether err says that the disk or the user's quota is used up.
func isFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL) ||
		errors.Is(err, windows.ERROR_DISK_QUOTA_EXCEEDED)
}

// isTooLong tells whether err says that the file system takes no such long name.
func isTooLong(err error) bool { return errors.Is(err, windows.ERROR_FILENAME_EXCED_RANGE) }

// allocated is how many bytes of disk a file takes.
func allocated(fi fs.FileInfo) int64 { return fi.Size() }

// freeSpace is how many bytes this user may still write in dir.
func freeSpace(dir string) (int64, error) {
	p, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var free uint64
	err = windows.GetDiskFreeSpaceEx(p, &free, nil, nil)
	return int64(min(free, 1<<62)), err
}

// syncDir does nothing: NTFS keeps its own journal of names.
func syncDir(string) error { return nil }

// reserve makes f size bytes long, which takes the space from the disk.
func reserve(f *os.File, size int64) error { return f.Truncate(size) }

// startWriteback does nothing: Windows has no such call.
func startWriteback(*os.File) {}

// renameNew renames from to to unless something is there: then fs.ErrExist.
func renameNew(from, to string) error {
	a, err := windows.UTF16PtrFromString(from)
	if err != nil {
		return err
	}
	b, err := windows.UTF16PtrFromString(to)
	if err != nil {
		return err
	}
	return windows.MoveFileEx(a, b, windows.MOVEFILE_WRITE_THROUGH)
}

// exchange tells that two paths cannot be swapped in one step.
func exchange(string, string) (bool, error) { return false, nil }
