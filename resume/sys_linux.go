package resume

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// reserve makes f size bytes long. Where that is cheap it takes the space from
// the disk at once, so that the disk cannot fill up mid-way.
func reserve(f *os.File, size int64) error {
	const worthIt = 1 << 20 // below, a few delayed blocks are no risk
	fd := int(f.Fd())
	var st unix.Statfs_t
	// A tmpfs would zero every page, which takes as long as writing them.
	if size >= worthIt && unix.Fstatfs(fd, &st) == nil && st.Type != unix.TMPFS_MAGIC {
		err := unix.Fallocate(fd, 0, 0, size)
		if err == nil || isFull(err) {
			return err
		}
	}
	return f.Truncate(size)
}

// startWriteback asks the kernel to begin writing out what f has dirty, without
// waiting for it. It is only advice: errors come back from the sync.
func startWriteback(f *os.File) {
	_ = unix.SyncFileRange(int(f.Fd()), 0, 0, unix.SYNC_FILE_RANGE_WRITE)
}

// syncAll makes the whole file system that top lies on durable, and reports
// what went wrong on it since top was opened (Linux 5.8). It tells whether
// there is such a call.
func syncAll(top *os.File) (bool, error) {
	return true, unix.Syncfs(int(top.Fd()))
}

// renameNew renames from to to unless something is there: then fs.ErrExist.
func renameNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if unsupported(err) {
		return renameChecked(from, to)
	}
	return err
}

// exchange swaps two paths in one step. It tells whether that can be done here.
func exchange(a, b string) (bool, error) {
	err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
	return !unsupported(err), err
}

// unsupported tells whether the kernel or the file system does not know the
// flags of a call.
func unsupported(err error) bool {
	return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ENOTSUP)
}
