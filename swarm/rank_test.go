package swarm

import "testing"

func TestStretch(t *testing.T) {
	const KiB, MiB = 1 << 10, 1 << 20
	for _, tt := range []struct {
		pieces int
		size   int64
		want   int
	}{
		{0, 256 * KiB, 1},
		{1, 256 * KiB, 1},
		{511, 256 * KiB, 1},
		{512, 256 * KiB, 2},
		{1024, 256 * KiB, 4},
		{1 << 20, 256 * KiB, 16},
		{2048, 1 * MiB, 4},
		{2048, 4 * MiB, 1},
		{2048, 64 * MiB, 1},
	} {
		if got := stretchOf(tt.pieces, tt.size); got != tt.want {
			t.Errorf("%d pieces of %d bytes: stretches of %d, want %d", tt.pieces, tt.size, got, tt.want)
		}
	}
}
