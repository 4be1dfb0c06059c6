package resume

import (
	"bytes"
	"slices"
	"testing"

	"github.com/bits-and-blooms/bitset"
)

// recordBytes is a record as a journal writes it, with the two sets in its two
// newest slots.
func recordBytes(o Origin, older, newer *bitset.BitSet) []byte {
	pieces := int(newer.Len())
	b, sum := appendHead(nil, o, 0)
	b = append(b, make([]byte, slotsAt(o)+2*slotStride(pieces)-int64(len(b)))...)
	copy(b[slotsAt(o)+slotStride(pieces):], appendSlot(nil, sum, 7, older))
	copy(b[slotsAt(o):], appendSlot(nil, sum, 8, newer))
	return b
}

func someSet(n uint, pieces ...uint) *bitset.BitSet {
	set := bitset.New(n)
	for _, i := range pieces {
		set.Set(i)
	}
	return set
}

func TestRecordRoundTrip(t *testing.T) {
	for _, n := range []uint{1, 63, 64, 65, 5000} {
		o := Origin{URL: "https://a.example/m.shoal", Raw: randomBytes(1, 5000)}
		older, newer := someSet(n), someSet(n, 0, n-1)
		r, err := decodeRecord(recordBytes(o, older, newer))
		must(t, err)
		seq, have, err := r.newest(int(n))
		must(t, err)
		if !r.origin.equal(o) || seq != 8 || !have.Equal(newer) {
			t.Errorf("%d pieces: read %q, slot %d with %d pieces", n, r.origin.URL, seq, have.Count())
		}
	}
}

// TestRecordTorn changes each byte in turn, and cuts the record at each length:
// what is read is one of the two sets that were written, or that it is damaged.
func TestRecordTorn(t *testing.T) {
	const n = 70
	o := Origin{URL: "u", Raw: []byte("manifest")}
	older, newer := someSet(n, 3), someSet(n, 3, 69)
	whole := recordBytes(o, older, newer)
	judge := func(what string, at int, b []byte) {
		t.Helper()
		r, err := decodeRecord(b)
		if err != nil {
			return
		}
		if !r.origin.equal(o) {
			t.Fatalf("%s %d: origin %+v", what, at, r.origin)
		}
		switch seq, have, err := r.newest(n); {
		case err != nil, seq == 8 && have.Equal(newer), seq == 7 && have.Equal(older):
		default:
			t.Fatalf("%s %d: slot %d claims %s", what, at, seq, picture(have))
		}
	}
	for i := range whole {
		b := bytes.Clone(whole)
		b[i] ^= 0x10
		judge("byte", i, b)
		judge("length", i, whole[:i])
	}
}

func TestSlotOfAnotherRecordIsNotTaken(t *testing.T) {
	a, b := Origin{URL: "a", Raw: []byte("m")}, Origin{URL: "b", Raw: []byte("m")}
	have := someSet(70, 3)
	old, fresh := recordBytes(a, have, have), recordBytes(b, have, have)
	mixed := slices.Concat(fresh[:slotsAt(b)], old[slotsAt(a):])
	r, err := decodeRecord(mixed)
	must(t, err)
	if seq, got, err := r.newest(70); err == nil {
		t.Errorf("slot %d of another record claims %s", seq, picture(got))
	}
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add(recordBytes(Origin{URL: "u", Raw: []byte("m")}, someSet(70, 1), someSet(70, 1, 2)), 70)
	f.Add(recordBytes(Origin{}, someSet(1), someSet(1, 0)), 1)
	f.Add([]byte(recordMagic), 0)
	f.Fuzz(func(t *testing.T, b []byte, pieces int) {
		r, err := decodeRecord(b)
		if err != nil {
			return
		}
		pieces = min(max(pieces, 0), 1<<12)
		seq, have, err := r.newest(pieces)
		if err != nil {
			return
		}
		if have.Len() != uint(pieces) || have.Count() > uint(pieces) || seq == 0 && have.Any() {
			t.Fatalf("slot %d claims %d of %d pieces", seq, have.Count(), pieces)
		}
		again, err := decodeRecord(recordBytes(r.origin, have, have))
		if err != nil || !again.origin.equal(r.origin) {
			t.Fatalf("does not survive being written again: %v", err)
		}
	})
}
