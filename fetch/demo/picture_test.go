package demo

import (
	"encoding/xml"
	"fmt"
	"math"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestPicture looks whether the README's picture still shows what the demo
// prints. To draw it anew, from a real run of the demo:
//
//	SHOAL_UPDATE_PICTURE=1 go test -run Picture ./fetch/demo
func TestPicture(t *testing.T) {
	const path = "demo.svg"
	if os.Getenv("SHOAL_UPDATE_PICTURE") != "" {
		cmd := exec.Command("go", "run", "../..", "demo")
		cmd.Stderr = os.Stderr
		table, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(picture("$ shoal demo\n"+string(table))), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	svg, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(svg, new(struct{})); err != nil {
		t.Errorf("%s is no XML: %v", path, err)
	}
	var shown strings.Builder
	for _, run := range regexp.MustCompile(`(?s)<text[^>]*>(.*?)</text>`).FindAllStringSubmatch(string(svg), -1) {
		shown.WriteString(run[1] + "\n")
	}
	// Numbers and the pieces differ from run to run; the words must not.
	words := regexp.MustCompile(`(?m)^ *[a-cFS]{64}$|[\d.:=%]+|pieces?|[KM]iB|\bB\b|\s+`)
	plain := func(text string) string { return strings.TrimSpace(words.ReplaceAllString(text, " ")) }
	got := strings.Fields(plain(shown.String()))
	for _, line := range played().table() {
		for _, word := range strings.Fields(plain(line)) {
			if !slices.Contains(got, word) {
				t.Errorf("the picture does not say %q", word)
			}
		}
	}
}

// What a picture looks like, in pixels and in the colours of a dark terminal,
// which can be read on any page.
const (
	cellWidth, lineHeight = 8.4, 19
	margin                = 20
	columns               = 78
)

var inks = map[byte]string{
	'a': "#3fb950", 'b': "#39c5cf", 'c': "#58a6ff", 'F': "#d2a8ff", 'S': "#f0b72f", 'L': "#ff7b72",
}

// picture draws lines of text as SVG, each source in its colour.
func picture(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	width, height := int(math.Ceil(columns*cellWidth))+2*margin, len(lines)*lineHeight+2*margin
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">
<title>What shoal demo prints in the end: who brought how much, and in what time</title>
<rect x="1" y="1" width="%d" height="%d" rx="8" fill="#0d1117" stroke="#6e7681"/>
<g font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="14" fill="#e6edf3" xml:space="preserve">
`, width, height, width, height, width-2, height-2)
	for i, line := range lines {
		for _, run := range inked(line) {
			fmt.Fprintf(&b, `<text x="%.1f" y="%d" textLength="%.1f"%s>`, margin+float64(run.column)*cellWidth,
				margin+i*lineHeight+14, float64(len(run.text))*cellWidth, run.style)
			_ = xml.EscapeText(&b, []byte(run.text)) // a Builder takes all
			b.WriteString("</text>\n")
		}
	}
	b.WriteString("</g>\n</svg>\n")
	return b.String()
}

// run is some text in one colour.
type run struct {
	column      int
	text, style string
}

var (
	rowLine = regexp.MustCompile(`^([a-zA-Z])  \S`)
	mapLine = regexp.MustCompile(`^   [a-zA-Z.]{64}$`)
)

// inked breaks a line into what has one colour each.
func inked(line string) []run {
	ink := func(mark byte) string { return fmt.Sprintf(` fill="%s"`, inks[mark]) }
	switch {
	case line == "":
		return nil
	case strings.HasPrefix(line, "$"):
		return []run{{0, line, ` fill="#9198a1"`}}
	case rowLine.MatchString(line):
		return []run{{0, line, ink(line[0])}}
	case !mapLine.MatchString(line):
		return []run{{0, line, ""}}
	}
	var runs []run
	for at := 3; at < len(line); {
		n := len(line[at:]) - len(strings.TrimLeft(line[at:], line[at:at+1]))
		runs = append(runs, run{at, line[at : at+n], ink(line[at])})
		at += n
	}
	return runs
}
