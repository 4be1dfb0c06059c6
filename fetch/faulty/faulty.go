// Package faulty is a mirror that serves files as badly as it is told to: for
// the demo and for tests of the whole program.
package faulty

import (
	"net/http"
	"slices"
	"strings"
	"sync"

	"golang.org/x/time/rate"
)

// Mirror serves the files of a folder. Its faults concern content alone:
// manifests and their signatures come as they are. The fields are set before
// the first request; the limiter has its own lock.
type Mirror struct {
	Dir string

	Corrupt  bool          // one byte of each write is wrong
	Truncate bool          // bodies end in the middle
	NoRanges bool          // Range is ignored
	Status   int           // what every request is answered with, unless 0
	Stall    int64         // bytes sent in all before silence, unless 0
	Header   string        // "Key: value" that every request, for manifests too, must carry, unless ""
	Limit    *rate.Limiter // bytes a second of all connections; nil = none

	mu      sync.Mutex
	sent    int64
	changed chan struct{} // closed when sent grows; nil = nobody waits
}

// Sent returns how many bytes of content were sent so far, right or wrong.
func (m *Mirror) Sent() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sent
}

// Await waits until so many bytes of content are sent in all, or until ended
// is closed.
func (m *Mirror) Await(bytes int64, ended <-chan struct{}) {
	for {
		m.mu.Lock()
		if m.changed == nil {
			m.changed = make(chan struct{})
		}
		sent, changed := m.sent, m.changed
		m.mu.Unlock()
		if sent >= bytes {
			return
		}
		select {
		case <-changed:
		case <-ended:
			return
		}
	}
}

// add books n more bytes and returns how many were sent by then.
func (m *Mirror) add(n int) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent += int64(n)
	if m.changed != nil {
		close(m.changed)
		m.changed = nil
	}
	return m.sent
}

func (m *Mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	files := http.FileServer(http.Dir(m.Dir))
	key, value, guarded := strings.Cut(m.Header, ": ")
	switch {
	case guarded && r.Header.Get(key) != value:
		w.WriteHeader(http.StatusUnauthorized)
	case strings.Contains(r.URL.Path, ".shoal"):
		files.ServeHTTP(w, r)
	case m.Status != 0:
		w.WriteHeader(m.Status)
	default:
		if m.NoRanges {
			r.Header.Del("Range")
		}
		files.ServeHTTP(&body{w, m, r}, r)
	}
}

// body sends content with the mirror's faults.
type body struct {
	http.ResponseWriter
	mirror  *Mirror
	request *http.Request
}

func (b *body) Write(p []byte) (int, error) {
	most := len(p)
	if b.mirror.Limit != nil {
		most = b.mirror.Limit.Burst()
	}
	done := 0
	for part := range slices.Chunk(p, max(most, 1)) {
		n, err := b.write(part)
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// write sends no more than the limiter's burst.
func (b *body) write(p []byte) (int, error) {
	m, ctx := b.mirror, b.request.Context()
	if m.Limit != nil {
		if err := m.Limit.WaitN(ctx, len(p)); err != nil {
			return 0, err
		}
	}
	if m.Corrupt {
		p = slices.Clone(p)
		p[0] ^= 1
	}
	if m.Truncate {
		_, _ = b.ResponseWriter.Write(p[:len(p)/2]) // the connection is about to break anyway
		panic(http.ErrAbortHandler)
	}
	n, err := b.ResponseWriter.Write(p)
	if sent := m.add(n); m.Stall > 0 && sent >= m.Stall && err == nil {
		err = http.NewResponseController(b.ResponseWriter).Flush()
		<-ctx.Done()
	}
	return n, err
}
