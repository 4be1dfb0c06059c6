package verify

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Parts of manifests. The digest is that of no bytes.
const (
	emptyDigest = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
	emptyFile   = `{"path":"a","size":0,"blake3":"` + emptyDigest + `"}`
	head        = `{"shoal":1,"name":"n","piece_size":65536,`
	smallest    = head + `"files":[` + emptyFile + `]}`
)

// with returns the smallest manifest with another field.
func with(field string) string { return strings.TrimSuffix(smallest, "}") + "," + field + "}" }

// withFile returns a manifest of one file.
func withFile(entry string) string { return head + `"files":[` + entry + `]}` }

func TestParseEveryField(t *testing.T) {
	text, err := os.ReadFile("testdata/full.shoal")
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	want := &Manifest{
		Name:      "album",
		PieceSize: 65536,
		Files: []File{
			{Path: "cover/front.png", Size: 5, Digest: digest(t, "01"), Pieces: []Digest{digest(t, "01")}},
			{Path: "empty", Size: 0, Digest: digest(t, emptyDigest)},
			{
				Path: "play.sh", Size: 65537, Executable: true,
				Modified: time.Date(2025, 3, 1, 11, 30, 0, 0, time.UTC),
				Digest:   digest(t, "02"), Pieces: []Digest{digest(t, "03"), digest(t, "04")},
			},
		},
		Mirrors:   []Mirror{{"https://a.example/album/", 1}, {"../b/?x=1&y=2", 0}, {"ipfs://later", 7}},
		Peers:     []string{"seed.example:7411", "[2001:db8::1]:7411"},
		Bootstrap: []string{"dht.example:6881"},
		Discovery: []string{"dht", "lan", "later"},
		Salt:      []byte{0xca, 0xfe},
		Created:   time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC),
		Comment:   "Grüße,\nzwei Zeilen <&>",
	}
	want.index()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Parse = %+v\nwant    %+v", got, want)
	}
}

// digest returns hex digits as a digest, a short one padded with zeros.
func digest(t *testing.T, hex string) (d Digest) {
	t.Helper()
	if err := d.UnmarshalText([]byte(hex + strings.Repeat("0", 64-len(hex)))); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestParseAccepts(t *testing.T) {
	for name, text := range map[string]string{
		"the smallest":         smallest,
		"unknown fields":       with(`"x":{"a":[1,2.5e300,null,{"b":"\u0000"}]},"y":"z","y":0`),
		"case matters":         with(`"NAME":"/","Files":0`),
		"space around":         " \r\n\t" + smallest + " \n",
		"empty lists":          with(`"mirrors":[],"peers":[],"bootstrap":[],"discovery":[]`),
		"any order":            `{"shoal":1,"files":[` + emptyFile + `],"piece_size":65536,"name":"n"}`,
		"another zone":         with(`"created":"2026-11-22T12:00:00.75+05:30"`),
		"upper-case digest":    strings.Replace(smallest, emptyDigest, strings.ToUpper(emptyDigest), 1),
		"escaped slashes":      withFile(`{"path":"a\/b","size":0,"blake3":"` + emptyDigest + `","pieces":""}`),
		"largest piece size":   strings.Replace(smallest, "65536", "67108864", 1),
		"as many as permitted": with(`"peers":["a:1"` + strings.Repeat(`,"a:1"`, maxEntries-1) + `]`),
	} {
		if _, err := Parse([]byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	one := base64.StdEncoding.EncodeToString(make([]byte, 32))
	zeros := strings.Repeat("0", 64)
	file := func(format string, args ...any) string {
		return withFile(`{"path":"a","blake3":"` + emptyDigest + `",` + fmt.Sprintf(format, args...) + `}`)
	}
	tests := []struct{ text, reason string }{
		// What is no manifest at all.
		{"", "it is empty"},
		{" \n", "it is empty"},
		{"<!DOCTYPE html><html>", `not a JSON object: it begins with "<!DOCTYPE html><html>"`},
		{"[]", "not a JSON object"},
		{"null", "not a JSON object"},
		{"\ufeff" + smallest, "not a JSON object"},
		{"{\xff}", "not UTF-8 text"},
		{"{}", `the field "shoal" is missing`},
		{"{", "the JSON ends too early"},
		{smallest[:len(smallest)-1], "the JSON ends too early"},
		{smallest[:70], "files[0]"},
		{smallest + "x", "something follows"},
		{smallest + smallest, "something follows"},
		{`{"shoal":1,}`, "invalid character"},
		{`{"shoal" 1}`, "invalid character"},
		{`{1:2}`, "invalid character"},
		{head + `"files":[]` + strings.Repeat(`,"x":0`, maxFields) + "}", "more than 1024 fields"},
		{with(`"x":` + strings.Repeat("[", 20000)), "x: "},

		// The version.
		{`{"shoal":2,"files":7}`, "version 2 is unknown to this program"},
		{`{"shoal":0}`, "version 0 is unknown"},
		{`{"shoal":"1"}`, "shoal: is not a number"},
		{`{"shoal":1.0}`, `shoal: "1.0" is not a whole number`},
		{`{"shoal":1,"shoal":1}`, "shoal: occurs twice"},

		// Fields of the manifest.
		{`{"shoal":1,"piece_size":65536,"files":[` + emptyFile + `]}`, `the field "name" is missing`},
		{`{"shoal":1,"name":"n","files":[` + emptyFile + `]}`, `the field "piece_size" is missing`},
		{head + `"files":[]}`, "files: is empty"},
		{head + `"files":{}}`, "files: is not an array"},
		{head + `"files":null}`, "files: is not an array"},
		{with(`"name":"m"`), "name: occurs twice"},
		{with(`"comment":null`), "comment: is not a string"},
		{with(`"comment":"` + strings.Repeat("x", maxComment+1) + `"`), "comment: is longer"},
		{with(`"salt":"xyz"`), `salt: "xyz" is not hex`},
		{with(`"salt":"` + strings.Repeat("00", maxSalt+1) + `"`), "salt: is longer"},
		{with(`"created":"yesterday"`), `created: "yesterday" is not a time`},
		{with(`"created":"0000-01-01T00:00:00+23:00"`), "created: "},
		{with(`"created":"1969-12-31T23:59:59Z"`), "1970 to 9999"},
		{with(`"created":"9999-12-31T23:59:59-01:00"`), "1970 to 9999"},
		{`{"shoal":1,"name":"../x"`, `name: "../x" contains a slash`},
		{`{"shoal":1,"name":".x"`, `name: ".x" begins with a dot`},
		{`{"shoal":1,"piece_size":65535`, "piece_size: 65535 is not a power of two"},
		{`{"shoal":1,"piece_size":32768`, "piece_size: 32768 is not"},
		{`{"shoal":1,"piece_size":134217728`, "piece_size: 134217728 is not"},
		{`{"shoal":1,"piece_size":-65536`, "piece_size: -65536 is not"},

		// Files.
		{withFile(`{}`), `files[0]: the field "path" is missing`},
		{withFile(`[]`), "files[0]: is not an object"},
		{withFile(`{"path":"a"}`), `files[0]: the field "size" is missing`},
		{withFile(`{"path":"a","size":0}`), `files[0]: the field "blake3" is missing`},
		{withFile(emptyFile + `,{"path":"/a"}`), `files[1].path: "/a" is absolute`},
		{withFile(`{"path":"a","path":"b"}`), "files[0].path: occurs twice"},
		{withFile(`{"path":7}`), "files[0].path: is not a string"},
		{withFile(`{"blake3":"00"}`), `files[0].blake3: "00" is not a digest`},
		{withFile(emptyFile + "," + emptyFile), `the paths "a" and "a" collide`},
		{file(`"size":-1`), "files[0].size: -1 is negative"},
		{file(`"size":1e3`), `files[0].size: "1e3" is not a whole number`},
		{file(`"size":9223372036854775808`), "is not a whole number below 2⁶³"},
		{file(`"size":9223372036854775807`), `makes 140737488355328 pieces`},
		{file(`"size":null`), "files[0].size: is not a number"},
		{file(`"size":1`), `files[0] "a": has 0 digests, but a size of 1 bytes makes 1 pieces`},
		{file(`"size":0,"pieces":"%s"`, one), "has 1 digests"},
		{file(`"size":65537,"pieces":"%s"`, one), "makes 2 pieces"},
		{file(`"size":65536,"pieces":"%s"`, one), "but its one piece says " + zeros},
		{file(`"size":0,"pieces":"AAAA"`), "files[0].pieces: is not base64 of digests"},
		{file(`"size":0,"pieces":"*"`), "files[0].pieces: is not base64"},
		{file(`"size":0,"pieces":[]`), "files[0].pieces: is not a string"},
		{file(`"size":0,"pieces":null`), "files[0].pieces: is not a string"},
		{file(`"size":0,"executable":1`), "files[0].executable: is neither true nor false"},
		{file(`"size":0,"modified":0`), "files[0].modified: is not a string"},
		{withFile(`{"path":"a","size":0,"blake3":"` + zeros + `"}`), "blake3 is " + zeros},

		// Sources.
		{with(`"mirrors":[{}]`), `mirrors[0]: the field "url" is missing`},
		{with(`"mirrors":["http://a"]`), "mirrors[0]: is not an object"},
		{with(`"mirrors":[{"url":""}]`), "mirrors[0].url: is empty"},
		{with(`"mirrors":[{"url":"http://[bad"}]`), "is not a URL"},
		{with(`"mirrors":[{"url":"http://a/\n"}]`), "is not a URL"},
		{with(`"mirrors":[{"url":"http://a/` + strings.Repeat("x", maxURL) + `"}]`), "mirrors[0].url"},
		{with(`"mirrors":[{"url":"http://a","priority":-1}]`), "mirrors[0].priority: -1"},
		{with(`"mirrors":[{"url":"a"}` + strings.Repeat(`,{"url":"a"}`, maxEntries) + `]`), "mirrors[1024]: more than 1024"},
		{with(`"peers":["a:1"` + strings.Repeat(`,"a:1"`, maxEntries) + `]`), "peers[1024]: more than 1024"},
		{with(`"peers":["nowhere"]`), `peers[0]: "nowhere" is not of the form host:port`},
		{with(`"peers":[":7411"]`), "is not of the form host:port"},
		{with(`"peers":["a b:1"]`), "is not of the form host:port"},
		{with(`"peers":["a:0"]`), "has no port"},
		{with(`"peers":["a:65536"]`), "has no port"},
		{with(`"bootstrap":[7]`), "bootstrap[0]: is not a string"},
		{with(`"discovery":["` + strings.Repeat("x", maxWord+1) + `"]`), "is not a word"},
	}
	for _, test := range tests {
		m, err := Parse([]byte(test.text))
		wantError(t, err, test.reason, test.text)
		if !errors.Is(err, ErrManifest) || m != nil {
			t.Errorf("%.100s: got %v and error %v, which must wrap ErrManifest", test.text, m, err)
		}
		if err != nil && len(err.Error()) > 400 {
			t.Errorf("%.100s: the error has %d bytes", test.text, len(err.Error()))
		}
	}
}

// zipped returns data as gzip.
func zipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestParseCompressed(t *testing.T) {
	plain := []byte(smallest)
	packed := Compress(plain)
	for name, encoded := range map[string][]byte{"zstd": packed, "gzip": zipped(t, plain)} {
		if _, err := Parse(encoded); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for n := range encoded {
			if _, err := Parse(encoded[:n]); !errors.Is(err, ErrManifest) {
				t.Fatalf("%s cut to %d bytes: error %v", name, n, err)
			}
		}
		_, err := Parse(append(bytes.Clone(encoded), "rubbish"...))
		wantError(t, err, "decompress "+name, "trailing rubbish")
	}
}

func TestParseRefusesBombs(t *testing.T) {
	spaces := bytes.Repeat([]byte(" "), MaxDecoded)
	tooLong := append([]byte(smallest), spaces...)
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	half := w.EncodeAll(spaces[:MaxDecoded/2+1], nil)
	var streamed bytes.Buffer // a frame that does not say how long it is
	w.Reset(&streamed)
	if _, err := w.Write(tooLong); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, encoded := range map[string][]byte{
		"zstd":                    Compress(tooLong),
		"zstd of unknown length":  streamed.Bytes(),
		"zstd of several frames":  append(bytes.Clone(half), half...),
		"zstd that claims 1 PiB":  []byte("\x28\xb5\x2f\xfd\xe0\x00\x00\x00\x00\x00\x00\x04\x00\x01\x00\x00"),
		"zstd with a wide window": []byte("\x28\xb5\x2f\xfd\x00\xb8\x01\x00\x00"),
		"gzip":                    zipped(t, tooLong),
	} {
		_, err := Parse(encoded)
		wantError(t, err, "larger than 64 MiB once decompressed", name)
	}
	_, err = Parse(spaces[:MaxEncoded+1])
	wantError(t, err, "larger than 16 MiB", "plain")
}

// TestParseMemory feeds large manifests that would be expensive to a reader
// that builds before it checks.
func TestParseMemory(t *testing.T) {
	const size = MaxDecoded / 4
	fill := func(before, repeated, after string) []byte {
		n := (size - len(before) - len(after)) / len(repeated)
		return []byte(before + strings.Repeat(repeated, n) + after)
	}
	list := func(field, entry string) []byte {
		return fill(strings.TrimSuffix(smallest, "}")+","+field+":["+entry, ","+entry, "]}")
	}
	deep := `{"path":"` + strings.Repeat("a/", 2000) + `a","size":0,"blake3":"` + emptyDigest + `"}`
	tests := map[string]struct {
		text []byte
		most uint64 // bytes allocated, garbage included, for each byte of text
	}{
		"empty files":       {fill(head+`"files":[{}`, `,{}`, `]}`), 2},
		"empty lists":       {fill(head+`"files":[[]`, `,[]`, `]}`), 2},
		"mirrors":           {list(`"mirrors"`, `{"url":"a"}`), 2},
		"peers":             {list(`"peers"`, `"a:1"`), 2},
		"unknown list":      {list(`"x"`, `0`), 6},
		"unknown objects":   {list(`"x"`, `{"":{}}`), 6},
		"unknown fields":    {fill(head, `"x":0,`, `"files":[]}`), 2},
		"nested":            {fill(head+`"x":`, `[`, ``), 2},
		"long comment":      {fill(head+`"comment":"`, `x`, `"}`), 8},
		"escaped comment":   {fill(head+`"comment":"`, `\n`, `"}`), 8},
		"spaces":            {fill(head, ` `, `"files":[]}`), 6},
		"digests":           {fill(head+`"files":[{"pieces":"`, strings.Repeat("A", 128), `"}]}`), 8},
		"digits":            {fill(head+`"files":[{"size":`, `9`, `}]}`), 8},
		"many files":        {fill(head+`"files":[`+emptyFile, ","+emptyFile, `]}`), 20},
		"many deep folders": {fill(head+`"files":[`+emptyFile, ","+deep, `]}`), 10},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			encoded := Compress(test.text)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Parse(encoded)
			runtime.ReadMemStats(&after)
			if err != nil && !errors.Is(err, ErrManifest) { // most are refused in the end
				t.Errorf("error %v", err)
			}
			if got := after.TotalAlloc - before.TotalAlloc; got > test.most*size {
				t.Errorf("%d MiB allocated for %d MiB: %v", got>>20, size>>20, err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	full, err := os.ReadFile("testdata/full.shoal")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{full, []byte(smallest), Compress(full), zipped(f, full), []byte(withFile(`{}`))} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, encoded []byte) {
		m, err := Parse(encoded)
		if err != nil {
			if !errors.Is(err, ErrManifest) {
				t.Fatalf("error %v does not wrap ErrManifest", err)
			}
			return
		}
		mustRoundTrip(t, m)
		for i := range m.NumPieces() {
			if s := m.Span(i); s.Size <= 0 || s.Offset+int64(s.Size) > m.Files[s.File].Size {
				t.Fatalf("piece %d lies at %+v", i, s)
			}
		}
	})
}

// mustRoundTrip fails the test unless m can be encoded and parsed again.
func mustRoundTrip(t interface{ Fatalf(string, ...any) }, m *Manifest) {
	encoded, err := m.Encode()
	if err != nil {
		t.Fatalf("encode: %v", err)
	}
	again, err := Parse(Compress(encoded))
	if err != nil {
		t.Fatalf("parse what was encoded: %v\n%s", err, encoded)
	}
	if !reflect.DeepEqual(m, again) {
		t.Fatalf("round trip of %+v\ngave %+v", m, again)
	}
}
