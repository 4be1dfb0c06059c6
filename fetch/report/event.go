package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/shoal-dl/shoal/fetch"
	"github.com/shoal-dl/shoal/verify"
)

// event is one thing that happened: what every JSON line says, and the fields
// of its own. Field names and order are a promise to parent programs: they may
// be added to, never changed.
type event struct {
	Schema int    `json:"schema"`
	Time   string `json:"time"` // see instant
	Event  string `json:"event"`
	ID     string `json:"id"` // "" while no manifest is known

	fields any
	label  string // what people call it; "" when they need not be told
}

// newEvent makes an event that happened now.
func newEvent(name, id string, now time.Time, fields any) event {
	return event{
		Schema: 1, Time: instant(now), Event: name, ID: id,
		fields: fields,
	}
}

// instant writes a time as all events do: RFC 3339, UTC, milliseconds.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// idText returns how events write id: the zero id is no id.
func idText(id verify.ID) string {
	if id == (verify.ID{}) {
		return ""
	}
	return id.String()
}

type startFields struct {
	Name    string `json:"name"`
	Size    int64  `json:"size"` // bytes
	Pieces  int    `json:"pieces"`
	Have    int64  `json:"have"` // bytes
	Mirrors int    `json:"mirrors"`
}

type sourceFields struct {
	Source string            `json:"source"`
	Kind   fetch.Kind        `json:"kind"`
	State  fetch.SourceState `json:"state"`
	Reason string            `json:"reason"`
}

type progressFields struct {
	Done        int64  `json:"done"` // bytes, as all below but ETA and the counts
	Size        int64  `json:"size"`
	Rate        int64  `json:"rate"` // a second
	ETA         *int64 `json:"eta"`  // seconds; null when it cannot be foreseen
	FromMirrors int64  `json:"from_mirrors"`
	FromPeers   int64  `json:"from_peers"`
	FromDisk    int64  `json:"from_disk"`
	Uploaded    int64  `json:"uploaded"`
	Peers       int32  `json:"peers"`
	Connections int32  `json:"connections"`
	FromLAN     int64  `json:"from_lan"` // of FromPeers
}

type pieceFields struct {
	Source string     `json:"source"`
	Kind   fetch.Kind `json:"kind"`
	Piece  int        `json:"piece"`
	Size   int64      `json:"size"` // bytes
}

type badPieceFields struct {
	Source string `json:"source"`
	Piece  int    `json:"piece"`
}

type warningFields struct {
	Text string `json:"text"`
	Hint string `json:"hint"`
}

type completeFields struct {
	Path        string  `json:"path"`
	Seconds     float64 `json:"seconds"`
	FromMirrors int64   `json:"from_mirrors"` // bytes, as all below
	FromPeers   int64   `json:"from_peers"`
	FromDisk    int64   `json:"from_disk"`
	Wasted      int64   `json:"wasted"`
	FromLAN     int64   `json:"from_lan"` // of FromPeers
}

type exitFields struct {
	Code      int    `json:"code"`
	Error     string `json:"error"`
	Hint      string `json:"hint"`
	Resumable bool   `json:"resumable"`
}

// Verdict is what an error means to the user and to scripts.
type Verdict struct {
	Code      int    // the exit code
	Hint      string // what to do about it; may be empty
	Resumable bool   // what was begun can be gone on with
}

// newExit says err in words; a nil err says nothing.
func newExit(err error, v Verdict) exitFields {
	fields := exitFields{Code: v.Code, Hint: v.Hint, Resumable: v.Resumable}
	if err != nil {
		fields.Error = err.Error()
	}
	return fields
}

// line encodes e as one line. It fails only when fields came from outside and
// are not a JSON object.
func (e event) line() (string, error) {
	head, err := encode(e)
	if err != nil {
		return "", err
	}
	fields, err := encode(e.fields)
	if err != nil {
		return "", err
	}
	if len(fields) < 2 || fields[0] != '{' {
		return "", fmt.Errorf("encode event %q: fields are not an object", e.Event)
	}
	if fields = fields[1:]; fields[0] != '}' {
		fields = append([]byte(","), fields...)
	}
	head = bytes.TrimSuffix(head, []byte("}"))
	return string(head) + string(fields) + "\n", nil
}

// encode returns v as JSON without a newline. URLs stay as they are, since
// nobody will paste these lines into HTML.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, fmt.Errorf("encode event: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
