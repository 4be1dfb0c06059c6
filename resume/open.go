package resume

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/bits-and-blooms/bitset"

	"github.com/shoal-dl/shoal/verify"
)

// Open prepares the download of m, which came from the given origin, to path,
// going on from what an earlier one left there. path is the final path of the
// file, or of the folder if m.Folder(); its parent must exist.
//
// If the right content is in place already, the File is Complete, and what is to be
// executable is made so. Otherwise it
// holds the lock until it is closed. What the record claims is trusted unless
// the options say otherwise; without a record that can be relied upon, or with
// that of another content, the part is hashed and what matches is kept.
//
// Errors are *Error, wrapping ErrExists, ErrLocked or ErrNoSpace where they are
// meant, or the cause of ctx's end.
func Open(ctx context.Context, m *verify.Manifest, from Origin, path string, o Options) (*File, error) {
	pl, err := placeOf(path)
	if err != nil {
		return nil, err
	}
	if err := pl.checkDir(); err != nil {
		return nil, err
	}
	for range lockTries {
		there, err := pl.look(ctx, m, o)
		if err != nil {
			return nil, err
		}
		if there.right {
			tidy(m, pl)
			return finished(m, pl, pl.permitted(m, there.looks)), nil
		}
		if there.info != nil && !o.Overwrite {
			return nil, inTheWay("create", pl.final, "other content",
				"--overwrite replaces it, shoal verify --repair mends it, -o chooses another name")
		}
		j, err := openJournal(pl)
		if err != nil {
			return nil, err
		}
		// Another process may have finished between the look and the lock.
		if pl.unchanged(there) {
			return open(ctx, newFile(m, pl, j, from), o)
		}
		if err := j.release(); err != nil {
			return nil, err
		}
	}
	return nil, lockError(pl, ErrLocked)
}

// newFile makes a File that has nothing yet.
func newFile(m *verify.Manifest, pl place, j *journal, from Origin) *File {
	from.name = pl.name
	return &File{
		m: m, at: pl, origin: from, journal: j,
		had:     bitset.New(uint(m.NumPieces())),
		stored:  bitset.New(uint(m.NumPieces())),
		durable: bitset.New(uint(m.NumPieces())),
		part:    newPart(m, pl.part),
		kick:    make(chan struct{}, 1),
		stop:    make(chan struct{}),
	}
}

// finished makes the File of content that was in place from the start and looked
// like this before it was known to be right.
func finished(m *verify.Manifest, pl place, looks []marks) *File {
	f := newFile(m, pl, nil, Origin{})
	f.had.SetAll()
	f.stored.SetAll()
	f.part.rest(pl.final, looks)
	f.stage = inPlace
	return f
}

// Offer makes the File of content that is in place at path, to be read from when
// it is known to be right. It hashes nothing, and so removes nothing: to be sure
// that what Guard guards is what was hashed, offer first and then hash.
func Offer(m *verify.Manifest, path string) (*File, error) {
	pl, err := placeOf(path)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(pl.final); err != nil {
		return nil, fail("open", pl.final, err)
	}
	return finished(m, pl, marksAt(m, pl.final)), nil
}

// tidy removes the part and the record of the very content that is in place and
// right: a crash right after the final rename may have left them. It is a
// courtesy: what it cannot do, or is not sure of, it leaves.
func tidy(m *verify.Manifest, pl place) {
	if _, err := os.Lstat(pl.state); err != nil {
		return
	}
	j, err := openJournal(pl)
	if err != nil {
		return
	}
	old, err := j.recall(m, nil)
	if err != nil || old == nil || old.manifest.ID() != m.ID() || pl.holdsLent(old) || os.RemoveAll(pl.part) != nil {
		_ = j.release()
		return
	}
	_ = j.discard()
}

// open makes f, whose journal is locked, ready for pieces.
func open(ctx context.Context, f *File, o Options) (*File, error) {
	f.overwrite = o.Overwrite
	if err := f.begin(ctx, o); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// begin finds out what f has, records it and makes the part. But for files that
// only another content has, it touches nothing before all that can be refused
// has been.
func (f *File) begin(ctx context.Context, o Options) error {
	old, err := f.journal.recall(f.m, f.origin.Raw)
	if err != nil {
		return err
	}
	same, borrowed := old != nil && old.manifest.ID() == f.m.ID(), f.at.holdsLent(old)
	if borrowed && (!same || o.NoResume) {
		return f.at.lentInTheWay()
	}
	if old != nil && !same {
		if err := removeOthers(old.manifest, f.m, f.at.part); err != nil {
			return fail("remove", f.at.part, err)
		}
		old = nil
	}
	there, err := surveyPart(f.m, f.at.part)
	if err != nil {
		return err
	}
	if err := there.room(f.m, f.at); err != nil {
		return err
	}
	if borrowed {
		return f.borrow(ctx, old.origin, o)
	}
	if old != nil && old.nature == 0 && there.exists && !o.NoResume && !o.Recheck && there.supports(f.m, old.have) {
		return f.trust(old)
	}
	if there.exists && !o.NoResume {
		if err := f.rehash(ctx, o); err != nil {
			return err
		}
	}
	f.fresh = !there.exists
	return f.start(false)
}

// trust goes on from what the record claims.
func (f *File) trust(old *recalled) error {
	f.had = old.have
	return f.start(f.origin.equal(old.origin))
}

// borrow goes on with a repair that was killed. The record stays as it is, so
// that at no time there is none which says whose the part is.
func (f *File) borrow(ctx context.Context, from Origin, o Options) error {
	checked, _, err := check(ctx, f.m, f.at.part, o)
	if err != nil {
		return err
	}
	f.origin, f.had, f.part.lent = from, checked.Good, true
	if err := f.syncData(filesWith(f.m, f.had)); err != nil {
		return err
	}
	return f.start(true)
}

// holdsLent tells whether the part is there and, as the record says, the user's
// own.
func (pl place) holdsLent(old *recalled) bool {
	if old == nil || old.nature&lent == 0 {
		return false
	}
	_, err := os.Lstat(pl.part)
	return !errors.Is(err, fs.ErrNotExist)
}

// lentInTheWay refuses to do without a part that is the user's own.
func (pl place) lentInTheWay() error {
	return inTheWay("create", pl.part, "content that was here before and is being repaired",
		"finish the repair with shoal resume, or move it away")
}

// rehash takes as proven what of the part hashing shows to be right. The old
// claims are dropped before the sync, because that gives the files their sizes,
// after which a piece somebody cut off would look like one that is there.
func (f *File) rehash(ctx context.Context, o Options) error {
	checked, _, err := check(ctx, f.m, f.at.part, o)
	if err != nil {
		return err
	}
	if err := f.journal.clear(); err != nil {
		return err
	}
	f.had = checked.Good
	return f.syncData(filesWith(f.m, f.had))
}

// start writes the record, unless the one there will do, makes the part and
// sets the batcher going.
func (f *File) start(recorded bool) error {
	f.stored, f.durable = f.had.Clone(), f.had.Clone()
	if !recorded {
		if err := f.journal.rewrite(f.origin, f.had, 0); err != nil {
			return err
		}
	}
	if err := f.part.create(); err != nil {
		return err
	}
	f.batcher.Go(f.batch)
	return nil
}

// removeOthers removes from the part at root the files of old that m does not
// have, and the part itself where m wants one of another kind. It goes by the
// manifest so as to remove nothing that old did not bring: a folder with
// anything else in it stays, to be refused.
func removeOthers(old, m *verify.Manifest, root string) error {
	fi, err := os.Lstat(root)
	if errors.Is(err, fs.ErrNotExist) || err == nil && fi.Mode().Type() != kindOf(old) {
		return nil
	}
	if err != nil {
		return err
	}
	if !old.Folder() {
		if m.Folder() {
			return os.Remove(root)
		}
		return nil
	}
	keep := map[string]bool{}
	for i := range m.Files {
		keep[m.Files[i].Path] = m.Folder()
	}
	if err := removeFiles(old, root, keep); err != nil || m.Folder() {
		return err
	}
	_ = os.Remove(root) // fails if it is not empty
	return nil
}

// removeFiles removes the files of m in the folder at root, except those to
// keep, and the folders that leaves empty.
func removeFiles(m *verify.Manifest, root string, keep map[string]bool) error {
	r, err := os.OpenRoot(root)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // nothing is written through it
	dirs := map[string]bool{}
	for i := range m.Files {
		name := m.Files[i].Path
		if keep[name] {
			continue
		}
		if err := r.Remove(filepath.FromSlash(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			dirs[dir] = true
		}
	}
	for _, dir := range slices.Backward(slices.Sorted(maps.Keys(dirs))) { // the deeper first
		_ = r.Remove(filepath.FromSlash(dir)) // fails if it is not empty, and may
	}
	return nil
}
