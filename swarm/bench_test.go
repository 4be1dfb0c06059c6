package swarm

import (
	"context"
	"testing"
)

// BenchmarkPeer fetches from one node to another over TCP on loopback, both in
// this process, without proving or storing anything.
func BenchmarkPeer(b *testing.B) {
	c := newContent(b, 256<<20, 1<<20, false)
	from := runNode(b, Options{Listen: "127.0.0.1:0", Share: true})
	content := c.seed()
	from.Join(content)
	to := runNode(b, Options{Listen: "127.0.0.1:0"})
	s := to.Join(Content{Manifest: c.Manifest, Read: c.read, Peers: []string{from.sockets.tcp.Addr().String()}})
	p := firstPeer(b, s)
	free := make(chan []byte, 64)
	l := lease(upTo(c.NumPieces())...)
	for range cap(free) {
		free <- make([]byte, c.PieceSize)
	}
	l.Buffer = func(_ context.Context, n int) ([]byte, error) { return (<-free)[:n], nil }
	b.SetBytes(c.Size())
	b.ReportAllocs()
	for b.Loop() {
		for raw, err := range p.Pieces(b.Context(), l) {
			if err != nil {
				b.Fatal(err)
			}
			free <- raw.Data
		}
	}
}
