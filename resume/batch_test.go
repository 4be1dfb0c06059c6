package resume

import (
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-dl/shoal/verify"
)

// recorded returns the bytes that the record on disk claims.
func recorded(t *testing.T, path string) int64 {
	t.Helper()
	p, err := Load(path)
	must(t, err)
	return p.Have
}

func TestRecordFollowsWithinBatchTime(t *testing.T) {
	c := newContent(t, 1, someFiles)
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "folder")
		f := c.open(t, path, Options{})
		time.Sleep(time.Hour) // an idle batcher does nothing
		wait := firstBatchTime
		for _, piece := range []int{3, 0, 8, 1, 5, 2} {
			before := recorded(t, path)
			c.put(t, f, piece)
			time.Sleep(wait - time.Nanosecond)
			synctest.Wait()
			if got := recorded(t, path); got != before {
				t.Errorf("%d more bytes are recorded before their time", got-before)
			}
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			if got := recorded(t, path) - before; got != int64(len(c.data[piece])) {
				t.Errorf("%d more bytes are recorded, want %d", got, len(c.data[piece]))
			}
			wait = min(2*wait, batchTime)
		}
		c.put(t, f)
		must(t, f.Finish())
		c.inPlace(t, path)
	})
}

func TestRecordFollowsFullBatch(t *testing.T) {
	const big = 64 << 20 // the largest piece: two make a batch
	zero := make([]byte, big)
	source := filepath.Join(t.TempDir(), "zero")
	must(t, writeZeros(source, 3*big))
	m, err := verify.Create(t.Context(), source, verify.CreateOptions{PieceSize: big})
	must(t, err)
	raw, err := m.Encode()
	must(t, err)
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "zero")
		f, err := Open(t.Context(), m, Origin{Raw: raw}, path, Options{})
		must(t, err)
		for i, want := range []int64{0, 2 * big, 2 * big} {
			p, err := m.Prove(i, zero)
			must(t, err)
			must(t, f.Put(p))
			synctest.Wait()
			if got := recorded(t, path); got != want {
				t.Errorf("after %d pieces %d bytes are recorded, want %d", i+1, got, want)
			}
		}
		must(t, f.Close())
		if got := recorded(t, path); got != 3*big {
			t.Errorf("after Close %d bytes are recorded", got)
		}
	})
}

func TestSmallDownloadWritesNoSlot(t *testing.T) {
	c := oneFile(t, "a.iso", 1, 1000)
	f := c.open(t, filepath.Join(t.TempDir(), "a.iso"), Options{})
	c.put(t, f)
	must(t, f.Finish())
	if f.journal.seq != 0 {
		t.Errorf("%d slots were written", f.journal.seq)
	}
}

// TestFailedSyncIsFinal breaks the record under the batcher. (That a file can be
// synced again after a failure does not mean that its bytes are there.)
func TestFailedSyncIsFinal(t *testing.T) {
	c := oneFile(t, "a.iso", 1, 4*pieceSize)
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "a.iso")
		f := c.open(t, path, Options{})
		c.put(t, f, 0)
		time.Sleep(batchTime)
		synctest.Wait()
		must(t, f.journal.file.Close())
		c.put(t, f, 1)
		time.Sleep(batchTime)
		synctest.Wait()

		isBroken := func(what string, err error) {
			t.Helper()
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Errorf("%s: %v, want an *Error", what, err)
			}
		}
		isBroken("Put", f.Put(c.prove(t, 2)))
		isBroken("Put again", f.Put(c.prove(t, 3)))
		isBroken("Close", f.Close())
		has(t, c.open(t, path, Options{}), "#...")
	})
}
