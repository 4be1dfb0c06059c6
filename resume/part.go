package resume

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"

	"github.com/shoal-dl/shoal/verify"
)

const (
	// maxOpen is how many files of a folder are kept open between uses.
	maxOpen = 64
	// manyFiles is from how many files on one call to sync the file system
	// is cheaper than one for each.
	manyFiles = 16
)

// part is the data of a download: NAME.shoal-part until seal renames it, the
// final path from then on. It opens the files of a folder as they are needed
// and keeps some open. Safe for concurrent use.
type part struct {
	m *verify.Manifest

	mu     sync.Mutex
	path   string
	sealed bool            // in place: read only
	shut   bool            // closed for good
	root   *os.Root        // of a folder, so that no link in it leads out; opened when needed
	top    *os.File        // the folder itself, open from before the first write until sealed
	open   map[int]*handle // by file
	clock  int64           // counts uses of handles
	made   map[string]bool // folders in root, slash-separated; true = entries not yet synced
}

// handle is an open file of a part; its fields belong to part.mu.
type handle struct {
	file  *os.File
	users int   // calls that are using it now
	used  int64 // when it was last handed out, by part.clock
	dirty bool  // written to since startWriteback saw it
	stale bool  // no longer in part.open: closed by its last user
}

func newPart(m *verify.Manifest, path string) *part {
	return &part{m: m, path: path, open: map[int]*handle{}, made: map[string]bool{}}
}

// create makes the part if it is not there: the whole file, its space
// reserved, or just the folder, whose files appear when they are needed.
func (p *part) create() error {
	if !p.m.Folder() {
		return p.use(0, func(*os.File) error { return nil })
	}
	if err := os.Mkdir(p.path, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return fail("create", p.path, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.openRoot()
}

// openRoot opens the folder if it is not open. p.mu is held.
func (p *part) openRoot() (err error) {
	if p.root == nil {
		if p.root, err = os.OpenRoot(p.path); err != nil {
			return fail("open", p.path, err)
		}
	}
	if p.top == nil && !p.sealed {
		if p.top, err = p.root.Open("."); err != nil {
			return fail("open", p.path, err)
		}
	}
	return nil
}

// writeAt writes data at the beginning of span.
func (p *part) writeAt(span verify.Span, data []byte) error {
	h, err := p.acquire(span.File)
	if err != nil {
		return err
	}
	_, err = h.file.WriteAt(data, span.Offset)
	return errors.Join(fail("write", h.file.Name(), err), p.release(h, true))
}

// readAt fills buf from off bytes behind the beginning of span.
func (p *part) readAt(span verify.Span, off int64, buf []byte) error {
	return p.use(span.File, func(f *os.File) error {
		_, err := f.ReadAt(buf, span.Offset+off)
		return fail("read", f.Name(), err)
	})
}

// use calls do with file i open.
func (p *part) use(i int, do func(*os.File) error) error {
	h, err := p.acquire(i)
	if err != nil {
		return err
	}
	return errors.Join(do(h.file), p.release(h, false))
}

// acquire opens file i, or finds it open. The caller releases it.
func (p *part) acquire(i int) (*handle, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shut {
		return nil, ErrClosed
	}
	h := p.open[i]
	if h == nil {
		if err := p.evict(); err != nil {
			return nil, err
		}
		f, err := p.openFile(i)
		if err != nil {
			return nil, err
		}
		h = &handle{file: f}
		p.open[i] = h
	}
	p.clock++
	h.users, h.used = h.users+1, p.clock
	return h, nil
}

// release gives back what acquire returned. The error is that of a late close.
func (p *part) release(h *handle, wrote bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	h.users--
	h.dirty = h.dirty || wrote
	if h.stale && h.users == 0 {
		return fail("close", h.file.Name(), h.file.Close())
	}
	return nil
}

// evict makes room for one more open file by closing the idle one that was
// used longest ago. p.mu is held.
func (p *part) evict() error {
	if len(p.open) < maxOpen {
		return nil
	}
	oldest := -1
	for i, h := range p.open {
		if h.users == 0 && (oldest < 0 || h.used < p.open[oldest].used) {
			oldest = i
		}
	}
	if oldest < 0 {
		return nil
	}
	h := p.open[oldest]
	delete(p.open, oldest)
	return fail("close", h.file.Name(), h.file.Close())
}

// openFile opens file i, creating it and giving it its size if need be. p.mu is
// held.
func (p *part) openFile(i int) (*os.File, error) {
	name := pathOf(p.m, p.path, i)
	flag, mode := os.O_RDWR|os.O_CREATE|noFollow, fs.FileMode(0o666)
	if p.sealed {
		flag = os.O_RDONLY | noFollow
	}
	if p.m.Files[i].Executable {
		mode = 0o777 // so that the umask applies as to any new program
	}
	f, err := p.openIn(i, flag, mode)
	if err != nil {
		return nil, fail("open", name, err)
	}
	if p.sealed {
		return f, nil
	}
	if err := resize(f, p.m.Files[i].Size); err != nil {
		return nil, errors.Join(p.full(f, err), f.Close())
	}
	return f, nil
}

// openIn opens file i by its path, or within the folder. p.mu is held.
func (p *part) openIn(i int, flag int, mode fs.FileMode) (*os.File, error) {
	if !p.m.Folder() {
		return os.OpenFile(p.path, flag, mode)
	}
	if err := p.openRoot(); err != nil {
		return nil, err
	}
	name := p.m.Files[i].Path
	if !p.sealed {
		if err := p.makeDirs(path.Dir(name)); err != nil {
			return nil, err
		}
	}
	return p.root.OpenFile(filepath.FromSlash(name), flag, mode)
}

// makeDirs makes the folder dir in the part, and notes that it and those above
// it get new entries. p.mu is held.
func (p *part) makeDirs(dir string) error {
	if _, ok := p.made[dir]; !ok && dir != "." {
		if err := p.root.MkdirAll(filepath.FromSlash(dir), 0o777); err != nil {
			return err
		}
	}
	for ; ; dir = path.Dir(dir) {
		p.made[dir] = true
		if dir == "." {
			return nil
		}
	}
}

// resize gives f its size if it has another one.
func resize(f *os.File, size int64) error {
	fi, err := f.Stat()
	switch {
	case err != nil:
		return err
	case !fi.Mode().IsRegular():
		return inTheWay("open", f.Name(), describe(fi.Mode()), "move it away")
	case fi.Size() > size:
		return f.Truncate(size)
	case fi.Size() < size:
		return reserve(f, size)
	}
	return nil
}

// full words a failure to reserve space for f.
func (p *part) full(f *os.File, err error) error {
	fi, statErr := f.Stat()
	free, freeErr := freeSpace(filepath.Dir(p.path))
	if !isFull(err) || statErr != nil || freeErr != nil {
		return fail("create", f.Name(), err)
	}
	return noSpace(f.Name(), filepath.Dir(p.path), p.m.Size()-allocated(fi), free)
}

// close closes all files for good.
func (p *part) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = true
	return errors.Join(p.closeFiles(), p.closeRoot())
}

// closeFiles closes the files that are open, or lets their users do so. p.mu is
// held.
func (p *part) closeFiles() error {
	var err error
	for i, h := range p.open {
		delete(p.open, i)
		if h.stale = true; h.users == 0 {
			err = errors.Join(err, fail("close", h.file.Name(), h.file.Close()))
		}
	}
	return err
}

// closeRoot closes the folder. p.mu is held.
func (p *part) closeRoot() error {
	if p.root == nil {
		return nil
	}
	err := p.root.Close()
	if p.top != nil {
		err = errors.Join(err, p.top.Close())
	}
	p.root, p.top = nil, nil
	return fail("close", p.path, err)
}

// seal closes all files, has rename put the part at the path to, and from then
// on only reads it there.
func (p *part) seal(to string, rename func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	// Windows renames nothing that is open.
	if err := errors.Join(p.closeFiles(), p.closeRoot()); err != nil {
		return err
	}
	if err := rename(); err != nil {
		return err
	}
	p.path, p.sealed = to, true
	return nil
}
