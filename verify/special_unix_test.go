//go:build unix

package verify

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// makePipe makes a pipe that nobody writes to: whoever opens it waits.
func makePipe(t *testing.T, path string) {
	t.Helper()
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCreateRefusesPipes(t *testing.T) {
	root := writeTree(t, map[string][]byte{"a": nil})
	pipe := filepath.Join(root, "pipe")
	makePipe(t, pipe)
	for _, path := range []string{root, pipe} {
		_, err := Create(t.Context(), path, CreateOptions{})
		if !errors.Is(err, ErrNotRegular) {
			t.Errorf("of %s: %v", path, err)
		}
		wantError(t, err, "pipe is a pipe: not a regular file", path)
	}
}

func TestCheckRefusesWhatIsNoFile(t *testing.T) {
	m := newManifest(t, MinPieceSize, map[string][]byte{"a": []byte("a"), "b": []byte("b")})
	one := newManifest(t, MinPieceSize, map[string][]byte{"a": []byte("a")})
	for what, place := range map[string]func(path string) error{
		"a pipe":          func(path string) error { makePipe(t, path); return nil },
		"a folder":        func(path string) error { return os.Mkdir(path, 0o700) },
		"a symbolic link": func(path string) error { return os.Symlink("b", path) },
	} {
		root := writeTree(t, map[string][]byte{"b": []byte("b")})
		path := filepath.Join(root, "a")
		if err := place(path); err != nil {
			t.Fatal(err)
		}
		for path, m := range map[string]*Manifest{root: m, path: one} {
			_, err := m.Check(t.Context(), path, nil)
			if !errors.Is(err, ErrNotRegular) {
				t.Errorf("%s, check of %s: %v", what, path, err)
			}
			wantError(t, err, "a is "+what, what)
			if m == one {
				wantError(t, err, ": "+path+" is ", what) // under whatever name it lies there
			}
		}
	}

	pipe := filepath.Join(t.TempDir(), "pipe")
	makePipe(t, pipe)
	_, err := m.Check(t.Context(), pipe, nil)
	wantError(t, err, "not a folder", "a pipe where the folder should be")
}

// TestCheckStaysInside plants a link to a right file outside of the folder.
func TestCheckStaysInside(t *testing.T) {
	files := map[string][]byte{"d/a": []byte("a"), "e": nil}
	m := newManifest(t, MinPieceSize, files)
	outside := writeTree(t, files)
	root := writeTree(t, map[string][]byte{"e": nil})
	if err := os.Symlink(filepath.Join(outside, "d"), filepath.Join(root, "d")); err != nil {
		t.Fatal(err)
	}
	c, err := m.Check(t.Context(), root, nil)
	wantError(t, err, "escapes", "a link out of the folder")
	if c.Good != nil {
		t.Error("it was called good all the same")
	}
}

func TestCheckUnreadable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root reads everything")
	}
	root := writeTree(t, map[string][]byte{"a": []byte("a")})
	path := filepath.Join(root, "a")
	m := newManifest(t, MinPieceSize, map[string][]byte{"a": []byte("a")})
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Check(t.Context(), path, nil); !errors.Is(err, os.ErrPermission) {
		t.Errorf("check of a file that cannot be read: %v", err)
	}
}
