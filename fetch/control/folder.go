package control

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Folders are where a user's processes put their sockets: the first one that can
// be used. Who looks for them looks in all. The system's own folder for this is
// known by its usual name where nothing else is said, as in a cron job.
func Folders(getenv func(string) string) []string {
	if runtime.GOOS == "windows" {
		return []string{filepath.Join(cmp.Or(getenv("LOCALAPPDATA"), os.TempDir()), "shoal", "run")}
	}
	user := os.Getuid()
	return []string{
		filepath.Join(cmp.Or(getenv("XDG_RUNTIME_DIR"), fmt.Sprintf("/run/user/%d", user)), "shoal"),
		filepath.Join(cmp.Or(getenv("TMPDIR"), "/tmp"), fmt.Sprintf("shoal-%d", user)),
	}
}

// claim makes a folder that is the user's alone, unless it is there. The one it
// lies in must exist.
func claim(dir string) error {
	make := os.Mkdir
	if runtime.GOOS == "windows" {
		make = os.MkdirAll // in the user's own profile
	}
	if err := make(dir, 0o700); err != nil && !os.IsExist(err) {
		return err
	}
	return isOurs(dir)
}

// isOurs tells whether a folder is the user's alone. In a folder for all, anybody
// may have made it in his stead.
func isOurs(dir string) error {
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is no folder", dir)
	case !owned(info):
		return fmt.Errorf("%s is somebody else's", dir)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%s is open to others (%v)", dir, info.Mode().Perm())
	}
	return nil
}

// extension ends the names of sockets that can be connected to. They begin with
// the number of the process, and no name is ever used twice.
const extension = ".sock"

// sockets lists those in a folder.
func sockets(dir string) ([]string, error) {
	if err := isOurs(dir); err != nil {
		if os.IsNotExist(err) {
			return nil, nil
		}
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range entries {
		if filepath.Ext(e.Name()) == extension && e.Type()&fs.ModeSymlink == 0 {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths, nil
}
