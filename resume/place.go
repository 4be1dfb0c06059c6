package resume

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/zeebo/blake3"

	"github.com/shoal-dl/shoal/verify"
)

// What stands beside a final path NAME while it is being downloaded: the data,
// a file or a folder, and the record of what of it is proven; and a folder that
// --overwrite replaces, for the moment between two renames where the system cannot
// exchange two names in one step.
const (
	partSuffix  = ".shoal-part"
	stateSuffix = ".shoal-part.state"
	oldSuffix   = ".shoal-part.old"

	maxName = 255 // bytes, what common file systems take
)

// place is a final path and what may stand beside it.
type place struct {
	final, part, state, old string
	dir                     string // the folder they are all in
	name                    string // that of the final path, if those of the others do not tell it
}

// placeOf names the files of a download to path.
func placeOf(path string) (place, error) {
	final := filepath.Clean(path)
	if base := filepath.Base(final); path == "" || base == "." || base == ".." || base == string(filepath.Separator) {
		return place{}, fail("open", path, errors.New("not the name of a file"))
	}
	name := filepath.Base(final)
	stem := stemOf(name)
	at := strings.TrimSuffix(final, name) + stem
	pl := place{final: final, part: at + partSuffix, state: at + stateSuffix, old: at + oldSuffix, dir: filepath.Dir(final)}
	if stem != name {
		pl.name = name
	}
	return pl, nil
}

// stemOf is what the suffixes are added to: the name, or as much of it as there is room
// for, and a digest of all of it. The stem of a stem is the same.
func stemOf(name string) string {
	const digest = 8 // bytes
	room := maxName - len(stateSuffix)
	if len(name) <= room {
		return name
	}
	cut := room - len("~") - hex.EncodedLen(digest)
	for cut > 0 && !utf8.RuneStart(name[cut]) {
		cut--
	}
	sum := blake3.Sum256([]byte(name))
	return name[:cut] + "~" + hex.EncodeToString(sum[:digest])
}

// Target is the final path of content that is to go to output, or without one
// to the current folder. Into an existing folder it goes by its name, unless
// that is the content's own folder, where it was fetched before; and so does a
// file where the output is written as a folder is.
func Target(m *verify.Manifest, output string) string {
	if output == "" {
		return m.Name
	}
	into := !m.Folder() && os.IsPathSeparator(output[len(output)-1])
	if fi, err := os.Stat(output); err == nil && fi.IsDir() {
		into = !m.Folder() || !sized(m, output)
	}
	if into {
		return filepath.Join(output, m.Name)
	}
	return output
}

// Follow is where the content at path lies: where the symbolic link leads, if
// path is one and just what the user named, and else at path. Links that he did
// not name are not followed, for nobody knows who made them; nor is one that
// leads nowhere.
func Follow(path, named string) string {
	if fi, err := os.Lstat(filepath.Clean(path)); path != named || err != nil || fi.Mode().Type() != fs.ModeSymlink {
		return path
	}
	if to, err := filepath.EvalSymlinks(path); err == nil {
		return to
	}
	return path
}

// checkDir makes sure that there is a folder for the download to be in.
func (pl place) checkDir() error {
	fi, err := os.Stat(pl.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &Error{Op: "create", Path: pl.final, Err: fmt.Errorf("there is no folder %s: %w", pl.dir, fs.ErrNotExist), Hint: "make it first"}
	case err != nil:
		return fail("open", pl.dir, err)
	case !fi.IsDir():
		return inTheWay("open", pl.dir, describe(fi.Mode()), "choose a folder with -o")
	}
	return nil
}

// regularOrAbsent refuses anything at path but a regular file.
func (pl place) regularOrAbsent(path string) error {
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && !fi.Mode().IsRegular() {
		return inTheWay("open", path, describe(fi.Mode()), "move it away")
	}
	return fail("open", path, err)
}

// standing is what lies at the final path: nothing (info is nil), the right
// content, or another content of the right kind.
type standing struct {
	info  fs.FileInfo
	right bool
	looks []marks // when it was hashed; nil if it was not
}

// look finds out what lies at the final path, hashing it if it could be the
// content. A thing of the wrong kind is an error.
func (pl place) look(ctx context.Context, m *verify.Manifest, o Options) (standing, error) {
	fi, err := os.Lstat(pl.final)
	if errors.Is(err, fs.ErrNotExist) {
		return standing{}, nil
	}
	if err != nil {
		return standing{}, fail("open", pl.final, err)
	}
	if fi.Mode().Type() != kindOf(m) {
		return standing{}, inTheWay("create", pl.final, describe(fi.Mode()), "choose another name with -o")
	}
	s := standing{info: fi}
	if !sized(m, pl.final) {
		return s, nil
	}
	checked, looks, err := check(ctx, m, pl.final, o)
	if errors.Is(err, verify.ErrNotRegular) {
		return s, nil
	}
	s.looks = looks
	s.right = err == nil && len(checked.Damage) == 0
	return s, err
}

// unchanged tells whether what look saw is still what lies at the final path.
func (pl place) unchanged(s standing) bool {
	fi, err := os.Lstat(pl.final)
	if s.info == nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	return err == nil && os.SameFile(fi, s.info)
}

// check hashes what lies at root, reporting as the options say, and tells how it
// looked. What changes meanwhile is hashed again, a few times.
func check(ctx context.Context, m *verify.Manifest, root string, o Options) (verify.Checked, []marks, error) {
	for range checkTries {
		looks := marksAt(m, root)
		checked, err := checkOnce(ctx, m, root, o)
		if err != nil || slices.Equal(looks, marksAt(m, root)) {
			return checked, looks, err
		}
	}
	return verify.Checked{}, nil, &Error{Op: "check", Path: root, Err: ErrChanged, Hint: "try again when nobody writes to it"}
}

// checkTries is how often content is hashed that does not stay what it was.
const checkTries = 3

func checkOnce(ctx context.Context, m *verify.Manifest, root string, o Options) (verify.Checked, error) {
	if o.Total != nil {
		o.Total(m.Size())
	}
	checked, err := m.Check(ctx, root, o.Progress)
	if ctx.Err() != nil {
		return verify.Checked{}, context.Cause(ctx)
	}
	if err != nil {
		return verify.Checked{}, &Error{Op: "check", Path: root, Err: cmp.Or(errors.Unwrap(err), err)} // as Check has said what and where
	}
	return checked, nil
}

// sized tells whether all files at root have the sizes the manifest gives: a
// look that spares hashing a folder that cannot be right.
func sized(m *verify.Manifest, root string) bool {
	for i := range m.Files {
		fi, err := os.Lstat(pathOf(m, root, i))
		if err != nil || !fi.Mode().IsRegular() || fi.Size() != m.Files[i].Size {
			return false
		}
	}
	return true
}

// pathOf is where file i of the content at root lies.
func pathOf(m *verify.Manifest, root string, i int) string {
	if !m.Folder() {
		return root
	}
	return filepath.Join(root, filepath.FromSlash(m.Files[i].Path))
}

// kindOf is the file type of the whole content: a folder or a regular file.
func kindOf(m *verify.Manifest) fs.FileMode {
	if m.Folder() {
		return fs.ModeDir
	}
	return 0
}

// describe names a kind of file to the user.
func describe(mode fs.FileMode) string {
	switch mode.Type() {
	case 0:
		return "a file"
	case fs.ModeDir:
		return "a folder"
	case fs.ModeSymlink:
		return "a symbolic link"
	case fs.ModeNamedPipe:
		return "a named pipe"
	case fs.ModeSocket:
		return "a socket"
	}
	return "a device"
}

// finalOf is the final path that belongs to the name of a part or a record, or its
// stem if it is longer, which stands for it until the record is read; a final path is
// returned as it is.
func finalOf(path string) string {
	for len(path) > 1 && os.IsPathSeparator(path[len(path)-1]) { // shells end a folder's name so
		path = path[:len(path)-1]
	}
	return strings.TrimSuffix(strings.TrimSuffix(path, stateSuffix), partSuffix)
}
