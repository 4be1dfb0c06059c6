package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// Bytes writes a number of bytes for people: in binary units with one decimal,
// such as "512 B" and "1.5 GiB".
func Bytes(n int64) string {
	size, name := unit(n)
	if size == 1 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", float64(n)/size, name)
}

// unit returns the binary unit in which n is shown, and its size in bytes.
func unit(n int64) (size float64, name string) {
	names := [...]string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	size, name = 1, names[0]
	for _, larger := range names[1:] {
		// From here on one decimal would round up to 1024.0.
		if float64(n) < 1023.95*size {
			break
		}
		size, name = size*1024, larger
	}
	return size, name
}

// ratio writes "done/total", both in the unit of total.
func ratio(done, total int64) string {
	size, name := unit(total)
	if size == 1 {
		return fmt.Sprintf("%d/%d B", done, total)
	}
	return fmt.Sprintf("%.1f/%.1f %s", float64(done)/size, float64(total)/size, name)
}

// speed writes bytes a second for people.
func speed(perSecond float64) string { return Bytes(int64(perSecond)) + "/s" }

// span writes a number of seconds for people, in one or two units.
func span(seconds int64) string {
	switch {
	case seconds < 60:
		return fmt.Sprintf("%d s", seconds)
	case seconds < 60*60:
		return fmt.Sprintf("%d min %02d s", seconds/60, seconds%60)
	case seconds < 48*60*60:
		return fmt.Sprintf("%d h %02d min", seconds/3600, seconds/60%60)
	default:
		return fmt.Sprintf("%d days", seconds/86400)
	}
}

// duration writes elapsed seconds for people, with a decimal if they are few.
func duration(seconds float64) string {
	if seconds < 59.95 {
		return fmt.Sprintf("%.1f s", seconds)
	}
	return span(int64(math.Round(seconds)))
}

// Safe makes text from outside fit to be shown on one line of a terminal:
// whatever is not graphic (control characters, escape sequences, characters
// that turn the writing direction, bytes that are not UTF-8) comes out as Go
// would escape it. Lines are joined with "; ".
func Safe(text string) string {
	text = strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "; ")
	var b strings.Builder
	for rest := text; rest != ""; {
		r, n := utf8.DecodeRuneInString(rest)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, rest[0])
		case unicode.IsGraphic(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
		rest = rest[n:]
	}
	return b.String()
}

// shorten cuts safe text to at most cols terminal columns, the last of them
// dots if anything was cut.
func shorten(text string, cols int) string {
	if uniseg.StringWidth(text) <= cols {
		return text
	}
	dots := "..."[:max(0, min(3, cols))]
	var b strings.Builder
	room, state := cols-len(dots), -1
	for {
		cluster, rest, width, next := uniseg.FirstGraphemeClusterInString(text, state)
		if width > room {
			return b.String() + dots
		}
		b.WriteString(cluster)
		text, room, state = rest, room-width, next
	}
}

// count writes a number of things: "1 mirror", "3 mirrors".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
