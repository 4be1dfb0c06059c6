package report

import "sync/atomic"

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
