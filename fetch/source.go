// Package fetch decides who brings what next, and brings it: the Source
// interface, the ledger and the job that runs it, the HTTP mirror, and getting
// a manifest by URL.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Kind tells what sort of source brings the bytes.
type Kind string

// The kinds of source, as the JSON events name them.
const (
	KindMirror Kind = "mirror"
	KindPeer   Kind = "peer"
	KindLAN    Kind = "lan"
)

// Source brings pieces: an HTTP mirror or a peer.
//
// Implementations are used by several goroutines at once, one for each lease.
type Source interface {
	// Name is what the user is shown, without credentials: a mirror's URL or
	// a peer's address.
	Name() string

	// Kind tells what sort of source this is.
	Kind() Kind

	// Pieces brings the pieces of the lease, yielding each one, unverified,
	// as soon as it is whole. What it yields belongs to the caller. Breaking
	// out of the loop or ending ctx gives up the rest of the lease. If ctx is
	// ended because the lease is put off, the source may keep what has come of
	// a piece for a later one.
	//
	// A failure is yielded once, as the last element, and is a *Fault unless
	// ctx ended. An iteration without error has yielded the whole lease.
	Pieces(ctx context.Context, l Lease) iter.Seq2[Raw, error]
}

// Lease is the work one source has been given, over one connection.
type Lease struct {
	// Pieces are the ones to bring, in the order in which they are wanted. Of
	// a mirror they are one run as a rule; it may span files.
	Pieces []int

	// Buffer returns memory for one piece of n bytes, waiting until there is
	// some. It fails only when ctx ends.
	Buffer func(ctx context.Context, n int) ([]byte, error)

	// Received is told of n more bytes read for this lease, as they arrive, not
	// of what was kept of an earlier one; who sees that the first are about to
	// come may tell of none. It is called from the source's goroutine and must
	// not block.
	Received func(n int)
}

// Raw is one piece as a source sent it, not yet proven.
type Raw struct {
	Piece int    // index in the manifest
	Data  []byte // exactly as long as the piece
}

// Fault is what went wrong at a source; it never speaks of our own disk or of
// the user's wish to stop.
type Fault struct {
	Kind       FaultKind
	RetryAfter time.Duration // how long the source asked us to stay away; 0 if it did not say
	Err        error         // the cause, in words for the user
}

// FaultKind tells what a Fault calls for.
type FaultKind int

const (
	// FaultPassing may pass: a reset, a time-out, a 5xx. Try again later.
	FaultPassing FaultKind = iota
	// FaultBusy is a refusal that fewer connections may cure: 403, 429, 503.
	FaultBusy
	// FaultLasting will not pass: not found, wrong length, no usable URL.
	FaultLasting
	// FaultWithdrawn is no fault: the source has agreed not to bring what it had not
	// begun to; see Partial.
	FaultWithdrawn
	// FaultNoRange is a mirror that ignores Range: it can only be read from
	// the front of a file to its end.
	FaultNoRange
)

func (f *Fault) Error() string { return f.Err.Error() }
func (f *Fault) Unwrap() error { return f.Err }

// faultf makes a Fault whose cause is the formatted text.
func faultf(kind FaultKind, format string, args ...any) *Fault {
	return &Fault{Kind: kind, Err: fmt.Errorf(format, args...)}
}

// AsFault returns the Fault in err's chain, or nil.
func AsFault(err error) *Fault {
	f, _ := errors.AsType[*Fault](err)
	return f
}

// Run is the pieces [first, end), as a [Lease] names them.
func Run(first, end int) []int {
	pieces := make([]int, 0, end-first)
	for i := first; i < end; i++ {
		pieces = append(pieces, i)
	}
	return pieces
}
