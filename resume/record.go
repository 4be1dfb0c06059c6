package resume

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/bits-and-blooms/bitset"
	"github.com/zeebo/blake3"

	"github.com/shoal-dl/shoal/verify"
)

// The record, version 1. All numbers are little-endian.
//
//	head    magic "shoalrec" · version u16 · nature of the part u16 · length of
//	        source u32 · length of manifest u32 · source: the manifest's URL and,
//	        if the record's own name had to be cut, a zero and the final name ·
//	        manifest, its exact bytes · BLAKE3 of all that
//	slot 0  at the next multiple of 4 KiB
//	slot 1  one stride, a multiple of 4 KiB, after slot 0
//
//	slot    sequence number u64 · bitmap of the proven pieces, u64 words, piece
//	        0 the lowest bit of the first · BLAKE3 of head's checksum, sequence
//	        number and bitmap
//
// Slots are written in turn, the one with sequence number n in slot n mod 2,
// and the valid one with the higher number counts: a torn write costs one
// batch, never the record. Binding a slot to the head's checksum keeps what an
// older record left on the disk from ever being taken for this one's.
const (
	recordMagic   = "shoalrec"
	recordVersion = 1
	recordFixed   = len(recordMagic) + 3*4
	sumSize       = 32
	slotAlign     = 4 << 10

	// maxRecord bounds what is read back: a manifest of the greatest size,
	// and room to spare for its URL and the slots.
	maxRecord = verify.MaxEncoded + 4<<20
)

// nature is what the part is, whatever is claimed of it.
type nature uint16

const (
	// lent is the user's own content, which Adopt has moved there: it is not
	// ours to throw away. It is hashed again whatever the record claims.
	lent nature = 1 << iota
	// unproven may be anything, for a rename may have put it there: it is
	// hashed again.
	unproven

	natures = lent | unproven
)

// record is a record as read from the disk, its slots still undecoded.
type record struct {
	origin Origin
	nature nature
	sum    [sumSize]byte // of the head
	slots  []byte        // from slot 0 on
}

// appendHead appends the head of a record of o, and returns its checksum too.
func appendHead(b []byte, o Origin, n nature) ([]byte, [sumSize]byte) {
	start := len(b)
	b = append(b, recordMagic...)
	b = binary.LittleEndian.AppendUint16(b, recordVersion)
	b = binary.LittleEndian.AppendUint16(b, uint16(n))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(o.source())))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(o.Raw)))
	b = append(b, o.source()...)
	b = append(b, o.Raw...)
	sum := blake3.Sum256(b[start:])
	return append(b, sum[:]...), sum
}

// decodeRecord reads a whole record, slots excepted. What it returns shares
// memory with b.
func decodeRecord(b []byte) (record, error) {
	if len(b) < recordFixed+sumSize || string(b[:len(recordMagic)]) != recordMagic {
		return record{}, errDamaged
	}
	n := nature(binary.LittleEndian.Uint16(b[10:]))
	if v := binary.LittleEndian.Uint16(b[8:]); v != recordVersion || n&^natures != 0 {
		return record{}, fmt.Errorf("%w: version %d.%d", errDamaged, v, n)
	}
	source := int64(binary.LittleEndian.Uint32(b[12:]))
	raw := int64(binary.LittleEndian.Uint32(b[16:]))
	end := int64(recordFixed) + source + raw
	if end+sumSize > int64(len(b)) {
		return record{}, errDamaged
	}
	r := record{nature: n, sum: blake3.Sum256(b[:end])}
	if string(r.sum[:]) != string(b[end:end+sumSize]) {
		return record{}, errDamaged
	}
	r.origin.URL, r.origin.name, _ = strings.Cut(string(b[recordFixed:int64(recordFixed)+source]), "\x00")
	r.origin.Raw = b[int64(recordFixed)+source : end]
	r.slots = b[min(slotsAt(r.origin), int64(len(b))):]
	return r, nil
}

// source is what the head says of where the content is from and goes to.
func (o Origin) source() string {
	if o.name == "" {
		return o.URL
	}
	return o.URL + "\x00" + o.name
}

// newest returns the sequence number and the proven pieces of the latest valid
// slot; 0 and the empty set if none has been written yet. A record that has
// lost all it had is damaged.
func (r record) newest(pieces int) (uint64, *bitset.BitSet, error) {
	stride, size := int(slotStride(pieces)), slotSize(pieces)
	if len(r.slots) < stride+size {
		return 0, nil, errDamaged
	}
	seq, have, torn := uint64(0), bitset.New(uint(pieces)), false
	for _, slot := range [][]byte{r.slots[:size], r.slots[stride : stride+size]} {
		n, set, ok := decodeSlot(slot, r.sum, pieces)
		if ok && n > seq {
			seq, have = n, set
		}
		torn = torn || !ok && !isZero(slot)
	}
	if seq == 0 && torn {
		return 0, nil, errDamaged
	}
	return seq, have, nil
}

// isZero tells whether b is all zeros.
func isZero(b []byte) bool { return len(bytes.TrimLeft(b, "\x00")) == 0 }

// appendSlot appends a slot.
func appendSlot(b []byte, head [sumSize]byte, seq uint64, have *bitset.BitSet) []byte {
	start := len(b)
	b = binary.LittleEndian.AppendUint64(b, seq)
	for _, w := range have.Words() {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	sum := slotSum(head, b[start:])
	return append(b, sum[:]...)
}

// decodeSlot reads a slot of exactly slotSize(pieces) bytes.
func decodeSlot(b []byte, head [sumSize]byte, pieces int) (uint64, *bitset.BitSet, bool) {
	body := b[:len(b)-sumSize]
	if sum := slotSum(head, body); string(sum[:]) != string(b[len(body):]) {
		return 0, nil, false
	}
	words := make([]uint64, 0, bitmapWords(pieces))
	for at := 8; at < len(body); at += 8 {
		words = append(words, binary.LittleEndian.Uint64(body[at:]))
	}
	if rest := pieces % 64; rest != 0 && words[len(words)-1]>>rest != 0 {
		return 0, nil, false // claims pieces that do not exist
	}
	return binary.LittleEndian.Uint64(body), bitset.FromWithLength(uint(pieces), words), true
}

func slotSum(head [sumSize]byte, body []byte) [sumSize]byte {
	return blake3.Sum256(append(head[:], body...))
}

// slotsAt is where slot 0 begins, slotStride how far apart the slots are, and
// slotSize how long one is, in bytes.
func slotsAt(o Origin) int64 {
	return alignUp(int64(recordFixed + len(o.source()) + len(o.Raw) + sumSize))
}
func slotStride(pieces int) int64 { return alignUp(int64(slotSize(pieces))) }
func slotSize(pieces int) int     { return 8 + 8*bitmapWords(pieces) + sumSize }
func bitmapWords(pieces int) int  { return (pieces + 63) / 64 }
func alignUp(n int64) int64       { return (n + slotAlign - 1) / slotAlign * slotAlign }
