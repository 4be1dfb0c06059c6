package wire

import "fmt"

// RejectReason is why a request is not answered with data. A peer may send others
// than these; they all mean that the block must come from elsewhere.
type RejectReason uint8

// The reasons for a REJECT.
const (
	RejectBusy      RejectReason = 1 // more asked ahead than Window, or not this peer's turn: ask again later
	RejectMissing   RejectReason = 2 // its sender does not have the piece, or not that range of it
	RejectCancelled RejectReason = 3 // as asked for with CANCEL or WITHDRAW
	RejectUnshared  RejectReason = 4 // its sender shares nothing
	RejectFailed    RejectReason = 5 // its sender could not read its disk
)

func (r RejectReason) String() string {
	switch r {
	case RejectBusy:
		return "busy"
	case RejectMissing:
		return "not there"
	case RejectCancelled:
		return "cancelled"
	case RejectUnshared:
		return "not shared"
	case RejectFailed:
		return "could not be read"
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// ByeReason is why a peer ends the connection. A peer may send others than these;
// they mean no more than ByeDone.
type ByeReason uint8

// The reasons for a BYE.
const (
	ByeDone        ByeReason = 0 // it stops, or nothing is left to trade
	ByeFull        ByeReason = 1 // it has peers enough
	ByeIdle        ByeReason = 2 // nothing was said for too long
	ByeProtocol    ByeReason = 3 // the receiver broke the rules
	ByeUnsupported ByeReason = 4 // the receiver sent what must be understood and was not
	ByeDuplicate   ByeReason = 5 // there is another connection between the two
	ByeBanned      ByeReason = 6 // the receiver has sent wrong bytes
)

func (r ByeReason) String() string {
	switch r {
	case ByeDone:
		return "done"
	case ByeFull:
		return "full"
	case ByeIdle:
		return "idle"
	case ByeProtocol:
		return "protocol error"
	case ByeUnsupported:
		return "unsupported frame"
	case ByeDuplicate:
		return "duplicate connection"
	case ByeBanned:
		return "banned"
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// ProtocolError is a peer that broke the rules of the protocol. Its connection is
// of no further use; Bye is what to tell it.
type ProtocolError struct {
	Bye  ByeReason
	text string
}

func (e *ProtocolError) Error() string { return e.text }
