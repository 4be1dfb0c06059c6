package resume

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"
)

// startWriteback lets the kernel begin to write out what has been written.
func (p *part) startWriteback() {
	var dirty []*handle
	p.mu.Lock()
	for _, h := range p.open {
		if h.dirty {
			h.dirty = false
			h.users++
			dirty = append(dirty, h)
		}
	}
	p.mu.Unlock()
	for _, h := range dirty {
		startWriteback(h.file)
		p.release(h, false)
	}
}

// syncers is how many files are synced at once: file systems make one commit
// of it, which is five times as fast as one after the other, and nearly as fast
// as syncing all of the file system with what others have on it.
const syncers = 16

// sync makes what has been written to the files durable, and the entries of
// the folders that were made for them.
func (p *part) sync(files []int) error {
	var g errgroup.Group
	g.SetLimit(syncers)
	for _, i := range files {
		g.Go(func() error {
			return p.use(i, func(f *os.File) error { return fail("sync", f.Name(), f.Sync()) })
		})
	}
	for _, dir := range p.newDirs() {
		g.Go(func() error { return fail("sync", dir, syncDir(dir)) })
	}
	err := g.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return errors.Join(err, p.lost)
}

// newDirs returns the folders of the part with entries that have not been
// synced, and takes them to be from now on.
func (p *part) newDirs() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var dirs []string
	for dir, dirty := range p.made {
		if dirty {
			p.made[dir] = false
			dirs = append(dirs, filepath.Join(p.path, filepath.FromSlash(dir)))
		}
	}
	return dirs
}

// settle makes the files that no piece has, and cuts off what some had too
// much. It returns the files it changed. One that has become shorter than the
// pieces that were put into it is an error: somebody else has been at it.
func (p *part) settle() ([]int, error) {
	if err := p.create(); err != nil { // it is open, unless an earlier Finish has failed
		return nil, err
	}
	var changed []int
	for i := range p.m.Files {
		fi, err := p.lstat(i)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fail("open", pathOf(p.m, p.path, i), err)
		}
		size := p.m.Files[i].Size
		if err == nil && fi.Size() == size {
			continue
		}
		if size > 0 && (err != nil || fi.Size() < size) {
			return nil, fail("finish", pathOf(p.m, p.path, i), errCut)
		}
		err = p.use(i, func(f *os.File) error { return fail("write", f.Name(), f.Truncate(size)) })
		if err != nil {
			return nil, err
		}
		changed = append(changed, i)
	}
	return changed, nil
}

// dress gives the files the modes and times of the manifest. It closes them
// first, because on Windows a late write would change the time again.
func (p *part) dress() error {
	p.mu.Lock()
	p.closeFiles()
	p.mu.Unlock()
	for i := range p.m.Files {
		if err := p.dressFile(i); err != nil {
			return fail("finish", pathOf(p.m, p.path, i), err)
		}
	}
	return nil
}

// dressFile gives file i its mode and time, where the manifest says any. A file
// we made has the right mode from the start; one that was there may not.
func (p *part) dressFile(i int) error {
	if _, err := p.permit(i); err != nil {
		return err
	}
	if t := p.m.Files[i].Modified; !t.IsZero() {
		return p.chtimes(i, t)
	}
	return nil
}

// permit makes file i executable where the manifest says so: who may read may run.
func (p *part) permit(i int) (changed bool, err error) {
	if !p.m.Files[i].Executable || runtime.GOOS == "windows" { // which has no such bit
		return false, nil
	}
	fi, err := p.lstat(i)
	if err != nil || fi.Mode()&0o111 != 0 {
		return false, err
	}
	mode := fi.Mode().Perm()
	err = p.chmod(i, mode|mode>>2&0o111)
	return err == nil, err
}

func (p *part) lstat(i int) (fs.FileInfo, error) {
	if !p.m.Folder() {
		return os.Lstat(p.path)
	}
	return p.root.Lstat(filepath.FromSlash(p.m.Files[i].Path))
}

func (p *part) chmod(i int, mode fs.FileMode) error {
	if !p.m.Folder() {
		return os.Chmod(p.path, mode)
	}
	return p.root.Chmod(filepath.FromSlash(p.m.Files[i].Path), mode)
}

func (p *part) chtimes(i int, t time.Time) error {
	if !p.m.Folder() {
		return os.Chtimes(p.path, time.Time{}, t)
	}
	return p.root.Chtimes(filepath.FromSlash(p.m.Files[i].Path), time.Time{}, t)
}
