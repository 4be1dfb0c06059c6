package resume

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"

	"github.com/shoal-dl/shoal/verify"
)

// maxOpen is how many files of a folder are kept open between uses.
const maxOpen = 64

// part is the data of a download: NAME.shoal-part until seal renames it, the
// final path from then on. It opens the files of a folder as they are needed
// and keeps some open. Safe for concurrent use.
type part struct {
	m *verify.Manifest

	mu     sync.Mutex
	path   string
	lent   bool            // the user's own until it is whole: see resize
	sealed bool            // in place: read only
	shut   bool            // closed for good
	root   *os.Root        // of a folder, so that no link in it leads out; opened when needed
	open   map[int]*handle // by file
	clock  int64           // counts uses of handles
	made   map[string]bool // folders in root, slash-separated; true = entries not yet synced
	least  []int64         // how long each file was found or made, at most its size; -1 = not yet opened
	lost   error           // of a close: what had been written may not be there

	// Of a part in place, see Guard.
	looks   []marks       // of the files when they were known to be right
	doubted bool          // they may not be any more: nothing is read
	doubt   chan struct{} // capacity 1: reading has put it in doubt
}

// handle is an open file of a part; its fields belong to part.mu.
type handle struct {
	file  *os.File
	users int    // calls that are using it now
	used  int64  // when it was last handed out, by part.clock
	dirty bool   // written to since startWriteback saw it
	stale bool   // no longer in part.open: closed by its last user
	looks *marks // what it must look like; nil while it is written to
}

func newPart(m *verify.Manifest, path string) *part {
	return &part{
		m: m, path: path,
		open:  map[int]*handle{},
		made:  map[string]bool{},
		least: slices.Repeat([]int64{-1}, len(m.Files)),
		doubt: make(chan struct{}, 1),
	}
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
		p.root, err = os.OpenRoot(p.path)
	}
	return fail("open", p.path, err)
}

// writeAt writes data at the beginning of span.
func (p *part) writeAt(span verify.Span, data []byte) error {
	h, err := p.acquire(span.File)
	if err != nil {
		return err
	}
	defer p.release(h, true)
	if err := p.stretch(h.file, span.File); err != nil {
		return err
	}
	_, err = h.file.WriteAt(data, span.Offset)
	return fail("write", h.file.Name(), err)
}

// readAt fills buf from off bytes behind the beginning of span. In place, it
// then looks at the file: what was changed before it was read has been marked
// by the system before that.
func (p *part) readAt(span verify.Span, off int64, buf []byte) error {
	h, err := p.acquire(span.File)
	if err != nil {
		return err
	}
	defer p.release(h, false)
	_, err = h.file.ReadAt(buf, span.Offset+off)
	if h.looks != nil && (err != nil || h.changed()) {
		p.suspect(h)
		err = cmp.Or(err, ErrChanged)
	}
	return fail("read", h.file.Name(), err)
}

// use calls do with file i open.
func (p *part) use(i int, do func(*os.File) error) error {
	h, err := p.acquire(i)
	if err != nil {
		return err
	}
	defer p.release(h, false)
	return do(h.file)
}

// acquire opens file i, or finds it open. The caller releases it.
func (p *part) acquire(i int) (*handle, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shut {
		return nil, ErrClosed
	}
	if p.doubted {
		return nil, fail("read", pathOf(p.m, p.path, i), ErrChanged)
	}
	h := p.open[i]
	if h == nil {
		p.evict()
		f, err := p.openFile(i)
		if err != nil {
			return nil, err
		}
		h = &handle{file: f}
		if p.sealed {
			h.looks = &p.looks[i]
		}
		p.open[i] = h
	}
	p.clock++
	h.users, h.used = h.users+1, p.clock
	return h, nil
}

// release gives back what acquire returned.
func (p *part) release(h *handle, wrote bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h.users--
	h.dirty = h.dirty || wrote
	if h.stale && h.users == 0 {
		p.closeFile(h)
	}
}

// evict makes room for one more open file by closing the idle one that was
// used longest ago. p.mu is held.
func (p *part) evict() {
	if len(p.open) < maxOpen {
		return
	}
	oldest := -1
	for i, h := range p.open {
		if h.users == 0 && (oldest < 0 || h.used < p.open[oldest].used) {
			oldest = i
		}
	}
	if oldest >= 0 {
		p.closeFile(p.open[oldest])
		delete(p.open, oldest)
	}
}

// closeFile closes a file. Some network file systems only then say that they
// could not write. p.mu is held.
func (p *part) closeFile(h *handle) {
	if err := h.file.Close(); err != nil && p.lost == nil {
		p.lost = fail("close", h.file.Name(), err)
	}
}

// openFile opens file i, creating it and giving it its size if need be. p.mu is
// held.
func (p *part) openFile(i int) (*os.File, error) {
	flag := os.O_RDWR | noFollow
	if p.sealed {
		flag = os.O_RDONLY | noFollow
	}
	f, err := p.openIn(i, flag, 0)
	if errors.Is(err, fs.ErrNotExist) && !p.sealed && p.least[i] < 0 {
		f, err = p.createFile(i)
	}
	if err != nil {
		return nil, fail("open", pathOf(p.m, p.path, i), err)
	}
	if p.sealed {
		return f, nil
	}
	if err := p.resize(f, i); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// createFile makes file i, and the folders it is in. p.mu is held.
func (p *part) createFile(i int) (*os.File, error) {
	mode := fs.FileMode(0o666)
	if p.m.Files[i].Executable {
		mode = 0o777 // so that the umask applies as to any new program
	}
	if p.m.Folder() {
		if err := p.makeDirs(path.Dir(p.m.Files[i].Path)); err != nil {
			return nil, err
		}
	}
	return p.openIn(i, os.O_RDWR|os.O_CREATE|os.O_EXCL|noFollow, mode)
}

// openIn opens file i by its path, or within the folder. p.mu is held.
func (p *part) openIn(i int, flag int, mode fs.FileMode) (*os.File, error) {
	if !p.m.Folder() {
		return os.OpenFile(p.path, flag, mode)
	}
	if err := p.openRoot(); err != nil {
		return nil, err
	}
	return p.root.OpenFile(filepath.FromSlash(p.m.Files[i].Path), flag, mode)
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

// resize gives f, which is file i, its size if it has another one. One that is
// lent keeps what it has too much until settle, and what it lacks it gets with
// the first piece, see stretch: a repair that brings nothing leaves it as it
// was. A file that has become shorter has lost what was put into it. p.mu is
// held.
func (p *part) resize(f *os.File, i int) error {
	size := p.m.Files[i].Size
	fi, err := f.Stat()
	switch {
	case err != nil:
		return fail("open", f.Name(), err)
	case fi.Size() < p.least[i]:
		return fail("open", f.Name(), errCut)
	case p.lent:
		p.least[i] = min(fi.Size(), size)
		return nil
	case fi.Size() > size:
		err = f.Truncate(size)
	case fi.Size() < size:
		err = reserve(f, size)
	}
	if err != nil {
		return p.full(f, size, err)
	}
	p.least[i] = size
	return nil
}

// stretch gives f, which is file i, the size that resize has left it without.
func (p *part) stretch(f *os.File, i int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	size := p.m.Files[i].Size
	if p.least[i] == size {
		return nil
	}
	if err := reserve(f, size); err != nil {
		return p.full(f, size, err)
	}
	p.least[i] = size
	return nil
}

// errCut is the cause when a file of the part is not what we made of it.
var errCut = errors.New("somebody else has removed or shortened it")

// full words a failure to make f size bytes long.
func (p *part) full(f *os.File, size int64, err error) error {
	fi, statErr := f.Stat()
	free, freeErr := freeSpace(filepath.Dir(p.path))
	if !isFull(err) || statErr != nil || freeErr != nil {
		return fail("create", f.Name(), err)
	}
	return noSpace(f.Name(), filepath.Dir(p.path), size-allocated(fi), free)
}

// close closes all files for good.
func (p *part) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = true
	p.closeFiles()
	return errors.Join(p.lost, p.closeRoot())
}

// closeFiles closes the files that are open, or lets their users do so. p.mu is
// held.
func (p *part) closeFiles() {
	for i, h := range p.open {
		delete(p.open, i)
		if h.stale = true; h.users == 0 {
			p.closeFile(h)
		}
	}
}

// closeRoot closes the folder. p.mu is held.
func (p *part) closeRoot() error {
	if p.root == nil {
		return nil
	}
	err := p.root.Close()
	p.root = nil
	return fail("close", p.path, err)
}

// rest makes the part one in place, whose files looked like this when they were
// known to be right. p.mu is held, or nobody else has the part.
func (p *part) rest(path string, looks []marks) {
	p.path, p.looks, p.sealed = path, looks, true
}

// seal closes all files, has rename put the part at the path to, and from then
// on only reads it there.
func (p *part) seal(to string, rename func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	// Windows renames nothing that is open.
	p.closeFiles()
	if err := errors.Join(p.lost, p.closeRoot()); err != nil {
		return err
	}
	if err := rename(); err != nil {
		return err
	}
	p.rest(to, marksAt(p.m, to))
	return nil
}
