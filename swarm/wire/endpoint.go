package wire

import (
	"crypto/rand"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/sys/cpu"
)

// Content is what one swarm is about, as far as the wire must know.
type Content struct {
	PSK    [32]byte // the manifest's wire key: who has it may talk
	Pieces int      // how many pieces there are
}

// Node names a process, at random, for as long as it runs. Nothing proves that a peer
// has the name that it gives.
type Node [16]byte

// Endpoint is this process as its peers see it. It makes connections and holds
// what they share: the memory of first messages, buffers, the zstd coders. It is
// safe for concurrent use.
type Endpoint struct {
	node    Node
	port    uint16
	aes     bool
	now     func() time.Time
	random  io.Reader // of the ephemeral keys
	seen    replays
	buffers bufferPool
	zstd    blockCoder
}

// NewEndpoint returns an endpoint with a new random Node. Port is the TCP port
// where this process accepts peers, told to each of them; 0 means it does not.
func NewEndpoint(port uint16) (*Endpoint, error) {
	coder, err := newBlockCoder()
	if err != nil {
		return nil, fmt.Errorf("make endpoint: %w", err)
	}
	e := &Endpoint{port: port, aes: hasAES(), now: time.Now, random: rand.Reader, zstd: coder}
	rand.Read(e.node[:]) // never fails, says its documentation
	return e, nil
}

// Node returns the name this process has taken.
func (e *Endpoint) Node() Node { return e.node }

// hasAES tells whether crypto/aes and its GCM run on the processor's own
// instructions; without them they are slow and leak the key through timing.
func hasAES() bool {
	x86 := cpu.X86.HasAES && cpu.X86.HasPCLMULQDQ && cpu.X86.HasSSE41 && cpu.X86.HasSSSE3
	arm := cpu.ARM64.HasAES && cpu.ARM64.HasPMULL
	return x86 || arm
}

// bufferSize is room for one block and some control frames around it, in the record
// buffers of both directions. More has not been found to be faster.
const bufferSize = maxRecord + 4<<10

// bufferPool lends out record buffers, so that only connections with bytes on
// the way hold one.
type bufferPool struct{ free sync.Pool }

func (p *bufferPool) get() *[bufferSize]byte {
	if b, ok := p.free.Get().(*[bufferSize]byte); ok {
		return b
	}
	return new([bufferSize]byte)
}

func (p *bufferPool) put(b *[bufferSize]byte) { p.free.Put(b) }
