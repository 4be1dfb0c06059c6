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

// Files are read in blocks that stay in a processor's cache until they are
// hashed; larger and smaller ones measured no faster.
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
	if progress == nil {
		progress = func(int64) {}
	}
	g, working := errgroup.WithContext(ctx) // ends with the first error
	g.SetLimit(readers())
	mem := newBlocks()
	for i := range files {
		if working.Err() != nil {
			break
		}
		g.Go(func() error {
			r := &fileReader{size: files[i].info.Size(), progress: progress, mem: mem}
			return r.hash(working, t, files[i], m.PieceSize, &m.Files[i])
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// fileReader reads one file, once, from front to back.
type fileReader struct {
	file     io.Reader
	size     int64 // bytes the file is expected to have
	read     int64 // bytes read so far
	progress func(int64)
	mem      *blocks
}

// hash computes the digests of file f into entry.
func (r *fileReader) hash(ctx context.Context, t *tree, f scanned, pieceSize int64, entry *File) error {
	file, err := t.open(f.path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read from
	r.file = file
	if f.info.Size() <= pieceSize {
		err = r.hashOnce(ctx, entry)
	} else {
		err = r.hashTwice(ctx, pieceSize, entry)
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
func (r *fileReader) hashOnce(ctx context.Context, entry *File) error {
	h := blake3.New()
	b := r.mem.get()
	defer r.mem.put(b)
	for {
		more, err := r.next(ctx, b)
		if err != nil {
			return err
		}
		if !more {
			break
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
func (r *fileReader) hashTwice(ctx context.Context, pieceSize int64, entry *File) error {
	whole, pieces := blake3.New(), newPieceHasher(pieceSize)
	if err := r.share(ctx, whole, pieces); err != nil {
		return err
	}
	entry.Digest, entry.Pieces = sum(whole), pieces.finish()
	return nil
}

// share reads the file to its end and writes it to each hasher, each in its own
// goroutine.
func (r *fileReader) share(ctx context.Context, hashers ...io.Writer) error {
	free := make(chan *block, ringSize)
	for range ringSize {
		free <- r.mem.get()
	}
	var wg sync.WaitGroup
	lanes := make([]chan *block, len(hashers))
	for i, h := range hashers {
		lanes[i] = make(chan *block, ringSize) // has room for all there are
		wg.Go(func() { drain(lanes[i], h, free) })
	}
	err := r.deal(ctx, free, lanes)
	for _, lane := range lanes {
		close(lane)
	}
	wg.Wait()
	for range ringSize {
		r.mem.put(<-free)
	}
	return err
}

// deal sends each block of the file down every lane.
func (r *fileReader) deal(ctx context.Context, free chan *block, lanes []chan *block) error {
	for {
		b := <-free
		more, err := r.next(ctx, b)
		if err != nil || !more {
			free <- b
			return err
		}
		b.users.Store(int32(len(lanes)))
		for _, lane := range lanes {
			lane <- b
		}
	}
}

// drain writes what comes down a lane to h, and frees what everybody has read.
func drain(lane <-chan *block, h io.Writer, free chan<- *block) {
	for b := range lane {
		_, _ = h.Write(b.buf[:b.n]) // hashers never fail
		if b.users.Add(-1) == 0 {
			free <- b
		}
	}
}

// next reads the next block of the file; more is false at the file's end.
func (r *fileReader) next(ctx context.Context, b *block) (more bool, err error) {
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	b.n, err = io.ReadFull(r.file, b.buf)
	r.read += int64(b.n)
	switch {
	case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return false, err
	case r.read > r.size || b.n == 0 && r.read < r.size:
		return false, errors.New("its size changed meanwhile")
	case b.n == 0:
		return false, nil
	}
	r.progress(int64(b.n))
	return true, nil
}
