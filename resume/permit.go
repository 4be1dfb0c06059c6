package resume

import (
	"errors"

	"github.com/shoal-dl/shoal/verify"
)

// Permit makes the files of content that is in place and right executable where the
// manifest says so and nobody may run them. It takes the bit from none: a manifest
// that does not ask for it may leave that to the user. Errors are *Error.
func Permit(m *verify.Manifest, path string) error {
	pl, err := placeOf(path)
	if err == nil {
		_, err = pl.permit(m)
	}
	return err
}

// permit is Permit, and tells which files it has changed.
func (pl place) permit(m *verify.Manifest) (changed []int, err error) {
	p := newPart(m, pl.final)
	if m.Folder() {
		if err := p.openRoot(); err != nil {
			return nil, err
		}
	}
	defer func() { err = errors.Join(err, p.close()) }()
	for i := range m.Files {
		did, err := p.permit(i)
		if err != nil {
			return changed, fail("finish", pathOf(m, p.path, i), err)
		}
		if did {
			changed = append(changed, i)
		}
	}
	return changed, nil
}

// permitted is Permit as a courtesy, which leaves what it cannot do, to content that
// was right when it looked like this. It returns how that looks now, but for what
// somebody else did to it meanwhile, which is to be noticed.
func (pl place) permitted(m *verify.Manifest, looks []marks) []marks {
	changed, _ := pl.permit(m)
	if len(changed) == 0 {
		return looks
	}
	now := marksAt(m, pl.final)
	for _, i := range changed {
		if looks[i].touched(now[i]) {
			looks[i] = now[i]
		}
	}
	return looks
}
