package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/flynn/noise"
)

// kinship begins what the nonces of Conn.Kinship are the hash of.
const kinship = "shoal wire kinship 1"

// Peer is who is at the other end.
type Peer struct {
	Node    Node
	Port    uint16 // where it accepts peers; 0 if it does not
	Version int    // of the frames, the highest that both ends speak
	AES     bool   // records are AES-256-GCM, not ChaCha20-Poly1305
}

// Conn is a connection to a peer after the handshake. One goroutine at a time may
// read (Next, AwaitBlock, ReadBlock) and another may write (Write, WriteData, Flush).
//
// It does not own the net.Conn: deadlines and closing are the caller's.
type Conn struct {
	content Content
	peer    Peer
	hash    []byte // of the handshake
	end     *Endpoint
	records recordReader
	frames  frameReader
	err     error // of the first read that failed
	out     recordWriter
}

func newConn(e *Endpoint, rw io.ReadWriter, content Content, p Peer, send, receive *noise.CipherState) *Conn {
	c := &Conn{content: content, peer: p, end: e}
	c.records = recordReader{src: rw, key: receive, pool: &e.buffers}
	c.records.buf = c.records.small[:]
	c.frames = frameReader{src: &c.records, pieces: content.Pieces}
	c.out = recordWriter{dst: rw, key: send, pool: &e.buffers}
	return c
}

// Content returns what the connection is about.
func (c *Conn) Content() Content { return c.content }

// Peer returns who is at the other end.
func (c *Conn) Peer() Peer { return c.peer }

// Kinship is the nonce of a PING on c that shows that its sender, of that name, is at the
// end of another connection as well. Who is not can make it only if he overhears both and
// has the manifest, and not of what such PINGs show him on connections of his own.
func (c *Conn) Kinship(sender Node, other *Conn) (nonce uint64) {
	sum := sha256.Sum256(slices.Concat([]byte(kinship), sender[:], other.hash, c.hash))
	return binary.BigEndian.Uint64(sum[:])
}

// Below orders connections, the same way for both ends.
func (c *Conn) Below(other *Conn) bool { return bytes.Compare(c.hash, other.hash) < 0 }

// Next waits for the next frame. It stays valid until the next call, and only what
// its type says is the receiver's to keep.
//
// The first two are *Hello and *Bitfield. After *Bye comes io.EOF. A *ProtocolError
// tells that the peer broke the rules; any other error that the connection is lost:
// io.ErrUnexpectedEOF when it just ended, a failed record when someone between
// meddled with it, or what the net.Conn returned. Errors are final.
//
// Indexes of pieces are below Content.Pieces, and blocks within the largest possible
// piece; whether a request fits its piece is left to the caller, who knows it.
func (c *Conn) Next() (Frame, error) {
	if c.err != nil {
		return nil, c.err
	}
	var f Frame
	if f, c.err = c.frames.next(); c.err != nil {
		return nil, c.err
	}
	return f, nil
}

// AwaitBlock waits for the bytes of the *Data that Next has just returned, and tells
// whether all have come, so that ReadBlock does not wait: they have if the peer sent
// them in one record. Its errors are those of Next.
func (c *Conn) AwaitBlock() (whole bool, err error) {
	if c.err != nil {
		return false, c.err
	}
	n, err := c.records.await()
	if err != nil {
		c.err = cutShort(err)
	}
	return n >= c.frames.block, c.err
}

// ReadBlock reads the bytes of the *Data that Next has just returned into dst, which
// has exactly its Size, and expands them. Without it, Next skips them. Its errors are
// those of Next.
func (c *Conn) ReadBlock(dst []byte) error {
	if n := c.frames.blockSize(); n == 0 || n != len(dst) {
		return fmt.Errorf("read block: room for %d bytes, not %d", len(dst), n)
	}
	if c.err == nil {
		c.err = c.readBlock(dst)
	}
	return c.err
}

func (c *Conn) readBlock(dst []byte) error {
	if !c.frames.data.Zstd {
		return c.frames.readBlock(dst)
	}
	buf := c.end.buffers.get()
	defer c.end.buffers.put(buf)
	packed := buf[:c.frames.block]
	if err := c.frames.readBlock(packed); err != nil {
		return err
	}
	if err := c.end.zstd.expand(dst, packed); err != nil {
		return violation(kindData, "%v", err)
	}
	return nil
}

// Write queues frames as Append has encoded them. What has no room is sent.
func (c *Conn) Write(frames []byte) error {
	_, err := c.out.Write(frames)
	return err
}

// WriteData queues d with its bytes as they shall travel: d.Size of them, or fewer
// if d.Zstd, 1 to MaxBlock.
func (c *Conn) WriteData(d Data, bytes []byte) error {
	n := len(bytes)
	if n < 1 || n > MaxBlock {
		return fmt.Errorf("write block: %d bytes, not 1 to %d", n, MaxBlock)
	}
	if err := c.out.makeRoom(dataHead, n); err != nil {
		return err
	}
	var head [dataHead]byte
	if err := c.Write(d.append(head[:0], n)); err != nil {
		return err
	}
	return c.out.writeRecord(bytes)
}

// Buffered returns how many bytes await Flush.
func (c *Conn) Buffered() int { return c.out.pending() }

// Flush sends what is queued. To be called before waiting for anything.
func (c *Conn) Flush() error { return c.out.flush() }
