package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/shoal-dl/shoal/verify"
)

// maxAsks bounds the requests for one range: to where a redirect led earlier,
// to the mirror itself, and once more without If-Range.
const maxAsks = 3

// mostKept bounds the memory for what is kept of a piece, in bytes.
const mostKept = 4 << 20

// Mirror is a Source: an HTTP server that holds the files of a manifest. Each run
// of a lease is brought by one range request a file, and more where the server sends
// less than it was asked for, one after the other.
type Mirror struct {
	client   *Client
	manifest *verify.Manifest
	base     *url.URL // of the file, or of the folder

	noRange   atomic.Bool // it was said that Range is ignored; leases come accordingly
	noIfRange atomic.Bool // it answers 200 to If-Range

	mu      sync.Mutex    // guards what follows
	files   map[int]known // by index in the manifest
	changed string
	begun   begun
}

// begun is what has come of a piece whose lease was put off.
type begun struct {
	piece int
	data  []byte // none if nothing is kept
}

// known is what earlier replies taught about one file.
type known struct {
	at        target // where its URL led; zero unless it was redirected
	validator string // for If-Range; may be empty
}

// NewMirror makes a mirror of the content of m. To a URL that ends in "/" each
// file's path is appended; for a manifest of several files it must. One file's
// URL is taken as it is, too, when it has a query, which may be what names it.
func NewMirror(c *Client, m *verify.Manifest, url string) (*Mirror, error) {
	base, err := parseURL(url)
	if err != nil {
		return nil, fmt.Errorf("read mirror URL: %w", err)
	}
	if m.Folder() && !strings.HasSuffix(base.Path, "/") {
		return nil, fmt.Errorf("read mirror URL %s: must end in / because there are several files", shown(base))
	}
	return &Mirror{client: c, manifest: m, base: base, files: map[int]known{}}, nil
}

// Name implements [Source]. It leaves out credentials and the query.
func (m *Mirror) Name() string { return shown(m.base) }

// Kind implements [Source].
func (m *Mirror) Kind() Kind { return KindMirror }

// Changed tells in words that a file was exchanged on the server while it was
// read, or is empty. It is no fault by itself, but explains wrong pieces.
func (m *Mirror) Changed() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed
}

// Pieces implements [Source]. After it has once failed with FaultNoRange, a
// lease that starts within a file is brought all the same, by reading the file
// from its front.
func (m *Mirror) Pieces(ctx context.Context, l Lease) iter.Seq2[Raw, error] {
	return func(yield func(Raw, error) bool) {
		front := m.noRange.Load()
		for s := range m.segments(l) {
			s.front = front
			more, err := m.bring(ctx, l, s, yield)
			switch {
			case err != nil && ctx.Err() != nil:
				yield(Raw{}, ctx.Err())
				return
			case err != nil:
				yield(Raw{}, err)
				return
			case !more:
				return
			}
		}
	}
}

// segment is the part of a lease that lies in one file: the pieces [first, end).
type segment struct {
	file       int
	first, end int
	bytes      byteRange
	front      bool // may be read from the front of the file
}

// segments cuts a lease where its run of pieces or a file ends.
func (m *Mirror) segments(l Lease) iter.Seq[segment] {
	return func(yield func(segment) bool) {
		for rest := l.Pieces; len(rest) > 0; {
			start := m.manifest.Span(rest[0])
			_, fileEnd := m.manifest.Pieces(start.File)
			n := 1
			for n < len(rest) && rest[n] == rest[0]+n && rest[n] < fileEnd {
				n++
			}
			last := m.manifest.Span(rest[n-1])
			s := segment{file: start.File, first: rest[0], end: rest[0] + n, bytes: byteRange{
				first: start.Offset,
				end:   last.Offset + int64(last.Size),
				size:  m.manifest.Files[start.File].Size,
			}}
			if !yield(s) {
				return
			}
			rest = rest[n:]
		}
	}
}

// bring yields the pieces of a segment and tells whether more are wanted. The
// memory for a piece is got before the server is asked for it, so that no
// server waits for our memory.
func (m *Mirror) bring(ctx context.Context, l Lease, s segment, yield func(Raw, error) bool) (more bool, err error) {
	buf, err := l.Buffer(ctx, m.manifest.Span(s.first).Size)
	if err != nil {
		return false, err
	}
	w := m.client.watch(ctx)
	defer w.stop()
	kept := m.kept(s.first, buf)
	r := &replies{mirror: m, watch: w, segment: s, received: l.Received, done: int64(kept)}
	defer r.close()
	for {
		before := r.done
		if err := r.read(buf[kept:]); err != nil {
			if r.ranged && errors.Is(context.Cause(ctx), errPutOff) {
				m.keep(s.first, buf[:kept+int(r.done-before)])
			}
			return false, err
		}
		kept = 0
		if !yield(Raw{Piece: s.first, Data: buf}, nil) {
			return false, nil
		}
		if s.first++; s.first == s.end {
			return true, nil
		}
		if buf, err = l.Buffer(ctx, m.manifest.Span(s.first).Size); err != nil {
			return false, err
		}
	}
}

// keep keeps what has come of a piece whose lease is put off: of one piece.
func (m *Mirror) keep(piece int, data []byte) {
	if len(data) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.begun = begun{piece, bytes.Clone(data[:min(len(data), mostKept)])}
}

// kept puts what is kept of a piece into buf, and returns how many bytes it is. It is
// not kept any longer.
func (m *Mirror) kept(piece int, buf []byte) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.begun.piece != piece {
		return 0
	}
	n := copy(buf, m.begun.data)
	m.begun = begun{}
	return n
}

// ask gets a reply for a segment. It asks anew where an earlier redirect has
// expired, and where If-Range kept the server from sending a range: some
// servers never do with it, and the digests tell changed content anyway.
func (m *Mirror) ask(w *watch, s segment) (*http.Response, target, error) {
	for asks := 1; ; asks++ {
		k := m.known(s.file)
		h := http.Header{"Range": {s.bytes.header()}}
		conditional := k.validator != "" && !m.noIfRange.Load()
		if conditional {
			h.Set("If-Range", k.validator)
		}
		resp, at, err := m.client.get(w, m.url(s.file), k.at, h)
		switch {
		case err != nil || asks == maxAsks:
			return resp, at, err
		case k.at.url != nil && expired(resp.StatusCode):
			m.forget(s.file)
		case conditional && resp.StatusCode == http.StatusOK:
			m.noIfRange.Store(true)
		default:
			return resp, at, nil
		}
		_ = resp.Body.Close()
	}
}

// expired tells how servers answer for a link that was good for a time only.
func expired(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone:
		return true
	}
	return false
}

// url is that of a file on this mirror.
func (m *Mirror) url(file int) *url.URL {
	if !m.manifest.Folder() && (m.base.RawQuery != "" || !strings.HasSuffix(m.base.Path, "/")) {
		return m.base
	}
	return below(m.base, m.manifest.Files[file].Path)
}

func (m *Mirror) known(file int) known {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.files[file]
}

// learn keeps where a file was found, and its validator.
func (m *Mirror) learn(file int, at target, validator string) {
	if at.url.String() == m.url(file).String() {
		at = target{}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if old := m.files[file].validator; old != "" && validator != "" && old != validator {
		m.changed = fmt.Sprintf("its version of %s changed from %.40s to %.40s", m.manifest.Files[file].Path, old, validator)
	}
	m.files[file] = known{at: at, validator: validator}
}

// forget makes the next request for a file start from the mirror's own URL. The
// validator is kept: it is compared with the next one.
func (m *Mirror) forget(file int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.files[file]
	k.at = target{}
	m.files[file] = k
}

// failed draws the consequences of a fault, and makes it say of which file it
// speaks, where there are several, and of which server, where the mirror sent
// us to another one. An error that is no fault is returned as it is.
func (m *Mirror) failed(s segment, at target, err error) error {
	f := AsFault(err)
	if f == nil {
		return err
	}
	m.forget(s.file)
	if f.Kind == FaultNoRange {
		m.noRange.Store(true)
	}
	if origin(at.url) == origin(m.base) && refusesStrangers(f) && m.client.withholds(m.base) {
		f.Err = fmt.Errorf("%w (it is shown your credentials only if you name it with --mirror)", f.Err)
	}
	f = redirected(m.base, at, f)
	if m.manifest.Folder() {
		f = f.about(m.manifest.Files[s.file].Path)
	}
	return f
}
