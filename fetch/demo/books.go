package demo

import (
	"strings"
	"sync"

	"github.com/shoal-dl/shoal/fetch/report"
)

// books are what is known of the fetch: who brought what. The actors write
// them, the panel reads them.
type books struct {
	mu      sync.Mutex
	sources []*source
	pieces  []byte // for each the mark of who brought it last, noMark until then
	size    int64
	done    int64 // bytes in place
	rate    int64 // bytes a second, as the fetch itself measures it
	label   string
}

// noMark stands for a piece that is still missing.
const noMark = '.'

// source is one mirror or peer, and what it did in all runs.
type source struct {
	mark     byte   // one letter
	what     string // such as "slow mirror"
	at       string // HOST:PORT
	bytes    int64  // of pieces that were missing when it brought them
	rejected int    // pieces that were wrong
	banned   string
}

func newBooks(size int64) *books { return &books{size: size} }

// enter adds a source to be watched.
func (b *books) enter(mark byte, what, at string) {
	b.sources = append(b.sources, &source{mark: mark, what: what, at: hostPort(at)})
}

// hostPort is the host and port of a mirror's URL, or a peer's name.
func hostPort(name string) string {
	name = strings.TrimPrefix(name, "http://")
	host, _, _ := strings.Cut(name, "/")
	return host
}

// begin is called when a run begins.
func (b *books) begin(label string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.label, b.rate = label, 0
}

// note books an event of the fetch.
func (b *books) note(e event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e.Event {
	case "start":
		b.done = e.Have
		if len(b.pieces) != e.Pieces {
			b.pieces = []byte(strings.Repeat(string(noMark), e.Pieces))
		}
	case "progress":
		b.rate = e.Rate
	}
	s := b.find(e.Source)
	if s == nil {
		return
	}
	switch e.Event {
	case "source":
		if e.State == "banned" {
			s.banned = e.Reason
		}
	case "bad_piece":
		s.rejected++
	case "piece":
		s.bytes += e.Size
		b.done += e.Size
		b.pieces[e.Piece] = s.mark
	}
}

func (b *books) find(name string) *source {
	at := hostPort(name)
	for _, s := range b.sources {
		if s.at == at {
			return s
		}
	}
	return nil
}

// name says which source that is.
func (b *books) name(source string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.find(source); s != nil {
		return s.what + " " + s.at
	}
	return report.Safe(source)
}

// sum is how many bytes the sources brought, and the peers among them.
func (b *books) sum() (all, fromPeers int64) {
	for _, s := range b.sources {
		all += s.bytes
		if s.what == "peer" {
			fromPeers += s.bytes
		}
	}
	return all, fromPeers
}

// brought is how many bytes are in place.
func (b *books) brought() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.done
}
