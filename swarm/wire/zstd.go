package wire

import (
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// blockCoder compresses and expands blocks. It is safe for concurrent use.
type blockCoder struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

func newBlockCoder() (blockCoder, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(MaxBlock),
		zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true),
		// It is used when the uplink is short; two keep up with any such.
		zstd.WithEncoderConcurrency(2))
	if err != nil {
		return blockCoder{}, err
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxMemory(MaxBlock),
		zstd.WithDecoderMaxWindow(MaxBlock), zstd.WithDecoderLowmem(true))
	return blockCoder{enc, dec}, err
}

// CompressBlock appends block to dst as one zstd frame, and tells whether that saves
// more than a tenth; if not, it is better sent as it is.
func (e *Endpoint) CompressBlock(dst, block []byte) (packed []byte, smaller bool) {
	at := len(dst)
	packed = e.zstd.enc.EncodeAll(block, dst)
	return packed, len(packed)-at < len(block)-len(block)/10
}

// expand fills dst, no more and no less, with what packed holds.
func (c blockCoder) expand(dst, packed []byte) error {
	out, err := c.dec.DecodeAll(packed, dst[:0:len(dst)])
	if err != nil {
		return fmt.Errorf("expand block: %w", err)
	}
	if len(out) != len(dst) {
		return fmt.Errorf("expand block: %d bytes, not %d", len(out), len(dst))
	}
	copy(dst, out) // in place already, unless the decoder chose to reallocate
	return nil
}
