package verify

import (
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"
)

// fullManifest returns the manifest in testdata/full.shoal.
func fullManifest(t testing.TB) *Manifest {
	t.Helper()
	text, err := os.ReadFile("testdata/full.shoal")
	if err != nil {
		t.Fatal(err)
	}
	return mustParse(t, string(text))
}

// mustParse returns the manifest that text is.
func mustParse(t testing.TB, text string) *Manifest {
	t.Helper()
	m, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestGoldenIDs holds the ids and keys of manifests that were computed by
// another program: the canonical bytes, written as documented, put through
// b3sum --derive-key. If it fails, the swarms of published content are split.
func TestGoldenIDs(t *testing.T) {
	tests := []struct {
		name               string
		manifest           *Manifest
		id                 string
		infohash, psk, lan string
	}{
		{
			"several files and a salt", fullManifest(t),
			"b3:338d129c1f0246aca3dc43f50b36c05e2eedb0e57270f7af1f3c869f75cb58bd",
			"b2ddc20de32330ba5f109dd289f08f2ed1d50b9d",
			"b93ebd9254515ad9fe910d161117c0be567b91b0a83d6e9a9cb1048dd6d83fd2",
			"46ed3e775ca913cc49432b2560d2559259e18ef90535258a0f4bd5f9f6f7d96e",
		},
		{
			"one empty file", mustParse(t, smallest),
			"b3:4f6c3f39cf7e3dae60ce5a60c7111d57cac81026627dee479cb520457e7751cf",
			"ea7d2c42600b1393577d4c2bff0e1e05f7a5e8a3",
			"10c8ff8d53ae932f3dc5001c7e5506b5b019149158e6f3a929dd970e8aea9dde",
			"113c20adf9135ae0e25ee6f565788b3416c4179b2aa24605b0489ed5334cb963",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := test.manifest.ID().String(); got != test.id {
				t.Errorf("ID = %s, want %s", got, test.id)
			}
			k := test.manifest.Keys()
			for _, key := range []struct {
				name string
				got  []byte
				want string
			}{{"Infohash", k.Infohash[:], test.infohash}, {"PSK", k.PSK[:], test.psk}, {"LAN", k.LAN[:], test.lan}} {
				if got := hex.EncodeToString(key.got); got != key.want {
					t.Errorf("%s = %s, want %s", key.name, got, key.want)
				}
			}
		})
	}
}

func TestIDDependsOnContentAlone(t *testing.T) {
	one := mustParse(t, smallest)
	same := mustParse(t, `{"shoal":1,"name":"other","piece_size":65536,"files":[`+
		strings.Replace(emptyFile, `"a"`, `"b","executable":true`, 1)+
		`],"mirrors":[{"url":"x"}],"salt":"00","comment":"c"}`)
	if one.ID() != same.ID() {
		t.Error("another name, mirror, salt or comment changed the id of one file")
	}
	if one.Keys() == same.Keys() {
		t.Error("another salt left the keys as they were")
	}

	seen := map[ID]string{one.ID(): smallest}
	for _, text := range []string{
		strings.Replace(smallest, "65536", "131072", 1),
		withFile(emptyFile + "," + strings.Replace(emptyFile, `"a"`, `"b"`, 1)),
		withFile(emptyFile + "," + strings.Replace(emptyFile, `"a"`, `"c"`, 1)),
	} {
		id := mustParse(t, text).ID()
		if other, found := seen[id]; found {
			t.Errorf("the same id for\n%s\n%s", text, other)
		}
		seen[id] = text
	}
}

func TestParseID(t *testing.T) {
	want := fullManifest(t).ID()
	got, err := ParseID(want.String())
	if err != nil || got != want {
		t.Errorf("ParseID(%v) = %v, %v", want, got, err)
	}
	digits := strings.Repeat("0", 64)
	for _, text := range []string{"", "b3:", digits, "b3:" + digits[1:], "b3:" + digits + "0", "B3:" + digits, "b3:x" + digits[1:]} {
		_, err := ParseID(text)
		wantError(t, err, `want "b3:" and 64 hex digits`, text)
	}
}

func TestDigestText(t *testing.T) {
	d := digest(t, "ab")
	text, err := d.MarshalText()
	if err != nil || string(text) != d.String() || !bytes.HasPrefix(text, []byte("ab00")) {
		t.Errorf("MarshalText = %s, %v", text, err)
	}
	for _, text := range []string{"", "ab", strings.Repeat("g", 64), strings.Repeat("0", 65)} {
		wantError(t, new(Digest).UnmarshalText([]byte(text)), "is not a digest of 64 hex digits", text)
	}
}
