package report

import (
	"fmt"
	"time"
)

// seedingEvery is the time between two seeding events.
const seedingEvery = 10 * time.Second

type seedingFields struct {
	Until    *string `json:"until"`    // as time is; null when there is no end
	Uploaded int64   `json:"uploaded"` // bytes
	Peers    int     `json:"peers"`
}

// seeding is what a transfer's seed period looks like. Only the reporter's
// goroutine touches it.
type seeding struct {
	until    time.Time // zero = no end
	uploaded int64
	peers    int
	told     time.Time
}

// Seeding says that the content is being served: until when at the latest (the
// zero time if there is no end), how many bytes were sent and how many peers
// there are. It may be called as often as something changes, until Seeded.
func (t *Transfer) Seeding(until time.Time, uploaded int64, peers int) {
	now := time.Now()
	t.r.post(func() {
		t.gauges.Uploaded.Store(uploaded)
		first := t.seeds == nil
		if first {
			t.seeds = &seeding{}
			t.serving = &meter{label: t.meter.label, text: t.seeds.text, total: zero, done: zero, moved: zero}
			t.r.stop(t.meter)
			t.r.start(t.serving, now)
		}
		s := t.seeds
		s.until, s.uploaded, s.peers = until, uploaded, peers
		if first || now.Sub(s.told) >= seedingEvery {
			s.told = now
			t.r.view.show(t.event("seeding", now, s.fields()))
		}
	})
}

// Seeded says that the content is served no longer, and how many bytes were sent
// in all. It says nothing unless Seeding has.
func (t *Transfer) Seeded(uploaded int64) {
	now := time.Now()
	t.r.post(func() {
		if t.seeds == nil {
			return
		}
		t.r.stop(t.serving)
		t.gauges.Uploaded.Store(uploaded)
		t.seeds.uploaded, t.seeds.peers = uploaded, 0
		t.r.view.show(t.event("seeding", now, t.seeds.fields()))
		if uploaded > 0 {
			t.r.console.note(fmt.Sprintf("%s: %s sent to peers", t.name, Bytes(uploaded)))
		}
	})
}

func zero() int64 { return 0 }

func (s *seeding) fields() seedingFields {
	f := seedingFields{Uploaded: s.uploaded, Peers: s.peers}
	if !s.until.IsZero() {
		until := instant(s.until)
		f.Until = &until
	}
	return f
}

// text says it in a line.
func (s *seeding) text() string {
	text := fmt.Sprintf("seeding, %s sent, %s", Bytes(s.uploaded), count(s.peers, "peer"))
	if !s.until.IsZero() {
		text += ", " + span(int64(max(time.Until(s.until), 0).Seconds())) + " left at most"
	}
	return text + ", Ctrl-C ends it"
}
