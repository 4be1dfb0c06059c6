package verify

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/klauspost/compress/zstd"
)

// manifestJSON is a manifest as it is written. Reading goes another way, see
// decoder.
type manifestJSON struct {
	Shoal     int          `json:"shoal"`
	Name      string       `json:"name"`
	PieceSize int64        `json:"piece_size"`
	Files     []fileJSON   `json:"files"`
	Mirrors   []mirrorJSON `json:"mirrors,omitempty"`
	Peers     []string     `json:"peers,omitempty"`
	Bootstrap []string     `json:"bootstrap,omitempty"`
	Discovery []string     `json:"discovery,omitempty"`
	Salt      string       `json:"salt,omitempty"`
	Created   time.Time    `json:"created,omitzero"`
	Comment   string       `json:"comment,omitempty"`
}

type fileJSON struct {
	Path       string    `json:"path"`
	Size       int64     `json:"size"`
	Executable bool      `json:"executable,omitempty"`
	Modified   time.Time `json:"modified,omitzero"`
	Digest     Digest    `json:"blake3"`
	Pieces     []byte    `json:"pieces,omitempty"` // encoding/json makes it base64
}

type mirrorJSON struct {
	URL      string `json:"url"`
	Priority int    `json:"priority,omitempty"`
}

// Encode returns the manifest as indented JSON with a newline at its end, the
// same bytes for the same manifest. Parse returns the manifest again, unless
// the bytes exceed MaxEncoded even when compressed. It fails only when there
// are more than MaxDecoded bytes.
func (m *Manifest) Encode() ([]byte, error) {
	out := manifestJSON{
		Shoal:     version,
		Name:      m.Name,
		PieceSize: m.PieceSize,
		Files:     make([]fileJSON, 0, len(m.Files)),
		Peers:     m.Peers,
		Bootstrap: m.Bootstrap,
		Discovery: m.Discovery,
		Salt:      hex.EncodeToString(m.Salt),
		Created:   m.Created,
		Comment:   m.Comment,
	}
	for i := range m.Files {
		out.Files = append(out.Files, newFileJSON(&m.Files[i]))
	}
	for _, mirror := range m.Mirrors {
		out.Mirrors = append(out.Mirrors, mirrorJSON(mirror))
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // the & of a URL stays readable
	e.SetIndent("", "  ")
	if err := e.Encode(out); err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	if b.Len() > MaxDecoded {
		return nil, fmt.Errorf("encode manifest: it has %d bytes, more than %d MiB: use a larger piece size",
			b.Len(), MaxDecoded>>20)
	}
	return b.Bytes(), nil
}

// newFileJSON returns f as it is written.
func newFileJSON(f *File) fileJSON {
	pieces := make([]byte, 0, len(f.Pieces)*len(Digest{}))
	for i := range f.Pieces {
		pieces = append(pieces, f.Pieces[i][:]...)
	}
	return fileJSON{
		Path:       f.Path,
		Size:       f.Size,
		Executable: f.Executable,
		Modified:   f.Modified,
		Digest:     f.Digest,
		Pieces:     pieces,
	}
}

// compressWindow is how far back a compressed manifest refers, in bytes: what
// RFC 8878, section 3.1.1.1.2, asks every decoder to support.
const compressWindow = 8 << 20

// Compress returns an encoded manifest compressed with zstd, the same bytes
// for the same input.
func Compress(encoded []byte) []byte {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(compressWindow),
		zstd.WithEncoderLevel(zstd.SpeedBetterCompression))
	if err != nil {
		panic(err) // only options that contradict one another make an error
	}
	defer func() { _ = w.Close() }() // flushes nothing: EncodeAll does not stream
	return w.EncodeAll(encoded, nil)
}
