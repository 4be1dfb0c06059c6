package report

import (
	"testing"
	"time"

	"github.com/rivo/uniseg"

	"github.com/shoal-dl/shoal/fetch"
)

// newMeter returns a transfer's meter that has moved for a second.
func newMeter(label string, done, total, perSecond int64, sources map[string]fetch.Kind) *meter {
	moved := int64(0)
	m := &meter{
		label:    label,
		transfer: &Transfer{},
		sources:  sources,
		total:    func() int64 { return total },
		done:     func() int64 { return done },
		moved:    func() int64 { return moved },
	}
	m.begin(time.Unix(0, 0))
	moved = perSecond
	m.sample(time.Unix(1, 0))
	return m
}

func TestMeterDrawn(t *testing.T) {
	three := map[string]fetch.Kind{"a": fetch.KindMirror, "b": fetch.KindMirror, "c": fetch.KindMirror}
	mixed := map[string]fetch.Kind{"a": fetch.KindMirror, "b": fetch.KindPeer, "c": fetch.KindLAN}
	for _, c := range []struct {
		name      string
		m         *meter
		cols      int
		bar, line string
	}{
		{
			"half way", newMeter("debian.iso", 460<<20, 1<<30, 12<<20, three), 79,
			"debian.iso  44% [=======>           ]  0.4/1.0 GiB  12.0 MiB/s  47 s  3 mirrors",
			"debian.iso: 44 % of 1.0 GiB, 12.0 MiB/s, 47 s left, 3 mirrors",
		}, {
			"wide", newMeter("debian.iso", 460<<20, 1<<30, 12<<20, three), 150,
			"debian.iso  44% [================>                       ]  0.4/1.0 GiB  12.0 MiB/s  47 s  3 mirrors",
			"debian.iso: 44 % of 1.0 GiB, 12.0 MiB/s, 47 s left, 3 mirrors",
		}, {
			"narrow", newMeter("debian.iso", 460<<20, 1<<30, 12<<20, three), 50,
			"debian.iso  44% [==>    ]  0.4/1.0 GiB  12.0 MiB/s",
			"debian.iso: 44 % of 1.0 GiB, 12.0 MiB/s, 47 s left, 3 mirrors",
		}, {
			"mirror and peers", newMeter("x", 50, 100, 10, mixed), 79,
			"x  50% [=============>              ]  50/100 B  10 B/s  5 s  1 mirror, 2 peers",
			"x: 50 % of 100 B, 10 B/s, 5 s left, 1 mirror, 2 peers",
		}, {
			"stalled at the start", newMeter("x", 0, 100, 0, nil), 60,
			"x   0% [                    ]  0/100 B  0 B/s  --  no source",
			"x: 0 % of 100 B, 0 B/s, no source",
		}, {
			"done", newMeter("x", 100, 100, 100, three), 60,
			"x 100% [===============]  100/100 B  100 B/s  0 s  3 mirrors",
			"x: 100 % of 100 B, 100 B/s, 0 s left, 3 mirrors",
		}, {
			"nothing to do", newMeter("x", 0, 0, 0, three), 60,
			"x  0 B  0 B/s",
			"x: 0 B, 0 B/s, 3 mirrors",
		}, {
			"more than all", newMeter("x", 101, 100, 0, nil), 60,
			"x 100% [=================]  100/100 B  0 B/s  0 s  no source",
			"x: 100 % of 100 B, 0 B/s, 0 s left, no source",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.m.bar(c.cols); got != c.bar {
				t.Errorf("bar is\n%q, want\n%q", got, c.bar)
			}
			if got := c.m.line(); got != c.line {
				t.Errorf("line is\n%q, want\n%q", got, c.line)
			}
		})
	}
}

// TestRateOfALargePiece does not wait for a piece to be whole.
func TestRateOfALargePiece(t *testing.T) {
	_, stderr := play(t, Options{}, func(d *download) {
		d.Start(0, 1, &d.Gauges)
		for range 11 {
			d.Received.Add(16384)
			<-time.After(time.Second)
		}
		d.Transfer.Exit(nil, Verdict{})
	})
	equal(t, "stderr", stderr, "debian.iso: 0 % of 1.0 MiB, 16.0 KiB/s, 1 min 04 s left, no source\n")
}

func TestBarFitsEveryWidth(t *testing.T) {
	sources := map[string]fetch.Kind{"a": fetch.KindMirror, "b": fetch.KindPeer}
	for _, label := range []string{"x", "a-long-name-of-a-file-that-nobody-would-type.tar.xz", "漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字"} {
		for _, total := range []int64{0, 100, 1023 << 30} {
			m := newMeter(label, total/2, total, 1, sources)
			for cols := -1; cols < 250; cols++ {
				if bar := m.bar(cols); uniseg.StringWidth(bar) > max(0, cols) {
					t.Fatalf("in %d columns the bar is %q", cols, bar)
				}
			}
		}
	}
}
