package resume

import (
	"slices"
	"time"

	"github.com/bits-and-blooms/bitset"

	"github.com/shoal-dl/shoal/verify"
)

// A batch is synced and recorded when the oldest of its pieces has waited for
// batchTime or there are batchBytes of them: that is what a crash can cost. The
// first batches wait for less, from firstBatchTime on twice as long each time,
// so that even a process that is killed again and again gets somewhere.
// Write-back is started each writebackBytes, so that the sync finds most of its
// work done.
const (
	firstBatchTime = 100 * time.Millisecond
	batchTime      = time.Second
	batchBytes     = 128 << 20
	writebackBytes = 16 << 20
)

// wrote notes that piece is on its way to the disk, and wakes the batcher when
// that gives it something to do.
func (f *File) wrote(piece int, size int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stage != storing {
		return ErrClosed
	}
	if f.stored.Test(uint(piece)) {
		return f.broken()
	}
	f.stored.Set(uint(piece))
	f.pending = append(f.pending, piece)
	f.waiting += size
	f.unbegun += size
	if len(f.pending) == 1 || f.waiting >= batchBytes || f.unbegun >= writebackBytes {
		select {
		case f.kick <- struct{}{}:
		default: // it has been woken already
		}
	}
	return f.broken()
}

// batch is the batcher: it syncs and records the stored pieces, until stop is
// closed or a sync fails.
func (f *File) batch() {
	var due <-chan time.Time
	for wait := firstBatchTime; ; {
		select {
		case <-f.stop:
			return
		case <-due:
			due = nil
			if f.flush() != nil {
				return
			}
		case <-f.kick:
			if due == nil {
				due = time.After(wait)
				wait = min(2*wait, batchTime)
			}
			full, begin := f.look()
			if full {
				due = nil
				if f.flush() != nil {
					return
				}
			} else if begin {
				f.part.startWriteback()
			}
		}
	}
}

// look tells whether a whole batch is waiting, or else enough to start
// write-back for.
func (f *File) look() (full, begin bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	full, begin = f.waiting >= batchBytes, f.unbegun >= writebackBytes
	if begin {
		f.unbegun = 0
	}
	return full, begin
}

// flush makes the stored pieces durable, data first, and then records them.
// A failure is final: the kernel reports it once and forgets which pages it
// lost, so nothing may be claimed after it.
func (f *File) flush() error {
	batch, err := f.take()
	if len(batch) == 0 || err != nil {
		return err
	}
	if err := f.syncData(filesOf(f.m, batch)); err != nil {
		return f.note(err)
	}
	for _, piece := range batch {
		f.durable.Set(uint(piece))
	}
	return f.note(f.journal.advance(f.durable))
}

// take takes over the pieces that no sync has covered.
func (f *File) take() ([]int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	batch := f.pending
	f.pending, f.waiting = nil, 0
	return batch, f.err
}

// note keeps the first error that broke syncing, for the next Put to return.
func (f *File) note(err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
	return f.err
}

// broken returns what broke syncing to the caller, whom Close need not tell
// again. f.mu is held.
func (f *File) broken() error {
	f.told = f.told || f.err != nil
	return f.err
}

// syncData makes the files durable, with their entries and that of the record.
func (f *File) syncData(files []int) error {
	if err := f.part.sync(files); err != nil {
		return err
	}
	if f.entered {
		return nil
	}
	f.entered = true
	return fail("sync", f.at.dir, syncDir(f.at.dir))
}

// filesOf returns the files the pieces lie in, in order.
func filesOf(m *verify.Manifest, pieces []int) []int {
	var files []int
	for _, piece := range pieces {
		files = append(files, m.Span(piece).File)
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// filesWith returns the files of which have holds a piece, in order.
func filesWith(m *verify.Manifest, have *bitset.BitSet) []int {
	var files []int
	for i := range m.Files {
		first, end := m.Pieces(i)
		if piece, ok := have.NextSet(uint(first)); ok && piece < uint(end) {
			files = append(files, i)
		}
	}
	return files
}

// halt ends the batcher. What it has not synced stays pending.
func (f *File) halt() {
	f.stopping.Do(func() { close(f.stop) })
	f.batcher.Wait()
}
