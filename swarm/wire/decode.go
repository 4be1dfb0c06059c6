package wire

import (
	"encoding/binary"
	"net/netip"
	"unicode"
	"unicode/utf8"

	"github.com/bits-and-blooms/bitset"
)

// decode makes a frame of r.body, whose length is within the kind's limits.
func (r *frameReader) decode(k kind) (Frame, error) {
	switch k {
	case kindHello:
		return &r.hello, r.decodeHello()
	case kindBitfield:
		return &r.bitfield, r.decodeBitfield()
	case kindHaveAll:
		r.bitfield.Have = bitset.New(uint(r.pieces)).SetAll()
		return &r.bitfield, nil
	case kindHaveNone:
		r.bitfield.Have = bitset.New(uint(r.pieces))
		return &r.bitfield, nil
	case kindHave:
		return &r.have, r.decodeBatch(k, &r.have.Pieces)
	case kindFetching:
		return &r.fetching, r.decodeBatch(k, &r.fetching.Pieces)
	case kindUnfetching:
		return &r.unfetching, r.decodeBatch(k, &r.unfetching.Pieces)
	case kindRequest:
		return &r.request, r.decodeRequest()
	case kindData:
		return &r.data, r.decodeData()
	case kindPEX:
		return &r.pex, r.decodePEX()
	case kindWithdraw:
		return &r.withdraw, r.decodeWithdraw()
	}
	return r.decodeSmall(k), nil
}

// decodeSmall decodes the kinds that cannot be wrong.
func (r *frameReader) decodeSmall(k kind) Frame {
	switch k {
	case kindReject:
		r.reject = Reject{r.uint32(0), RejectReason(r.body[4])}
		return &r.reject
	case kindCancel:
		r.cancel.ID = r.uint32(0)
		return &r.cancel
	case kindPing:
		r.ping.Nonce = binary.BigEndian.Uint64(r.body)
		return &r.ping
	case kindPong:
		r.pong.Nonce = binary.BigEndian.Uint64(r.body)
		return &r.pong
	case kindBye:
		r.bye.Reason = ByeReason(r.body[0])
		return &r.bye
	default: // kindReady
		return &r.ready
	}
}

// uint32 returns the number at r.body[at:].
func (r *frameReader) uint32(at int) uint32 { return binary.BigEndian.Uint32(r.body[at:]) }

func (r *frameReader) decodeHello() error {
	// What follows the name is of a later version.
	name := r.body[helloSize:]
	n := int(r.body[helloSize-1])
	if n > len(name) || n > maxClient {
		return violation(kindHello, "client name of %d bytes", n)
	}
	if !printable(name[:n]) {
		return violation(kindHello, "client name that cannot be shown")
	}
	r.hello = Hello{
		Window: int(r.uint32(0)),
		Serves: r.uint32(4)&helloServes != 0,
		Client: string(name[:n]),
	}
	return nil
}

// printable tells whether a terminal shows b as it is.
func printable(b []byte) bool {
	for len(b) > 0 {
		c, n := utf8.DecodeRune(b)
		if c == utf8.RuneError && n == 1 || !unicode.IsPrint(c) {
			return false
		}
		b = b[n:]
	}
	return true
}

func (r *frameReader) decodeBitfield() error {
	words := make([]uint64, (len(r.body)+7)/8)
	for i, b := range r.body {
		words[i/8] |= uint64(b) << (i % 8 * 8)
	}
	if used := r.pieces % 8; used != 0 && r.body[len(r.body)-1]>>used != 0 {
		return violation(kindBitfield, "bits beyond piece %d", r.pieces-1)
	}
	r.bitfield.Have = bitset.FromWithLength(uint(r.pieces), words)
	// It comes once and may be long.
	r.body = nil
	return nil
}

func (r *frameReader) decodeBatch(k kind, pieces *[]int) error {
	if len(r.body)%4 != 0 {
		return violation(k, "%d bytes long, not a multiple of 4", len(r.body))
	}
	*pieces = (*pieces)[:0]
	for at := 0; at < len(r.body); at += 4 {
		p := r.uint32(at)
		if int64(p) >= int64(r.pieces) {
			return violation(k, "piece %d of %d", p, r.pieces)
		}
		*pieces = append(*pieces, int(p))
	}
	return nil
}

func (r *frameReader) decodeRequest() error {
	piece, offset, length := r.uint32(4), r.uint32(8), r.uint32(12)
	if int64(piece) >= int64(r.pieces) {
		return violation(kindRequest, "piece %d of %d", piece, r.pieces)
	}
	if !blockFits(offset, length) {
		return violation(kindRequest, "%d bytes at %d", length, offset)
	}
	r.request = Request{r.uint32(0), int(piece), int(offset), int(length)}
	return nil
}

// blockFits tells whether a block is in bounds as far as can be told without the
// size of the piece.
func blockFits(offset, size uint32) bool {
	return size > 0 && size <= MaxBlock && int64(offset)+int64(size) <= maxPiece
}

func (r *frameReader) decodeData() error {
	offset, size, flags := r.uint32(4), r.uint32(8), r.body[12]
	if !blockFits(offset, size) {
		return violation(kindData, "%d bytes at %d", size, offset)
	}
	switch flags {
	case 0:
		if r.block != int(size) {
			return violation(kindData, "%d bytes that should be %d", r.block, size)
		}
	case dataZstd:
		if r.block >= int(size) {
			return violation(kindData, "%d bytes compressed to %d", size, r.block)
		}
	default:
		return violation(kindData, "unknown flags %#02x", flags)
	}
	r.data = Data{r.uint32(0), int(offset), int(size), flags == dataZstd}
	return nil
}

func (r *frameReader) decodePEX() error {
	r.pex.Addrs = r.pex.Addrs[:0]
	for b := r.body; len(b) > 0; {
		size := 0
		switch b[0] {
		case family4:
			size = 4
		case family6:
			size = 16
		default:
			return violation(kindPEX, "address family %d", b[0])
		}
		if len(b) < 1+size+2 || len(r.pex.Addrs) == MaxPEX {
			return violation(kindPEX, "%d bytes too many", len(b))
		}
		ip, _ := netip.AddrFromSlice(b[1 : 1+size])
		port := binary.BigEndian.Uint16(b[1+size:])
		if ip.Is4In6() || port == 0 {
			return violation(kindPEX, "address %v, port %d", ip, port)
		}
		r.pex.Addrs = append(r.pex.Addrs, netip.AddrPortFrom(ip, port))
		b = b[1+size+2:]
	}
	return nil
}

func (r *frameReader) decodeWithdraw() error {
	piece := r.uint32(0)
	if int64(piece) >= int64(r.pieces) {
		return violation(kindWithdraw, "piece %d of %d", piece, r.pieces)
	}
	r.withdraw = Withdraw{int(piece)}
	return nil
}
