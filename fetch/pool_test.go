package fetch

import (
	"math"
	"testing"
)

func TestPoolSize(t *testing.T) {
	for _, test := range []struct {
		size            int64
		sources, window int
		want            int // buffers
	}{
		{256 << 10, 2, math.MaxInt - racing, 96},
		{2 << 20, 2, math.MaxInt - racing, 12},
		{2 << 20, 40, math.MaxInt - racing, 24}, // no more than poolMost
		{2 << 20, 2, 6, 6 + racing},             // what a Stream holds comes on top
		{64 << 20, 9, 2, fewestPooled},
		{256 << 10, 2, 0, fewestPooled}, // an empty file
	} {
		if p := newPool(test.size, test.sources, test.window); cap(p.free) != test.want {
			t.Errorf("%d buffers of %d bytes for %d sources and a window of %d, want %d",
				cap(p.free), test.size, test.sources, test.window, test.want)
		}
	}
}
