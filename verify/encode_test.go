package verify

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/zeebo/blake3"
	"pgregory.net/rapid"
)

func TestEncodeGolden(t *testing.T) {
	want, err := os.ReadFile("testdata/full.shoal")
	if err != nil {
		t.Fatal(err)
	}
	got, err := fullManifest(t).Encode()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("Encode gave\n%s", got)
	}
}

func TestEncodeOmitsWhatIsEmpty(t *testing.T) {
	got, err := mustParse(t, smallest).Encode()
	if err != nil {
		t.Fatal(err)
	}
	want := `{
  "shoal": 1,
  "name": "n",
  "piece_size": 65536,
  "files": [
    {
      "path": "a",
      "size": 0,
      "blake3": "` + emptyDigest + `"
    }
  ]
}
`
	if string(got) != want {
		t.Errorf("Encode gave\n%s\nwant\n%s", got, want)
	}
}

func TestEncodeRefusesTooManyPieces(t *testing.T) {
	m := &Manifest{
		Name: "n", PieceSize: 65536,
		Files: []File{{Path: "n", Pieces: make([]Digest, MaxDecoded*3/4/len(Digest{}))}},
	}
	m.index()
	_, err := m.Encode()
	wantError(t, err, "use a larger piece size", "2 million pieces")
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { mustRoundTrip(t, drawManifest(t)) })
}

// drawManifest draws a valid manifest.
func drawManifest(t *rapid.T) *Manifest {
	pieceSize := int64(MinPieceSize) << rapid.IntRange(0, 10).Draw(t, "piece size")
	address := rapid.Custom(func(t *rapid.T) string {
		return fmt.Sprintf("h%d.example:%d", rapid.IntRange(0, 9).Draw(t, "host"), rapid.IntRange(1, 65535).Draw(t, "port"))
	})
	m := &Manifest{
		Name:      drawElement(t, `[a-zé日_][a-zA-Z0-9é日 .]{0,20}[a-z]`, "name"),
		PieceSize: pieceSize,
		Peers:     drawList(t, address, "peers"),
		Bootstrap: drawList(t, address, "bootstrap"),
		Discovery: drawList(t, rapid.SampledFrom([]string{"dht", "lan", "later"}), "discovery"),
		Created:   drawTime(t, "created"),
		Comment:   rapid.String().Draw(t, "comment"),
	}
	if salt := rapid.SliceOfN(rapid.Byte(), 0, maxSalt).Draw(t, "salt"); len(salt) > 0 {
		m.Salt = salt
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "mirrors") {
		m.Mirrors = append(m.Mirrors, Mirror{
			URL:      fmt.Sprintf("https://m%d.example/a&b<c>?d=é", i),
			Priority: rapid.IntRange(0, maxPriority).Draw(t, "priority"),
		})
	}
	for i := range rapid.IntRange(1, 4).Draw(t, "files") {
		m.Files = append(m.Files, drawFile(t, i, pieceSize))
	}
	m.index()
	return m
}

// drawFile draws the i-th file of a manifest.
func drawFile(t *rapid.T, i int, pieceSize int64) File {
	f := File{
		Path:       fmt.Sprintf("dir %d/%s", i, drawElement(t, `[a-zA-Z0-9é日_]{1,20}`, "path")),
		Size:       rapid.Int64Range(0, 5*pieceSize).Draw(t, "size"),
		Executable: rapid.Bool().Draw(t, "executable"),
		Modified:   drawTime(t, "modified"),
	}
	for range numPieces(f.Size, pieceSize) {
		f.Pieces = append(f.Pieces, Digest(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "digest")))
	}
	switch len(f.Pieces) {
	case 0:
		f.Digest = blake3.Sum256(nil)
	case 1:
		f.Digest = f.Pieces[0]
	}
	return f
}

// drawElement draws an element of a path that looks so, other than "con" and the like.
func drawElement(t *rapid.T, pattern, label string) string {
	allowed := func(s string) bool { return !reservedOnWindows(s) }
	return rapid.StringMatching(pattern).Filter(allowed).Draw(t, label)
}

// drawList draws a list, nil when it is empty, as Parse leaves it.
func drawList(t *rapid.T, of *rapid.Generator[string], label string) []string {
	if list := rapid.SliceOfN(of, 0, 3).Draw(t, label); len(list) > 0 {
		return list
	}
	return nil
}

// drawTime draws a time that a manifest can hold, or none.
func drawTime(t *rapid.T, label string) time.Time {
	if rapid.Bool().Draw(t, label+" is said") {
		return time.Unix(rapid.Int64Range(0, 253402300799).Draw(t, label), 0).UTC()
	}
	return time.Time{}
}

// TestCompressForOthers tells whether the ordinary zstd program reads what
// Compress writes.
func TestCompressForOthers(t *testing.T) {
	program, err := exec.LookPath("zstd")
	if err != nil {
		t.Skip("there is no zstd program here")
	}
	plain := bytes.Repeat([]byte(smallest), 100_000)
	packed := Compress(plain)
	if !bytes.Equal(packed, Compress(plain)) {
		t.Error("Compress gave different bytes for the same input")
	}
	cmd := exec.CommandContext(t.Context(), program, "-dc")
	cmd.Stdin = bytes.NewReader(packed)
	got, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, plain) {
		t.Errorf("zstd -d gave %d other bytes", len(got))
	}
}
