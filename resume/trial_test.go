package resume

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestTryLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "f")} {
		got, err := Try(t.Context(), path)
		if err != nil || got.Folder != dir || got.Wrote < trialSync || got.Wrote > trialBytes || got.Took <= 0 || got.Free <= 0 {
			t.Errorf("Try(%s) = %+v, %v", path, got, err)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	cancel(stop)
	if _, err := Try(ctx, dir); !errors.Is(err, stop) {
		t.Errorf("called off, it says %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}

func TestTryNoFolder(t *testing.T) {
	_, err := Try(t.Context(), filepath.Join(t.TempDir(), "none", "f"))
	if e, ok := errors.AsType[*Error](err); !ok || !errors.Is(e, os.ErrNotExist) {
		t.Errorf("it says %v", err)
	}
}

func TestMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	c := oneFile(t, "f", 1, 3*pieceSize)
	if got := Missing(c.Manifest, path); got != 3*pieceSize {
		t.Errorf("of nothing, %d bytes are missing", got)
	}
	part := append(append([]byte{}, c.data[0]...), c.data[1]...)
	must(t, os.WriteFile(path+partSuffix, part, 0o600))
	if got := Missing(c.Manifest, path); got > pieceSize {
		t.Errorf("of a part, %d bytes are missing", got)
	}
	must(t, os.WriteFile(path, append(part, c.data[2]...), 0o600))
	if got := Missing(c.Manifest, path); got != 0 {
		t.Errorf("of a whole file, %d bytes are missing", got)
	}
	folder := newContent(t, 2, someFiles)
	path = filepath.Join(t.TempDir(), "folder")
	must(t, os.Mkdir(path+partSuffix, 0o700))
	must(t, os.WriteFile(filepath.Join(path+partSuffix, "stranger"), part, 0o600))
	if got := Missing(folder.Manifest, path); got != folder.Size() {
		t.Errorf("beside a file of no concern, %d bytes are missing, want %d", got, folder.Size())
	}
}
