package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares lines, each "name hex", with a file in testdata.
func golden(t *testing.T, name string, lines []string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	got := strings.Join(lines, "\n") + "\n"
	if *update {
		must(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	must(t, err)
	if strings.ReplaceAll(string(want), "\r\n", "\n") != got {
		t.Errorf("%s has changed, and with it the protocol:\n%s", path, got)
	}
}

func line(name string, b []byte) string { return name + " " + hex.EncodeToString(b) }

// tap is one end of a pipe that keeps what is written to it.
type tap struct {
	net.Conn
	written bytes.Buffer
}

func (c *tap) Write(p []byte) (int, error) {
	c.written.Write(p)
	return c.Conn.Write(p)
}

// TestGoldenConnection fixes all bytes of a connection whose ends have known
// ephemeral keys, with either cipher.
func TestGoldenConnection(t *testing.T) {
	var lines []string
	var conns []*Conn
	for _, cipher := range []string{"aes", "chacha"} {
		e1, e2 := testEndpoint(t, 1), testEndpoint(t, 2)
		key1, key2 := bytes.Repeat([]byte{0x11}, 32), bytes.Repeat([]byte{0x22}, 32)
		for e, key := range map[*Endpoint][]byte{e1: key1, e2: key2} {
			e.aes = cipher == "aes"
			e.random = bytes.NewReader(key)
			e.now = func() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }
		}
		nc1, nc2 := pipe(t)
		tap1, tap2 := &tap{Conn: nc1}, &tap{Conn: nc2}
		c1, c2 := connectOver(t, e1, e2, tap1, tap2)
		if cipher == "aes" {
			lines = append(lines, line("psk", testContent.PSK[:]),
				line("initiator-private", key1), line("responder-private", key2))
		}
		lines = append(lines, line(cipher+"-first", tap1.written.Next(messageSize)),
			line(cipher+"-second", tap2.written.Next(messageSize)))
		conns = append(conns, c1)
		lines = append(lines, line(cipher+"-hash", c1.hash))
		exchange(t, c1, c2)
		exchange(t, c2, c1)
		lines = append(lines, line(cipher+"-initiator-records", tap1.written.Bytes()),
			line(cipher+"-responder-records", tap2.written.Bytes()))
	}
	older, anew := conns[0], conns[1]
	nonce := anew.Kinship(older.end.node, older)
	lines = append(lines, line("kinship-node", older.end.node[:]), line("kinship-nonce", binary.BigEndian.AppendUint64(nil, nonce)))
	golden(t, "connection.txt", lines)
}

func TestGoldenFrames(t *testing.T) {
	var lines []string
	for _, f := range frames() {
		lines = append(lines, line(fmt.Sprint(f.kind()), f.Append(nil)))
	}
	data := append(Data{ID: 1, Offset: 65536, Size: 5}.append(nil, 5), "block"...)
	golden(t, "frames.txt", append(lines, line("DATA", data)))
}

// TestGoldenFramesRead reads the frames as they were written when the golden
// file was, so that what is written now can be read later.
func TestGoldenFramesRead(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "frames.txt"))
	must(t, err)
	for l := range strings.Lines(string(text)) {
		name, digits, _ := strings.Cut(strings.TrimSpace(l), " ")
		f, err := decodeOne(unhex(t, digits))
		if err != nil || f.kind().String() != name {
			t.Errorf("%s: got %v, %v", name, f, err)
		}
	}
}
