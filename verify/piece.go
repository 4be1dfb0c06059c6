package verify

import (
	"errors"
	"fmt"

	"github.com/zeebo/blake3"
)

// ErrWrongPiece is wrapped by what Prove says of bytes that are not the piece.
var ErrWrongPiece = errors.New("wrong bytes")

// Piece is a piece whose bytes are proven to be what the manifest says. Only
// Prove makes one, so that whoever takes a Piece cannot be handed anything
// unverified. The zero Piece proves nothing and has no data.
type Piece struct {
	index int
	data  []byte
}

// Index returns the number of the piece in its manifest.
func (p Piece) Index() int { return p.index }

// Data returns the bytes of the piece: those that were handed to Prove, not a
// copy. They must not be changed while the Piece is in use.
func (p Piece) Data() []byte { return p.data }

// Prove returns data as piece i, or an error that wraps ErrWrongPiece when its
// length or digest is not that of piece i, or there is no piece i.
func (m *Manifest) Prove(i int, data []byte) (Piece, error) {
	if i < 0 || i >= m.NumPieces() {
		return Piece{}, fmt.Errorf("prove piece %d: %w: there are %d pieces", i, ErrWrongPiece, m.NumPieces())
	}
	span := m.Span(i)
	if len(data) != span.Size {
		return Piece{}, fmt.Errorf("prove piece %d: %w: %d bytes, not %d", i, ErrWrongPiece, len(data), span.Size)
	}
	want := m.Files[span.File].Pieces[i-m.first[span.File]]
	if got := Digest(blake3.Sum256(data)); got != want {
		return Piece{}, fmt.Errorf("prove piece %d: %w: digest %v, not %v", i, ErrWrongPiece, got, want)
	}
	return Piece{index: i, data: data}, nil
}

// pieceHasher computes the digests of the pieces of a file that is written to
// it from front to back.
type pieceHasher struct {
	hash    *blake3.Hasher
	size    int // bytes of a full piece
	room    int // bytes the piece at hand still lacks
	digests []Digest
}

// newPieceHasher returns a pieceHasher for pieces of size bytes.
func newPieceHasher(size int64) *pieceHasher {
	return &pieceHasher{hash: blake3.New(), size: int(size), room: int(size)}
}

// Write takes the next bytes of the file. It never fails.
func (h *pieceHasher) Write(data []byte) (int, error) {
	written := len(data)
	for len(data) > 0 {
		n := min(h.room, len(data))
		_, _ = h.hash.Write(data[:n])
		data = data[n:]
		h.room -= n
		if h.room == 0 {
			h.cut()
		}
	}
	return written, nil
}

// cut ends the piece at hand.
func (h *pieceHasher) cut() {
	h.digests = append(h.digests, sum(h.hash))
	h.hash.Reset()
	h.room = h.size
}

// finish ends the file and returns the digests of all its pieces.
func (h *pieceHasher) finish() []Digest {
	if h.room < h.size {
		h.cut()
	}
	return h.digests
}
