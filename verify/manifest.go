// Package verify says what the bytes must be: the manifest, its digests and
// ids, its signature, and the proof of a piece. It knows no network and reads
// only what it is handed.
package verify

import (
	"slices"
	"sort"
	"time"
)

// Extension is what the name of a manifest's file ends in.
const Extension = ".shoal"

// The words a publisher may write into Manifest.Discovery. Others are kept and
// mean nothing to this version.
const (
	DiscoveryDHT = "dht" // announce and look up in the DHT
	DiscoveryLAN = "lan" // announce and listen on the local network
)

// Manifest describes published content: its files, how they are cut into
// pieces, the digest of each piece, and where to begin looking for them.
//
// It comes from Parse or Create and is only read from then on, by any number
// of goroutines. Pieces are numbered from 0 through all files in their order;
// a piece never spans two files, so the last one of a file may be short, and
// an empty file has none.
type Manifest struct {
	Name      string    // of the file, or of the folder when there are several; never empty
	PieceSize int64     // bytes, a power of two from 64 KiB to 64 MiB
	Files     []File    // at least one
	Mirrors   []Mirror  // as published: URLs may be relative to the manifest's own
	Peers     []string  // host:port of first contacts
	Bootstrap []string  // host:port of nodes of a private DHT
	Discovery []string  // what the publisher consents to; see DiscoveryDHT
	Salt      []byte    // makes a private swarm of the same content; may be empty
	Created   time.Time // UTC, whole seconds; zero when not said
	Comment   string

	first []int // first[i] is the first piece of Files[i]; one more for the end
	size  int64
	id    ID
}

// File is one file of a manifest.
type File struct {
	Path       string // slash-separated and relative, of the form Parse demands
	Size       int64  // bytes
	Executable bool
	Modified   time.Time // UTC, whole seconds; zero when not said
	Digest     Digest    // of the whole file, as b3sum prints it: the publisher's word, the pieces are what is proven
	Pieces     []Digest  // one a piece, in order
}

// Mirror is an HTTP server that holds the content.
type Mirror struct {
	URL      string // absolute, or relative to the manifest's own
	Priority int    // 1 is tried before 2; 0 when not said
}

// Span tells where in its file a piece lies.
type Span struct {
	File   int   // index in Manifest.Files
	Offset int64 // bytes from the beginning of the file
	Size   int   // bytes; 1 to Manifest.PieceSize
}

// Size returns the bytes of all files together.
func (m *Manifest) Size() int64 { return m.size }

// NumPieces returns the number of pieces of all files together.
func (m *Manifest) NumPieces() int { return m.first[len(m.Files)] }

// Folder tells whether the content is a folder of several files. Otherwise it
// is one file, called Name.
func (m *Manifest) Folder() bool { return len(m.Files) > 1 }

// Shareable tells whether the publisher consents that those who fetch the content
// find each other, and serve it, by any way that we know.
func (m *Manifest) Shareable() bool {
	return slices.Contains(m.Discovery, DiscoveryDHT) || slices.Contains(m.Discovery, DiscoveryLAN)
}

// Pieces returns the half-open range of pieces that make up a file.
func (m *Manifest) Pieces(file int) (first, end int) {
	return m.first[file], m.first[file+1]
}

// Span returns where a piece lies. It panics unless 0 <= piece < NumPieces.
func (m *Manifest) Span(piece int) Span {
	file := m.fileOf(piece)
	offset := int64(piece-m.first[file]) * m.PieceSize
	return Span{
		File:   file,
		Offset: offset,
		Size:   int(min(m.PieceSize, m.Files[file].Size-offset)),
	}
}

// fileOf returns the index of the file that a piece belongs to.
func (m *Manifest) fileOf(piece int) int {
	return sort.Search(len(m.Files), func(i int) bool { return m.first[i+1] > piece })
}

// index computes what is derived from the files. Nothing about the manifest
// may change after it.
func (m *Manifest) index() {
	m.first = make([]int, 1, len(m.Files)+1)
	for i := range m.Files {
		m.first = append(m.first, m.first[i]+len(m.Files[i].Pieces))
		m.size += m.Files[i].Size
	}
	m.id = contentID(m)
}

// numPieces returns how many pieces a file of size bytes is cut into.
func numPieces(size, pieceSize int64) int64 {
	n := size / pieceSize
	if size%pieceSize != 0 {
		n++
	}
	return n
}

// Bounds of the default piece size, in bytes, and how many pieces it aims for.
const (
	minDefaultPieceSize = 256 << 10
	maxDefaultPieceSize = 8 << 20
	fewPieces           = 2048
)

// DefaultPieceSize returns the piece size, in bytes, for content of total
// bytes: the smallest power of two that gives at most 2,048 pieces, from
// 256 KiB to 8 MiB.
func DefaultPieceSize(total int64) int64 {
	size := int64(minDefaultPieceSize)
	for size < maxDefaultPieceSize && numPieces(total, size) > fewPieces {
		size *= 2
	}
	return size
}
