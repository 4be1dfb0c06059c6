package fetch

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/shoal-dl/shoal/verify"
)

// Examined is what a mirror did when it was asked for one piece. What it did not
// come to is zero.
type Examined struct {
	Addrs     []netip.Addr // of the last host asked, as far as it has a name
	At        string       // where redirects led; empty when they did not
	Proxy     string       // host of the proxy on the way there; empty = none
	Protocol  string       // such as HTTP/1.1
	Status    int
	CertEnds  time.Time // of the server's certificate
	Validator Validator

	Piece    int   // that was asked for; -1 when the content has none
	Size     int   // bytes of it
	Ranged   bool  // it was sent alone, as asked; else the file from its front
	Received int64 // bytes
	Took     time.Duration
	Right    bool // the piece is what the manifest says
}

// Validator is what a server offers to tell whether a file has changed.
type Validator string

// The kinds of validator (RFC 9110, section 8.8.1).
const (
	StrongValidator Validator = "strong"
	WeakValidator   Validator = "weak"
	NoValidator     Validator = "none"
)

// Examine asks a mirror for one piece, and proves it. The piece is not one that
// a file begins with, if there is another, so that a server which ignores Range
// is found out; of such a one, the file's first piece is taken.
//
// An error says why no piece came, in words for the user: a *[Fault], or that
// ctx ended. What was seen until then is there all the same. A piece that is
// wrong is no error.
func (m *Mirror) Examine(ctx context.Context) (Examined, error) {
	e := Examined{Piece: middle(m.manifest)}
	if e.Piece < 0 {
		return e, nil
	}
	span := m.manifest.Span(e.Piece)
	var mu sync.Mutex // guards addrs: a dial may go on when its request has ended
	var addrs []netip.Addr
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSDone: func(info httptrace.DNSDoneInfo) {
			mu.Lock()
			defer mu.Unlock()
			addrs = nil
			for _, a := range info.Addrs {
				if addr, ok := netip.AddrFromSlice(a.IP); ok {
					addrs = append(addrs, addr.Unmap())
				}
			}
		},
	})
	start := time.Now()
	err := m.examine(ctx, &e, span)
	e.Took = time.Since(start)
	mu.Lock()
	defer mu.Unlock()
	e.Addrs = slices.Clone(addrs)
	return e, err
}

// middle is a piece in the middle of the largest file, or -1.
func middle(m *verify.Manifest) int {
	largest := 0
	for i := range m.Files {
		if m.Files[i].Size > m.Files[largest].Size {
			largest = i
		}
	}
	first, end := m.Pieces(largest)
	if first == end {
		return -1
	}
	return first + (end-first)/2
}

func (m *Mirror) examine(ctx context.Context, e *Examined, span verify.Span) error {
	w := m.client.watch(ctx)
	defer w.stop()
	s := segment{file: span.File, bytes: byteRange{span.Offset, span.Offset + int64(span.Size), m.manifest.Files[span.File].Size}}
	resp, at, err := m.client.get(w, m.url(span.File), target{}, http.Header{"Range": {s.bytes.header()}}) //nolint:bodyclose // b closes it
	if at.url.String() != m.url(span.File).String() {
		e.At = shown(at.url)
	}
	if proxy, err := m.client.proxy(at.url); err == nil && proxy != nil {
		e.Proxy = proxy.Host
	}
	if err != nil {
		return m.failed(s, at, err)
	}
	b := m.client.body(resp.Body, w)
	defer b.close()
	e.read(resp)
	_, n, err := s.bytes.accept(resp, false)
	if f := AsFault(err); f != nil && f.Kind == FaultNoRange {
		e.Piece, _ = m.manifest.Pieces(span.File)
		n, err = int64(m.manifest.Span(e.Piece).Size), nil
		s.bytes.first, s.bytes.end = 0, n
	}
	if err != nil {
		return m.failed(s, at, err)
	}
	data := make([]byte, m.manifest.Span(e.Piece).Size)
	e.Size = len(data)
	b.received = func(n int) { e.Received += int64(n) }
	r := &replies{mirror: m, watch: w, segment: s, received: b.received, strict: true, body: b, at: at, left: n}
	defer r.close()
	if err := r.read(data); err != nil {
		return err
	}
	_, err = m.manifest.Prove(e.Piece, data)
	e.Right = !errors.Is(err, verify.ErrWrongPiece)
	return nil
}

// read notes what the head of a reply says.
func (e *Examined) read(resp *http.Response) {
	e.Protocol, e.Status = resp.Proto, resp.StatusCode
	e.Ranged = resp.StatusCode == http.StatusPartialContent
	if resp.TLS != nil && len(resp.TLS.PeerCertificates) > 0 {
		e.CertEnds = resp.TLS.PeerCertificates[0].NotAfter
	}
	switch tag := resp.Header.Get("ETag"); {
	case strongValidator(resp.Header) != "":
		e.Validator = StrongValidator
	case strings.HasPrefix(tag, "W/"), resp.Header.Get("Last-Modified") != "":
		e.Validator = WeakValidator
	default:
		e.Validator = NoValidator
	}
}
