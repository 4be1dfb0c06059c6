package swarm

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/bits-and-blooms/bitset"
	"golang.org/x/time/rate"

	"github.com/shoal-dl/shoal/swarm/swarmtest"
	"github.com/shoal-dl/shoal/swarm/wire"
)

// world is a network in memory with nodes in it, for use in a synctest bubble.
type world struct {
	*swarmtest.Net
	t    *testing.T
	last netip.Addr
}

func newWorld(t *testing.T) *world {
	return &world{swarmtest.New(1), t, netip.MustParseAddr("198.18.0.0")}
}

// machine is a host with a port at which peers are accepted.
type machine struct {
	*swarmtest.Host
	at netip.AddrPort
}

func (w *world) machine(line swarmtest.Line) *machine {
	w.last = w.last.Next()
	return &machine{w.Host(w.last, line), netip.AddrPortFrom(w.last, 7411)}
}

// node runs a node on a machine until the test ends.
func (w *world) node(m *machine, o Options) *Node {
	w.t.Helper()
	o.Listener, o.Dial = m.Listen(m.at.Port()), m.Dial
	return runNode(w.t, o)
}

// seed runs a node that has all of c.
func (w *world) seed(c *content, line swarmtest.Line) (*machine, *Swarm) {
	w.t.Helper()
	m := w.machine(line)
	return m, w.node(m, Options{Share: true}).Join(c.seed())
}

// leech runs a node that has nothing of c and knows those contacts.
func (w *world) leech(c *content, o Options, contacts ...*machine) (*machine, *Swarm) {
	w.t.Helper()
	m := w.machine(swarmtest.Line{})
	join := Content{Manifest: c.Manifest, Read: c.read}
	for _, contact := range contacts {
		join.Peers = append(join.Peers, contact.at.String())
	}
	return m, w.node(m, o).Join(join)
}

// stranger is a peer that a test plays itself, frame by frame.
type stranger struct {
	*wire.Conn
	nc net.Conn
}

// played accepts one connection at a machine's port, greets like a peer that has
// those pieces, and leaves the rest to play, which runs until it returns.
func (w *world) played(m *machine, c *content, have *bitset.BitSet, play func(*stranger)) {
	l := m.Listen(m.at.Port())
	end, err := wire.NewEndpoint(m.at.Port())
	if err != nil {
		w.t.Fatal(err)
	}
	var playing sync.WaitGroup
	playing.Go(func() {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		conn, err := end.Accept(nc, []wire.Content{{PSK: c.Keys().PSK, Pieces: c.NumPieces()}})
		if err != nil {
			w.t.Errorf("handshake: %v", err)
			return
		}
		s := &stranger{conn, nc}
		s.say(wire.Hello{Window: window, Serves: true, Client: "stranger"}.Append(nil))
		s.say(wire.Bitfield{Have: have}.Append(nil))
		play(s)
	})
	w.t.Cleanup(func() { l.Close(); playing.Wait() })
}

// dialled connects to a node, and greets like a peer that has nothing.
func (w *world) dialled(from, to *machine, c *content) *stranger {
	w.t.Helper()
	end, err := wire.NewEndpoint(from.at.Port())
	if err != nil {
		w.t.Fatal(err)
	}
	return w.dialledAs(end, from, to, c)
}

// dialledAs does so under the name of an endpoint.
func (w *world) dialledAs(end *wire.Endpoint, from, to *machine, c *content) *stranger {
	w.t.Helper()
	nc, err := from.Dial(w.t.Context(), to.at)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { nc.Close() })
	conn, err := end.Initiate(nc, wire.Content{PSK: c.Keys().PSK, Pieces: c.NumPieces()})
	if err != nil {
		w.t.Fatal(err)
	}
	s := &stranger{conn, nc}
	s.say(wire.Hello{Window: window, Serves: true, Client: "stranger"}.Append(nil))
	s.say(wire.Bitfield{Have: bitset.New(uint(c.NumPieces()))}.Append(nil))
	return s
}

// visited runs a seed of c, and connects a stranger to it who has nothing.
func (w *world) visited(c *content, line swarmtest.Line, o Options) *stranger {
	w.t.Helper()
	m := w.machine(line)
	w.node(m, o).Join(c.seed())
	synctest.Wait()
	return w.dialled(w.machine(near), m, c)
}

// say sends frames. That the node has hung up is for the reader to find out.
func (s *stranger) say(frames []byte) {
	_ = s.Write(frames)
	_ = s.Flush()
}

// next returns the next frame that is a T, or nil when the connection has ended.
func next[T any](s *stranger) *T {
	for {
		f, err := s.Next()
		if err != nil {
			return nil
		}
		if f, ok := f.(any).(*T); ok {
			return f
		}
	}
}

// perSecond is a limit with a burst of 50 ms.
func perSecond(bytes int) *rate.Limiter { return rate.NewLimiter(rate.Limit(bytes), bytes/20) }

// bring takes a lease of a peer and returns the pieces it brought.
func bring(ctx context.Context, p *Peer, l Lease) (got []Raw, err error) {
	for raw, err := range p.Pieces(ctx, l) {
		if err != nil {
			return got, err
		}
		got = append(got, raw)
	}
	return got, nil
}
