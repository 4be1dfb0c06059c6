package resume

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestFollow(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links want a privilege there")
	}
	t.Chdir(t.TempDir())
	must(t, os.MkdirAll("far/away", 0o777))
	must(t, os.WriteFile("far/file", nil, 0o666))
	for name, to := range map[string]string{"file": "far/file", "again": "file", "folder": "far/away", "nowhere": "none"} {
		must(t, os.Symlink(to, name))
	}
	for _, test := range []struct{ path, named, want string }{
		{"file", "file", "far/file"},
		{"again", "again", "far/file"},
		{"folder", "folder", "far/away"},
		{"folder/", "folder/", "far/away"},
		{"file", "", "file"},
		{"./file", ".", "./file"},
		{"far/file", "far/file", "far/file"},
		{"nowhere", "nowhere", "nowhere"},
		{"nothing", "nothing", "nothing"},
	} {
		if got := Follow(test.path, test.named); got != filepath.FromSlash(test.want) {
			t.Errorf("%q, by the name %q, lies at %q, want %q", test.path, test.named, got, test.want)
		}
	}
}

func TestTarget(t *testing.T) {
	t.Chdir(t.TempDir())
	file, folder := oneFile(t, "a.iso", 1, 10), newContent(t, 1, someFiles)
	must(t, os.Mkdir("there", 0o777))
	f := folder.open(t, "fetched", Options{})
	folder.put(t, f)
	must(t, f.Finish())
	for _, test := range []struct {
		c            *content
		output, want string
	}{
		{file, "", file.Name},
		{file, "new", "new"},
		{file, "new/", filepath.Join("new", file.Name)}, // which Open refuses
		{file, "there", filepath.Join("there", file.Name)},
		{file, "fetched", filepath.Join("fetched", file.Name)},
		{folder, "new", "new"},
		{folder, "new/", "new/"},
		{folder, "there", filepath.Join("there", folder.Name)},
		{folder, "fetched", "fetched"},
	} {
		if got := Target(test.c.Manifest, test.output); got != test.want {
			t.Errorf("%s to %q goes to %q, want %q", test.c.Name, test.output, got, test.want)
		}
	}
}
