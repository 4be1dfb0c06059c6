package resume

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/shoal-dl/shoal/verify"
)

// Trial is what a disk showed when it was tried out.
type Trial struct {
	Folder string        // where the trial file lay
	Free   int64         // bytes that may still be written; -1 when the file system does not tell
	Wrote  int64         // bytes that were written and synced, and are gone again
	Took   time.Duration // for these
}

// Bounds of a trial: it ends with the first one that it reaches.
const (
	trialBytes = 16 << 20
	trialTime  = time.Second
	trialSync  = 1 << 20 // bytes between two syncs, and so what a slow disk has to take at least
)

// Try writes to the disk on which content for path would lie, to see that it can
// and how fast. Nothing of it stays, whenever ctx or the process ends. Errors are
// of type *[Error], or the cause of ctx's end.
func Try(ctx context.Context, path string) (Trial, error) {
	if i, err := os.Stat(path); err != nil || !i.IsDir() {
		path = filepath.Dir(path)
	}
	if whole, err := filepath.Abs(path); err == nil {
		path = whole
	}
	t := Trial{Folder: path, Free: -1}
	if free, err := freeSpace(path); err == nil {
		t.Free = free
	}
	f, err := os.CreateTemp(path, ".shoal-trial-*")
	if err != nil {
		return t, fail("write to", path, err)
	}
	early := os.Remove(f.Name()) // from here on no name is left behind, where the system lets an open file go
	err = t.write(ctx, f)
	err = errors.Join(err, f.Close())
	if early != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	if ctx.Err() != nil {
		return t, context.Cause(ctx)
	}
	return t, fail("write to", path, err)
}

// write fills f until the trial is over.
func (t *Trial) write(ctx context.Context, f *os.File) error {
	block := make([]byte, trialSync)
	for i := range block {
		block[i] = byte(i ^ i>>8) // no hole, and not one byte again and again
	}
	start := time.Now()
	for t.Wrote < trialBytes && t.Took < trialTime && ctx.Err() == nil {
		if t.Free >= 0 && t.Free-t.Wrote < 2*trialSync {
			break // a disk that is nearly full is not to be filled by us
		}
		n, err := f.Write(block)
		if err == nil {
			err = f.Sync()
		}
		if err != nil {
			return err
		}
		t.Wrote += int64(n)
		t.Took = time.Since(start)
	}
	return nil
}

// Missing is how many bytes of disk the content still wants at path: none when
// files of the right sizes lie there, and less than all when an interrupted
// download does.
func Missing(m *verify.Manifest, path string) int64 {
	pl, err := placeOf(path)
	if err != nil {
		return m.Size()
	}
	if sized(m, pl.final) {
		return 0
	}
	s, _ := surveyPart(m, pl.part) // what cannot be seen does not count
	return m.Size() - s.allocated
}
