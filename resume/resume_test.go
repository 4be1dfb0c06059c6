package resume

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/shoal-dl/shoal/verify"
)

// someFiles is a folder of all kinds of files, of nine pieces together.
var someFiles = map[string]fileSpec{
	"empty":            {0, 0o644},
	"deep/er/empty":    {0, 0o755},
	"deep/program":     {3*pieceSize + 1, 0o755},
	"deep/er/document": {2 * pieceSize, 0o644},
	"small":            {17, 0o644},
	"z/exact":          {2 * pieceSize, 0o644},
}

func TestFileIsPutInPlace(t *testing.T) {
	for _, size := range []int{0, 1, pieceSize, 5*pieceSize + 3} {
		c := oneFile(t, "a.iso", 1, size)
		path := filepath.Join(t.TempDir(), "a.iso")
		f := c.open(t, path, Options{})
		c.put(t, f)
		must(t, f.Finish())
		c.inPlace(t, path)
		must(t, f.Finish())
		must(t, f.Close())
		must(t, f.Close())
	}
}

func TestFolderIsPutInPlace(t *testing.T) {
	c := newContent(t, 1, someFiles)
	path := filepath.Join(t.TempDir(), "folder")
	f := c.open(t, path, Options{})
	c.put(t, f)
	must(t, f.Finish())
	c.inPlace(t, path)
	for i := range c.Files {
		fi, err := os.Stat(pathOf(c.Manifest, path, i))
		must(t, err)
		if !fi.ModTime().Equal(c.Files[i].Modified) {
			t.Errorf("%s is of %v, want %v", c.Files[i].Path, fi.ModTime(), c.Files[i].Modified)
		}
		if runtime.GOOS != "windows" && fi.Mode()&0o111 != 0 != c.Files[i].Executable {
			t.Errorf("%s has mode %v", c.Files[i].Path, fi.Mode())
		}
	}
}

func TestPutFromManyGoroutines(t *testing.T) {
	c := newContent(t, 1, someFiles)
	path := filepath.Join(t.TempDir(), "folder")
	f := c.open(t, path, Options{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, i := range rand.Perm(c.NumPieces()) {
				p, err := c.Prove(i, bytes.Clone(c.data[i]))
				if err == nil {
					err = f.Put(p)
				}
				clear(p.Data()) // Put is done with it
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	must(t, f.Finish())
	c.inPlace(t, path)
}

func TestRightContentIsComplete(t *testing.T) {
	for name, c := range map[string]*content{
		"file":   oneFile(t, "a.iso", 1, 3*pieceSize),
		"folder": newContent(t, 1, someFiles),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "it")
			f := c.open(t, path, Options{})
			c.put(t, f)
			must(t, f.Finish())
			before := tree(t, dir)

			again := c.open(t, path, Options{Overwrite: true, NoResume: true})
			if !again.Complete() || !again.Have().All() {
				t.Error("the right content is not taken as complete")
			}
			if err := again.Put(c.prove(t, 0)); !errors.Is(err, ErrClosed) {
				t.Errorf("Put into complete content: %v", err)
			}
			must(t, again.Finish())
			must(t, again.Close())
			if after := tree(t, dir); after != before {
				t.Errorf("was\n%s, is\n%s", before, after)
			}
		})
	}
}

// TestChangeWhileHashed changes right content once it has been hashed, and before
// that is believed.
func TestChangeWhileHashed(t *testing.T) {
	for _, test := range []struct {
		name  string
		times int
		want  error
	}{
		{"once", 1, ErrExists},
		{"again and again", 1000, ErrChanged},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := oneFile(t, "a.iso", 1, 3*pieceSize)
			path := filepath.Join(t.TempDir(), "a.iso")
			c.stored(t, path)
			when := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
			var mu sync.Mutex
			var hashed int64
			_, err := Open(t.Context(), c.Manifest, c.origin, path, Options{Progress: func(n int64) {
				mu.Lock()
				defer mu.Unlock()
				if hashed += n; hashed%c.Size() == 0 && hashed <= int64(test.times)*c.Size() {
					overwriteAt(t, path, 0)
					when = when.Add(time.Hour) // the system's clock may not have ticked
					must(t, os.Chtimes(path, when, when))
				}
			}})
			diskError(t, err, test.want)
		})
	}
}

func TestCrashAfterRenameIsHarmless(t *testing.T) {
	c := oneFile(t, "a.iso", 1, 3*pieceSize)
	path := filepath.Join(t.TempDir(), "a.iso")
	f := c.open(t, path, Options{})
	c.put(t, f)
	must(t, f.flush())
	state, err := os.ReadFile(path + stateSuffix)
	must(t, err)
	must(t, f.Finish())
	must(t, f.Close())
	must(t, os.WriteFile(path+stateSuffix, state, 0o600))

	if f := c.open(t, path, Options{}); !f.Complete() {
		t.Error("not complete")
	}
	c.inPlace(t, path)

	// Nor does the stale record vouch for a part that is gone.
	must(t, os.WriteFile(path+stateSuffix, state, 0o600))
	must(t, os.Remove(path))
	has(t, c.open(t, path, Options{}), "...")
}

// TestCrashAroundExchange ends just before and just after the new folder and the
// old one have been exchanged.
func TestCrashAroundExchange(t *testing.T) {
	c := newContent(t, 1, someFiles)
	for name, crash := range map[string]func(f *File) error{
		"before": func(f *File) error { return errors.Join(f.flush(), f.disclaim()) },
		"after":  (*File).complete,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "folder")
			must(t, os.MkdirAll(filepath.Join(path, "old", "folder"), 0o755))
			f := c.open(t, path, Options{Overwrite: true})
			c.put(t, f)
			f.halt()
			must(t, crash(f))
			must(t, f.journal.file.Close())

			g := c.open(t, path, Options{Overwrite: true})
			has(t, g, "#########")
			must(t, g.Finish())
			c.inPlace(t, path)
		})
	}
}

func TestReadBack(t *testing.T) {
	c := newContent(t, 1, someFiles)
	path := filepath.Join(t.TempDir(), "folder")
	f := c.open(t, path, Options{})
	read := func(i int) {
		t.Helper()
		got := make([]byte, len(c.data[i])-1)
		must(t, f.Read(i, 1, got))
		if !bytes.Equal(got, c.data[i][1:]) {
			t.Errorf("piece %d reads back wrong", i)
		}
	}
	if err := f.Read(0, 0, make([]byte, 1)); err == nil {
		t.Error("read a piece that is not stored")
	}
	c.put(t, f, 0)
	read(0)
	c.put(t, f)
	must(t, f.Finish())
	for i := range c.data {
		read(i)
	}
	for _, bad := range []struct {
		piece int
		off   int64
		n     int
	}{{-1, 0, 1}, {c.NumPieces(), 0, 1}, {0, -1, 1}, {0, 1, len(c.data[0])}} {
		if f.Read(bad.piece, bad.off, make([]byte, bad.n)) == nil {
			t.Errorf("read %+v", bad)
		}
	}
	must(t, f.Close())
	if err := f.Read(0, 0, make([]byte, 1)); !errors.Is(err, ErrClosed) {
		t.Errorf("Read after Close: %v", err)
	}
}

func TestPutRefuses(t *testing.T) {
	c, other := oneFile(t, "a", 1, 2*pieceSize+1), oneFile(t, "b", 2, 5*pieceSize)
	f := c.open(t, filepath.Join(t.TempDir(), "a"), Options{})
	for _, p := range []verify.Piece{{}, other.prove(t, 2), other.prove(t, 4)} {
		if f.Put(p) == nil {
			t.Errorf("took piece %d of %d bytes", p.Index(), len(p.Data()))
		}
	}
	c.put(t, f, 0)
	if err := f.Finish(); err == nil {
		t.Error("finished without all pieces")
	}
	c.put(t, f) // and goes on
	must(t, f.Finish())
}

func TestNothingStoredLeavesNothing(t *testing.T) {
	for name, c := range map[string]*content{
		"file":   oneFile(t, "a.iso", 1, 3*pieceSize),
		"folder": newContent(t, 1, someFiles),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "it")
			f := c.open(t, path, Options{})
			must(t, f.Close())
			noLitter(t, path)
			if err := f.Finish(); !errors.Is(err, ErrClosed) {
				t.Errorf("Finish after Close: %v", err)
			}
		})
	}
}

func TestFinishNoticesTampering(t *testing.T) {
	c := oneFile(t, "a.iso", 1, 3*pieceSize)
	path := filepath.Join(t.TempDir(), "a.iso")
	f := c.open(t, path, Options{})
	c.put(t, f)
	must(t, f.flush())
	must(t, os.Truncate(path+partSuffix, 2*pieceSize+1))
	if err := f.Finish(); !errors.Is(err, errCut) {
		t.Errorf("Finish: %v", err)
	}
	must(t, f.Close()) // has nothing to add
	has(t, c.open(t, path, Options{}), "##.")
}

// TestReopeningNoticesTampering cuts and removes files behind the back of a
// part that has closed them for now: what was in them must not become zeros.
func TestReopeningNoticesTampering(t *testing.T) {
	for name, tamper := range map[string]func(path string) error{
		"cut":     func(path string) error { return os.Truncate(path, 1) },
		"removed": os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			c := newContent(t, 1, someFiles)
			path := filepath.Join(t.TempDir(), "folder")
			f := c.open(t, path, Options{})
			c.put(t, f, 7)
			f.part.closeFiles()
			must(t, tamper(filepath.Join(path+partSuffix, "z/exact")))
			if err := f.Put(c.prove(t, 8)); err == nil {
				t.Error("Put saw nothing")
			}
			_ = f.Close()
			has(t, c.open(t, path, Options{}), ".........")
		})
	}
}

// TestFailedCloseIsFinal closes a file under the part, whose own close then
// fails as one on a network file system may.
func TestFailedCloseIsFinal(t *testing.T) {
	c := newContent(t, 1, someFiles)
	f := c.open(t, filepath.Join(t.TempDir(), "folder"), Options{})
	c.put(t, f, 7)
	for _, h := range f.part.open {
		must(t, h.file.Close())
	}
	f.part.closeFiles()
	if err := f.flush(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("flush: %v", err)
	}
	if f.durable.Any() {
		t.Errorf("claims %s", picture(f.durable))
	}
}

func TestFinishDoesNotClobber(t *testing.T) {
	c := oneFile(t, "a.iso", 1, 3*pieceSize)
	path := filepath.Join(t.TempDir(), "a.iso")
	f := c.open(t, path, Options{})
	c.put(t, f)
	must(t, os.WriteFile(path, []byte("mine"), 0o644))
	diskError(t, f.Finish(), ErrExists)
	must(t, f.Close())
	if got, _ := os.ReadFile(path); string(got) != "mine" {
		t.Errorf("was overwritten: %q", got)
	}
	must(t, os.Remove(path))
	f = c.open(t, path, Options{})
	has(t, f, "###")
	must(t, f.Finish())
	c.inPlace(t, path)
}

func TestOverwriteReplacesOnlyItsKind(t *testing.T) {
	for name, c := range map[string]*content{
		"file":   oneFile(t, "it", 1, 3*pieceSize),
		"folder": newContent(t, 1, someFiles),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "it")
			f := c.open(t, path, Options{Overwrite: true})
			c.put(t, f)
			if c.Folder() {
				must(t, os.WriteFile(path, []byte("mine"), 0o644))
			} else {
				must(t, os.Mkdir(path, 0o755))
			}
			diskError(t, f.Finish(), ErrExists)
			must(t, os.Remove(path))
			must(t, f.Finish())
			c.inPlace(t, path)
		})
	}
}

func TestManyFilesFewHandles(t *testing.T) {
	files := map[string]fileSpec{}
	for i := range 300 {
		files[fmt.Sprintf("%d/%d/file", i%10, i)] = fileSpec{i % 300, 0o644}
	}
	c := newContent(t, 1, files)
	path := filepath.Join(t.TempDir(), "folder")
	f := c.open(t, path, Options{})
	c.put(t, f)
	f.part.mu.Lock()
	n := len(f.part.open)
	f.part.mu.Unlock()
	if n > maxOpen {
		t.Errorf("%d files are open", n)
	}
	must(t, f.Close())
	f = c.open(t, path, Options{})
	if !f.Have().All() {
		t.Errorf("%d of %d pieces after Close", f.Have().Count(), c.NumPieces())
	}
	must(t, f.Finish())
	c.inPlace(t, path)
}

func TestExistingPartBecomesExecutable(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no such mode")
	}
	c := newContent(t, 1, map[string]fileSpec{"run": {10, 0o755}})
	path := filepath.Join(t.TempDir(), "run")
	must(t, os.WriteFile(path+partSuffix, c.data[0], 0o640))
	must(t, os.Chmod(path+partSuffix, 0o640))
	f := c.open(t, path, Options{})
	has(t, f, "#")
	must(t, f.Finish())
	fi, err := os.Stat(path)
	must(t, err)
	if got := fi.Mode().Perm(); got != fs.FileMode(0o750) {
		t.Errorf("mode %o, want 750", got)
	}
}

func TestRightContentBecomesExecutable(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no such mode")
	}
	c := newContent(t, 1, map[string]fileSpec{"run": {10, 0o755}})
	path := filepath.Join(t.TempDir(), "run")
	must(t, os.WriteFile(path, c.data[0], 0o600))
	must(t, os.Chmod(path, 0o640))
	f := c.open(t, path, Options{})
	fi, err := os.Stat(path)
	must(t, err)
	if got := fi.Mode().Perm(); !f.Complete() || got != 0o750 {
		t.Errorf("complete is %v, mode %o, want 750", f.Complete(), got)
	}
	// It was not put in doubt by that.
	must(t, f.Read(0, 0, make([]byte, 10)))
}
