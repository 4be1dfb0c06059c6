package wire

import (
	"errors"
	"io"
	"net"
	"testing"

	"github.com/bits-and-blooms/bitset"
)

// testEndpoint returns an endpoint whose node is all n.
func testEndpoint(tb testing.TB, n byte) *Endpoint {
	tb.Helper()
	e, err := NewEndpoint(7400 + uint16(n))
	if err != nil {
		tb.Fatal(err)
	}
	for i := range e.node {
		e.node[i] = n
	}
	return e
}

// testContent is what the tests' swarm is about.
var testContent = Content{PSK: [32]byte{0: 0x5a, 31: 0xa5}, Pieces: 100}

// pipe returns both ends of a connection in memory.
func pipe(tb testing.TB) (a, b net.Conn) {
	a, b = net.Pipe()
	tb.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// connect shakes hands in memory: a initiates.
func connect(tb testing.TB, a, b *Endpoint) (*Conn, *Conn) {
	tb.Helper()
	nca, ncb := pipe(tb)
	return connectOver(tb, a, b, nca, ncb)
}

// exchange greets from one end and says BYE, which the other must hear.
func exchange(t *testing.T, from, to *Conn) {
	t.Helper()
	sent := make(chan error, 1)
	go func() {
		if err := from.Write(Bye{}.Append(greeting())); err != nil {
			sent <- err
			return
		}
		sent <- from.Flush()
	}()
	for range 3 {
		if _, err := to.Next(); err != nil {
			t.Error(err)
		}
	}
	if _, err := to.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after BYE: %v, want EOF", err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// greeting is what each end of a connection says first.
func greeting() []byte {
	hello := Hello{Window: 4 << 20, Serves: true, Client: "shoal test"}.Append(nil)
	return Bitfield{Have: bitset.New(uint(testContent.Pieces))}.Append(hello)
}

// connectOver shakes hands over both ends of a connection: a initiates.
func connectOver(tb testing.TB, a, b *Endpoint, nca, ncb net.Conn) (*Conn, *Conn) {
	tb.Helper()
	type result struct {
		c   *Conn
		err error
	}
	accepted := make(chan result)
	go func() {
		c, err := b.Accept(ncb, []Content{testContent})
		accepted <- result{c, err}
	}()
	ca, err := a.Initiate(nca, testContent)
	if err != nil {
		tb.Error(err)
	}
	r := <-accepted
	if r.err != nil {
		tb.Error(r.err)
	}
	if tb.Failed() {
		tb.FailNow()
	}
	return ca, r.c
}
