package lan

import (
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/zeebo/blake3"
)

// A message is 39 bytes, all numbers big-endian:
//
//	kind(1) ‖ minute(4) ‖ port(2) ‖ nonce(16) ‖ tag(16)
//
// The tag is the first half of the BLAKE3 hash, keyed with the content's LAN
// key, of "shoal lan v1" and all that stands before the tag. A sender keeps its
// nonce as long as it seeks the content, so that it is known as one by whatever
// way it is heard. Without the key the messages of two senders have nothing in
// common.
type message [messageSize]byte

const (
	messageSize = bodySize + tagSize
	bodySize    = 1 + 4 + 2 + nonceSize
	nonceSize   = 16
	tagSize     = 16
)

// label keeps tags apart from any other use of the key, and from those of
// other versions of this format, which thereby go unheard.
const label = "shoal lan v1"

// kind is what a message wants.
type kind byte

const (
	hello kind = 1 // says where its sender serves, and asks who else does
	reply kind = 2 // answers a hello
)

// window is how many minutes a message may be off, either way: clocks differ,
// but what was recorded yesterday is not to be played back.
const window = 2

// seal makes the message for the content with that key. A port of 0 says that
// the sender serves nobody.
func seal(k kind, key *tagger, port uint16, nonce [nonceSize]byte, now time.Time) (m message) {
	m[0] = byte(k)
	binary.BigEndian.PutUint32(m[1:], minute(now))
	binary.BigEndian.PutUint16(m[5:], port)
	copy(m[7:], nonce[:])
	tag := key.tag(&m)
	copy(m[bodySize:], tag[:])
	return m
}

// parse tells whether a datagram can be a message of about now.
func parse(datagram []byte, now time.Time) (m message, ok bool) {
	if len(datagram) != messageSize {
		return m, false
	}
	copy(m[:], datagram)
	off := int64(binary.BigEndian.Uint32(m[1:])) - int64(minute(now))
	return m, (m.kind() == hello || m.kind() == reply) && -window <= off && off <= window
}

// of tells whether the message is about the content with that key.
func (m *message) of(key *tagger) bool {
	tag := key.tag(m)
	return subtle.ConstantTimeCompare(tag[:], m[bodySize:]) == 1
}

func (m *message) kind() kind             { return kind(m[0]) }
func (m *message) port() uint16           { return binary.BigEndian.Uint16(m[5:]) }
func (m *message) nonce() [nonceSize]byte { return [nonceSize]byte(m[7:bodySize]) }
func (m *message) tag() [tagSize]byte     { return [tagSize]byte(m[bodySize:]) }

// until is when parse takes the message no more.
func (m *message) until() time.Time {
	return time.Unix(60*(int64(binary.BigEndian.Uint32(m[1:]))+window+1), 0)
}

// tagger computes the tags of one content's messages. It keeps its hasher,
// which is large and slow to set up, so that a flood of messages costs little.
type tagger struct {
	mu sync.Mutex
	h  *blake3.Hasher
}

// newTagger returns the tagger for the content with that LAN key.
func newTagger(key [32]byte) *tagger {
	h, err := blake3.NewKeyed(key[:])
	if err != nil {
		panic(fmt.Sprintf("32-byte BLAKE3 key refused: %v", err))
	}
	return &tagger{h: h}
}

// tag is what only those with the key can compute of the message's body.
func (t *tagger) tag(m *message) [tagSize]byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.h.Reset()
	_, _ = t.h.WriteString(label) // a hasher takes all there is
	_, _ = t.h.Write(m[:bodySize])
	return [tagSize]byte(t.h.Sum(nil))
}

// minute is the time in minutes since 1970.
func minute(t time.Time) uint32 { return uint32(t.Unix() / 60) }
