package resume

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestLoad(t *testing.T) {
	c := newContent(t, 1, someFiles)
	path := filepath.Join(t.TempDir(), "folder")
	c.interrupted(t, path, 0, 6)
	for _, name := range []string{path, path + partSuffix, path + stateSuffix, path + "/", path + partSuffix + "/"} {
		p, err := Load(name)
		must(t, err)
		if p.Path != path || p.Part != path+partSuffix || !p.Origin.equal(c.origin) {
			t.Errorf("Load(%q): %q in %q from %q", name, p.Path, p.Part, p.Origin.URL)
		}
		if want := int64(pieceSize + 17); p.Manifest.ID() != c.ID() || p.Have != want {
			t.Errorf("Load(%q): %d bytes of %v, want %d of %v", name, p.Have, p.Manifest.ID(), want, c.ID())
		}
	}
	// What Load returns is all it takes to go on.
	p, err := Load(path)
	must(t, err)
	f, err := Open(t.Context(), p.Manifest, p.Origin, p.Path, Options{})
	must(t, err)
	defer f.Close()
	c.put(t, f)
	must(t, f.Finish())
	c.inPlace(t, path)
}

// TestLoadWithoutClaims finds a record that is torn where the claims are: it
// still knows the manifest, with which what lies there is hashed.
func TestLoadWithoutClaims(t *testing.T) {
	c := oneFile(t, "a.iso", 1, 3*pieceSize)
	path := filepath.Join(t.TempDir(), "a.iso")
	c.interrupted(t, path, 0, 2)
	overwriteAt(t, path+stateSuffix, slotsAt(c.origin)+slotStride(3))
	p, err := Load(path)
	must(t, err)
	if p.Have != 0 {
		t.Errorf("%d bytes are claimed", p.Have)
	}
	f, err := Open(t.Context(), p.Manifest, p.Origin, p.Path, Options{})
	must(t, err)
	defer f.Close()
	has(t, f, "#.#")
}

// TestLoadNamesWhatIsLeft finds a part without a record.
func TestLoadNamesWhatIsLeft(t *testing.T) {
	c := oneFile(t, "a.iso", 1, 3*pieceSize)
	for name, lose := range map[string]func(state string) error{
		"gone":  os.Remove,
		"empty": func(state string) error { return os.Truncate(state, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.iso")
			c.interrupted(t, path, 0)
			must(t, lose(path+stateSuffix))
			_, err := Load(path)
			diskError(t, err, fs.ErrNotExist)
			if e, _ := errors.AsType[*Error](err); e.Path != path+partSuffix {
				t.Errorf("it names %s", e.Path)
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	c := oneFile(t, "a.iso", 1, 2*pieceSize)
	dir := t.TempDir()
	c.interrupted(t, filepath.Join(dir, "torn"), 0)
	overwriteAt(t, filepath.Join(dir, "torn"+stateSuffix), 25)
	head, _ := appendHead(nil, Origin{URL: "u", Raw: []byte("no manifest")}, 0)
	must(t, os.WriteFile(filepath.Join(dir, "senseless"+stateSuffix), head, 0o600))
	must(t, os.Mkdir(filepath.Join(dir, "folder"+stateSuffix), 0o700))
	for name, want := range map[string]error{
		"none":      fs.ErrNotExist,
		"torn":      errDamaged,
		"senseless": errDamaged,
		"folder":    ErrExists,
	} {
		_, err := Load(filepath.Join(dir, name))
		diskError(t, err, want)
	}
}

func TestWanted(t *testing.T) {
	a, b := oneFile(t, "a.iso", 1, 2*pieceSize), newContent(t, 2, someFiles)
	t.Chdir(t.TempDir())
	must(t, os.MkdirAll("sub/none", 0o700))
	a.interrupted(t, "a", 1)
	b.interrupted(t, "b", 1)
	a.interrupted(t, filepath.Join("sub", "c"), 1)
	for _, test := range []struct{ names, want []string }{
		{nil, []string{"a", "b"}},
		{[]string{"a" + partSuffix, "a" + stateSuffix, "a", "./a"}, []string{"a"}},
		{[]string{"b" + partSuffix + "/"}, []string{"b"}},
		{[]string{"sub"}, []string{filepath.Join("sub", "c")}},
		{[]string{"sub/none", "gone"}, []string{filepath.Join("sub", "none"), "gone"}}, // Load says what is wrong
	} {
		got, err := Wanted(test.names)
		must(t, err)
		if !slices.Equal(got, test.want) {
			t.Errorf("Wanted(%q) = %q, want %q", test.names, got, test.want)
		}
	}
	must(t, os.Remove("a"+stateSuffix)) // which tells of its loss
	if got, err := Wanted(nil); err != nil || !slices.Equal(got, []string{"b", "a"}) {
		t.Errorf("without a record: %q, %v", got, err)
	}
	a.interrupted(t, "a", 1)
	t.Chdir("sub/none")
	if got, err := Wanted([]string{"."}); len(got) > 0 || err != nil {
		t.Errorf("in an empty folder: %q, %v", got, err)
	}
	t.Chdir("../..")
	overwriteAt(t, "sub/c"+stateSuffix, 25)
	if got, err := Wanted([]string{"sub", "a"}); !slices.Equal(got, []string{"a"}) || !errors.Is(err, errDamaged) {
		t.Errorf("with a torn record: %q, %v", got, err)
	}
}

func TestFind(t *testing.T) {
	a, b := oneFile(t, "a.iso", 1, 2*pieceSize), newContent(t, 2, someFiles)
	dir := t.TempDir()
	b.interrupted(t, filepath.Join(dir, "b"), 1)
	a.interrupted(t, filepath.Join(dir, "a"), 1)
	a.interrupted(t, filepath.Join(dir, "gone"), 1)
	must(t, os.Remove(filepath.Join(dir, "gone"+partSuffix)))
	for _, name := range []string{"begun" + stateSuffix, "x.state", "y" + partSuffix} {
		must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	names := func(found []Pending) (names string) {
		for _, p := range found {
			names += filepath.Base(p.Path) + " "
		}
		return names
	}
	found, err := Find(dir)
	must(t, err)
	if got := names(found); got != "a b gone " {
		t.Fatalf("found %s", got)
	}
	if found[2].Have != 0 {
		t.Errorf("has %d bytes of a part that is gone", found[2].Have)
	}

	must(t, os.WriteFile(filepath.Join(dir, "bad"+stateSuffix), []byte("x"), 0o600))
	found, err = Find(dir)
	if got := names(found); got != "a b gone " || !errors.Is(err, errDamaged) {
		t.Errorf("beside a damaged record found %s, %v", got, err)
	}
	if _, err := Find(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Find where nothing is: %v", err)
	}
}

// TestLongNames downloads to names that leave no room for what is added to them while
// that goes on, or just enough.
func TestLongNames(t *testing.T) {
	file, folder := oneFile(t, "a.iso", 1, 3*pieceSize), newContent(t, 2, someFiles)
	for name, test := range map[string]struct {
		c    *content
		name string
	}{
		"with room":           {file, strings.Repeat("a", 238)},
		"without room":        {file, strings.Repeat("a", 239)},
		"longest":             {file, strings.Repeat("a", 255)},
		"a folder":            {folder, strings.Repeat("b", 255)},
		"not cut in a letter": {file, "a" + strings.Repeat("é", 127)},
		"nor in one":          {file, strings.Repeat("日", 85)},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			_, last := utf8.DecodeLastRuneInString(test.name)
			path := filepath.Join(dir, test.name)
			other := path[:len(path)-last] + strings.Repeat("z", last)
			c := test.c
			c.interrupted(t, path, 0, 2)
			c.interrupted(t, other, 1)
			found, err := Find(dir)
			must(t, err)
			if len(found) != 2 || found[0].Path != path && found[1].Path != path {
				t.Fatalf("found %v", found)
			}
			pl, err := placeOf(path)
			must(t, err)
			if base := filepath.Base(pl.state); len(base) > 255 || !utf8.ValidString(base) {
				t.Errorf("its record is %q", base)
			}
			for _, name := range []string{path, pl.part, pl.state} {
				names, err := Wanted([]string{name})
				must(t, err)
				p, err := Load(names[0])
				must(t, err)
				if p.Path != path || p.Part != pl.part || p.Have == 0 {
					t.Errorf("Load(%q): %q in %q, %d bytes", name, p.Path, p.Part, p.Have)
				}
			}
			p, err := Load(pl.part)
			must(t, err)
			f, err := Open(t.Context(), p.Manifest, p.Origin, p.Path, Options{})
			must(t, err)
			defer f.Close()
			if !f.Have().Test(2) || f.Have().Test(1) {
				t.Errorf("it has %s", picture(f.Have()))
			}
			c.put(t, f)
			must(t, f.Finish())
			c.inPlace(t, path)
			entries, err := os.ReadDir(dir)
			must(t, err)
			if len(entries) != 3 { // the other one's are left
				t.Errorf("there are %v", entries)
			}
		})
	}
	_, err := Open(t.Context(), file.Manifest, file.origin, filepath.Join(t.TempDir(), strings.Repeat("a", 256)), Options{})
	if _, ok := errors.AsType[*Error](err); !ok {
		t.Errorf("a name that is too long: %v", err)
	}
}
