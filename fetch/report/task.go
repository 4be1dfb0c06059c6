package report

import (
	"sync/atomic"
	"time"
)

// Task is work on what is already here, such as hashing: people see a bar,
// programs nothing. Its methods may be called by any goroutine.
type Task struct {
	r     *Reporter
	meter *meter
	done  atomic.Int64
	total atomic.Int64
}

// Task begins work of total bytes; 0 = not known yet. The label says what is
// done, such as "hashing debian.iso".
func (r *Reporter) Task(label string, total int64) *Task {
	t := &Task{r: r}
	t.total.Store(total)
	t.meter = &meter{label: Safe(label), total: t.total.Load, done: t.done.Load, moved: t.done.Load}
	now := time.Now()
	r.post(func() { r.start(t.meter, now) })
	return t
}

// SetTotal sets how many bytes there are in all.
func (t *Task) SetTotal(bytes int64) { t.total.Store(bytes) }

// Add says that n more bytes are done.
func (t *Task) Add(n int64) { t.done.Add(n) }

// Done ends the task, finished or not.
func (t *Task) Done() {
	t.r.post(func() { t.r.stop(t.meter) })
}
