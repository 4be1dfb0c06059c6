//go:build !windows

package quota

import (
	"os"

	"golang.org/x/sys/unix"
)

// tryLock takes the exclusive lock on f, or returns an error at once.
func tryLock(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }

// unlock gives it back; closing f would too.
func unlock(f *os.File) { _ = unix.Flock(int(f.Fd()), unix.LOCK_UN) }
