package quota

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"time"
)

const (
	// So many bytes are taken from the month at once: the fewer are left, the
	// smaller, so that processes that run at the same time can share them.
	batchMost  = 4 << 20
	batchLeast = 256 << 10
	batchShare = 8 // the part of what is left
)

// tally counts the bytes of a month together with other processes, through a
// file that says how many have been taken. Bytes are taken from it before they
// are sent, in batches: whoever is killed leaves too many counted, never too few.
type tally struct {
	path  string // "" means that only this process counts
	limit int64

	seen     month // the latest that now was
	reserved int64 // taken from the file and not sent yet
	owed     int64 // sent, though the file could not be written
	last     int64 // what the file said
	dirty    bool  // it was written, and may not be durable
	err      error // of the last change of the file
}

func newTally(path string, limit int64) *tally {
	t := &tally{path: path}
	t.allow(limit)
	return t
}

// allow sets how many bytes a month has; 0 means no limit.
func (t *tally) allow(limit int64) {
	t.limit = limit
	if limit == 0 {
		t.limit = math.MaxInt64
	}
}

// take takes n bytes from the month, and tells whether it had them.
func (t *tally) take(n int64, now month) bool {
	t.turn(now)
	if t.reserved < n {
		t.reserve(n-t.reserved, now)
	}
	if t.reserved < n {
		return false
	}
	t.reserved -= n
	return true
}

// giveBack puts back bytes that were taken and not sent.
func (t *tally) giveBack(n int64) { t.reserved += n }

// turn begins a new month: what was taken from the old one is void.
func (t *tally) turn(now month) {
	if now > t.seen {
		t.seen, t.reserved, t.owed, t.last = now, 0, 0, 0
	}
}

// reserve takes a batch of at least need bytes from the file, if the month has
// as many left. If the file cannot be had, this process counts alone.
func (t *tally) reserve(need int64, now month) {
	var got int64
	take := func(c count) count {
		c = c.at(now)
		c.bytes = sum(c.bytes, t.owed)
		if left := t.limit - c.bytes; left >= need {
			got = max(need, min(left, batchMost, max(left/batchShare, batchLeast)))
		}
		c.bytes = sum(c.bytes, got)
		return c
	}
	if t.err = t.update(take); t.err != nil {
		t.owed = take(count{month: now, bytes: t.last}).bytes - t.last
	} else {
		t.owed = 0
	}
	t.reserved += got
}

// sum adds without overflow.
func sum(a, b int64) int64 { return a + min(b, math.MaxInt64-a) }

// refresh looks how many bytes others have taken.
func (t *tally) refresh(now month) {
	t.turn(now)
	t.err = t.update(func(c count) count { return c.at(now) })
}

// spent tells whether there is less left than may be asked for at once.
func (t *tally) spent() bool { return t.limit-t.used() < batchLeast }

// used is how many bytes of the month were sent, as far as is known here.
func (t *tally) used() int64 { return sum(t.last, t.owed) - t.reserved }

// close gives the file back what was taken for nothing.
func (t *tally) close(now month) {
	t.turn(now)
	if t.reserved == 0 && t.owed == 0 {
		return
	}
	t.err = t.update(func(c count) count {
		c = c.at(now)
		c.bytes = max(sum(c.bytes, t.owed)-t.reserved, 0)
		return c
	})
	t.reserved, t.owed = 0, 0
}

// update changes what the file says. A file that says nothing sensible is made
// one that does.
func (t *tally) update(change func(count) count) error {
	if t.path == "" {
		return errAlone
	}
	f, err := open(t.path)
	if err != nil {
		return fmt.Errorf("count uploads: %w", err)
	}
	defer f.Close()
	if err := lockSoon(f); err != nil {
		return fmt.Errorf("count uploads: lock %s: %w", t.path, err)
	}
	defer unlock(f)
	var file [2 * slotSize]byte
	n, err := f.ReadAt(file[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("count uploads: %w", err)
	}
	old, slot := decode(file[:n])
	c := change(old)
	if c != old {
		c.seq = old.seq + 1
		if _, err := f.WriteAt(c.encode(), int64(1-max(slot, 0))*slotSize); err != nil {
			return fmt.Errorf("count uploads: %w", err)
		}
		t.dirty = true
	}
	t.last = c.bytes
	return nil
}

// errAlone is no trouble: there is no file, as the user wants.
var errAlone = errors.New("this process counts alone")

// open opens the file, and makes it and its folder if need be.
func open(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if fi, err := os.Stat(path); err == nil && !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("open %s: not a regular file", path)
	}
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
}

// flush makes durable what was written. It may take long.
func flush(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// lockSoon locks f, which others hold for a moment only. It does not wait for
// one that was stopped just then.
func lockSoon(f *os.File) error {
	var err error
	for range 20 {
		if err = tryLock(f); err == nil {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return err
}
