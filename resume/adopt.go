package resume

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"

	"github.com/bits-and-blooms/bitset"

	"github.com/shoal-dl/shoal/verify"
)

// Seen is how content looked, as far as that takes no reading.
type Seen struct{ looks []marks }

// See looks at the content m at path.
func See(m *verify.Manifest, path string) Seen { return Seen{marksAt(m, path)} }

// Adopt makes the damaged content at path a download again, of which the pieces
// in good are right, as (*verify.Manifest).Check has found after it was seen to
// look like that. If it does not any more, it is hashed again. The content moves to
// the part's name while it is mended; Finish or Close move it back. After a kill,
// Open goes on with the same content, and refuses any other. What a file has too
// much is cut off by Finish, and what it lacks is made with the first of its
// pieces. If nothing is there, Adopt is Open.
//
// Errors are those of Open.
func Adopt(ctx context.Context, m *verify.Manifest, from Origin, path string, seen Seen, good *bitset.BitSet) (*File, error) {
	pl, err := placeOf(path)
	if err != nil {
		return nil, err
	}
	if err := pl.checkDir(); err != nil {
		return nil, err
	}
	there, err := surveyPart(m, pl.final)
	if err != nil {
		return nil, err
	}
	if !there.exists {
		return Open(ctx, m, from, path, Options{})
	}
	j, err := openJournal(pl)
	if err != nil {
		return nil, err
	}
	f := newFile(m, pl, j, from)
	if err := f.adopt(ctx, there, seen, good); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// adopt takes over the content that the survey found at the final path.
func (f *File) adopt(ctx context.Context, there survey, seen Seen, good *bitset.BitSet) error {
	// A record without its part may still lie there. It must not speak for
	// what now becomes the part.
	old, err := f.journal.recall(f.m, f.origin.Raw)
	if err != nil {
		return err
	}
	if f.at.holdsLent(old) {
		return f.at.lentInTheWay()
	}
	if _, err := os.Lstat(f.at.part); !errors.Is(err, fs.ErrNotExist) {
		return inTheWay("create", f.at.part, "an interrupted download", "finish it with shoal resume, or remove it")
	}
	if err := there.room(f.m, f.at); err != nil {
		return err
	}
	changed := !slices.Equal(seen.looks, marksAt(f.m, f.at.final)) // before a rename, which some systems mark as a change
	// The record comes first, so that at no time there is a part of which
	// nobody knows whose it is.
	err = f.journal.rewrite(f.origin, good, lent)
	if err == nil {
		err = fail("rename", f.at.final, renameNew(f.at.final, f.at.part))
	}
	if err != nil {
		return errors.Join(err, f.journal.clear()) // for Close to remove it
	}
	f.adopted, f.part.lent = true, true
	f.had = good.Clone()
	if changed {
		checked, _, err := check(ctx, f.m, f.at.part, Options{})
		if err != nil {
			return err
		}
		f.had = checked.Good
	}
	if err := f.syncData(filesWith(f.m, f.had)); err != nil {
		return err
	}
	return f.start(true)
}
