package swarm

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bits-and-blooms/bitset"

	"github.com/shoal-dl/shoal/swarm/wire"
	"github.com/shoal-dl/shoal/verify"
)

// content is what a test's swarm is about.
type content struct {
	*verify.Manifest
	bytes []byte
}

// newContent makes content of size random bytes, or of compressible ones.
func newContent(tb testing.TB, size int, pieceSize int64, text bool) *content {
	tb.Helper()
	data := make([]byte, size)
	random := rand.NewChaCha8([32]byte{7})
	_, _ = random.Read(data)
	if text {
		words := []string{"shoal ", "of ", "fish ", "swims ", "against ", "the ", "current\n", "slowly "}
		for i := 0; i < size; {
			i += copy(data[i:], words[data[i]%8])
		}
	}
	path := filepath.Join(tb.TempDir(), "content")
	if err := os.WriteFile(path, data, 0o666); err != nil {
		tb.Fatal(err)
	}
	m, err := verify.Create(tb.Context(), path, verify.CreateOptions{PieceSize: pieceSize, Discovery: []string{verify.DiscoveryLAN}})
	if err != nil {
		tb.Fatal(err)
	}
	return &content{m, data}
}

// piece returns the right bytes.
func (c *content) piece(i int) []byte {
	at := int64(i) * c.PieceSize
	return c.bytes[at:min(at+c.PieceSize, int64(len(c.bytes)))]
}

// read is a Content.Read of all of it.
func (c *content) read(piece int, off int64, buf []byte) error {
	copy(buf, c.piece(piece)[off:])
	return nil
}

// all is the set of all pieces.
func (c *content) all() *bitset.BitSet { return bitset.New(uint(c.NumPieces())).SetAll() }

// seed is a Content that has everything.
func (c *content) seed() Content {
	return Content{Manifest: c.Manifest, Have: c.all(), Read: c.read}
}

// runNode runs a node until the test ends.
func runNode(tb testing.TB, o Options) *Node {
	tb.Helper()
	n, err := New(o)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, stop := context.WithCancel(tb.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = n.Run(ctx) })
	tb.Cleanup(func() { stop(); running.Wait() })
	return n
}

// firstPeer waits for a source.
func firstPeer(tb testing.TB, s *Swarm) *Peer {
	tb.Helper()
	for {
		if p := s.Peers(); len(p) > 0 {
			return p[0]
		}
		select {
		case <-s.News():
		case <-tb.Context().Done():
			tb.Fatal("no peer came")
		}
	}
}

// lease is one of the given pieces, with memory without end.
func lease(pieces ...int) Lease {
	return Lease{
		Pieces:   pieces,
		Buffer:   func(_ context.Context, n int) ([]byte, error) { return make([]byte, n), nil },
		Received: func(int) {},
	}
}

func upTo(n int) []int {
	pieces := make([]int, n)
	for i := range pieces {
		pieces[i] = i
	}
	return pieces
}

func TestLoopback(t *testing.T) {
	c := newContent(t, 10<<20+12345, 256<<10, false)
	a := runNode(t, Options{Listen: "127.0.0.1:0", Share: true, Client: "shoal a"})
	a.Join(c.seed())
	b := runNode(t, Options{Listen: "127.0.0.1:0", Share: true, Client: "shoal b"})
	s := b.Join(Content{Manifest: c.Manifest, Read: c.read, Peers: []string{a.sockets.tcp.Addr().String()}})
	p := firstPeer(t, s)
	var got []int
	for raw, err := range p.Pieces(t.Context(), lease(upTo(c.NumPieces())...)) {
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(raw.Data, c.piece(raw.Piece)) {
			t.Fatalf("piece %d is wrong", raw.Piece)
		}
		got = append(got, raw.Piece)
	}
	if !slices.Equal(got, upTo(c.NumPieces())) {
		t.Errorf("got %v", got)
	}
}

// TestJoinWhileOthersCome joins a content that others are waiting to be served: none
// of them meets it half made. Only the race detector sees that.
func TestJoinWhileOthersCome(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	c.Discovery = []string{verify.DiscoveryDHT}
	for range 10 {
		n := runNode(t, Options{Listen: "127.0.0.1:0", Share: true, DHT: true, DHTPrivate: true})
		at := n.sockets.tcp.Addr().String()
		var coming, there sync.WaitGroup
		for how := range 8 {
			there.Add(1)
			isThere := sync.OnceFunc(there.Done)
			coming.Go(func() {
				defer isThere()
				for range 10 {
					visitBriefly(t, c, at, how+1, isThere)
				}
			})
		}
		there.Wait()
		n.Join(c.seed())
		coming.Wait()
	}
}

// visitBriefly tells that it is there, shakes hands and goes, or goes soon if nobody
// answers.
func visitBriefly(t *testing.T, c *content, at string, port int, isThere func()) {
	nc, err := net.Dial("tcp", at)
	if err != nil {
		t.Error(err)
		return
	}
	defer nc.Close()
	isThere()
	defer time.AfterFunc(5*time.Millisecond, func() { nc.Close() }).Stop()
	end, err := wire.NewEndpoint(uint16(port))
	if err != nil {
		t.Error(err)
		return
	}
	if conn, err := end.Initiate(nc, wire.Content{PSK: c.Keys().PSK, Pieces: c.NumPieces()}); err == nil {
		s := &stranger{conn, nc}
		s.say(wire.Bye{}.Append(nil))
	}
}

// TestWhatIsNotKept has pieces come that nobody can be served.
func TestWhatIsNotKept(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.node(w.machine(near), Options{}).Join(Content{Manifest: c.Manifest})
		s.Have(3)
		if s.has(3) {
			t.Error("it is said to be here")
		}
	})
}

// TestStatsCount has both ends count what goes from one to the other.
func TestStatsCount(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m, s := w.seed(c, near)
		_, l := w.leech(c, Options{}, m)
		if _, err := bring(t.Context(), firstPeer(t, l), lease(upTo(3)...)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		const want = 3 * 64 << 10
		here, there := s.Stats(), l.Stats()
		if here.Uploaded != want || here.ToLAN != 0 || here.Table[0].To != want || here.Table[0].From != 0 {
			t.Errorf("the seed says %+v", here)
		}
		if there.Uploaded != 0 || there.Table[0].From != want || there.Table[0].To != 0 {
			t.Errorf("the other one says %+v", there)
		}
	})
}
