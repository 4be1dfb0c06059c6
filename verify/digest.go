package verify

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/zeebo/blake3"
)

// Digest is a BLAKE3 digest of 32 bytes.
type Digest [32]byte

// String returns 64 lower-case hex digits, as b3sum prints them.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText returns what String does.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads 64 hex digits.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(d)) {
		return fmt.Errorf("%s is not a digest of 64 hex digits", quote(string(text)))
	}
	if _, err := hex.Decode(d[:], text); err != nil {
		return fmt.Errorf("%s is not a digest of 64 hex digits", quote(string(text)))
	}
	return nil
}

// ID names content: it depends on the piece size and on the names, sizes and
// bytes of the files, and on nothing else in the manifest.
type ID Digest

// idPrefix begins the text of every ID.
const idPrefix = "b3:"

// String returns "b3:" and 64 hex digits.
func (id ID) String() string { return idPrefix + Digest(id).String() }

// errID is what every text that is no ID is told.
var errID = errors.New(`want "b3:" and 64 hex digits`)

// ParseID reads what ID.String wrote.
func ParseID(text string) (ID, error) {
	digits, found := strings.CutPrefix(text, idPrefix)
	var d Digest
	if !found || d.UnmarshalText([]byte(digits)) != nil {
		return ID{}, fmt.Errorf("parse content id %s: %w", quote(text), errID)
	}
	return ID(d), nil
}

// Keys are the names and secrets of a content's swarm. Whoever knows the
// infohash can neither name the content nor compute the others.
type Keys struct {
	Infohash [20]byte // under which peers find one another in the DHT
	PSK      [32]byte // admits to the wire protocol
	LAN      [32]byte // tags announcements on the local network
}

// The contexts of BLAKE3's derive_key. A change of any makes another network.
const (
	contextContent = "shoal 2026-11 content v1"
	contextSwarm   = "shoal 2026-11 swarm v1"
	contextDHT     = "shoal 2026-11 dht v1"
	contextPSK     = "shoal 2026-11 psk v1"
	contextLAN     = "shoal 2026-11 lan v1"
)

// ID returns the content id: BLAKE3 derive_key, in the context "shoal 2026-11
// content v1", of the canonical bytes, which are
//
//	piece size · number of files · for each file, in order:
//	    length of path · path · size · number of pieces · their digests
//
// where every number is an unsigned 64-bit little-endian integer. The path is
// empty when there is only one file, so that a rename keeps the swarm. Neither
// the executable bit nor the digest of the whole file is part of it.
func (m *Manifest) ID() ID { return m.id }

// contentID computes what ID returns.
func contentID(m *Manifest) ID {
	h := blake3.NewDeriveKey(contextContent)
	number := func(n int64) {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], uint64(n))
		_, _ = h.Write(b[:]) // a Hasher never fails
	}
	number(m.PieceSize)
	number(int64(len(m.Files)))
	for i := range m.Files {
		f := &m.Files[i]
		path := f.Path
		if !m.Folder() {
			path = ""
		}
		number(int64(len(path)))
		_, _ = h.WriteString(path)
		number(f.Size)
		number(int64(len(f.Pieces)))
		for j := range f.Pieces {
			_, _ = h.Write(f.Pieces[j][:])
		}
	}
	return ID(sum(h))
}

// Keys returns what the content's swarm is found and joined with. With
// S = derive_key("shoal 2026-11 swarm v1", content id ‖ salt), each is
// derive_key of S in its own context: "shoal 2026-11 dht v1" (cut to 20
// bytes), "shoal 2026-11 psk v1" and "shoal 2026-11 lan v1".
func (m *Manifest) Keys() Keys {
	var s [32]byte
	blake3.DeriveKey(contextSwarm, append(m.id[:], m.Salt...), s[:])
	var k Keys
	blake3.DeriveKey(contextDHT, s[:], k.Infohash[:])
	blake3.DeriveKey(contextPSK, s[:], k.PSK[:])
	blake3.DeriveKey(contextLAN, s[:], k.LAN[:])
	return k
}

// sum returns the digest of what h has been fed.
func sum(h *blake3.Hasher) (d Digest) {
	h.Sum(d[:0])
	return d
}
