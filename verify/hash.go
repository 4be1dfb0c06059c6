package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/zeebo/blake3"
	"golang.org/x/sync/errgroup"
)

// Files are read in blocks small enough to stay in a processor's cache until
// they are hashed. Both numbers were found by measuring BenchmarkCreate.
const (
	blockSize = 256 << 10 // bytes
	ringSize  = 4         // blocks of one file in memory
)

// maxReaders bounds how many files are read at once, and so the memory that
// takes: ringSize blocks each.
const maxReaders = 32

// readers returns how many files to read, or stretches of files, at once.
func readers() int { return min(runtime.GOMAXPROCS(0), maxReaders) }

// block is a buffer that several goroutines read and the last one gives back.
type block struct {
	buf   []byte
	n     int          // bytes in use
	users atomic.Int32 // goroutines that have not read it yet
}

// blocks lends out memory for reading files.
type blocks struct{ pool sync.Pool }

func newBlocks() *blocks {
	return &blocks{pool: sync.Pool{New: func() any { return &block{buf: make([]byte, blockSize)} }}}
}

func (b *blocks) get() *block  { return b.pool.Get().(*block) }
func (b *blocks) put(x *block) { b.pool.Put(x) }

// hashFiles fills in the digests of all files.
func (m *Manifest) hashFiles(ctx context.Context, t *tree, files []scanned, progress func(int64)) error {
	g, working := errgroup.WithContext(ctx) // ends with the first error
	g.SetLimit(readers())
	mem := newBlocks()
	for i := range files {
		if working.Err() != nil {
			break
		}
		g.Go(func() error {
			r := &fileReader{ctx: working, size: files[i].info.Size(), progress: progress, mem: mem}
			return r.hash(t, files[i], m.PieceSize, &m.Files[i])
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// fileReader reads one file, once, from front to back.
type fileReader struct {
	ctx      context.Context
	file     io.Reader
	size     int64 // bytes the file is expected to have
	read     int64 // bytes read so far
	progress func(int64)
	mem      *blocks
}

// hash computes the digests of file f into entry.
func (r *fileReader) hash(t *tree, f scanned, pieceSize int64, entry *File) error {
	file, err := t.open(f.path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read from
	r.file = file
	if f.info.Size() <= pieceSize {
		err = r.hashOnce(entry)
	} else {
		err = r.hashTwice(pieceSize, entry)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", f.path, err)
	}
	now, err := file.Stat()
	if err != nil {
		return err
	}
	return checkUnchanged(f, now)
}

// hashOnce hashes a file of at most one piece, which needs only one digest.
func (r *fileReader) hashOnce(entry *File) error {
	h := blake3.New()
	b := r.mem.get()
	defer r.mem.put(b)
	for {
		err := r.next(b)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		_, _ = h.Write(b.buf[:b.n])
	}
	entry.Digest = sum(h)
	if entry.Size > 0 {
		entry.Pieces = []Digest{entry.Digest}
	}
	return nil
}

// hashTwice hashes a file as a whole and in pieces, beside one another. As a
// whole it can be hashed by one goroutine only, and one for the pieces keeps
// up with it.
func (r *fileReader) hashTwice(pieceSize int64, entry *File) error {
	whole, pieces := blake3.New(), newPieceHasher(pieceSize)
	free := make(chan *block, ringSize)
	for range ringSize {
		free <- r.mem.get()
	}
	feed := func(w io.Writer) (chan<- *block, func()) {
		c := make(chan *block, ringSize)
		return c, func() {
			for b := range c {
				_, _ = w.Write(b.buf[:b.n])
				if b.users.Add(-1) == 0 {
					free <- b
				}
			}
		}
	}
	toWhole, hashWhole := feed(whole)
	toPieces, hashPieces := feed(pieces)
	var wg sync.WaitGroup
	wg.Go(hashWhole)
	wg.Go(hashPieces)

	var err error
	for err == nil {
		b := <-free
		if err = r.next(b); err != nil {
			free <- b
			break
		}
		b.users.Store(2)
		toWhole <- b
		toPieces <- b
	}
	close(toWhole)
	close(toPieces)
	wg.Wait()
	for range ringSize {
		r.mem.put(<-free)
	}
	if err != io.EOF {
		return err
	}
	entry.Digest, entry.Pieces = sum(whole), pieces.finish()
	return nil
}

// next reads the next block of the file, or io.EOF at its end.
func (r *fileReader) next(b *block) error {
	if r.ctx.Err() != nil {
		return context.Cause(r.ctx)
	}
	var err error
	b.n, err = io.ReadFull(r.file, b.buf)
	r.read += int64(b.n)
	switch {
	case err != nil && err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF):
		return err
	case r.read > r.size || b.n == 0 && r.read < r.size:
		return errors.New("its size changed meanwhile")
	case b.n == 0:
		return io.EOF
	}
	if r.progress != nil {
		r.progress(int64(b.n))
	}
	return nil
}
