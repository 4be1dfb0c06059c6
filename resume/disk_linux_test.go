package resume

import (
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/bits-and-blooms/bitset"
	"golang.org/x/sys/unix"
)

// smallDisk mounts a tmpfs of the given size.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("shoal", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("cannot mount a tmpfs: %v", err)
	}
	t.Cleanup(func() { must(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	return dir
}

func TestTooSmallDisk(t *testing.T) {
	for name, c := range map[string]*content{
		"file":   oneFile(t, "a.iso", 1, 6<<20),
		"folder": newContent(t, 1, map[string]fileSpec{"a": {3 << 20, 0o644}, "b": {3 << 20, 0o644}}),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(smallDisk(t, "4m"), "out")
			_, err := Open(t.Context(), c.Manifest, c.origin, path, Options{})
			diskError(t, err, ErrNoSpace)
			for _, figure := range []string{"needs 6.0 MiB", "4.0 MiB free"} {
				if !strings.Contains(err.Error(), figure) {
					t.Errorf("%q does not say %q", err, figure)
				}
			}
			noLitter(t, path)
		})
	}
}

func TestDiskFillsUp(t *testing.T) {
	for name, c := range map[string]*content{
		"file":   oneFile(t, "a.iso", 1, 3<<20),
		"folder": newContent(t, 1, map[string]fileSpec{"a": {2 << 20, 0o644}, "b": {1 << 20, 0o644}}),
	} {
		t.Run(name, func(t *testing.T) {
			dir := smallDisk(t, "4m")
			path := filepath.Join(dir, "out")
			f := c.open(t, path, Options{})
			c.put(t, f, 0, 1, 2)
			filler := filepath.Join(dir, "filler")
			fillUp(t, filler)
			err := f.Put(c.prove(t, 40))
			diskError(t, err, unix.ENOSPC)
			if e, ok := errors.AsType[*Error](err); !ok || !e.Full() {
				t.Errorf("%v is none of a full disk", err)
			}
			if !strings.Contains(err.Error(), "write ") || !strings.Contains(err.Error(), "out.shoal-part") {
				t.Errorf("%q does not say what failed", err)
			}
			// Recording what there is takes no space.
			must(t, f.Close())
			must(t, os.Remove(filler))
			f = c.open(t, path, Options{})
			if !f.Have().IsSuperSet(someSet(uint(c.NumPieces()), 0, 1, 2)) {
				t.Errorf("has %s", picture(f.Have()))
			}
			c.put(t, f)
			must(t, f.Finish())
			c.inPlace(t, path)
		})
	}
}

// fillUp writes a file until the disk is full.
func fillUp(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
}

func TestReadOnlyDisk(t *testing.T) {
	c := oneFile(t, "a.iso", 1, 100)
	dir := smallDisk(t, "4m")
	must(t, unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	_, err := Open(t.Context(), c.Manifest, c.origin, filepath.Join(dir, "a.iso"), Options{})
	if e, ok := errors.AsType[*Error](err); !ok || !errors.Is(err, unix.EROFS) || !strings.Contains(e.Error(), "a.iso") {
		t.Errorf("Open: %v", err)
	}
}

func TestUnwritableFolder(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root writes everywhere")
	}
	c := oneFile(t, "a.iso", 1, 100)
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o500))
	_, err := Open(t.Context(), c.Manifest, c.origin, filepath.Join(dir, "a.iso"), Options{})
	if _, ok := errors.AsType[*Error](err); !ok || !errors.Is(err, unix.EACCES) {
		t.Errorf("Open: %v", err)
	}
}

// ownMounts marks a run of the test binary whose mounts nobody else sees.
const ownMounts = "SHOAL_OWN_MOUNTS"

// withOwnMounts runs the test again in a mount namespace of its own. A process that
// copies ours, as a container that is started does, would keep a file system alive
// that we unmount: after a power cut it would come back dead.
func withOwnMounts(t *testing.T) {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	c.Env = append(os.Environ(), ownMounts+"=1")
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	out, err := c.CombinedOutput()
	switch {
	case errors.Is(err, unix.EPERM):
		t.Skipf("no mount namespaces here: %v", err)
	case err != nil:
		t.Errorf("%v\n%s", err, out)
	case strings.Contains(string(out), "--- SKIP"):
		t.Skipf("%s", out)
	}
}

// TestPowerLoss stores at random on an ext4 of its own, cuts the power, and
// looks at what the journal of the file system brings back: all that was
// claimed must be there, and all that was flushed must be claimed.
func TestPowerLoss(t *testing.T) {
	if testing.Short() {
		t.Skip("mounts a file system many times")
	}
	if os.Getenv(ownMounts) == "" {
		withOwnMounts(t)
		return
	}
	for name, c := range map[string]*content{
		"file":   oneFile(t, "out", 1, 40*pieceSize),
		"folder": newContent(t, 1, someFiles),
	} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t)
			path := filepath.Join(d.dir, "out")
			safe := bitset.New(uint(c.NumPieces()))
			for round := range 12 {
				f := c.open(t, path, Options{})
				if f.Complete() {
					break
				}
				had := f.Have()
				if !had.IsSuperSet(safe) {
					t.Fatalf("round %d: flushed %s, has %s", round, picture(safe), picture(had))
				}
				c.claims(t, had, path+partSuffix)
				safe = c.putAndFlush(t, f)
				if round == 11 {
					c.put(t, f)
					must(t, f.Finish())
				}
				d.cutPower(t)
				_ = f.Close() // on a dead disk
				d.mount(t)
			}
			// The name is durable; that the record is gone need not be.
			if f := c.open(t, path, Options{}); !f.Complete() {
				t.Error("not complete in the end")
			}
			c.inPlace(t, path)
		})
	}
}

// putAndFlush puts some pieces, flushes, and puts some more. It returns what
// must survive.
func (c *content) putAndFlush(t *testing.T, f *File) *bitset.BitSet {
	t.Helper()
	pieces := rand.Perm(c.NumPieces())
	flushed, after := rand.IntN(c.NumPieces()/4), rand.IntN(c.NumPieces()/4)
	c.put(t, f, pieces[:flushed]...)
	must(t, f.flush())
	safe := f.durable.Clone()
	c.put(t, f, pieces[flushed:flushed+after]...)
	return safe
}

// disk is an ext4 file system in a file, mounted at dir.
type disk struct {
	image, dir string
}

func newDisk(t *testing.T) *disk {
	t.Helper()
	d := &disk{image: filepath.Join(t.TempDir(), "image"), dir: t.TempDir()}
	must(t, writeZeros(d.image, 64<<20))
	if out, err := exec.Command("mkfs.ext4", "-q", d.image).CombinedOutput(); err != nil {
		t.Skipf("cannot make a file system: %v %s", err, out)
	}
	if out, err := exec.Command("mount", "-o", "loop", d.image, d.dir).CombinedOutput(); err != nil {
		t.Skipf("cannot mount a file system: %v %s", err, out)
	}
	t.Cleanup(func() { must(t, unix.Unmount(d.dir, unix.MNT_DETACH)) })
	return d
}

// cutPower drops all that is not on the disk yet: FS_IOC_SHUTDOWN without
// flushing the log, see the kernel's fs/ext4/ioctl.c.
func (d *disk) cutPower(t *testing.T) {
	t.Helper()
	const shutdown, noLogFlush = 0x8004587d, 2
	f, err := os.Open(d.dir)
	must(t, err)
	defer f.Close()
	how := uint32(noLogFlush)
	if _, _, no := unix.Syscall(unix.SYS_IOCTL, f.Fd(), shutdown, uintptr(unsafe.Pointer(&how))); no != 0 {
		t.Skipf("cannot cut the power: %v", no)
	}
}

// mount mounts the disk again after cutPower.
func (d *disk) mount(t *testing.T) {
	t.Helper()
	must(t, unix.Unmount(d.dir, 0))
	if out, err := exec.Command("mount", "-o", "loop", d.image, d.dir).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v %s", err, out)
	}
}

// TestUnsaved promises nothing to go on from.
func TestUnsaved(t *testing.T) {
	full := &os.PathError{Op: "write", Path: "m", Err: unix.ENOSPC}
	err, ok := errors.AsType[*Error](unsaved("write", "m", full))
	if !ok || !err.Full() || err.Hint != "free some space, or choose another disk with -o" {
		t.Errorf("%v", err)
	}
}
