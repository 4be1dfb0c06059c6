package resume

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// interrupted leaves a download of c at path with the given pieces stored.
func (c *content) interrupted(t testing.TB, path string, pieces ...int) {
	t.Helper()
	f := c.open(t, path, Options{})
	c.put(t, f, pieces...)
	must(t, f.Close())
}

// overwriteAt changes one byte of a file.
func overwriteAt(t testing.TB, path string, off int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	b := make([]byte, 1)
	_, err = f.ReadAt(b, off)
	must(t, err)
	b[0] ^= 1
	_, err = f.WriteAt(b, off)
	must(t, err)
}

func TestGoingOn(t *testing.T) {
	for _, test := range []struct {
		name   string
		doing  func(t *testing.T, path string) // between the two runs
		o      Options
		want   string
		hashes bool
	}{
		{name: "the record is trusted", want: ".##.", // damage and all: that is what Recheck is for
			doing: func(t *testing.T, path string) { overwriteAt(t, path+partSuffix, pieceSize) }},
		{name: "recheck", o: Options{Recheck: true}, want: "..#.", hashes: true,
			doing: func(t *testing.T, path string) { overwriteAt(t, path+partSuffix, pieceSize) }},
		{name: "no resume", o: Options{NoResume: true}, want: "...."},
		{name: "no record", want: ".##.", hashes: true,
			doing: func(t *testing.T, path string) { must(t, os.Remove(path+stateSuffix)) }},
		{name: "empty record", want: ".##.", hashes: true,
			doing: func(t *testing.T, path string) { must(t, os.Truncate(path+stateSuffix, 0)) }},
		{name: "torn record", want: ".##.", hashes: true,
			doing: func(t *testing.T, path string) { overwriteAt(t, path+stateSuffix, 30) }},
		{name: "no part", want: "....",
			doing: func(t *testing.T, path string) { must(t, os.Remove(path+partSuffix)) }},
		{name: "part cut", want: ".#..", hashes: true,
			doing: func(t *testing.T, path string) { must(t, os.Truncate(path+partSuffix, 3*pieceSize-1)) }},
		{name: "part grown", want: ".##.", hashes: true,
			doing: func(t *testing.T, path string) { must(t, os.Truncate(path+partSuffix, 9*pieceSize)) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := oneFile(t, "a.iso", 1, 3*pieceSize+5)
			path := filepath.Join(t.TempDir(), "a.iso")
			c.interrupted(t, path, 1, 2)
			if test.doing != nil {
				test.doing(t, path)
			}
			var hashed int64
			test.o.Total = func(n int64) { hashed += n }
			f := c.open(t, path, test.o)
			has(t, f, test.want)
			if want := map[bool]int64{true: c.Size()}[test.hashes]; hashed != want {
				t.Errorf("hashed %d bytes, want %d", hashed, want)
			}
			must(t, f.Close())
			if test.want == "...." {
				return
			}
			// The record is right again, whatever it was before.
			hashed = 0
			test.o.Recheck = false
			f = c.open(t, path, test.o)
			has(t, f, test.want)
			if hashed != 0 {
				t.Error("hashed once more")
			}
			c.put(t, f)
			must(t, f.Finish())
			c.inPlace(t, path)
		})
	}
}

func TestGoingOnWithFolder(t *testing.T) {
	for _, test := range []struct {
		name  string
		doing func(t *testing.T, part string)
		want  string
	}{
		{"as it was", func(*testing.T, string) {}, "#..#.#..#"},
		{"a file without claims gone", func(t *testing.T, part string) {
			must(t, os.RemoveAll(filepath.Join(part, "small")))
		}, "#..#.#..#"},
		{"a file with claims gone", func(t *testing.T, part string) {
			must(t, os.RemoveAll(filepath.Join(part, "z")))
		}, "#..#.#..."},
		{"a file with claims cut", func(t *testing.T, part string) {
			must(t, os.Truncate(filepath.Join(part, "deep/program"), 1))
		}, "#.......#"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newContent(t, 1, someFiles)
			path := filepath.Join(t.TempDir(), "folder")
			c.interrupted(t, path, 0, 3, 5, 8)
			test.doing(t, path+partSuffix)
			f := c.open(t, path, Options{})
			has(t, f, test.want)
			c.put(t, f)
			must(t, f.Finish())
			c.inPlace(t, path)
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	one := oneFile(t, "it", 1, 2*pieceSize)
	many := newContent(t, 1, someFiles)
	unix := runtime.GOOS != "windows"
	link := func(t *testing.T, name string) {
		must(t, os.WriteFile(filepath.Join(filepath.Dir(name), "precious"), []byte("mine"), 0o600))
		must(t, os.Symlink("precious", name))
	}
	for _, test := range []struct {
		name string
		c    *content
		make func(t *testing.T, path string)
		o    Options
		want error
		text string
		skip bool
	}{
		{name: "other content", c: one, want: ErrExists, text: "other content",
			make: func(t *testing.T, path string) { must(t, os.WriteFile(path, []byte("x"), 0o644)) }},
		{name: "other content of the same size", c: one, want: ErrExists, text: "other content",
			make: func(t *testing.T, path string) { must(t, os.WriteFile(path, make([]byte, one.Size()), 0o644)) }},
		{name: "a folder", c: one, o: Options{Overwrite: true}, want: ErrExists, text: "a folder",
			make: func(t *testing.T, path string) { must(t, os.Mkdir(path, 0o755)) }},
		{name: "a file for a folder", c: many, o: Options{Overwrite: true}, want: ErrExists, text: "a file",
			make: func(t *testing.T, path string) { must(t, os.WriteFile(path, nil, 0o644)) }},
		{name: "another folder", c: many, want: ErrExists, text: "other content",
			make: func(t *testing.T, path string) { must(t, os.Mkdir(path, 0o755)) }},
		{name: "a link", c: one, o: Options{Overwrite: true}, want: ErrExists, text: "a symbolic link", skip: !unix,
			make: link},
		{name: "a pipe", c: one, o: Options{Overwrite: true}, want: ErrExists, text: "a named pipe", skip: !unix,
			make: makePipe},
		{name: "a link for a part", c: one, want: ErrExists, text: "it.shoal-part:", skip: !unix,
			make: func(t *testing.T, path string) { link(t, path+partSuffix) }},
		{name: "a folder for a part", c: one, want: ErrExists, text: "it.shoal-part:",
			make: func(t *testing.T, path string) { must(t, os.Mkdir(path+partSuffix, 0o755)) }},
		{name: "a file for a folder's part", c: many, want: ErrExists, text: "it.shoal-part:",
			make: func(t *testing.T, path string) { must(t, os.WriteFile(path+partSuffix, nil, 0o644)) }},
		{name: "a link for a record", c: one, want: ErrExists, text: "it.shoal-part.state:", skip: !unix,
			make: func(t *testing.T, path string) { link(t, path+stateSuffix) }},
		{name: "a pipe for a record", c: one, want: ErrExists, text: "it.shoal-part.state:", skip: !unix,
			make: func(t *testing.T, path string) { makePipe(t, path+stateSuffix) }},
		{name: "a link in a part", c: many, want: ErrExists, text: "small: ", skip: !unix,
			make: func(t *testing.T, path string) {
				must(t, os.Mkdir(path+partSuffix, 0o755))
				must(t, os.Symlink("empty", filepath.Join(path+partSuffix, "small")))
			}},
		{name: "a link for a folder in a part", c: many, want: ErrExists, text: "deep: ", skip: !unix,
			make: func(t *testing.T, path string) {
				must(t, os.Mkdir(path+partSuffix, 0o755))
				must(t, os.Symlink("..", filepath.Join(path+partSuffix, "deep")))
			}},
		{name: "a file for a folder in a part", c: many, want: ErrExists, text: "deep: ",
			make: func(t *testing.T, path string) {
				must(t, os.Mkdir(path+partSuffix, 0o755))
				must(t, os.WriteFile(filepath.Join(path+partSuffix, "deep"), nil, 0o644))
			}},
		{name: "a folder for a file in a part", c: many, want: ErrExists, text: "small: ",
			make: func(t *testing.T, path string) { must(t, os.MkdirAll(filepath.Join(path+partSuffix, "small"), 0o755)) }},
		{name: "another folder's part with something of the user's in it", c: one, want: ErrExists, text: "it.shoal-part: something else is in the way: a folder",
			make: func(t *testing.T, path string) {
				emptied := newContent(t, 1, map[string]fileSpec{"a": {0, 0o644}, "b": {pieceSize, 0o644}})
				emptied.interrupted(t, path, 0)
				must(t, os.Remove(filepath.Join(path+partSuffix, "b")))
				must(t, os.WriteFile(filepath.Join(path+partSuffix, "precious"), []byte("mine"), 0o600))
			}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.skip {
				t.Skip("not on this system")
			}
			dir := t.TempDir()
			path := filepath.Join(dir, "it")
			test.make(t, path)
			before := tree(t, dir)
			_, err := Open(t.Context(), test.c.Manifest, test.c.origin, path, test.o)
			diskError(t, err, test.want)
			if !strings.Contains(err.Error(), test.text) {
				t.Errorf("%q does not say %q", err, test.text)
			}
			if after := tree(t, dir); after != before {
				t.Errorf("was\n%s, is\n%s", before, after)
			}
		})
	}
}

// TestTornRecordClaimsNothingWrong changes a record all over, and each time
// compares what Open makes of it with what is really there.
func TestTornRecordClaimsNothingWrong(t *testing.T) {
	c := oneFile(t, "a.iso", 1, 4*pieceSize)
	path := filepath.Join(t.TempDir(), "a.iso")
	f := c.open(t, path, Options{})
	for piece := range 3 {
		c.put(t, f, piece)
		must(t, f.flush())
	}
	must(t, f.Close())
	whole, err := os.ReadFile(path + stateSuffix)
	must(t, err)
	for at := 0; at < len(whole); at += 13 {
		torn := bytes.Clone(whole)
		torn[at] ^= 0x40
		if at%2 == 0 {
			torn = whole[:at]
		}
		must(t, os.WriteFile(path+stateSuffix, torn, 0o600))
		f, err := Open(t.Context(), c.Manifest, c.origin, path, Options{})
		must(t, err)
		if f.Have().Count() < 2 {
			t.Errorf("byte %d: more than one batch is lost: %s", at, picture(f.Have()))
		}
		c.claims(t, f.Have(), path+partSuffix)
		must(t, f.Close())
	}
}

func TestOpenNeedsItsFolder(t *testing.T) {
	c := oneFile(t, "it", 1, 1)
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o644))
	for path, want := range map[string]error{
		filepath.Join(dir, "none", "it"): fs.ErrNotExist,
		filepath.Join(dir, "file", "it"): ErrExists,
	} {
		_, err := Open(t.Context(), c.Manifest, c.origin, path, Options{})
		diskError(t, err, want)
	}
	for _, path := range []string{"", ".", "..", "../..", "/"} {
		if _, err := Open(t.Context(), c.Manifest, c.origin, path, Options{}); err == nil {
			t.Errorf("opened %q", path)
		}
	}
}

func TestOverwriteFile(t *testing.T) {
	c := oneFile(t, "a.iso", 1, 3*pieceSize)
	path := filepath.Join(t.TempDir(), "a.iso")
	must(t, os.WriteFile(path, []byte("old"), 0o644))
	f := c.open(t, path, Options{Overwrite: true})
	c.put(t, f)
	if got, _ := os.ReadFile(path); string(got) != "old" {
		t.Error("the old file is gone before the new one is there")
	}
	must(t, f.Finish())
	c.inPlace(t, path)
}

// TestOfferRemovesNothing offers what may be wrong, as the part beside it may
// then be all there is of the right content.
func TestOfferRemovesNothing(t *testing.T) {
	c := oneFile(t, "a.iso", 1, 3*pieceSize)
	dir := t.TempDir()
	path := filepath.Join(dir, "a.iso")
	c.interrupted(t, path, 1, 2)
	must(t, os.WriteFile(path, []byte("old"), 0o644))
	before := tree(t, dir)
	f, err := Offer(c.Manifest, path)
	must(t, err)
	must(t, f.Close())
	if after := tree(t, dir); after != before {
		t.Errorf("was\n%s, is\n%s", before, after)
	}
}

func TestOverwriteFolder(t *testing.T) {
	c := newContent(t, 1, someFiles)
	path := filepath.Join(t.TempDir(), "folder")
	must(t, os.Mkdir(path, 0o755))
	must(t, os.WriteFile(filepath.Join(path, "old"), []byte("old"), 0o644))
	f := c.open(t, path, Options{Overwrite: true})
	c.put(t, f)
	must(t, f.Finish())
	c.inPlace(t, path)
	if _, err := os.Lstat(filepath.Join(path, "old")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the old folder's file is still there (%v)", err)
	}
	got := make([]byte, len(c.data[0]))
	must(t, f.Read(0, 0, got))
}

// TestAnotherContentsPart opens what the download of an older content has left:
// whatever it was, only what is right of it counts, and nothing else stays.
func TestAnotherContentsPart(t *testing.T) {
	older := newContent(t, 1, map[string]fileSpec{
		"a/same": {2 * pieceSize, 0o644}, "gone/too/this": {pieceSize, 0o644}, "z": {pieceSize, 0o644}})
	newer := newContent(t, 1, map[string]fileSpec{
		"a/same": {2 * pieceSize, 0o644}, "b": {pieceSize, 0o644}, "z": {pieceSize + 1, 0o644}})
	long, short := oneFile(t, "a.iso", 4, 4*pieceSize), oneFile(t, "a.iso", 4, 2*pieceSize)
	for _, test := range []struct {
		name     string
		old, new *content
		o        Options
		want     string
	}{
		{"it has grown", short, long, Options{}, "##.."},
		{"it has shrunk", long, short, Options{}, "##"},
		{"rechecked", long, short, Options{Recheck: true}, "##"},
		{"to be replaced when done", long, short, Options{Overwrite: true}, "##"},
		{"thrown away", long, short, Options{NoResume: true}, ".."},
		{"a folder", older, newer, Options{}, "##.#."}, // z has only grown
		{"a folder, thrown away", older, newer, Options{NoResume: true}, "....."},
		{"a file after a folder", older, short, Options{}, ".."},
		{"a file after a folder, thrown away", older, short, Options{NoResume: true}, ".."},
		{"a folder after a file", long, newer, Options{}, "....."},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "it")
			f := test.old.open(t, path, Options{})
			test.old.put(t, f)
			must(t, f.Close())

			f = test.new.open(t, path, test.o)
			has(t, f, test.want)
			must(t, f.Close())
			if _, err := os.Lstat(filepath.Join(path+partSuffix, "gone")); !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
				t.Errorf("the other content's file is still there (%v)", err)
			}

			// From now on it is the new content's.
			f = test.new.open(t, path, Options{})
			has(t, f, test.want)
			test.new.put(t, f)
			must(t, f.Finish())
			test.new.inPlace(t, path)
		})
	}
}

func TestMirrorsMayChange(t *testing.T) {
	c := oneFile(t, "a.iso", 1, 3*pieceSize)
	path := filepath.Join(t.TempDir(), "a.iso")
	c.interrupted(t, path, 0, 2)

	m := *c.Manifest
	m.Comment = "now from elsewhere"
	raw, err := m.Encode()
	must(t, err)
	from := Origin{URL: "https://b.example/a.shoal", Raw: raw}
	f, err := Open(t.Context(), &m, from, path, Options{})
	must(t, err)
	has(t, f, "#.#")
	must(t, f.Close())
	p, err := Load(path)
	must(t, err)
	if !p.Origin.equal(from) || p.Have != 2*pieceSize {
		t.Errorf("the record says %q, %d bytes", p.Origin.URL, p.Have)
	}
}

func TestOpenStops(t *testing.T) {
	c := oneFile(t, "a.iso", 1, 3*pieceSize)
	dir := t.TempDir()
	path := filepath.Join(dir, "a.iso")
	c.interrupted(t, path, 0, 2)
	before := tree(t, dir)
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if _, err := Open(ctx, c.Manifest, c.origin, path, Options{Recheck: true}); !errors.Is(err, why) {
		t.Errorf("Open: %v", err)
	}
	if after := tree(t, dir); after != before {
		t.Errorf("was\n%s, is\n%s", before, after)
	}
}
