package demo

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shoal-dl/shoal/fetch/report"
)

// played is a show that is over, of 64 MiB in 256 pieces.
func played() *show {
	b := newBooks(64 << 20)
	b.enter('a', "peer", "127.0.0.1:40001")
	b.enter('F', "mirror", "http://127.0.0.1:40002/demo.bin")
	b.enter('L', "lying mirror", "http://127.0.0.1:40003/demo.bin")
	b.begin("fetch")
	b.note(event{Event: "start", Pieces: 256})
	b.note(event{Event: "bad_piece", Source: "http://127.0.0.1:40003/demo.bin", Piece: 7})
	b.note(event{Event: "source", Source: "http://127.0.0.1:40003/demo.bin", State: "banned", Reason: "sent wrong bytes for piece 7"})
	for i := range 256 {
		from := "127.0.0.1:40001"
		if i%16 == 0 {
			from = "http://127.0.0.1:40002/demo.bin"
		}
		b.note(event{Event: "piece", Source: from, Piece: i, Size: 256 << 10})
	}
	b.note(event{Event: "piece", Source: "127.0.0.1:40009", Piece: 3, Size: 256 << 10}) // a stranger
	return &show{books: b, stage: &stage{size: 64 << 20}, outcome: outcome{
		killed: 30 << 20, kept: 20 << 20, together: 6100 * time.Millisecond, alone: 12800 * time.Millisecond,
	}}
}

func TestTable(t *testing.T) {
	row := strings.Repeat("Faaaaaaaaaaaaaaa", 4)
	want := `64.0 MiB: signed, fetched, killed at 47 %, resumed, right to the last byte

   who           where               brought  share
a  peer          127.0.0.1:40001    60.0 MiB   94 %  =======================
F  mirror        127.0.0.1:40002     4.0 MiB    6 %  =
L  lying mirror  127.0.0.1:40003         0 B    0 %  1 piece rejected, banned

   ` + strings.Join([]string{row, row, row, row}, "\n   ") + `

peers brought 94 %; the kill cost 0 B, fetched again

all of them, with the kill    6.1 s  ===========
one mirror alone (F)         12.8 s  ========================`
	if got := strings.Join(played().table(), "\n"); got != want {
		t.Errorf("table\n%s\nwant\n%s", got, want)
	}
}

func TestPanelFits(t *testing.T) {
	s := played()
	for _, line := range append(s.books.draw(report.Pen{Columns: 79}), s.table()...) {
		if len(line) > 79 {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
	for _, cols := range []int{20, 78} {
		lines := s.books.draw(report.Pen{Columns: cols})
		if len(lines) != 1 || len(lines[0]) > cols {
			t.Errorf("in %d columns it draws %q", cols, lines)
		}
	}
}

func TestPanelSays(t *testing.T) {
	b := played().books
	draw := func() string { return strings.Join(b.draw(report.Pen{Columns: 79}), "\n") }
	b.note(event{Event: "progress", Rate: 3 << 20})
	if got := draw(); !strings.Contains(got, "3.0 MiB/s") || !strings.Contains(got, "0 B  1 piece rejected, banned") {
		t.Errorf("it draws\n%s", got)
	}
	b.begin("again")
	if got := draw(); strings.Contains(got, "/s") || !strings.Contains(got, "again") {
		t.Errorf("a run that has just begun has a rate:\n%s", got)
	}
}

func TestEqual(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	a := write("a", strings.Repeat("x", 3<<20))
	for text, want := range map[string]bool{
		strings.Repeat("x", 3<<20):         true,
		strings.Repeat("x", 3<<20) + "y":   false,
		strings.Repeat("x", 3<<20-1):       false,
		strings.Repeat("x", 2<<20):         false,
		"":                                 false,
		strings.Repeat("x", 3<<20-1) + "y": false,
		"y" + strings.Repeat("x", 3<<20-1): false,
	} {
		if got, err := equal(a, write("b", text)); got != want || err != nil {
			t.Errorf("%d bytes: %v, %v; want %v", len(text), got, err, want)
		}
	}
	if _, err := equal(a, filepath.Join(dir, "none")); err == nil {
		t.Error("no error where there is no file")
	}
}

func TestLastWords(t *testing.T) {
	var details []string
	w := lastWords{detail: func(line string) { details = append(details, line) }}
	for _, part := range []string{"shoal: one\nshoal: t", "wo\n", strings.Repeat("x", 100<<10), "yz"} {
		if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
			t.Errorf("Write: %d, %v", n, err)
		}
	}
	if got := strings.Join(details, "|"); got != "shoal: one|shoal: two" || w.String() != "two" || len(w.part) > longestLine {
		t.Errorf("details %q, last %q, %d bytes kept", got, w.String(), len(w.part))
	}
}

// TestFreePorts checks that ports which are taken, for TCP or UDP, are not given.
func TestFreePorts(t *testing.T) {
	at, err := freePorts(t.Context(), 3)
	if err != nil || len(at) != 3 {
		t.Fatalf("%q, %v", at, err)
	}
	for i, one := range at {
		switch err := openable(t.Context(), one); {
		case err != nil:
			t.Error(err)
		case slices.Contains(at[:i], one):
			t.Errorf("%s is given twice", one)
		}
	}
	tcp, err := net.Listen("tcp", at[0])
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", at[1])
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	for _, one := range at[:2] {
		if openable(t.Context(), one) == nil {
			t.Errorf("%s is taken, and given", one)
		}
	}
}
