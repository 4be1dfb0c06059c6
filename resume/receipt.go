package resume

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/zeebo/blake3"

	"github.com/shoal-dl/shoal/verify"
)

// A Receipt is the record of a finished fetch: that the files at a path were
// proven to be some content, and how they looked then. It lies in the user's
// cache folder, in a file that is named after content id and path, and is
// nothing but the digest of the look: of each file its size, when its bytes and
// its inode were last changed, and which file it is. So there is nothing in it
// to parse, and whatever is not exactly as it was (another file of the same
// name, one byte written, its time set back, a receipt torn or made up) does
// not match and is hashed again. What it cannot see is a disk that forgets, and
// a change within the same tick of the file system's clock, a few milliseconds.
// That is good enough to serve by, because whoever fetches proves each piece
// himself. It is not good enough to tell a user that his file is right: fetch
// and verify always hash.
type Receipt struct {
	file string         // empty when there cannot be one
	look [lookSize]byte // of the content when LookAt was called
}

const (
	lookSize    = 32
	lookVersion = "shoal receipt 1"

	// maxReceipts is how many are kept; then the oldest quarter goes.
	maxReceipts = 1024
)

// LookAt looks at the content m at path, as far as that takes no reading, for
// receipts in the given folder. What is not there as it should be, by kind or
// by size, has no receipt, nor has anything when the folder is "".
func LookAt(m *verify.Manifest, path, folder string) Receipt {
	abs, err := filepath.Abs(path)
	if err != nil || folder == "" {
		return Receipt{}
	}
	look, err := lookAt(m, abs)
	if err != nil {
		return Receipt{}
	}
	id := m.ID()
	name := blake3.Sum256(append(id[:], abs...))
	return Receipt{file: filepath.Join(folder, hex.EncodeToString(name[:16])), look: look}
}

// Holds tells whether what looked like this was proven to be right.
func (r Receipt) Holds() bool {
	if fi, err := os.Lstat(r.file); err != nil || fi.Size() != lookSize || !fi.Mode().IsRegular() {
		return false // and not opened: a pipe would keep us waiting
	}
	f, err := os.Open(r.file)
	if err != nil {
		return false
	}
	defer f.Close()
	var b [lookSize + 1]byte
	n, _ := io.ReadFull(f, b[:])
	return n == lookSize && [lookSize]byte(b[:]) == r.look
}

// Keep records that what looked like this is right. To be sure of that, look
// first and then hash: what is changed meanwhile no longer looks like it.
func (r Receipt) Keep() error {
	if r.file == "" {
		return nil
	}
	dir := filepath.Dir(r.file)
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = r.write(dir)
	}
	if err == nil {
		err = prune(dir)
	}
	if err != nil {
		return fmt.Errorf("keep receipt: %w", err)
	}
	return nil
}

// write writes the receipt in its folder, whole or not at all as far as other
// processes see it. It is not synced: a torn one does not match.
func (r Receipt) write(dir string) error {
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(r.look[:])
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), r.file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// prune removes the oldest quarter of the receipts in dir once there are too many.
// Another process may be doing the same.
func prune(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) <= maxReceipts {
		return err
	}
	var files []fs.FileInfo
	for _, e := range entries {
		if fi, err := e.Info(); err == nil && fi.Mode().IsRegular() {
			files = append(files, fi)
		}
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int {
		return cmp.Or(a.ModTime().Compare(b.ModTime()), cmp.Compare(a.Name(), b.Name()))
	})
	for _, fi := range files[:max(0, len(files)-maxReceipts*3/4)] {
		if err := os.Remove(filepath.Join(dir, fi.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// lookAt digests how the files of m at root look.
func lookAt(m *verify.Manifest, root string) (look [lookSize]byte, err error) {
	h := blake3.New()
	id := m.ID()
	b := append([]byte(lookVersion), id[:]...)
	for i, marks := range marksAt(m, root) {
		if marks == markless || marks.size() != m.Files[i].Size {
			return look, errDamaged
		}
		for _, mark := range marks {
			b = binary.LittleEndian.AppendUint64(b, mark)
		}
		_, _ = h.Write(b)
		b = b[:0]
	}
	h.Sum(look[:0])
	return look, nil
}
