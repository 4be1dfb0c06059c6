package wire

import (
	"fmt"
	"io"

	"github.com/flynn/noise"
)

// Peer is who is at the other end.
type Peer struct {
	Node    Node
	Port    uint16 // where it accepts peers; 0 if it does not
	Version int    // of the frames, the highest that both ends speak
	AES     bool   // records are AES-256-GCM, not ChaCha20-Poly1305
}

// Conn is a connection to a peer after the handshake. One goroutine at a time may
// read (Next, ReadBlock) and another may write (Write, Block, WriteData, Flush).
//
// It does not own the net.Conn: deadlines and closing are the caller's.
type Conn struct {
	content Content
	peer    Peer
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

// Block returns room for n bytes, 1 to MaxBlock, for a block to be read into and
// handed to WriteData without being copied. It is gone with the next call of any
// other method that writes.
func (c *Conn) Block(n int) ([]byte, error) {
	if n < 1 || n > MaxBlock {
		return nil, fmt.Errorf("write block: %d bytes, not 1 to %d", n, MaxBlock)
	}
	return c.out.reserve(dataHead, n)
}

// WriteData queues d with its bytes as they shall travel: d.Size of them, or fewer
// if d.Zstd. They are copied unless they lie in what Block has just returned.
func (c *Conn) WriteData(d Data, bytes []byte) error {
	room, err := c.Block(len(bytes))
	if err != nil {
		return err
	}
	if &room[0] != &bytes[0] {
		copy(room, bytes)
	}
	var head [dataHead]byte
	if err := c.Write(d.append(head[:0], len(bytes))); err != nil {
		return err
	}
	return c.out.commit(len(bytes))
}

// Buffered returns how many bytes await Flush.
func (c *Conn) Buffered() int { return c.out.pending() }

// Flush sends what is queued. To be called before waiting for anything.
func (c *Conn) Flush() error { return c.out.flush() }
