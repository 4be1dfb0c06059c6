package resume

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/bits-and-blooms/bitset"

	"github.com/shoal-dl/shoal/verify"
)

// journal is the record's file, open and exclusively locked. The lock is the
// kernel's: it ends with the process, however that ends. A journal is used by
// one goroutine at a time.
type journal struct {
	at     place
	file   *os.File
	origin Origin
	nature nature
	sum    [sumSize]byte // of the head on disk
	seq    uint64        // of the newest slot on disk
	claims bool          // the file on disk may claim pieces
}

// recalled is what a journal held when it was opened.
type recalled struct {
	origin   Origin
	manifest *verify.Manifest
	nature   nature
	have     *bitset.BitSet // pieces the record claims
}

// openJournal opens the record of the download at pl, making an empty one if
// there is none, and locks it.
func openJournal(pl place) (*journal, error) {
	for range lockTries {
		if err := pl.regularOrAbsent(pl.state); err != nil {
			return nil, err
		}
		f, err := os.OpenFile(pl.state, os.O_RDWR|os.O_CREATE|noFollow, 0o600) // the URL may hold a secret
		if err != nil {
			return nil, fail("create", pl.state, err)
		}
		if err := tryLock(f); err != nil {
			return nil, lockError(pl, errors.Join(err, f.Close()))
		}
		// Whoever held the lock before may have finished and removed the
		// file between our open and our lock: then ours locks nothing.
		if sameFile(f, pl.state) {
			return &journal{at: pl, file: f}, nil
		}
		f.Close()
	}
	return nil, lockError(pl, ErrLocked)
}

// lockTries is how often a record may vanish while it is being locked before
// we believe that others are busy with it.
const lockTries = 10

func lockError(pl place, err error) error {
	if !errors.Is(err, ErrLocked) {
		return fail("lock", pl.state, err)
	}
	return &Error{Op: "lock", Path: pl.part, Err: ErrLocked, Hint: "wait for it, or choose another name with -o"}
}

// sameFile tells whether f is what lies at path.
func sameFile(f *os.File, path string) bool {
	have, err1 := f.Stat()
	there, err2 := os.Lstat(path)
	return err1 == nil && err2 == nil && os.SameFile(have, there)
}

// recall reads what the journal holds, m being the manifest that raw encodes.
// It returns nil when that is nothing to be relied upon: an empty, torn or
// foreign file. If only the claims are torn, the part is unproven.
func (j *journal) recall(m *verify.Manifest, raw []byte) (*recalled, error) {
	b, err := io.ReadAll(io.NewSectionReader(j.file, 0, maxRecord))
	if err != nil {
		return nil, fail("read", j.at.state, err)
	}
	j.claims = len(b) > 0
	r, err := decodeRecord(b)
	if err != nil {
		return nil, nil
	}
	if !bytes.Equal(r.origin.Raw, raw) {
		if m, err = verify.Parse(r.origin.Raw); err != nil {
			return nil, nil
		}
	}
	seq, have, err := r.newest(m.NumPieces())
	if err != nil {
		r.nature, have = r.nature|unproven, bitset.New(uint(m.NumPieces()))
	}
	j.origin, j.nature, j.sum, j.seq = r.origin, r.nature, r.sum, seq
	return &recalled{origin: r.origin, manifest: m, nature: r.nature, have: have}, nil
}

// rewrite starts the record over, of o, a part of nature n, and claiming have.
// What it claimed before is gone from the disk before any new claim is made and
// before it returns, so that nothing stale can come back with a crash.
//
// Without claims, old or new, nothing is synced: a record that is lost claims
// nothing either, and a small download should not pay for it. That a part is
// lent must not be lost.
func (j *journal) rewrite(o Origin, have *bitset.BitSet, n nature) error {
	if err := j.clear(); err != nil {
		return err
	}
	pieces := int(have.Len())
	b, sum := appendHead(nil, o, n)
	// The slots are written from the start, so that recording progress needs
	// no space on a disk that has meanwhile filled up.
	b = append(b, make([]byte, slotsAt(o)+2*slotStride(pieces)-int64(len(b)))...)
	if _, err := j.file.WriteAt(b, 0); err != nil {
		return fail("write", j.at.state, err)
	}
	j.origin, j.nature, j.sum, j.seq = o, n, sum, 0
	if have.None() && n&lent == 0 {
		return nil
	}
	return j.advance(have)
}

// clear empties the record, durably if it may claim anything. The part is
// hashed by the next Open if nothing is written after it.
func (j *journal) clear() error {
	if err := j.file.Truncate(0); err != nil {
		return fail("write", j.at.state, err)
	}
	if !j.claims {
		return nil
	}
	j.claims = false
	return fail("sync", j.at.state, j.file.Sync())
}

// advance makes the record claim have, durably.
func (j *journal) advance(have *bitset.BitSet) error {
	j.seq, j.claims = j.seq+1, true
	at := slotsAt(j.origin) + int64(j.seq%2)*slotStride(int(have.Len()))
	if _, err := j.file.WriteAt(appendSlot(nil, j.sum, j.seq, have), at); err != nil {
		return fail("write", j.at.state, err)
	}
	return fail("sync", j.at.state, j.file.Sync())
}

// release unlocks and closes the journal, removing it if it is empty.
func (j *journal) release() error {
	if fi, err := j.file.Stat(); err == nil && fi.Size() == 0 {
		return j.discard()
	}
	return fail("close", j.at.state, j.file.Close())
}

// discard removes the journal and gives up the lock.
func (j *journal) discard() error {
	err := os.Remove(j.at.state)
	j.file.Close()
	if err != nil { // Windows removes no open file
		err = os.Remove(j.at.state)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fail("remove", j.at.state, err)
}
