package quota

import (
	"os"

	"golang.org/x/sys/windows"
)

// farBehind is a byte that the file does not have: a lock on its own bytes would
// keep others from reading them.
func farBehind() *windows.Overlapped { return &windows.Overlapped{OffsetHigh: 1 << 30} }

// tryLock takes the exclusive lock on f, or returns an error at once.
func tryLock(f *os.File) error {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	return windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, farBehind())
}

// unlock gives it back; closing f would too, some time.
func unlock(f *os.File) { _ = windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, farBehind()) }
