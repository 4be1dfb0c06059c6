package wire

import (
	"fmt"
	"net/netip"

	"github.com/bits-and-blooms/bitset"
)

// What a frame may hold, at most.
const (
	MaxBlock = 64 << 10 // bytes of one REQUEST or DATA
	MaxBatch = 1024     // piece indexes in one HAVE, FETCHING or UNFETCHING
	MaxPEX   = 50       // addresses in one PEX

	maxClient  = 64       // bytes of a client's name
	maxHello   = 256      // bytes of a HELLO, what later versions add included
	maxPiece   = 64 << 20 // bytes; no manifest has larger ones
	maxUnknown = 64 << 10 // bytes of a frame that is skipped
)

// kind is the first byte of a frame. A kind from mustKnow on may not be skipped by
// who does not know it.
type kind uint8

const (
	kindHello      kind = 0x01
	kindBitfield   kind = 0x02
	kindHaveAll    kind = 0x03
	kindHaveNone   kind = 0x04
	kindHave       kind = 0x05
	kindFetching   kind = 0x06
	kindUnfetching kind = 0x07
	kindRequest    kind = 0x08
	kindData       kind = 0x09
	kindReject     kind = 0x0a
	kindCancel     kind = 0x0b
	kindPEX        kind = 0x0c
	kindPing       kind = 0x0d
	kindPong       kind = 0x0e
	kindBye        kind = 0x0f
	kindReady      kind = 0x10
	kindWithdraw   kind = 0x11

	mustKnow kind = 0x80
)

func (k kind) String() string {
	names := [...]string{"", "HELLO", "BITFIELD", "HAVE_ALL", "HAVE_NONE", "HAVE", "FETCHING", "UNFETCHING",
		"REQUEST", "DATA", "REJECT", "CANCEL", "PEX", "PING", "PONG", "BYE", "READY", "WITHDRAW"}
	if k > 0 && int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("0x%02x", uint8(k))
}

// Frame is what Conn.Next returns: *Hello, *Bitfield, *Have, *Fetching,
// *Unfetching, *Request, *Data, *Reject, *Cancel, *PEX, *Ping, *Pong, *Bye, *Ready or
// *Withdraw. Each but Data has an Append method that encodes it for Conn.Write.
type Frame interface{ kind() kind }

// Hello is the first frame of both ends.
type Hello struct {
	Window int    // bytes of requests it keeps waiting before it rejects more
	Serves bool   // it answers requests at all
	Client string // the program's name and version, printable, at most 64 bytes
}

// Bitfield tells which pieces its sender has: the second frame of both ends.
// BITFIELD, HAVE_ALL and HAVE_NONE on the wire.
type Bitfield struct {
	Have *bitset.BitSet // as long as the content has pieces; the receiver's to keep
}

// Have tells of pieces its sender has had proven since. What Next returns is valid
// until the next call.
type Have struct{ Pieces []int }

// Fetching tells of pieces its sender is getting from a mirror, so that others need
// not. What Next returns is valid until the next call.
type Fetching struct{ Pieces []int }

// Unfetching takes Fetching back for pieces that did not come. What Next returns is
// valid until the next call.
type Unfetching struct{ Pieces []int }

// Request asks for a block. Its sender chooses ID, one that is not in use.
type Request struct {
	ID     uint32
	Piece  int
	Offset int // in the piece
	Length int // bytes, 1 to MaxBlock
}

// Data brings a part of what a request asked for. Its bytes are not in it:
// Conn.ReadBlock reads and Conn.WriteData writes them.
type Data struct {
	ID     uint32 // of the request
	Offset int    // in the piece
	Size   int    // bytes of the piece, 1 to MaxBlock
	Zstd   bool   // they travel compressed
}

// Reject answers a request that will bring no further Data.
type Reject struct {
	ID     uint32
	Reason RejectReason
}

// Cancel tells that the answer to a request is not wanted any more. It may come all
// the same; the request ends as any other, in all its Data or a Reject.
type Cancel struct{ ID uint32 }

// PEX tells of peers of this content that its sender is, or was lately, connected
// to, by the addresses where they listen. What Next returns is valid until the next
// call.
type PEX struct{ Addrs []netip.AddrPort }

// Ping wants a Pong with the same number.
type Ping struct{ Nonce uint64 }

// Pong answers a Ping.
type Pong struct{ Nonce uint64 }

// Bye is the last frame of its sender, who closes the connection.
type Bye struct{ Reason ByeReason }

// Ready tells that its sender would serve the receiver at once, and has something
// that the receiver lacks.
type Ready struct{}

// Withdraw takes back all requests for blocks of a piece, if no Data of it is on its
// way. It ends each in a Reject, or none of them.
type Withdraw struct{ Piece int }

func (Hello) kind() kind      { return kindHello }
func (Bitfield) kind() kind   { return kindBitfield }
func (Have) kind() kind       { return kindHave }
func (Fetching) kind() kind   { return kindFetching }
func (Unfetching) kind() kind { return kindUnfetching }
func (Request) kind() kind    { return kindRequest }
func (Data) kind() kind       { return kindData }
func (Reject) kind() kind     { return kindReject }
func (Cancel) kind() kind     { return kindCancel }
func (PEX) kind() kind        { return kindPEX }
func (Ping) kind() kind       { return kindPing }
func (Pong) kind() kind       { return kindPong }
func (Bye) kind() kind        { return kindBye }
func (Ready) kind() kind      { return kindReady }
func (Withdraw) kind() kind   { return kindWithdraw }
