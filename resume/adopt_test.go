package resume

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/bits-and-blooms/bitset"
)

// stored puts c in place at path.
func (c *content) stored(t testing.TB, path string) {
	t.Helper()
	f := c.open(t, path, Options{})
	c.put(t, f)
	must(t, f.Finish())
	must(t, f.Close())
}

// adopt checks what is at path and adopts it.
func (c *content) adopt(t testing.TB, path string) *File {
	t.Helper()
	seen, good := See(c.Manifest, path), bitset.New(uint(c.NumPieces()))
	if _, err := os.Lstat(path); err == nil {
		checked, err := c.Check(t.Context(), path, nil)
		must(t, err)
		good = checked.Good
	}
	f, err := Adopt(t.Context(), c.Manifest, c.origin, path, seen, good)
	must(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestAdoptFile(t *testing.T) {
	for _, test := range []struct {
		name   string
		damage func(t *testing.T, path string)
		want   string
	}{
		{"a flipped bit", func(t *testing.T, path string) { overwriteAt(t, path, pieceSize) }, "#.##"},
		{"cut", func(t *testing.T, path string) { must(t, os.Truncate(path, pieceSize+1)) }, "#..."},
		{"grown", func(t *testing.T, path string) { must(t, os.Truncate(path, 9*pieceSize)) }, "####"},
		{"emptied", func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) }, "...."},
		{"gone", func(t *testing.T, path string) { must(t, os.Remove(path)) }, "...."},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := oneFile(t, "a.iso", 1, 3*pieceSize+2)
			path := filepath.Join(t.TempDir(), "a.iso")
			c.stored(t, path)
			test.damage(t, path)
			f := c.adopt(t, path)
			has(t, f, test.want)
			for i := range c.data {
				if !f.Have().Test(uint(i)) {
					c.put(t, f, i)
				}
			}
			must(t, f.Finish())
			c.inPlace(t, path)
		})
	}
}

func TestAdoptFolder(t *testing.T) {
	c := newContent(t, 1, someFiles)
	path := filepath.Join(t.TempDir(), "folder")
	c.stored(t, path)
	must(t, os.WriteFile(filepath.Join(path, "mine"), []byte("mine"), 0o644))
	if runtime.GOOS != "windows" { // what is not ours may be anything
		must(t, os.Symlink("/", filepath.Join(path, "link")))
	}
	overwriteAt(t, filepath.Join(path, "z/exact"), 0)
	must(t, os.RemoveAll(filepath.Join(path, "deep/er")))
	must(t, os.Truncate(filepath.Join(path, "small"), 18))
	f := c.adopt(t, path)
	has(t, f, "..#####.#")
	c.put(t, f)
	must(t, f.Finish())
	c.inPlace(t, path)
	if got, _ := os.ReadFile(filepath.Join(path, "mine")); string(got) != "mine" {
		t.Errorf("the user's own file is now %q", got)
	}
}

// TestAdoptOfWhatHasChanged adopts what is not any more what was checked.
func TestAdoptOfWhatHasChanged(t *testing.T) {
	one, many := oneFile(t, "a.iso", 1, 3*pieceSize), newContent(t, 1, someFiles)
	for _, test := range []struct {
		name    string
		c       *content
		changed string
		want    string
	}{
		{"a file", one, "", ".#."},
		{"a folder", many, "deep/program", "##.#.####"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "it")
			test.c.stored(t, path)
			overwriteAt(t, filepath.Join(path, test.changed), 2*pieceSize)
			seen := See(test.c.Manifest, path)
			checked, err := test.c.Check(t.Context(), path, nil)
			must(t, err)
			touchless(t, filepath.Join(path, test.changed))
			f, err := Adopt(t.Context(), test.c.Manifest, test.c.origin, path, seen, checked.Good)
			must(t, err)
			defer f.Close()
			has(t, f, test.want)
			test.c.put(t, f)
			must(t, f.Finish())
			test.c.inPlace(t, path)
		})
	}
}

func TestAdoptGivesBack(t *testing.T) {
	c := oneFile(t, "a.iso", 1, 4*pieceSize)
	path := filepath.Join(t.TempDir(), "a.iso")
	c.stored(t, path)
	overwriteAt(t, path, 0)
	overwriteAt(t, path, pieceSize)
	f := c.adopt(t, path)
	c.put(t, f, 1)
	must(t, f.Close())
	noLitter(t, path)
	has(t, c.adopt(t, path), ".###")
}

// TestAdoptThatBringsNothing ends repairs for which no source had anything, or
// not all: nothing is cut off, and nothing is added but what came.
func TestAdoptThatBringsNothing(t *testing.T) {
	longer := func(t *testing.T, path string) {
		data, err := os.ReadFile(path)
		must(t, err)
		must(t, os.WriteFile(path, append(data, "and more"...), 0o644))
	}
	for name, damage := range map[string]func(t *testing.T, path string){
		"bad":         func(t *testing.T, path string) { overwriteAt(t, path, 0) },
		"surplus":     longer,
		"bad surplus": func(t *testing.T, path string) { overwriteAt(t, path, 0); longer(t, path) },
		"cut":         func(t *testing.T, path string) { must(t, os.Truncate(path, pieceSize+1)) },
		"emptied":     func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			one, many := filepath.Join(dir, "a.iso"), filepath.Join(dir, "folder")
			file, folder := oneFile(t, "a.iso", 1, 3*pieceSize+2), newContent(t, 1, someFiles)
			file.stored(t, one)
			folder.stored(t, many)
			damage(t, one)
			damage(t, filepath.Join(many, "deep/program"))
			longer(t, filepath.Join(many, "empty"))
			must(t, os.RemoveAll(filepath.Join(many, "deep/er")))
			before := tree(t, dir)
			must(t, file.adopt(t, one).Close())
			must(t, folder.adopt(t, many).Close())
			if after := tree(t, dir); after != before {
				t.Errorf("was\n%s, is\n%s", before, after)
			}
		})
	}

	c := oneFile(t, "a.iso", 1, 3*pieceSize+2)
	path := filepath.Join(t.TempDir(), "a.iso")
	c.stored(t, path)
	overwriteAt(t, path, 0)
	overwriteAt(t, path, pieceSize)
	longer(t, path)
	f := c.adopt(t, path)
	c.put(t, f, 0)
	must(t, f.Close())
	if got, _ := os.ReadFile(path); len(got) != 3*pieceSize+2+len("and more") {
		t.Errorf("%d bytes are left of it", len(got))
	}
	has(t, c.adopt(t, path), "#.##")
}

// TestAdoptNoticesTampering removes and shortens files while they are mended.
func TestAdoptNoticesTampering(t *testing.T) {
	for name, tamper := range map[string]func(t *testing.T, path string){
		"removed": func(t *testing.T, path string) { must(t, os.Remove(path)) },
		"cut":     func(t *testing.T, path string) { must(t, os.Truncate(path, 1)) },
	} {
		t.Run(name, func(t *testing.T) {
			c := newContent(t, 1, someFiles)
			path := filepath.Join(t.TempDir(), "folder")
			c.stored(t, path)
			must(t, os.Truncate(filepath.Join(path, "deep/program"), 2*pieceSize+5))
			f := c.adopt(t, path)
			must(t, f.part.forget())
			tamper(t, filepath.Join(path+partSuffix, "deep/program"))
			var err error
			for i := range c.data {
				if err == nil && !f.Have().Test(uint(i)) {
					err = f.Put(c.prove(t, i))
				}
			}
			if err == nil {
				err = f.Finish()
			}
			if err == nil {
				t.Error("nobody has noticed")
			}
		})
	}
}

// forget closes the files, as happens to those of a folder with very many.
func (p *part) forget() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closeFiles()
	return p.lost
}

func TestKilledAdoptionIsResumable(t *testing.T) {
	c, dir := childDir(t, map[string]fileSpec{"content": {4 * pieceSize, 0o644}})
	path := filepath.Join(dir, "out")
	c.stored(t, path)
	overwriteAt(t, path, 0)
	f := c.adopt(t, path)
	// What a kill leaves: all that is on the disk now, and no lock.
	must(t, f.journal.file.Close())
	p, err := Load(path)
	must(t, err)
	if p.Have != 3*pieceSize {
		t.Errorf("the record claims %d bytes", p.Have)
	}
	g := c.open(t, path, Options{})
	has(t, g, ".###")
	c.put(t, g, 0)
	must(t, g.Finish())
	c.inPlace(t, path)
}

// killedRepair leaves what a kill in the middle of a repair does: all that is on
// the disk now, and no lock.
func (c *content) killedRepair(t *testing.T, path string) {
	t.Helper()
	c.stored(t, path)
	overwriteAt(t, path, 0)
	f := c.adopt(t, path)
	must(t, f.journal.file.Close())
}

// TestKilledRepairIsNotThrownAway finds the user's own file as a part. Nothing but
// the same content goes on with it.
func TestKilledRepairIsNotThrownAway(t *testing.T) {
	c, other := oneFile(t, "a.iso", 1, 4*pieceSize), oneFile(t, "a.iso", 2, 2*pieceSize)
	for _, test := range []struct {
		name string
		do   func(t *testing.T, path string) error
	}{
		{"another content", func(t *testing.T, path string) error {
			_, err := Open(t.Context(), other.Manifest, other.origin, path, Options{})
			return err
		}},
		{"another content, thrown away", func(t *testing.T, path string) error {
			_, err := Open(t.Context(), other.Manifest, other.origin, path, Options{NoResume: true})
			return err
		}},
		{"thrown away", func(t *testing.T, path string) error {
			_, err := Open(t.Context(), c.Manifest, c.origin, path, Options{NoResume: true})
			return err
		}},
		{"the claims are torn", func(t *testing.T, path string) error {
			overwriteAt(t, path+stateSuffix, slotsAt(c.origin)+slotStride(4))
			_, err := Open(t.Context(), other.Manifest, other.origin, path, Options{})
			return err
		}},
		{"another file is repaired", func(t *testing.T, path string) error {
			must(t, os.WriteFile(path, make([]byte, c.Size()), 0o644))
			_, err := Adopt(t.Context(), c.Manifest, c.origin, path, Seen{}, bitset.New(4))
			return err
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.iso")
			c.killedRepair(t, path)
			before, err := os.ReadFile(path + partSuffix)
			must(t, err)
			err = test.do(t, path)
			diskError(t, err, ErrExists)
			if after, err := os.ReadFile(path + partSuffix); !bytes.Equal(after, before) {
				t.Errorf("the user's own file is another (%v)", err)
			}
			must(t, ignoreNone(os.Remove(path)))
			g := c.open(t, path, Options{})
			has(t, g, ".###")
			c.put(t, g, 0)
			must(t, g.Finish())
			c.inPlace(t, path)
		})
	}

	// Right content that comes to the final path does not throw it away either.
	dir := t.TempDir()
	path := filepath.Join(dir, "a.iso")
	c.killedRepair(t, path)
	must(t, os.WriteFile(path, bytes.Join(c.data, nil), 0o644))
	before := tree(t, dir)
	if f := c.open(t, path, Options{}); !f.Complete() {
		t.Error("not complete")
	}
	if after := tree(t, dir); after != before {
		t.Errorf("was\n%s, is\n%s", before, after)
	}
}

// TestRepairKilledAgain stops and kills what goes on with a repair: it stays known
// whose the part is, and keeps the size it has.
func TestRepairKilledAgain(t *testing.T) {
	c, other := oneFile(t, "a.iso", 1, 4*pieceSize), oneFile(t, "a.iso", 2, 2*pieceSize)
	path := filepath.Join(t.TempDir(), "a.iso")
	c.killedRepair(t, path)
	must(t, os.Truncate(path+partSuffix, 9*pieceSize))
	for _, piece := range []int{0, 1} {
		from := Origin{URL: "https://b.example/a.shoal", Raw: c.origin.Raw}
		f, err := Open(t.Context(), c.Manifest, from, path, Options{Recheck: true})
		must(t, err)
		c.put(t, f, piece)
		must(t, f.flush())
		if piece == 0 {
			f.halt()
			must(t, f.journal.file.Close())
		} else {
			must(t, f.Close())
		}
		_, err = Open(t.Context(), other.Manifest, other.origin, path, Options{})
		diskError(t, err, ErrExists)
	}
	if fi, err := os.Stat(path + partSuffix); err != nil || fi.Size() != 9*pieceSize {
		t.Errorf("it has been cut (%v)", err)
	}
	p, err := Load(path)
	must(t, err)
	if p.Have != c.Size() {
		t.Errorf("the record claims %d bytes", p.Have)
	}
	g := c.open(t, path, Options{})
	must(t, g.Finish())
	c.inPlace(t, path)
}

// TestRepairKilledAtOnce leaves a record whose content has not been moved: it is
// known, and in nobody's way.
func TestRepairKilledAtOnce(t *testing.T) {
	c := oneFile(t, "a.iso", 1, 4*pieceSize)
	for name, again := range map[string]func(t *testing.T, path string) *File{
		"repaired":    func(t *testing.T, path string) *File { return c.adopt(t, path) },
		"overwritten": func(t *testing.T, path string) *File { return c.open(t, path, Options{Overwrite: true}) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.iso")
			c.killedRepair(t, path)
			must(t, os.Rename(path+partSuffix, path)) // as before Adopt did it
			if p, err := Load(path); err != nil || p.Have != 0 {
				t.Errorf("the record claims %d bytes of nothing (%v)", p.Have, err)
			}
			f := again(t, path)
			c.put(t, f)
			must(t, f.Finish())
			c.inPlace(t, path)
		})
	}
}

func ignoreNone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func TestAdoptRefuses(t *testing.T) {
	c := oneFile(t, "a.iso", 1, 2*pieceSize)
	none := bitset.New(2)
	dir := t.TempDir()

	path := filepath.Join(dir, "pending")
	c.interrupted(t, path, 0)
	must(t, os.WriteFile(path, []byte("x"), 0o644))
	before := tree(t, dir)
	_, err := Adopt(t.Context(), c.Manifest, c.origin, path, Seen{}, none)
	diskError(t, err, ErrExists)
	if after := tree(t, dir); after != before {
		t.Errorf("was\n%s, is\n%s", before, after)
	}

	path = filepath.Join(dir, "folder")
	must(t, os.Mkdir(path, 0o755))
	_, err = Adopt(t.Context(), c.Manifest, c.origin, path, Seen{}, none)
	diskError(t, err, ErrExists)
	noLitter(t, path)
}
