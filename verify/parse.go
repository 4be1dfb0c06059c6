package verify

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
	"github.com/zeebo/blake3"
)

// Limits of a manifest, in bytes.
const (
	MaxEncoded = 16 << 20 // as it is served or stored, compressed or not
	MaxDecoded = 64 << 20 // once decompressed
)

// Bounds of a manifest's piece size, in bytes. It is a power of two.
const (
	MinPieceSize = 64 << 10
	MaxPieceSize = 64 << 20
)

// ErrManifest is wrapped by every error that says bytes are no valid manifest.
var ErrManifest = errors.New("not a valid manifest")

// Parse reads a manifest, version 1: JSON, plain or compressed with zstd or
// gzip, which is told by the first bytes. Every error wraps ErrManifest and
// names the field and its value.
//
// The input may be hostile. It is refused at the first bad entry, and costs
// memory of a few times its decoded size, which is MaxDecoded at most.
// Unknown fields are ignored; a known field that occurs twice is refused, as
// readers would disagree about which one counts.
func Parse(encoded []byte) (*Manifest, error) {
	decoded, err := decompress(encoded)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	if err := checkText(decoded); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	m, err := decode(decoded)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	if err := m.checkWhole(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	m.index()
	return m, nil
}

// The first bytes of compressed manifests: RFC 8878 and RFC 1952.
const (
	magicZstd = "\x28\xb5\x2f\xfd"
	magicGzip = "\x1f\x8b"
)

// errTooLarge is what too large a manifest is told, whatever its encoding.
var errTooLarge = fmt.Errorf("larger than %d MiB once decompressed", MaxDecoded>>20)

// decompress returns the manifest's JSON, of MaxDecoded bytes at most.
func decompress(encoded []byte) ([]byte, error) {
	switch {
	case len(encoded) > MaxEncoded:
		return nil, fmt.Errorf("larger than %d MiB", MaxEncoded>>20)
	case bytes.HasPrefix(encoded, []byte(magicZstd)):
		return unzstd(encoded)
	case bytes.HasPrefix(encoded, []byte(magicGzip)):
		return gunzip(encoded)
	}
	return encoded, nil
}

// unzstd decompresses zstd within the limits of a manifest.
func unzstd(encoded []byte) ([]byte, error) {
	r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderMaxMemory(MaxDecoded), zstd.WithDecoderMaxWindow(MaxDecoded))
	if err != nil {
		return nil, fmt.Errorf("decompress zstd: %w", err)
	}
	defer r.Close()
	decoded, err := r.DecodeAll(encoded, nil)
	switch {
	case errors.Is(err, zstd.ErrDecoderSizeExceeded), errors.Is(err, zstd.ErrWindowSizeExceeded):
		return nil, errTooLarge
	case err != nil:
		return nil, fmt.Errorf("decompress zstd: %w", err)
	}
	return decoded, nil
}

// gunzip decompresses gzip within the limits of a manifest.
func gunzip(encoded []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(encoded))
	if err != nil {
		return nil, fmt.Errorf("decompress gzip: %w", err)
	}
	decoded, err := io.ReadAll(io.LimitReader(r, MaxDecoded+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("decompress gzip: %w", err)
	case len(decoded) > MaxDecoded:
		return nil, errTooLarge
	}
	return decoded, nil
}

// checkText tells the commonest things that are no manifest, a web page above
// all, from a manifest with a mistake in it.
func checkText(decoded []byte) error {
	if !utf8.Valid(decoded) {
		return errors.New("not UTF-8 text")
	}
	text := bytes.TrimLeft(decoded, " \t\r\n")
	switch {
	case len(text) == 0:
		return errors.New("it is empty")
	case text[0] != '{':
		return fmt.Errorf("not a JSON object: it begins with %s", quote(string(text[:min(len(text), 24)])))
	}
	return nil
}

// checkWhole checks what no single entry of a manifest can tell.
func (m *Manifest) checkWhole() error {
	if len(m.Files) == 0 {
		return errors.New("files: is empty")
	}
	for i := range m.Files {
		if err := m.checkPieces(&m.Files[i]); err != nil {
			return fmt.Errorf("files[%d] %s: %w", i, quote(m.Files[i].Path), err)
		}
	}
	return checkCollisions(m.Files)
}

// checkPieces checks that a file has the digests that its size calls for.
//
// As each piece is paid for with a digest, of which MaxDecoded bytes hold only
// so many, neither the sizes of files nor their sum can come near to
// overflowing.
func (m *Manifest) checkPieces(f *File) error {
	if want := numPieces(f.Size, m.PieceSize); int64(len(f.Pieces)) != want {
		return fmt.Errorf("has %d digests, but a size of %d bytes makes %d pieces",
			len(f.Pieces), f.Size, want)
	}
	var whole Digest
	switch len(f.Pieces) {
	case 0:
		whole = blake3.Sum256(nil)
	case 1:
		whole = f.Pieces[0]
	default:
		return nil // only reading the whole file could tell
	}
	if f.Digest != whole {
		return fmt.Errorf("blake3 is %v, but its one piece says %v", f.Digest, whole)
	}
	return nil
}

// checkPieceSize tells why no manifest can have pieces of n bytes.
func checkPieceSize(n int64) error {
	if n < MinPieceSize || n > MaxPieceSize || n&(n-1) != 0 {
		return fmt.Errorf("%d is not a power of two from %d to %d", n, MinPieceSize, MaxPieceSize)
	}
	return nil
}
