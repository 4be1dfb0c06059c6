package resume

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-dl/shoal/verify"
)

// errWrong is what check finds.
var errWrong = errors.New("wrong")

// guarded is content in place that somebody guards, in a synctest bubble.
type guarded struct {
	*content
	t     *testing.T
	path  string
	file  *File
	ended chan error

	mu   sync.Mutex
	told []bool // to hold
}

// hold is told that the content is in doubt, or is not any more.
func (g *guarded) hold(on bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.told = append(g.told, on)
}

// held is what hold was told.
func (g *guarded) held() []bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.told)
}

// guard guards c, which f is, until the test ends.
func (c *content) guard(t *testing.T, f *File, path string) *guarded {
	g := &guarded{content: c, t: t, path: path, file: f, ended: make(chan error, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { g.ended <- f.Guard(ctx, g.hold, g.check) }()
	t.Cleanup(func() {
		cancel()
		synctest.Wait()
		if len(g.ended) != 1 {
			t.Error("Guard does not end with its context")
		}
		_ = f.Close()
	})
	return g
}

// check hashes what is there.
func (g *guarded) check() error {
	checked, err := g.Check(g.t.Context(), g.path, nil)
	if err == nil && len(checked.Damage) > 0 {
		err = errWrong
	}
	return err
}

// wait lets Guard look once, and returns what it was ended by.
func (g *guarded) wait() error {
	time.Sleep(lookEvery)
	synctest.Wait()
	select {
	case err := <-g.ended:
		g.ended <- err // for who cleans up
		return err
	default:
		return nil
	}
}

// reads reads all pieces, none of which may be wrong, and returns how many it
// could.
func (c *content) reads(t *testing.T, f *File) (n int) {
	t.Helper()
	for i := range c.data {
		got := make([]byte, len(c.data[i]))
		if err := f.Read(i, 0, got); err != nil {
			continue
		}
		if !bytes.Equal(got, c.data[i]) {
			t.Errorf("piece %d is read and wrong", i)
		}
		n++
	}
	return n
}

// alike puts another file with the same bytes in the place of that at path.
func alike(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path+".new", data, 0o644))
	must(t, os.Rename(path+".new", path))
}

// replaceable skips a test where nothing that is open can be renamed or removed.
func replaceable(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("somebody else cannot replace what we have open")
	}
}

func TestGuardNoticesAnyChange(t *testing.T) {
	replaceable(t)
	for _, test := range []struct {
		name   string
		change func(t *testing.T, path string)
		want   error // nil if it is still right
	}{
		{"a byte", func(t *testing.T, path string) { later(t, path); overwriteAt(t, path, 0) }, errWrong},
		{"a byte, and the time set back", touchless, errWrong},
		{"another file", func(t *testing.T, path string) {
			must(t, os.WriteFile(path+".new", make([]byte, 2*pieceSize), 0o644))
			must(t, os.Rename(path+".new", path))
		}, errWrong},
		{"cut", func(t *testing.T, path string) { must(t, os.Truncate(path, 3)) }, errWrong},
		{"grown", func(t *testing.T, path string) { must(t, os.Truncate(path, 1<<20)) }, errWrong},
		{"gone", func(t *testing.T, path string) { must(t, os.Remove(path)) }, fs.ErrNotExist},
		{"touched", func(t *testing.T, path string) { must(t, os.Chtimes(path, time.Time{}, time.Unix(1e9, 0))) }, nil},
		{"made private", func(t *testing.T, path string) { later(t, path); must(t, os.Chmod(path, 0o600)) }, nil},
		{"another file of the same bytes", alike, nil},
	} {
		for _, read := range []bool{false, true} {
			for _, kind := range []string{"file", "folder"} {
				name := kind + " " + test.name
				if read {
					name += " and is asked for"
				}
				t.Run(name, func(t *testing.T) {
					path := filepath.Join(t.TempDir(), "content")
					c, victim, want := oneFile(t, "a.iso", 1, 2*pieceSize), path, test.want
					if kind == "folder" {
						c, victim = newContent(t, 1, someFiles), filepath.Join(path, "z", "exact")
						if want != nil {
							want = errWrong
						}
					}
					c.stored(t, path)
					synctest.Test(t, func(t *testing.T) {
						f, err := Offer(c.Manifest, path)
						must(t, err)
						g := c.guard(t, f, path)
						if g.wait() != nil || g.held() != nil || c.reads(t, f) != len(c.data) {
							t.Fatal("it is in doubt before it was changed")
						}
						test.change(t, victim)
						if read {
							c.reads(t, f)
						}
						if err := g.wait(); !errors.Is(err, want) {
							t.Errorf("it ends with %v, want %v", err, want)
						}
						held, readable := []bool{true, false}, len(c.data)
						if want != nil {
							held, readable = held[:1], 0
						}
						if n := c.reads(t, f); !slices.Equal(g.held(), held) || n != readable {
							t.Errorf("hold was told %v, and %d pieces can be read", g.held(), n)
						}
					})
				})
			}
		}
	}
}

// TestGuardGoesOn has a folder moved, put back, copied and in the end damaged:
// after each what is read is what lies at the path.
func TestGuardGoesOn(t *testing.T) {
	replaceable(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "content")
	c := newContent(t, 1, someFiles)
	c.stored(t, path)
	synctest.Test(t, func(t *testing.T) {
		f, err := Offer(c.Manifest, path)
		must(t, err)
		g := c.guard(t, f, path)
		c.reads(t, f) // so that all is open
		must(t, os.CopyFS(filepath.Join(dir, "copy"), os.DirFS(path)))
		must(t, os.Rename(path, filepath.Join(dir, "old")))
		must(t, os.Rename(filepath.Join(dir, "copy"), path))
		if err := g.wait(); err != nil || c.reads(t, f) != len(c.data) {
			t.Fatalf("the copy is not served: %v", err)
		}
		later(t, filepath.Join(dir, "old", "small"))
		overwriteAt(t, filepath.Join(dir, "old", "small"), 0)
		if err := g.wait(); err != nil || c.reads(t, f) != len(c.data) {
			t.Fatalf("what happens to the old folder matters: %v", err)
		}
		if !slices.Equal(g.held(), []bool{true, false}) {
			t.Errorf("hold was told %v", g.held())
		}
		touchless(t, filepath.Join(path, "small"))
		c.reads(t, f)
		if err := g.wait(); !errors.Is(err, errWrong) {
			t.Errorf("it ends with %v", err)
		}
	})
}

// TestGuardOfAllThatIsInPlace changes what was put in place and what was found
// there: as if it had been offered.
func TestGuardOfAllThatIsInPlace(t *testing.T) {
	c := newContent(t, 1, someFiles)
	for _, how := range []string{"put in place", "found"} {
		t.Run(how, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "content")
			if how == "found" {
				c.stored(t, path)
			}
			synctest.Test(t, func(t *testing.T) {
				f := c.open(t, path, Options{})
				if how != "found" {
					c.put(t, f)
					c.reads(t, f) // so that files are open which are renamed then
				}
				must(t, f.Finish())
				g := c.guard(t, f, path)
				if err := g.wait(); err != nil || g.held() != nil || c.reads(t, f) != len(c.data) {
					t.Fatalf("it is in doubt before it was changed: %v", err)
				}
				touchless(t, filepath.Join(path, "small"))
				c.reads(t, f)
				if err := g.wait(); !errors.Is(err, errWrong) {
					t.Errorf("it ends with %v", err)
				}
			})
		})
	}
}

// TestGuardOfWhatIsTrusted offers content that is not as it should be: it is as it
// was, until that changes.
func TestGuardOfWhatIsTrusted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "content")
	c := newContent(t, 1, someFiles)
	c.stored(t, path)
	overwriteAt(t, filepath.Join(path, "small"), 0)
	must(t, os.Remove(filepath.Join(path, "z", "exact")))
	synctest.Test(t, func(t *testing.T) {
		f, err := Offer(c.Manifest, path)
		must(t, err)
		g := c.guard(t, f, path)
		time.Sleep(time.Hour)
		buf := make([]byte, 17)
		small, _ := c.Pieces(slices.IndexFunc(c.Files, func(f verify.File) bool { return f.Path == "small" }))
		if err := f.Read(small, 0, buf); err != nil || g.wait() != nil || g.held() != nil {
			t.Errorf("it is in doubt: %v, %v", err, g.held())
		}
		must(t, os.WriteFile(filepath.Join(path, "z", "exact"), nil, 0o644))
		if err := g.wait(); !errors.Is(err, errWrong) {
			t.Errorf("it ends with %v", err)
		}
	})
}

// offered is a right file of one piece that is offered until the test ends.
func offered(t *testing.T) (*content, *File, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.iso")
	c := oneFile(t, "a.iso", 1, pieceSize)
	c.stored(t, path)
	f, err := Offer(c.Manifest, path)
	must(t, err)
	t.Cleanup(func() { must(t, f.Close()) })
	return c, f, path
}

// TestGuardIsStoppedWhileItChecks ends without a word about what was checked.
func TestGuardIsStoppedWhileItChecks(t *testing.T) {
	c, f, path := offered(t)
	must(t, os.Truncate(path, 3))
	if c.reads(t, f) != 0 { // which is what Guard hears of
		t.Error("what is cut off is read")
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := f.Guard(ctx, func(bool) {}, func() error { cancel(); return errWrong })
	if err != nil || c.reads(t, f) != 0 {
		t.Errorf("it ends with %v", err)
	}
}

// TestGuardHearsOfWhatCannotBeRead offers what was cut off before.
func TestGuardHearsOfWhatCannotBeRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.iso")
	c := oneFile(t, "a.iso", 1, 2*pieceSize)
	c.stored(t, path)
	must(t, os.Truncate(path, pieceSize+3))
	synctest.Test(t, func(t *testing.T) {
		f, err := Offer(c.Manifest, path)
		must(t, err)
		g := c.guard(t, f, path)
		if err := f.Read(0, 0, make([]byte, pieceSize)); err != nil || g.wait() != nil {
			t.Errorf("what is there cannot be read: %v", err)
		}
		if err := f.Read(1, 0, make([]byte, pieceSize)); err == nil {
			t.Error("what is not there is read")
		}
		if err := g.wait(); !errors.Is(err, errWrong) {
			t.Errorf("it ends with %v", err)
		}
	})
}

// TestDoubtComesTooLate has a file that was opened before the content was checked
// again show only then that it has changed.
func TestDoubtComesTooLate(t *testing.T) {
	replaceable(t)
	c, f, path := offered(t)
	h, err := f.part.acquire(0)
	must(t, err)
	alike(t, path)
	must(t, f.renew(func() error { return nil }))
	if !h.changed() {
		t.Error("the old file does not show that it is another")
	}
	f.part.suspect(h)
	f.part.release(h, false)
	if n := c.reads(t, f); n != 1 {
		t.Error("the new one is in doubt")
	}
}
