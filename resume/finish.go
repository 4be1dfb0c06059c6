package resume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/bits-and-blooms/bitset"
)

// Finish puts the content in place: it syncs what is stored, gives the files
// their modes and times, renames the part to the final path and removes the
// record. All pieces must have been put. A Finish that fails leaves the part as
// it was, and the File to be closed.
//
// Something that has appeared at the final path since Open is replaced only
// with Options.Overwrite; a folder is then replaced as a whole.
func (f *File) Finish() error {
	if done, err := f.finishable(); done || err != nil {
		return err
	}
	f.halt()
	if err := f.complete(); err != nil {
		return err
	}
	f.mu.Lock()
	f.stage = inPlace
	f.mu.Unlock()
	// From here on the content is in place, and a record left behind is
	// harmless: the next Open finds the content and removes it.
	err := fail("sync", f.at.dir, syncDir(f.at.dir))
	if f.replaced != "" {
		err = errors.Join(err, fail("remove", f.replaced, os.RemoveAll(f.replaced)))
	}
	_ = f.journal.discard()
	return err
}

// finishable tells whether the content is in place already, or why it cannot
// be put there.
func (f *File) finishable() (done bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch missing := f.m.NumPieces() - int(f.stored.Count()); {
	case f.stage == inPlace:
		return true, nil
	case f.stage == closed:
		return false, fmt.Errorf("finish %s: %w", f.at.final, ErrClosed)
	case missing > 0:
		return false, fmt.Errorf("finish %s: %d pieces are missing", f.at.final, missing)
	}
	return false, f.broken()
}

// complete does what comes up to and with the rename.
func (f *File) complete() error {
	changed, err := f.part.settle()
	if err == nil {
		err = f.part.sync(append(changed, f.unsynced()...))
	}
	_ = f.note(err) // for Close
	f.mu.Lock()
	err = f.broken() // the batcher may have ended with one of its own
	f.mu.Unlock()
	if err != nil {
		return err
	}
	if err := f.part.dress(); err != nil {
		return err
	}
	return f.part.seal(f.at.final, f.rename)
}

// unsynced returns the files with pieces that no sync has covered. The pieces
// stay pending: should the rename fail, Close records them.
func (f *File) unsynced() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return filesOf(f.m, f.pending)
}

// rename renames the part to the final path.
func (f *File) rename() error {
	err := renameNew(f.at.part, f.at.final)
	if !errors.Is(err, fs.ErrExist) {
		return fail("rename", f.at.part, err)
	}
	if !f.overwrite {
		return inTheWay("create", f.at.final, "it appeared during the download",
			"move it away, then run the same command again")
	}
	if fi, err := os.Lstat(f.at.final); err == nil && fi.Mode().Type() != kindOf(f.m) {
		return inTheWay("create", f.at.final, describe(fi.Mode()), "move it away, then run the same command again")
	}
	if f.m.Folder() {
		return f.replaceFolder()
	}
	return fail("rename", f.at.part, os.Rename(f.at.part, f.at.final))
}

// replaceFolder puts the part where another folder is, which is to be removed
// when that has succeeded.
func (f *File) replaceFolder() error {
	was := f.journal.nature
	if err := f.disclaim(); err != nil {
		return err
	}
	done, err := exchange(f.at.part, f.at.final)
	if done && err == nil {
		f.replaced = f.at.part
		return nil
	}
	if err := f.journal.rewrite(f.origin, f.stored, was); err != nil {
		return err
	}
	if done {
		return fail("rename", f.at.part, err)
	}
	f.replaced = f.at.old
	if err := os.Rename(f.at.final, f.replaced); err != nil {
		return fail("rename", f.at.final, err)
	}
	if err := os.Rename(f.at.part, f.at.final); err != nil {
		return errors.Join(fail("rename", f.at.part, err), os.Rename(f.replaced, f.at.final))
	}
	return nil
}

// disclaim claims nothing any more: after the exchange the old folder has the
// part's name, and before it all of the content is there.
func (f *File) disclaim() error {
	return f.journal.rewrite(f.origin, bitset.New(f.stored.Len()), f.journal.nature|unproven)
}

// Close gives up the lock. Before Finish it first saves what is stored, so that
// the next Open can go on from it; content that Adopt took goes back to its
// final path as it is. If nothing was stored and nothing was there before,
// nothing is left behind. Close may be called again, and after Finish.
func (f *File) Close() error {
	f.halt()
	f.mu.Lock()
	stage := f.stage
	f.stage = closed
	f.mu.Unlock()
	switch {
	case stage == closed:
		return nil
	case stage == inPlace:
		return f.part.close()
	case f.adopted:
		return errors.Join(f.save(), f.putBack())
	case f.fresh && f.stored.None():
		return f.remove()
	}
	return errors.Join(f.save(), f.part.close(), f.journal.release())
}

// save flushes, and returns an error that the caller has not yet had.
func (f *File) save() error {
	err := f.flush()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.told {
		return nil
	}
	return err
}

// remove leaves nothing behind.
func (f *File) remove() error {
	err := f.part.close()
	err = errors.Join(err, fail("remove", f.at.part, os.RemoveAll(f.at.part)))
	return errors.Join(err, f.journal.discard())
}

// putBack renames what Adopt took to where it was.
func (f *File) putBack() error {
	err := f.part.seal(f.at.final, func() error {
		return fail("rename", f.at.part, renameNew(f.at.part, f.at.final))
	})
	if err != nil {
		return errors.Join(err, f.part.close(), f.journal.release())
	}
	return errors.Join(f.part.close(), f.journal.discard())
}
