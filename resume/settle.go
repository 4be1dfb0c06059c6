package resume

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// startWriteback lets the kernel begin to write out what has been written.
func (p *part) startWriteback() error {
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
	var err error
	for _, h := range dirty {
		startWriteback(h.file)
		err = errors.Join(err, p.release(h, false))
	}
	return err
}

// sync makes what has been written to the files durable, and the entries of
// the folders that were made for them.
func (p *part) sync(files []int) error {
	p.mu.Lock()
	var dirs []string
	for dir, dirty := range p.made {
		if dirty {
			dirs = append(dirs, dir)
			p.made[dir] = false
		}
	}
	top := p.top
	p.mu.Unlock()
	if top != nil && len(files)+len(dirs) >= manyFiles {
		if ok, err := syncAll(top); ok {
			return fail("sync", p.path, err)
		}
	}
	for _, i := range files {
		err := p.use(i, func(f *os.File) error { return fail("sync", f.Name(), f.Sync()) })
		if err != nil {
			return err
		}
	}
	for _, dir := range dirs {
		dir = filepath.Join(p.path, filepath.FromSlash(dir))
		if err := syncDir(dir); err != nil {
			return fail("sync", dir, err)
		}
	}
	return nil
}

// settle makes the files that no piece has, and cuts off what some had too
// much. It returns the files it changed. One that has become shorter than the
// pieces that were put into it is an error: somebody else has been at it.
func (p *part) settle() ([]int, error) {
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

var errCut = errors.New("somebody else has removed or shortened it")

// dress gives the files the modes and times of the manifest. It closes them
// first, because on Windows a late write would change the time again.
func (p *part) dress() error {
	p.mu.Lock()
	err := p.closeFiles()
	p.mu.Unlock()
	if err != nil {
		return err
	}
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
	if p.m.Files[i].Executable {
		fi, err := p.lstat(i)
		if err != nil {
			return err
		}
		if mode := fi.Mode().Perm(); mode&0o111 == 0 {
			if err := p.chmod(i, mode|mode>>2&0o111); err != nil { // who may read may run
				return err
			}
		}
	}
	if t := p.m.Files[i].Modified; !t.IsZero() {
		return p.chtimes(i, t)
	}
	return nil
}

func (p *part) lstat(i int) (fs.FileInfo, error) {
	if p.root == nil {
		return os.Lstat(p.path)
	}
	return p.root.Lstat(filepath.FromSlash(p.m.Files[i].Path))
}

func (p *part) chmod(i int, mode fs.FileMode) error {
	if p.root == nil {
		return os.Chmod(p.path, mode)
	}
	return p.root.Chmod(filepath.FromSlash(p.m.Files[i].Path), mode)
}

func (p *part) chtimes(i int, t time.Time) error {
	if p.root == nil {
		return os.Chtimes(p.path, time.Time{}, t)
	}
	return p.root.Chtimes(filepath.FromSlash(p.m.Files[i].Path), time.Time{}, t)
}
