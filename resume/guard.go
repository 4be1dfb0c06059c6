package resume

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"
)

// The files of content in place are looked at each lookEvery, or as rarely as
// makes the looking take no more than one part in lookShare of the time.
const (
	lookEvery = time.Second
	lookShare = 100
)

// ErrChanged says that content in place does not look any more as it did when it
// was known to be right.
var ErrChanged = errors.New("it has changed since it was checked")

// Guard looks after content that is in place. Once one of its files has another
// size, another time or another inode than when the content was known to be
// right, or cannot be read, Read returns nothing but errors; it is the first to
// notice, for it looks at the file after reading. Guard then calls hold(true) and
// check, which finds out whether the content is right all the same. If so, as
// after touch, it can be read again, and Guard calls hold(false) and goes on; if
// not, it returns check's error, or an *Error if there is nothing at the path any
// more. It returns nil when ctx ends.
//
// What it cannot see is what a Receipt cannot, and what is written through a
// mapping before the system has marked the file.
func (f *File) Guard(ctx context.Context, hold func(on bool), check func() error) error {
	for f.part.watch(ctx) {
		hold(true)
		if err := f.renew(check); ctx.Err() != nil {
			break
		} else if err != nil {
			return err
		}
		hold(false)
	}
	return nil
}

// renew has the content checked again. To be sure that it is still what was
// checked, it looks first.
func (f *File) renew(check func() error) error {
	if _, err := os.Stat(f.at.final); err != nil {
		return fail("open", f.at.final, err)
	}
	looks := marksAt(f.m, f.at.final)
	if err := check(); err != nil {
		return err
	}
	f.part.renew(looks)
	return nil
}

// watch waits until the part is in doubt. It tells whether it is; if not, ctx has
// ended.
func (p *part) watch(ctx context.Context) (doubted bool) {
	clock := time.NewTimer(lookEvery)
	defer clock.Stop()
	for !p.inDoubt() {
		select {
		case <-ctx.Done():
			return false
		case <-p.doubt:
		case <-clock.C:
			began := time.Now()
			p.look()
			clock.Reset(max(lookEvery, lookShare*time.Since(began)))
		}
	}
	return true
}

func (p *part) inDoubt() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.doubted
}

// look looks at the files where they should be.
func (p *part) look() {
	looks := marksAt(p.m, p.path) // which is final once it is sealed
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doubted = p.doubted || !slices.Equal(looks, p.looks)
}

// suspect puts the part in doubt because of what h has shown, unless that was
// opened before the part was renewed.
func (p *part) suspect(h *handle) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h.stale || p.doubted {
		return
	}
	p.doubted = true
	select {
	case p.doubt <- struct{}{}:
	default: // one is on its way
	}
}

// renew ends the doubt: what looks like this is right. What is open may be
// something else.
func (p *part) renew(looks []marks) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closeFiles()
	_ = p.closeRoot() // only read from
	p.looks, p.doubted = looks, false
}

// changed tells whether an open file is not what was known to be right.
func (h *handle) changed() bool {
	is, err := marksOfOpen(h.file)
	return err != nil || is != *h.looks
}
