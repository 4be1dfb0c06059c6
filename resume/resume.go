// Package resume keeps what is already ours: files on disk, their lock, the
// record of proven pieces, the final rename.
//
// Content on its way to NAME lies in NAME.shoal-part, a file or a folder, and
// what of it is proven and durable in the record NAME.shoal-part.state. Nothing
// else is ever written, but for receipts in the user's cache folder. The record
// also holds the manifest and where it came from, so that what lies on the disk
// is all it takes to go on.
package resume

import (
	"fmt"
	"sync"

	"github.com/bits-and-blooms/bitset"

	"github.com/shoal-dl/shoal/verify"
)

// Options say how to treat what is already there.
type Options struct {
	Overwrite bool // replace other content at the final path
	Recheck   bool // hash what is there instead of trusting the record
	NoResume  bool // start from nothing, whatever content an earlier download has left something of

	// Progress is told of n more bytes hashed, from any goroutine. May be nil.
	Progress func(n int64)
	// Total is told before hashing starts how many bytes there are to hash.
	// With Overwrite that can happen twice, once for what lies at the final
	// path and once for the part, and more often for what changes while it is
	// hashed. May be nil.
	Total func(bytes int64)
}

// Origin is where a manifest came from.
type Origin struct {
	URL string // as the user gave it; for a file, its absolute path
	Raw []byte // the manifest's exact bytes, as verify.Parse takes them

	name string // that of the final path, if the record's does not tell it
}

// equal tells whether the two origins are the same in every byte.
func (o Origin) equal(p Origin) bool {
	return o.URL == p.URL && string(o.Raw) == string(p.Raw) && o.name == p.name
}

// File is content on its way to its final path, or in place there. Its methods
// are safe for concurrent use, save that Finish and Close are called by one
// goroutine. It must be closed.
type File struct {
	m         *verify.Manifest
	at        place
	origin    Origin
	overwrite bool           // Finish may replace what is at the final path
	adopted   bool           // came from the final path, and goes back there on Close
	fresh     bool           // there was no part before this File
	had       *bitset.BitSet // pieces proven when the File was made; read-only
	part      *part
	journal   *journal // nil when the content was in place from the start
	replaced  string   // the folder that Finish has put aside, to be removed

	mu      sync.Mutex
	stored  *bitset.BitSet // pieces proven and written
	pending []int          // those of them that no sync has covered
	waiting int64          // bytes of pending
	unbegun int64          // bytes written since write-back was last started
	err     error          // what broke syncing; nothing is claimed after it
	told    bool           // the caller knows of err
	stage   stage

	// The batcher's, and Finish's and Close's once it has ended.
	durable  *bitset.BitSet // pieces the record claims or may claim next
	entered  bool           // the entries in at.dir are synced
	kick     chan struct{}  // wakes the batcher to look at pending
	stop     chan struct{}  // ends it
	stopping sync.Once
	batcher  sync.WaitGroup
}

// stage is how far a File has come.
type stage int

const (
	storing stage = iota // takes pieces
	inPlace              // the content is at the final path
	closed
)

// Complete tells that the right content already lay at the final path: there
// is nothing to do, and nothing has been made or locked.
func (f *File) Complete() bool { return f.journal == nil }

// Have returns the pieces that were proven when the File was made. The set is
// the caller's.
func (f *File) Have() *bitset.BitSet { return f.had.Clone() }

// Put stores a proven piece. p's data may be reused once it returns. A piece
// that is stored may be put again. After an error the download cannot go on;
// it is an *Error if the disk is the cause.
func (f *File) Put(p verify.Piece) error {
	span, err := f.ready(p)
	if err != nil {
		return err
	}
	if err := f.part.writeAt(span, p.Data()); err != nil {
		return err
	}
	return f.wrote(p.Index(), int64(span.Size))
}

// ready tells where p goes, if it can go anywhere.
func (f *File) ready(p verify.Piece) (verify.Span, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stage != storing {
		return verify.Span{}, fmt.Errorf("put piece %d: %w", p.Index(), ErrClosed)
	}
	if err := f.broken(); err != nil {
		return verify.Span{}, err
	}
	if p.Index() >= f.m.NumPieces() || f.m.Span(p.Index()).Size != len(p.Data()) {
		return verify.Span{}, fmt.Errorf("put piece %d: not a piece of %s", p.Index(), f.m.Name)
	}
	return f.m.Span(p.Index()), nil
}

// Read fills buf with the stored piece's bytes from offset off on. It works
// before and after Finish, until Close. What has changed in place since it was
// known to be right is not read, but ErrChanged returned; see Guard.
func (f *File) Read(piece int, off int64, buf []byte) error {
	if piece < 0 || piece >= f.m.NumPieces() {
		return fmt.Errorf("read piece %d: there is no such piece", piece)
	}
	span := f.m.Span(piece)
	if off < 0 || off+int64(len(buf)) > int64(span.Size) {
		return fmt.Errorf("read piece %d: %d bytes from %d on are not in it", piece, len(buf), off)
	}
	f.mu.Lock()
	stored, stage := f.stored.Test(uint(piece)), f.stage
	f.mu.Unlock()
	if stage == closed {
		return fmt.Errorf("read piece %d: %w", piece, ErrClosed)
	}
	if !stored {
		return fmt.Errorf("read piece %d: it is not stored yet", piece)
	}
	return f.part.readAt(span, off, buf)
}
