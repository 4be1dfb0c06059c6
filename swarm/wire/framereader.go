package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// frameReader cuts a stream of bytes into frames, and sees to it that they come in
// their order and hold what they may.
type frameReader struct {
	src    io.Reader
	pieces int // of the content

	greeted bool // HELLO has come
	showed  bool // the first word on which pieces it has, too
	parted  bool // BYE has come
	block   int  // bytes of data that are still to be read

	head [headSize]byte
	body []byte // of the last frame, reused

	// One frame of each kind, so that none is allocated.
	hello      Hello
	bitfield   Bitfield
	have       Have
	fetching   Fetching
	unfetching Unfetching
	request    Request
	data       Data
	reject     Reject
	cancel     Cancel
	pex        PEX
	ping       Ping
	pong       Pong
	bye        Bye
	ready      Ready
	withdraw   Withdraw
}

// next returns the next frame that is known. What is left of a block is skipped
// first. A clean end, after BYE, is io.EOF.
func (r *frameReader) next() (Frame, error) {
	if r.parted {
		return nil, io.EOF
	}
	if err := r.skip(r.block); err != nil {
		return nil, err
	}
	r.block = 0
	for {
		k, size, err := r.readHead()
		if err != nil {
			return nil, err
		}
		if !known(k) {
			if err := r.skip(size); err != nil {
				return nil, err
			}
			continue
		}
		return r.readFrame(k, size)
	}
}

// readHead reads the kind and length of a frame, and refuses them before anything
// is read or allocated on their word.
func (r *frameReader) readHead() (kind, int, error) {
	if _, err := io.ReadFull(r.src, r.head[:]); err != nil {
		return 0, 0, cutShort(err)
	}
	k, size := kind(r.head[0]), int64(binary.BigEndian.Uint32(r.head[1:]))
	if k >= mustKnow {
		return 0, 0, &ProtocolError{ByeUnsupported, fmt.Sprintf("read frame %v: this version does not know it", k)}
	}
	if least, most := r.limits(k); size < int64(least) || size > int64(most) {
		return 0, 0, violation(k, "%d bytes long, not %d to %d", size, least, most)
	}
	return k, int(size), r.inOrder(k)
}

// known tells whether a frame is one of ours; others below mustKnow are skipped.
func known(k kind) bool { return k >= kindHello && k <= kindWithdraw }

// limits returns how long the body of a frame may be, in bytes.
func (r *frameReader) limits(k kind) (least, most int) {
	switch k {
	case kindHello:
		return helloSize, maxHello
	case kindBitfield:
		return bitfieldSize(r.pieces), bitfieldSize(r.pieces)
	case kindHaveAll, kindHaveNone, kindReady:
		return 0, 0
	case kindHave, kindFetching, kindUnfetching:
		return 4, 4 * MaxBatch
	case kindRequest:
		return requestSize, requestSize
	case kindData:
		return dataSize + 1, dataSize + MaxBlock
	case kindReject:
		return 5, 5
	case kindCancel, kindWithdraw:
		return 4, 4
	case kindPEX:
		return 0, MaxPEX * (1 + 16 + 2)
	case kindPing, kindPong:
		return 8, 8
	case kindBye:
		return 1, 1
	}
	return 0, maxUnknown
}

// inOrder refuses a known frame that may not come now: HELLO is first, then which
// pieces there are, and neither comes again.
func (r *frameReader) inOrder(k kind) error {
	switch k {
	case kindHello:
		if r.greeted {
			return violation(k, "came twice")
		}
		r.greeted = true
	case kindBitfield, kindHaveAll, kindHaveNone:
		if !r.greeted || r.showed {
			return violation(k, "not right after HELLO")
		}
		r.showed = true
	case kindBye:
		r.parted = true
	default:
		if known(k) && !r.showed {
			return violation(k, "before HELLO and BITFIELD")
		}
	}
	return nil
}

// readFrame reads and checks the body of a known frame.
func (r *frameReader) readFrame(k kind, size int) (Frame, error) {
	fixed := size
	if k == kindData {
		fixed = dataSize
	}
	r.body = slices.Grow(r.body[:0], fixed)[:fixed]
	if _, err := io.ReadFull(r.src, r.body); err != nil {
		return nil, cutShort(err)
	}
	r.block = size - fixed
	return r.decode(k)
}

// skip throws n bytes away.
func (r *frameReader) skip(n int) error {
	for n > 0 {
		r.body = slices.Grow(r.body[:0], smallBuffer)
		part := r.body[:min(n, smallBuffer)]
		if _, err := io.ReadFull(r.src, part); err != nil {
			return cutShort(err)
		}
		n -= len(part)
	}
	return nil
}

// blockSize returns the Size of a DATA whose bytes are still to be read, else 0.
func (r *frameReader) blockSize() int {
	if r.block == 0 {
		return 0
	}
	return r.data.Size
}

// readBlock reads the bytes of the latest DATA, all of them, as they travelled.
func (r *frameReader) readBlock(dst []byte) error {
	r.block = 0
	if _, err := io.ReadFull(r.src, dst); err != nil {
		return cutShort(err)
	}
	return nil
}

// cutShort turns an end of the stream into an unexpected one.
func cutShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("read frame: %w", io.ErrUnexpectedEOF)
	}
	return err
}

func violation(k kind, format string, args ...any) error {
	return &ProtocolError{ByeProtocol, fmt.Sprintf("read %v: ", k) + fmt.Sprintf(format, args...)}
}
