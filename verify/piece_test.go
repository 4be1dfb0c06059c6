package verify

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/zeebo/blake3"
)

func TestProve(t *testing.T) {
	data := pattern(3*MinPieceSize + 5)
	m := newManifest(t, MinPieceSize, map[string][]byte{"a": data, "b": nil, "c": data[:7]})
	if m.NumPieces() != 5 || m.Size() != int64(len(data)+7) || !m.Folder() {
		t.Fatalf("%d pieces of %d bytes, folder %v", m.NumPieces(), m.Size(), m.Folder())
	}
	last := data[3*MinPieceSize:]
	for i, right := range [][]byte{
		data[:MinPieceSize], data[MinPieceSize : 2*MinPieceSize], data[2*MinPieceSize : 3*MinPieceSize], last, data[:7],
	} {
		p, err := m.Prove(i, right)
		if err != nil || p.Index() != i || !bytes.Equal(p.Data(), right) {
			t.Errorf("Prove(%d) = piece %d, %v", i, p.Index(), err)
		}
		wrong := bytes.Clone(right)
		wrong[len(wrong)-1] ^= 1
		for _, data := range [][]byte{wrong, right[1:], append(wrong, 0), nil} {
			p, err := m.Prove(i, data)
			if !errors.Is(err, ErrWrongPiece) || p.Data() != nil {
				t.Errorf("Prove(%d) of wrong bytes: %v", i, err)
			}
		}
	}
	for _, i := range []int{-1, 5} {
		if _, err := m.Prove(i, last); !errors.Is(err, ErrWrongPiece) {
			t.Errorf("Prove(%d) = %v", i, err)
		}
	}
}

func TestSpan(t *testing.T) {
	m := newManifest(t, MinPieceSize, map[string][]byte{
		"a": nil, "b": pattern(MinPieceSize), "c": nil, "d": pattern(MinPieceSize + 1), "e": nil,
	})
	want := []Span{{1, 0, MinPieceSize}, {3, 0, MinPieceSize}, {3, MinPieceSize, 1}}
	for i := range m.NumPieces() {
		if got := m.Span(i); got != want[i] {
			t.Errorf("Span(%d) = %+v, want %+v", i, got, want[i])
		}
	}
	var ranges [][2]int
	for i := range m.Files {
		first, end := m.Pieces(i)
		ranges = append(ranges, [2]int{first, end})
	}
	if want := [][2]int{{0, 0}, {0, 1}, {1, 1}, {1, 3}, {3, 3}}; !slices.Equal(ranges, want) {
		t.Errorf("Pieces = %v, want %v", ranges, want)
	}
}

func TestDefaultPieceSize(t *testing.T) {
	const kib, mib, gib = int64(1) << 10, int64(1) << 20, int64(1) << 30
	for _, test := range []struct{ total, want int64 }{
		{0, 256 * kib},
		{1, 256 * kib},
		{512 * mib, 256 * kib},
		{512*mib + 1, 512 * kib},
		{gib, 512 * kib},
		{4 * gib, 2 * mib},
		{16 * gib, 8 * mib},
		{16*gib + 1, 8 * mib},
		{1 << 62, 8 * mib},
	} {
		if got := DefaultPieceSize(test.total); got != test.want {
			t.Errorf("DefaultPieceSize(%d) = %d, want %d", test.total, got, test.want)
		}
	}
}

func TestPieceHasher(t *testing.T) {
	data := pattern(3*MinPieceSize + 9)
	var want []Digest
	for piece := range slices.Chunk(data, MinPieceSize) {
		want = append(want, blake3.Sum256(piece))
	}
	for _, step := range []int{1000, MinPieceSize - 1, MinPieceSize, MinPieceSize + 1, len(data)} {
		h := newPieceHasher(MinPieceSize)
		for part := range slices.Chunk(data, step) {
			_, _ = h.Write(part)
		}
		if got := h.finish(); !slices.Equal(got, want) {
			t.Errorf("in steps of %d: %v, want %v", step, got, want)
		}
	}
	if got := newPieceHasher(MinPieceSize).finish(); got != nil {
		t.Errorf("an empty file has the pieces %v", got)
	}
}
