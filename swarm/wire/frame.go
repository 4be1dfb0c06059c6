package wire

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/bits-and-blooms/bitset"
)

// What a frame may hold, at most.
const (
	MaxBlock = 64 << 10 // bytes of one REQUEST or DATA
	MaxBatch = 1024     // piece indexes in one HAVE, FETCHING or UNFETCHING
	MaxPEX   = 50       // addresses in one PEX

	maxClient  = 64       // bytes of a client's name
	maxHello   = 256      // bytes of a HELLO, what later versions add included
	maxPiece   = 64 << 20 // bytes; DESIGN section 3
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

	mustKnow kind = 0x80
)

func (k kind) String() string {
	names := [...]string{"", "HELLO", "BITFIELD", "HAVE_ALL", "HAVE_NONE", "HAVE", "FETCHING", "UNFETCHING",
		"REQUEST", "DATA", "REJECT", "CANCEL", "PEX", "PING", "PONG", "BYE"}
	if k > 0 && int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("0x%02x", uint8(k))
}

// Frame is what Conn.Next returns: *Hello, *Bitfield, *Have, *Fetching,
// *Unfetching, *Request, *Data, *Reject, *Cancel, *PEX, *Ping, *Pong or *Bye. Each
// but Data has an Append method that encodes it for Conn.Write.
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

const (
	headSize    = 5  // of a frame: kind and length
	helloSize   = 9  // without the name
	requestSize = 16 // id, piece, offset, length
	dataSize    = 13 // id, offset, size, flags; the bytes follow
	dataHead    = headSize + dataSize

	helloServes = 1 << 0 // bit of HELLO's flags
	dataZstd    = 1 << 0 // bit of DATA's flags

	family4 = 4 // before an address in PEX
	family6 = 6
)

func appendHead(dst []byte, k kind, size int) []byte {
	return binary.BigEndian.AppendUint32(append(dst, byte(k)), uint32(size))
}

func appendInt(dst []byte, n int) []byte {
	return binary.BigEndian.AppendUint32(dst, uint32(n))
}

// Append appends the frame to dst. A longer client name is cut.
func (f Hello) Append(dst []byte) []byte {
	client := strings.ToValidUTF8(f.Client[:min(len(f.Client), maxClient)], "")
	dst = appendHead(dst, kindHello, helloSize+len(client))
	dst = appendInt(dst, f.Window)
	var flags uint32
	if f.Serves {
		flags |= helloServes
	}
	dst = binary.BigEndian.AppendUint32(dst, flags)
	return append(append(dst, byte(len(client))), client...)
}

// Append appends the frame to dst: HAVE_ALL or HAVE_NONE when that says it.
func (f Bitfield) Append(dst []byte) []byte {
	switch {
	case f.Have.All():
		return appendHead(dst, kindHaveAll, 0)
	case f.Have.None():
		return appendHead(dst, kindHaveNone, 0)
	}
	size := bitfieldSize(int(f.Have.Len()))
	dst = appendHead(dst, kindBitfield, size)
	end := len(dst) + size
	for _, word := range f.Have.Words() {
		dst = binary.LittleEndian.AppendUint64(dst, word)
	}
	return dst[:end]
}

// bitfieldSize returns the bytes of a BITFIELD's body.
func bitfieldSize(pieces int) int { return (pieces + 7) / 8 }

// Append appends the frame to dst, or several when there are more than MaxBatch.
func (f Have) Append(dst []byte) []byte { return appendBatch(dst, kindHave, f.Pieces) }

// Append appends the frame to dst, or several when there are more than MaxBatch.
func (f Fetching) Append(dst []byte) []byte { return appendBatch(dst, kindFetching, f.Pieces) }

// Append appends the frame to dst, or several when there are more than MaxBatch.
func (f Unfetching) Append(dst []byte) []byte { return appendBatch(dst, kindUnfetching, f.Pieces) }

func appendBatch(dst []byte, k kind, pieces []int) []byte {
	for len(pieces) > 0 {
		batch := pieces[:min(len(pieces), MaxBatch)]
		pieces = pieces[len(batch):]
		dst = appendHead(dst, k, 4*len(batch))
		for _, p := range batch {
			dst = appendInt(dst, p)
		}
	}
	return dst
}

// Append appends the frame to dst.
func (f Request) Append(dst []byte) []byte {
	dst = appendHead(dst, kindRequest, requestSize)
	dst = binary.BigEndian.AppendUint32(dst, f.ID)
	dst = appendInt(dst, f.Piece)
	dst = appendInt(dst, f.Offset)
	return appendInt(dst, f.Length)
}

// append appends all of the frame but its n bytes.
func (f Data) append(dst []byte, n int) []byte {
	dst = appendHead(dst, kindData, dataSize+n)
	dst = binary.BigEndian.AppendUint32(dst, f.ID)
	dst = appendInt(dst, f.Offset)
	dst = appendInt(dst, f.Size)
	if f.Zstd {
		return append(dst, dataZstd)
	}
	return append(dst, 0)
}

// Append appends the frame to dst.
func (f Reject) Append(dst []byte) []byte {
	dst = appendHead(dst, kindReject, 5)
	dst = binary.BigEndian.AppendUint32(dst, f.ID)
	return append(dst, byte(f.Reason))
}

// Append appends the frame to dst.
func (f Cancel) Append(dst []byte) []byte {
	return binary.BigEndian.AppendUint32(appendHead(dst, kindCancel, 4), f.ID)
}

// Append appends the frame to dst. It leaves out what is no address with a port,
// and what comes after the first MaxPEX.
func (f PEX) Append(dst []byte) []byte {
	at := len(dst)
	dst = appendHead(dst, kindPEX, 0)
	for _, a := range f.Addrs[:min(len(f.Addrs), MaxPEX)] {
		if !a.IsValid() || a.Port() == 0 {
			continue
		}
		ip, family := a.Addr().Unmap(), byte(family6)
		if ip.Is4() {
			family = family4
		}
		dst = append(append(dst, family), ip.AsSlice()...)
		dst = binary.BigEndian.AppendUint16(dst, a.Port())
	}
	binary.BigEndian.PutUint32(dst[at+1:], uint32(len(dst)-at-headSize))
	return dst
}

// Append appends the frame to dst.
func (f Ping) Append(dst []byte) []byte {
	return binary.BigEndian.AppendUint64(appendHead(dst, kindPing, 8), f.Nonce)
}

// Append appends the frame to dst.
func (f Pong) Append(dst []byte) []byte {
	return binary.BigEndian.AppendUint64(appendHead(dst, kindPong, 8), f.Nonce)
}

// Append appends the frame to dst.
func (f Bye) Append(dst []byte) []byte {
	return append(appendHead(dst, kindBye, 1), byte(f.Reason))
}
