package verify

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zeebo/blake3"
)

// wantFile fails the test unless f describes data in pieces of pieceSize.
func wantFile(t *testing.T, f File, pieceSize int, data []byte) {
	t.Helper()
	var pieces []Digest
	for piece := range slices.Chunk(data, pieceSize) {
		pieces = append(pieces, blake3.Sum256(piece))
	}
	if f.Size != int64(len(data)) || f.Digest != blake3.Sum256(data) || !slices.Equal(f.Pieces, pieces) {
		t.Errorf("%s: %d bytes in %d pieces, digest %v; want %d bytes in %d pieces, digest %v",
			f.Path, f.Size, len(f.Pieces), f.Digest, len(data), len(pieces), Digest(blake3.Sum256(data)))
	}
}

// TestCreateSizes goes around the edges of blocks and pieces.
func TestCreateSizes(t *testing.T) {
	for _, pieceSize := range []int{MinPieceSize, blockSize, 4 * blockSize} {
		files := make(map[string][]byte)
		for _, n := range []int{0, 1, pieceSize, blockSize, 2 * pieceSize, ringSize * blockSize, 3*pieceSize + blockSize} {
			for _, size := range []int{max(0, n-1), n, n + 1} {
				files[strconv.Itoa(size)] = pattern(size)
			}
		}
		m := newManifest(t, int64(pieceSize), files)
		if len(m.Files) != len(files) || m.Name != "content" || m.PieceSize != int64(pieceSize) {
			t.Errorf("%d files, name %q, piece size %d", len(m.Files), m.Name, m.PieceSize)
		}
		for _, f := range m.Files {
			wantFile(t, f, pieceSize, files[f.Path])
		}
	}
}

func TestCreateFolder(t *testing.T) {
	root := writeTree(t, map[string][]byte{
		"b.txt": []byte("b"), "b/x": []byte("x"), "a/deep/y": nil, "B-": []byte("B"), ".hidden": []byte("h"),
	})
	modified := time.Date(2025, 3, 1, 11, 30, 0, 999, time.UTC)
	script := filepath.Join(root, "b.txt")
	if err := errors.Join(os.Chmod(script, 0o755), os.Chtimes(script, modified, modified), os.Mkdir(filepath.Join(root, "void"), 0o755)); err != nil {
		t.Fatal(err)
	}
	var total, read atomic.Int64
	o := CreateOptions{
		Comment: "c", Mirrors: []Mirror{{"https://a.example/", 1}, {"sub/", 0}}, Peers: []string{"p.example:1"},
		Bootstrap: []string{"d.example:1"}, Discovery: []string{DiscoveryDHT}, Salt: []byte{1}, Modified: true,
		Created: time.Date(2026, 11, 22, 13, 0, 0, 5, time.FixedZone("", 3600)),
		Total:   func(n int64) { total.Add(n) }, Progress: func(n int64) { read.Add(n) },
	}
	m, err := Create(t.Context(), root, o)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, f := range m.Files {
		paths = append(paths, f.Path)
		if f.Executable != (f.Path == "b.txt") {
			t.Errorf("%s: executable is %v", f.Path, f.Executable)
		}
	}
	if want := []string{".hidden", "B-", "a/deep/y", "b.txt", "b/x"}; !slices.Equal(paths, want) {
		t.Errorf("paths %v, want %v", paths, want)
	}
	if got := m.Files[3].Modified; !got.Equal(modified.Truncate(time.Second)) {
		t.Errorf("modified %v", got)
	}
	if m.Name != filepath.Base(root) || m.PieceSize != 256<<10 || m.Created.Format(time.RFC3339) != "2026-11-22T12:00:00Z" {
		t.Errorf("name %q, piece size %d, created %v", m.Name, m.PieceSize, m.Created)
	}
	if total.Load() != 4 || read.Load() != 4 || m.Size() != 4 {
		t.Errorf("%d bytes, %d announced, %d read", m.Size(), total.Load(), read.Load())
	}
	mustRoundTrip(t, m)
	again, err := Create(t.Context(), root, o)
	if err != nil || !reflect.DeepEqual(m, again) {
		t.Errorf("the second time: %+v, %v", again, err)
	}
}

func TestCreateFolderGivesMirrorsTheirSlash(t *testing.T) {
	root := writeTree(t, map[string][]byte{"a": nil, "b": nil})
	given := []Mirror{{URL: "https://a.example/tree"}, {URL: "https://b.example/tree/"}, {URL: "tree"}, {URL: "https://c.example/?of=tree"}}
	m, err := Create(t.Context(), root, CreateOptions{Mirrors: given})
	if err != nil {
		t.Fatal(err)
	}
	want := []Mirror{{URL: "https://a.example/tree/"}, {URL: "https://b.example/tree/"}, {URL: "tree/"}, {URL: "https://c.example/?of=tree"}}
	if !slices.Equal(m.Mirrors, want) {
		t.Errorf("mirrors are %v, want %v", m.Mirrors, want)
	}
	if given[0].URL != "https://a.example/tree" {
		t.Errorf("the caller's options became %v", given)
	}
}

func TestCreateOneFile(t *testing.T) {
	data := pattern(300_000)
	root := writeTree(t, map[string][]byte{"only.bin": data})
	for _, path := range []string{root, filepath.Join(root, "only.bin"), root + string(filepath.Separator)} {
		m, err := Create(t.Context(), path, CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if m.Name != "only.bin" || m.Folder() || m.Files[0].Path != "only.bin" || !m.Created.IsZero() {
			t.Errorf("of %s: %+v", path, m)
		}
		wantFile(t, m.Files[0], 256<<10, data)
		mustRoundTrip(t, m)
	}
	m, err := Create(t.Context(), root, CreateOptions{Name: "better.bin"})
	if err != nil || m.Name != "better.bin" {
		t.Errorf("with a name: %+v, %v", m, err)
	}
}

// TestCreateAgreesWithB3sum checks the whole-file digest against the reference
// implementation.
func TestCreateAgreesWithB3sum(t *testing.T) {
	program, err := exec.LookPath("b3sum")
	if err != nil {
		t.Skip("there is no b3sum program here")
	}
	path := filepath.Join(writeTree(t, map[string][]byte{"x": pattern(3_000_001)}), "x")
	m, err := Create(t.Context(), path, CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), program, "--no-names", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := m.Files[0].Digest.String(), string(bytes.TrimSpace(out)); got != want {
		t.Errorf("digest %s, b3sum says %s", got, want)
	}
}

func TestCreateRefusesOptions(t *testing.T) {
	root := writeTree(t, map[string][]byte{"a": []byte("a")})
	for reason, o := range map[string]CreateOptions{
		"name: \".a\" begins with a dot":               {Name: ".a"},
		"piece size: 5 is not a power of two":          {PieceSize: 5},
		"mirror: \"ftp://a/\" is neither http nor":     {Mirrors: []Mirror{{"ftp://a/", 0}}},
		"mirror: \"http:///a\" has no host":            {Mirrors: []Mirror{{"http:///a", 0}}},
		"mirror: is empty":                             {Mirrors: []Mirror{{"", 0}}},
		"mirror: \"a\\xff\" is not a URL":              {Mirrors: []Mirror{{"a\xff", 0}}},
		"mirror: -1 is not from 0":                     {Mirrors: []Mirror{{"a", -1}}},
		"mirrors: more than":                           {Mirrors: make([]Mirror, maxEntries+1)},
		"peer: \"a\" is not of the form host:port":     {Peers: []string{"a:1", "a"}},
		"peer: more than":                              {Peers: make([]string, maxEntries+1)},
		"bootstrap: \"a:x\" has no port":               {Bootstrap: []string{"a:x"}},
		"discovery: \"\" is not a word":                {Discovery: []string{""}},
		"salt: is longer":                              {Salt: make([]byte, maxSalt+1)},
		"comment: is not UTF-8":                        {Comment: "\xff"},
		"created: 1960-01-01T00:00:00Z is not from":    {Created: time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC)},
		"comment: is longer than 65536 bytes":          {Comment: strings.Repeat("x", maxComment+1)},
		"peer: \"a\\xff:1\" is not of the form host:p": {Peers: []string{"a\xff:1"}},
	} {
		o.Progress = func(int64) { t.Errorf("%s: something was read", reason) }
		_, err := Create(t.Context(), root, o)
		wantError(t, err, reason, reason)
		if !errors.Is(err, ErrManifest) {
			t.Errorf("%v does not wrap ErrManifest", err)
		}
	}
}

func TestCreateRefusesFiles(t *testing.T) {
	link := func(target, name string) func(root string) error {
		return func(root string) error { return os.Symlink(target, filepath.Join(root, filepath.FromSlash(name))) }
	}
	file := func(name string) func(root string) error {
		return func(root string) error { return os.WriteFile(filepath.Join(root, name), nil, 0o600) }
	}
	for name, test := range map[string]struct {
		spoil  func(root string) error
		reason string
	}{
		"link out of the folder": {link("../../elsewhere", "d/out"), "follow symbolic link: "},
		"absolute link":          {link("/etc/passwd", "passwd"), "passwd: path escapes"},
		"dangling link":          {link("nowhere", "l"), "follow symbolic link: "},
		"link to a folder":       {link("d", "l"), "l is a folder: not a regular file"},
		"link to itself":         {link("l", "l"), "follow symbolic link: "},
		"device name":            {file("nul.txt"), "is a device on Windows"},
		"not NFC":                {file("cafe\u0301"), "normal form NFC"},
		"not UTF-8":              {file("a\xff"), "not UTF-8"},
		"colon":                  {file("a:b"), "has one of the characters"},
		"collision":              {file("D"), `"D" and "d/a" collide`},
	} {
		root := writeTree(t, map[string][]byte{"d/a": []byte("a"), "e": nil})
		if err := test.spoil(root); err != nil {
			t.Logf("%s: cannot be had here: %v", name, err)
			continue
		}
		_, err := Create(t.Context(), root, CreateOptions{Name: "n"})
		wantError(t, err, test.reason, name)
	}

	_, err := Create(t.Context(), t.TempDir(), CreateOptions{})
	wantError(t, err, "the folder has no files", "an empty folder")
	if _, err := Create(t.Context(), filepath.Join(t.TempDir(), "x"), CreateOptions{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of nothing: %v", err)
	}
}

func TestCreateLeavesOutTheManifest(t *testing.T) {
	root := writeTree(t, map[string][]byte{"d/a": []byte("a"), "d/m.shoal": []byte("{}")})
	o := CreateOptions{Name: "n", Except: []string{filepath.Join(root, "d", "m.shoal"), filepath.Join(root, "m.shoal.minisig")}}
	m, err := Create(t.Context(), root, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Files) != 1 || m.Files[0].Path != "d/a" {
		t.Errorf("files %+v", m.Files)
	}
	o.Except = append(o.Except, filepath.Join(root, "d", "a"))
	_, err = Create(t.Context(), root, o)
	wantError(t, err, "the folder has no files", "nothing but exceptions")
}

func TestCreateFollowsLinksInside(t *testing.T) {
	root := writeTree(t, map[string][]byte{"d/a": []byte("a")})
	if err := os.Symlink("d/a", filepath.Join(root, "l")); err != nil {
		t.Skip("symbolic links cannot be had here:", err)
	}
	m, err := Create(t.Context(), root, CreateOptions{Name: "n"})
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Files) != 2 || m.Files[1].Path != "l" {
		t.Fatalf("files %+v", m.Files)
	}
	wantFile(t, m.Files[1], 256<<10, []byte("a"))
}

func TestCreateRefusesTooSmallPieces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sparse")
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, 64<<30)); err != nil {
		t.Skip("sparse files cannot be had here:", err)
	}
	_, err := Create(t.Context(), path, CreateOptions{PieceSize: MinPieceSize})
	wantError(t, err, "use a larger piece size", "64 GiB in pieces of 64 KiB")
}

// TestCreateNoticesChanges changes a file between the scan, which ends with
// Total, and the end of reading it.
func TestCreateNoticesChanges(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"grown":   func(path string) error { return os.Truncate(path, 1<<20+1) },
		"shrunk":  func(path string) error { return os.Truncate(path, 1<<20-1) },
		"emptied": func(path string) error { return os.Truncate(path, 0) },
		"touched": func(path string) error { return os.Chtimes(path, time.Time{}, time.Unix(1, 0)) },
		"gone":    os.Remove,
	} {
		for _, pieceSize := range []int64{MinPieceSize, 1 << 20} {
			path := filepath.Join(writeTree(t, map[string][]byte{"x": pattern(1 << 20)}), "x")
			o := CreateOptions{PieceSize: pieceSize, Total: func(int64) {
				if err := change(path); err != nil {
					t.Error(err)
				}
			}}
			if m, err := Create(t.Context(), path, o); err == nil {
				t.Errorf("%s, pieces of %d: got %+v", name, pieceSize, m)
			}
		}
	}
}

func TestCreateStops(t *testing.T) {
	stop := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	root := writeTree(t, map[string][]byte{"a": pattern(8 << 20), "b": pattern(8 << 20)})
	_, err := Create(ctx, root, CreateOptions{Progress: func(int64) { cancel(stop) }})
	if !errors.Is(err, stop) {
		t.Errorf("stopped while reading: %v", err)
	}
	if _, err := Create(ctx, root, CreateOptions{}); !errors.Is(err, stop) {
		t.Errorf("stopped before: %v", err)
	}
}
