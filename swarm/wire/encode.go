package wire

import (
	"encoding/binary"
	"strings"
)

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

// Append appends the frame to dst.
func (f Ready) Append(dst []byte) []byte { return appendHead(dst, kindReady, 0) }

// Append appends the frame to dst.
func (f Withdraw) Append(dst []byte) []byte {
	return appendInt(appendHead(dst, kindWithdraw, 4), f.Piece)
}
