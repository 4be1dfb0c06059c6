package resume

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestSave(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.shoal")
	content := func(want string) {
		t.Helper()
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("content is %q, %v; want %q", got, err, want)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 1 {
			t.Errorf("left behind: %v", entries)
		}
	}
	if err := Save(path, []byte("one"), false); err != nil {
		t.Fatal(err)
	}
	content("one")
	err := Save(path, []byte("two"), false)
	if disk, ok := errors.AsType[*Error](err); !ok || !errors.Is(err, ErrExists) || disk.Hint == "" {
		t.Errorf("saving over a file: %v", err)
	}
	if err := Savable(path, false); !errors.Is(err, ErrExists) {
		t.Errorf("Savable over a file: %v", err)
	}
	content("one")
	if err := Save(path, []byte("three"), true); err != nil {
		t.Fatal(err)
	}
	content("three")
}

func TestSaveInTheWay(t *testing.T) {
	dir := t.TempDir()
	if err := Save(dir, nil, true); !errors.Is(err, ErrExists) {
		t.Errorf("saving over a folder: %v", err)
	}
	_, isDisk := errors.AsType[*Error](Save(filepath.Join(dir, "no", "m"), nil, false))
	if !isDisk {
		t.Error("saving into a folder that is not there is no *Error")
	}
}
