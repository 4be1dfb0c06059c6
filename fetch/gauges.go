package fetch

import "sync/atomic"

// SourceState is what became of a source, as the JSON events name it.
type SourceState string

// The states of a source. A source that left may join again; a banned one is
// gone for the session.
const (
	StateJoined SourceState = "joined"
	StateLeft   SourceState = "left"
	StateBanned SourceState = "banned"
)

// Gauges are counters of a running job in bytes, unless said otherwise. The job
// writes them, whoever shows them reads them whenever he likes.
type Gauges struct {
	Done        atomic.Int64 // proven and stored, what was there before included
	Received    atomic.Int64 // of pieces, by this run, proven or not: grows with each read
	FromMirrors atomic.Int64 // proven and stored, brought by mirrors in this run
	FromPeers   atomic.Int64 // likewise, brought by peers
	FromLAN     atomic.Int64 // those of FromPeers that came from the local network
	FromDisk    atomic.Int64 // already here when the run began
	Wasted      atomic.Int64 // received and thrown away: wrong, or second in a race
	Uploaded    atomic.Int64 // sent to peers
	Connections atomic.Int32 // leases being brought now
	Peers       atomic.Int32 // live peers
}

// Observer hears what happened to a job, in order, from the job's loop. Its
// methods must not block for long.
type Observer interface {
	// SourceChanged tells that s joined, left or was banned, and why.
	SourceChanged(s Source, state SourceState, reason string)
	// Brought tells that s brought a piece that was missing.
	Brought(s Source, piece int)
	// BadPiece tells that s sent wrong bytes for a piece.
	BadPiece(s Source, piece int)
}
