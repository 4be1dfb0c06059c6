package report

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/bits-and-blooms/bitset"

	"github.com/shoal-dl/shoal/verify"
)

// Hashing is a Task that begins only when it is known how much there is to
// hash, so that no bar flashes up when that is nothing. Its methods may be
// called by any goroutine.
type Hashing struct {
	r     *Reporter
	label string
	task  atomic.Pointer[Task]
}

// Hashing prepares a Task with the given label.
func (r *Reporter) Hashing(label string) *Hashing { return &Hashing{r: r, label: label} }

// Total begins the work of so many bytes, or begins anew.
func (h *Hashing) Total(bytes int64) {
	if old := h.task.Swap(h.r.Task(h.label, bytes)); old != nil {
		old.Done()
	}
}

// Add says that n more bytes are done. Total must have been called.
func (h *Hashing) Add(n int64) { h.task.Load().Add(n) }

// Done ends the work, if it has begun.
func (h *Hashing) Done() {
	if task := h.task.Load(); task != nil {
		task.Done()
	}
}

// ErrDamaged is wrapped by the damage that Check finds.
var ErrDamaged = errors.New("damaged")

// Check hashes what lies at a path, which the user knows as path, and says what of
// it is damaged: to people as the command's answer or else as a detail. It returns
// which pieces are good, and the damage in short, nil if there is none.
func (r *Reporter) Check(ctx context.Context, m *verify.Manifest, path, at string, answer bool) (good *bitset.BitSet, damage, err error) {
	hashing := r.Hashing("checking " + m.Name)
	hashing.Total(m.Size())
	checked, err := m.Check(ctx, at, hashing.Add)
	hashing.Done()
	if err != nil {
		return nil, nil, fmt.Errorf("check %s: %w", path, cmp.Or(errors.Unwrap(err), err)) // for Check has named at
	}
	if short := r.Damage(m, checked.Damage, answer); short != "" {
		damage = fmt.Errorf("%s: %w: %s", path, ErrDamaged, short)
	}
	return checked.Good, damage, nil
}
