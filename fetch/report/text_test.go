package report

import (
	"strings"
	"testing"

	"github.com/rivo/uniseg"
)

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1: "1 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB",
		1<<20 - 1: "1.0 MiB", 1 << 20: "1.0 MiB", 658505728: "628.0 MiB",
		1 << 30: "1.0 GiB", 5 << 40: "5.0 TiB", 1<<63 - 1: "8192.0 PiB",
	} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestRatioIsInTheUnitOfTheTotal(t *testing.T) {
	for _, c := range []struct {
		done, total int64
		want        string
	}{
		{0, 700, "0/700 B"},
		{512 << 20, 1 << 30, "0.5/1.0 GiB"},
		{0, 10 << 20, "0.0/10.0 MiB"},
	} {
		if got := ratio(c.done, c.total); got != c.want {
			t.Errorf("ratio(%d, %d) = %q, want %q", c.done, c.total, got, c.want)
		}
	}
}

func TestSpan(t *testing.T) {
	for seconds, want := range map[int64]string{
		0: "0 s", 59: "59 s", 60: "1 min 00 s", 725: "12 min 05 s", 3600: "1 h 00 min",
		47*3600 + 59*60: "47 h 59 min", 48 * 3600: "2 days", 900000: "10 days",
	} {
		if got := span(seconds); got != want {
			t.Errorf("span(%d) = %q, want %q", seconds, got, want)
		}
	}
	for seconds, want := range map[float64]string{0: "0.0 s", 0.04: "0.0 s", 41.96: "42.0 s", 59.96: "1 min 00 s"} {
		if got := duration(seconds); got != want {
			t.Errorf("duration(%v) = %q, want %q", seconds, got, want)
		}
	}
}

func TestSafe(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"plain", `C:\down loads\é 漢字.iso`, `C:\down loads\é 漢字.iso`},
		{"clears the screen", "a\x1b[2Jb", `a\x1b[2Jb`},
		{"sets the title", "\x1b]0;owned\x07", `\x1b]0;owned\a`},
		{"8-bit control sequence", "a\u009b31mb", `a\u009b31mb`},
		{"overwrites the line", "evil\rgood", `evil\rgood`},
		{"turns the direction", "exe.\u202egpj", `exe.\u202egpj`},
		{"not UTF-8", "a\xffb", `a\xffb`},
		{"fakes a line of ours", "404\nshoal: all is well\n", "404; shoal: all is well"},
		{"line separator", "a\u2028b", `a\u2028b`},
		{"quotes stay", `it's "x"`, `it's "x"`},
	} {
		if got := Safe(c.text); got != c.want {
			t.Errorf("%s: Safe(%q) = %q, want %q", c.name, c.text, got, c.want)
		}
	}
}

func FuzzSafe(f *testing.F) {
	f.Add("a\x1b[2Jb\n\x9b\u0085\u202e", 5)
	f.Fuzz(func(t *testing.T, text string, cols int) {
		safe := Safe(text)
		if strings.ContainsFunc(safe, func(r rune) bool { return r < ' ' || 0x7f <= r && r < 0xa0 }) {
			t.Errorf("Safe(%q) = %q holds a control character", text, safe)
		}
		cols %= 100
		if got := shorten(safe, cols); uniseg.StringWidth(got) > max(0, cols) {
			t.Errorf("shorten(%q, %d) = %q is too wide", safe, cols, got)
		}
	})
}

func TestShorten(t *testing.T) {
	for _, c := range []struct {
		text string
		cols int
		want string
	}{
		{"debian.iso", 10, "debian.iso"},
		{"debian.iso", 9, "debian..."},
		{"debian.iso", 2, ".."},
		{"debian.iso", 0, ""},
		{"debian.iso", -1, ""},
		{"漢字漢字", 8, "漢字漢字"},
		{"漢字漢字", 6, "漢..."},
	} {
		if got := shorten(c.text, c.cols); got != c.want {
			t.Errorf("shorten(%q, %d) = %q, want %q", c.text, c.cols, got, c.want)
		}
	}
}
