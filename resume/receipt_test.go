package resume

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// proven puts c in place at path and keeps a receipt of it in folder.
func (c *content) proven(t testing.TB, path, folder string) Receipt {
	t.Helper()
	c.stored(t, path)
	r := LookAt(c.Manifest, path, folder)
	must(t, r.Keep())
	if !LookAt(c.Manifest, path, folder).Holds() {
		t.Fatal("the receipt of what was just proven does not hold")
	}
	return r
}

// touchless changes a byte of a file and gives it back its times.
func touchless(t *testing.T, path string) {
	t.Helper()
	fi, err := os.Stat(path)
	must(t, err)
	later(t, path)
	overwriteAt(t, path, 0)
	must(t, os.Chtimes(path, fi.ModTime(), fi.ModTime()))
}

// later waits until the file system's clock has moved on from the last change
// of the file at path: a change within the same tick is out of sight.
func later(t *testing.T, path string) {
	t.Helper()
	for i := 0; ; i++ {
		probe := path + ".probe"
		must(t, os.WriteFile(probe, nil, 0o600))
		was, err := os.Stat(path)
		must(t, err)
		is, err := os.Stat(probe)
		must(t, err)
		a, err := marksOf(path, was)
		must(t, err)
		b, err := marksOf(probe, is)
		must(t, err)
		must(t, os.Remove(probe))
		if b[2] > a[2] {
			return
		}
		if i > 1e6 {
			t.Fatal("the file system's clock stands still")
		}
	}
}

func TestReceiptNoticesAnyChange(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(t *testing.T, path string)
	}{
		{"a byte, and the time set back", touchless},
		{"the time", func(t *testing.T, path string) {
			later(t, path)
			must(t, os.Chtimes(path, time.Time{}, time.Unix(1e9, 0)))
		}},
		{"cut", func(t *testing.T, path string) { must(t, os.Truncate(path, 3)) }},
		{"grown", func(t *testing.T, path string) { must(t, os.Truncate(path, 1<<20)) }},
		{"gone", func(t *testing.T, path string) { must(t, os.Remove(path)) }},
		{"another file of the same looks", func(t *testing.T, path string) {
			fi, err := os.Stat(path)
			must(t, err)
			data, err := os.ReadFile(path)
			must(t, err)
			must(t, os.WriteFile(path+".new", data, 0o644))
			must(t, os.Chtimes(path+".new", fi.ModTime(), fi.ModTime()))
			must(t, os.Rename(path+".new", path))
		}},
		{"a folder in its place", func(t *testing.T, path string) {
			must(t, os.Remove(path))
			must(t, os.Mkdir(path, 0o755))
		}},
	} {
		for _, kind := range []string{"file", "folder"} {
			t.Run(kind+" "+test.name, func(t *testing.T) {
				dir := t.TempDir()
				path, folder := filepath.Join(dir, "content"), filepath.Join(dir, "cache", "receipts")
				c, victim := oneFile(t, "a.iso", 1, 3*pieceSize+2), path
				if kind == "folder" {
					c, victim = newContent(t, 1, someFiles), filepath.Join(path, "z", "exact")
				}
				c.proven(t, path, folder)
				test.change(t, victim)
				if LookAt(c.Manifest, path, folder).Holds() {
					t.Error("the receipt holds")
				}
			})
		}
	}
}

func TestReceiptOfALinkDoesNotHold(t *testing.T) {
	dir := t.TempDir()
	path, folder := filepath.Join(dir, "content"), filepath.Join(dir, "receipts")
	c := newContent(t, 1, someFiles)
	c.proven(t, path, folder)
	victim := filepath.Join(path, "z", "exact")
	must(t, os.Rename(victim, filepath.Join(path, "elsewhere")))
	if err := os.Symlink(filepath.Join("..", "elsewhere"), victim); err != nil {
		t.Skip(err)
	}
	if LookAt(c.Manifest, path, folder).Holds() {
		t.Error("the receipt holds for a link")
	}
}

func TestReceiptIsOfOneContentAtOnePath(t *testing.T) {
	dir := t.TempDir()
	path, folder := filepath.Join(dir, "a"), filepath.Join(dir, "receipts")
	c, other := oneFile(t, "a", 1, 2*pieceSize), oneFile(t, "a", 2, 2*pieceSize)
	c.proven(t, path, folder)
	if LookAt(other.Manifest, path, folder).Holds() {
		t.Error("it holds for another content")
	}
	c.stored(t, filepath.Join(dir, "b"))
	if LookAt(c.Manifest, filepath.Join(dir, "b"), folder).Holds() {
		t.Error("it holds at another path")
	}
	t.Chdir(dir)
	if !LookAt(c.Manifest, "a", folder).Holds() {
		t.Error("it does not hold by a relative path")
	}
}

func TestReceiptTornOrMadeUpDoesNotHold(t *testing.T) {
	dir := t.TempDir()
	path, folder := filepath.Join(dir, "a"), filepath.Join(dir, "receipts")
	c := oneFile(t, "a", 1, pieceSize)
	r := c.proven(t, path, folder)
	whole, err := os.ReadFile(r.file)
	must(t, err)
	for i := range whole {
		flipped := bytes.Clone(whole)
		flipped[i] ^= 0x10
		for _, b := range [][]byte{flipped, whole[:i], append(bytes.Clone(whole), byte(i))} {
			must(t, os.WriteFile(r.file, b, 0o600))
			if r.Holds() {
				t.Fatalf("%x holds", b)
			}
		}
	}
	must(t, os.Remove(r.file))
	must(t, os.Mkdir(r.file, 0o700))
	if r.Holds() {
		t.Error("a folder holds")
	}
}

func FuzzReceipt(f *testing.F) {
	dir := f.TempDir()
	path := filepath.Join(dir, "a")
	c := oneFile(f, "a", 1, pieceSize)
	r := c.proven(f, path, filepath.Join(dir, "receipts"))
	whole, err := os.ReadFile(r.file)
	must(f, err)
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		must(t, os.WriteFile(r.file, b, 0o600))
		if r.Holds() != bytes.Equal(b, whole) {
			t.Fatalf("%x: holds %v", b, r.Holds())
		}
	})
}

func TestNoReceiptWithoutAFolder(t *testing.T) {
	dir := t.TempDir()
	c := oneFile(t, "a", 1, pieceSize)
	path := filepath.Join(dir, "a")
	c.stored(t, path)
	r := LookAt(c.Manifest, path, "")
	must(t, r.Keep())
	if r.Holds() {
		t.Error("a receipt that is nowhere holds")
	}
	must(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	if LookAt(c.Manifest, path, filepath.Join(dir, "file")).Keep() == nil {
		t.Error("a receipt was kept in a file")
	}
}

// TestReceiptsArePruned keeps many at once, as several processes do: there are
// never many more than the most, the last one is among them, and what a killed
// process has left goes too.
func TestReceiptsArePruned(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, ".new-1"), []byte("half"), 0o600))
	old := time.Now().Add(-time.Hour)
	must(t, os.Chtimes(filepath.Join(dir, ".new-1"), old, old))
	for i := range maxReceipts {
		must(t, os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), nil, 0o600))
	}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			r := Receipt{file: filepath.Join(dir, fmt.Sprintf("mine%d", i)), look: [lookSize]byte{byte(i)}}
			if err := r.Keep(); err != nil {
				t.Error(err)
			}
			if !r.Holds() {
				t.Error("what was just kept is gone")
			}
		})
	}
	all.Wait()
	entries, err := os.ReadDir(dir)
	must(t, err)
	if n := len(entries); n > maxReceipts || n < maxReceipts/2 {
		t.Errorf("%d receipts are left", n)
	}
	if _, err := os.Stat(filepath.Join(dir, ".new-1")); err == nil || !os.IsNotExist(err) {
		t.Errorf("what a killed process left is still there (%v)", err)
	}
}
