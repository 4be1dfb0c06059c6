// Package control is how a running shoal is looked at, and told what to do, by
// another one of the same user.
//
// Each process that transfers something owns a socket in a folder of the user's
// (see [Folders]). Who connects says one line, a [Request], and is told one line,
// an [Answer]; both are JSON. Nothing here goes over a network: where there are
// no Unix sockets it is TCP on loopback, with a token that only the user can read.
package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

const (
	schema      = 1
	maxRequest  = 4 << 10  // bytes of a line
	maxAnswer   = 16 << 20 // likewise; a seed may have many contents, each with 60 peers
	mostAtOnce  = 8        // connections a server talks to at once
	timeToAsk   = 2 * time.Second
	timeToStop  = 5 * time.Second // what "stop" may take; a process has 3 s of grace
	timeToReach = time.Second
)

// What a Request may ask for.
const (
	DoStatus   = "status"
	DoStop     = "stop"
	DoPause    = "pause"
	DoContinue = "continue"
	DoSet      = "set"
)

// Request is what a process is asked or told.
type Request struct {
	Schema int    `json:"schema"`
	Token  string `json:"token,omitempty"` // where the transport wants one
	Do     string `json:"do"`
	ID     string `json:"id,omitempty"` // the content it is about; empty = all of the process
	Key    string `json:"key,omitempty"`
	Value  string `json:"value,omitempty"`
}

// Answer is what it says.
type Answer struct {
	Schema  int      `json:"schema"`
	Error   string   `json:"error,omitempty"`  // why it was not done; empty if it was
	Ending  bool     `json:"ending,omitempty"` // the process ends, and with it the connection
	Process *Process `json:"process,omitempty"`
}

// Process is one running shoal.
type Process struct {
	PID       int        `json:"pid"`
	Verb      string     `json:"verb"`
	Started   time.Time  `json:"started"`
	Transfers []Transfer `json:"transfers"`
	Limits    []Limit    `json:"limits"` // those in force
}

// State is what a transfer is doing.
type State string

// The states of a transfer.
const (
	Checking State = "checking" // what is on disk
	Fetching State = "fetching"
	Seeding  State = "seeding"
	Paused   State = "paused"
)

// Transfer is one content of a process. Sizes are bytes, rates bytes a second.
type Transfer struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	Path        string     `json:"path"` // "-" for stdout
	State       State      `json:"state"`
	Size        int64      `json:"size"`
	Done        int64      `json:"done"`
	Pieces      int        `json:"pieces"`
	Down        float64    `json:"down"`
	Up          float64    `json:"up"`
	FromMirrors int64      `json:"from_mirrors"`
	FromPeers   int64      `json:"from_peers"` // those in the local network included
	FromLAN     int64      `json:"from_lan"`
	FromDisk    int64      `json:"from_disk"`
	Wasted      int64      `json:"wasted"`
	Uploaded    int64      `json:"uploaded"` // to all peers
	ToLAN       int64      `json:"uploaded_lan"`
	Peers       int        `json:"peers"`
	Connections int        `json:"connections"`
	Sharing     bool       `json:"sharing"`
	Until       *time.Time `json:"until"` // sharing ends, at the latest; nil when there is no such time, or none yet
	Why         string     `json:"why"`   // it is shared, that long, or not
	Sources     []Source   `json:"sources"`
}

// Source is a mirror or a peer of a transfer.
type Source struct {
	Name   string  `json:"source"`
	Kind   string  `json:"kind"`             // mirror, peer or lan
	Client string  `json:"client,omitempty"` // what a peer calls itself
	Have   int     `json:"have"`             // pieces that can be had from a peer
	Down   float64 `json:"down"`             // bytes a second that it gives, and takes
	Up     float64 `json:"up"`
	From   int64   `json:"from"` // bytes that it gave, and took
	To     int64   `json:"to"`
}

// Limit is one limit in force.
type Limit struct {
	Key    string `json:"key"`
	Value  string `json:"value"`  // as its flag takes it
	Origin string `json:"origin"` // flag, variable, file, manifest, default or set
	Where  string `json:"where"`  // such as SHOAL_LIMIT_UP; empty for a default
}

// decodeRequest reads a Request from a line. It costs no more than the line is long.
func decodeRequest(line []byte) (Request, error) {
	var r Request
	if err := decode(line, &r); err != nil {
		return r, err
	}
	if r.Schema != schema {
		return r, fmt.Errorf("read request: schema %d is not known", r.Schema)
	}
	return r, nil
}

// decodeAnswer reads an Answer from a line.
func decodeAnswer(line []byte) (Answer, error) {
	var a Answer
	if err := decode(line, &a); err != nil {
		return a, err
	}
	if a.Schema != schema {
		return a, fmt.Errorf("read answer: schema %d is not known", a.Schema)
	}
	return a, nil
}

func decode(line []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	if err := d.Decode(to); err != nil {
		return fmt.Errorf("read line: %w", err)
	}
	if d.More() {
		return errors.New("read line: there is more on it")
	}
	return nil
}

// encode writes v as one line.
func encode(v any) []byte {
	line, err := json.Marshal(v)
	if err != nil {
		// There is nothing in our types that could not be written, save a rate
		// that is no number.
		line = fmt.Appendf(nil, `{"schema":%d,"error":%q}`, schema, err)
	}
	return append(line, '\n')
}
