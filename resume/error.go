package resume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Error is trouble with the local disk: full, unwritable, locked, something
// else in the way. It is never a source's fault, and trying again at once will
// not help.
type Error struct {
	Op   string // what was tried, as a verb: "write", "lock"
	Path string // the file or folder it was tried on
	Err  error  // the cause, without the path
	Hint string // what the user can do about it; may be empty
}

func (e *Error) Error() string { return e.Op + " " + e.Path + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Full tells whether the disk got full underway: with more space, the download
// goes on from where it is.
func (e *Error) Full() bool { return isFull(e.Err) }

// What an Error may wrap, for callers that only ask.
var (
	// ErrLocked says that another job or process is downloading to the path.
	ErrLocked = errors.New("in use by another shoal")
	// ErrExists says that something which is not ours to replace lies there.
	ErrExists = errors.New("something else is in the way")
	// ErrNoSpace says that the disk cannot hold what is missing.
	ErrNoSpace = errors.New("not enough space")
	// ErrClosed says that the File was used after Close, or written to after
	// Finish.
	ErrClosed = errors.New("already closed")
)

// errDamaged says that a record cannot be read back.
var errDamaged = errors.New("the record is damaged")

// fail makes an *Error of err, which the os package has often dressed with an
// operation and a path of its own. A nil err stays nil.
func fail(op, path string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	} else if e, ok := errors.AsType[*os.LinkError](err); ok {
		err = e.Err
	} else if e, ok := errors.AsType[*os.SyscallError](err); ok {
		err = e.Err
	}
	e := &Error{Op: op, Path: path, Err: err}
	switch {
	case isFull(err):
		e.Hint = "free some space; the same command then goes on from there"
	case isTooLong(err):
		e.Hint = "choose a shorter name with -o"
	}
	return e
}

// inTheWay makes the *Error for something that must not be replaced.
func inTheWay(op, path, what, hint string) error {
	return &Error{Op: op, Path: path, Err: fmt.Errorf("%w: %s", ErrExists, what), Hint: hint}
}

// noSpace makes the *Error for a disk with free bytes where need are missing.
func noSpace(path, dir string, need, free int64) error {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return &Error{
		Op:   "create",
		Path: path,
		Err:  fmt.Errorf("%w: needs %s, %s free in %s", ErrNoSpace, human(need), human(free), dir),
		Hint: "free some space, or choose another disk with -o",
	}
}

// human renders a number of bytes with one decimal in binary units.
func human(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n), 0
	for v >= 1024 && unit < len("KMGTPE") {
		v /= 1024
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", v, "KMGTPE"[unit-1])
}
