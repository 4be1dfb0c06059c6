package report

import (
	"math"
	"time"

	"github.com/shoal-dl/shoal/fetch"
	"github.com/shoal-dl/shoal/verify"
)

// Transfer tells about the download of one manifest. It is a fetch.Observer.
type Transfer struct {
	r      *Reporter
	id     string
	name   string
	size   int64 // bytes
	pieces int
	span   func(piece int) verify.Span

	// The rest is touched only by the reporter's goroutine.
	meter   *meter
	gauges  *fetch.Gauges // never nil
	have    int64         // bytes that were here at the start: no gauge counts them
	seeds   *seeding      // nil before the seed period
	serving *meter        // likewise
}

var _ fetch.Observer = (*Transfer)(nil)

// Transfer announces nothing yet: Start does.
func (r *Reporter) Transfer(m *verify.Manifest) *Transfer {
	t := &Transfer{
		r: r, id: idText(m.ID()), name: m.Name, size: m.Size(), pieces: m.NumPieces(),
		span: m.Span, gauges: new(fetch.Gauges),
	}
	t.meter = &meter{
		label:    Safe(m.Name),
		transfer: t,
		sources:  map[string]fetch.Kind{},
		total:    func() int64 { return t.size },
		done:     func() int64 { return t.have + t.gauges.FromMirrors.Load() + t.gauges.FromPeers.Load() },
		// Not those proven: over a slow line they come a piece now and then.
		moved: func() int64 { return t.gauges.Received.Load() },
	}
	return t
}

// Start says that the download begins with have bytes already here and so many
// mirrors to ask. From here on g is read until Complete or Exit.
func (t *Transfer) Start(have int64, mirrors int, g *fetch.Gauges) {
	now := time.Now()
	e := t.event("start", now, startFields{t.name, t.size, t.pieces, have, mirrors})
	t.r.post(func() {
		t.gauges, t.have = g, have
		t.r.start(t.meter, now)
		t.r.view.show(e)
	})
}

// SourceChanged implements fetch.Observer.
func (t *Transfer) SourceChanged(s fetch.Source, state fetch.SourceState, reason string) {
	name, kind := s.Name(), s.Kind()
	e := t.event("source", time.Now(), sourceFields{name, kind, state, reason})
	t.r.post(func() {
		if state == fetch.StateJoined {
			t.meter.sources[name] = kind
		} else {
			delete(t.meter.sources, name)
		}
		t.r.view.show(e)
	})
}

// Brought implements fetch.Observer. Pieces are many: only a program that wants
// every detail is told of each.
func (t *Transfer) Brought(s fetch.Source, piece int) {
	if !t.r.everyPiece {
		return
	}
	e := t.event("piece", time.Now(), pieceFields{s.Name(), s.Kind(), piece, int64(t.span(piece).Size)})
	t.r.post(func() { t.r.view.show(e) })
}

// BadPiece implements fetch.Observer.
func (t *Transfer) BadPiece(s fetch.Source, piece int) {
	e := t.event("bad_piece", time.Now(), badPieceFields{s.Name(), piece})
	t.r.post(func() { t.r.view.show(e) })
}

// Warn is Reporter.Warn, about this transfer.
func (t *Transfer) Warn(text string, hint ...string) { t.r.warn(t.id, text, hint) }

// Complete says that the content is in place at path, which people find on
// stdout and a summary on stderr. An empty path is one that nobody is to use.
func (t *Transfer) Complete(path string) {
	now := time.Now()
	t.r.post(func() {
		t.end(now)
		t.r.view.show(t.event("complete", now, t.completed(path, now)))
	})
}

// Exit says how the transfer ended, as the last that is said about it: the
// JSON event exit, and for people what Error says. A nil err is success and
// says nothing to people.
func (t *Transfer) Exit(err error, v Verdict) {
	now := time.Now()
	fields := newExit(err, v)
	e := t.event("exit", now, fields)
	t.r.post(func() {
		t.end(now)
		t.r.stop(t.serving)
		t.r.exited(e, fields)
	})
}

// end stops the clock, unless it stands already, with a last progress event.
func (t *Transfer) end(now time.Time) {
	if t.r.stop(t.meter) {
		t.meter.sample(now)
		t.r.view.show(t.progress(now))
	}
}

func (t *Transfer) event(name string, now time.Time, fields any) event {
	e := newEvent(name, t.id, now, fields)
	e.label = t.name
	return e
}

func (t *Transfer) progress(now time.Time) event {
	mirrors, peers := t.gauges.FromMirrors.Load(), t.gauges.FromPeers.Load()
	fields := progressFields{
		Done:        t.have + mirrors + peers,
		Size:        t.size,
		Rate:        int64(math.Round(t.meter.perSecond())),
		FromMirrors: mirrors,
		FromPeers:   peers,
		FromDisk:    t.have,
		Uploaded:    t.gauges.Uploaded.Load(),
		Peers:       t.gauges.Peers.Load(),
		Connections: t.gauges.Connections.Load(),
		FromLAN:     t.gauges.FromLAN.Load(),
	}
	if seconds, known := t.meter.left(); known {
		fields.ETA = &seconds
	}
	return t.event("progress", now, fields)
}

func (t *Transfer) completed(path string, now time.Time) completeFields {
	fields := completeFields{
		Path:        path,
		FromMirrors: t.gauges.FromMirrors.Load(),
		FromPeers:   t.gauges.FromPeers.Load(),
		FromDisk:    t.have,
		Wasted:      t.gauges.Wasted.Load(),
		FromLAN:     t.gauges.FromLAN.Load(),
	}
	if !t.meter.begun.IsZero() {
		// Not Duration.Seconds, whose sum is seldom a short decimal.
		fields.Seconds = float64(now.Sub(t.meter.begun).Milliseconds()) / 1000
	}
	return fields
}
