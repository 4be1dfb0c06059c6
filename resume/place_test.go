package resume

import (
	"os"
	"path/filepath"
	"testing"
)

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
