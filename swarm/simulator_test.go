package swarm_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bits-and-blooms/bitset"

	"github.com/shoal-dl/shoal/fetch"
	"github.com/shoal-dl/shoal/swarm"
	"github.com/shoal-dl/shoal/swarm/swarmtest"
	"github.com/shoal-dl/shoal/verify"
)

// simulation is an origin and a crowd in one network in memory, for use in a
// synctest bubble.
type simulation struct {
	*testing.T
	net     *swarmtest.Net
	content *published
	ctx     context.Context
	running sync.WaitGroup
	origin  *origin // nil for none
	nodes   []*node

	line, source swarmtest.Line // of the crowd and of who has it all
}

// published is what a crowd wants.
type published struct {
	*verify.Manifest
	bytes []byte
}

// publish makes content of random bytes whose first contacts are the first
// two hosts of any crowd.
func publish(t testing.TB, size int, pieceSize int64) *published {
	t.Helper()
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{3}).Read(data)
	path := filepath.Join(t.TempDir(), "content")
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
	m, err := verify.Create(t.Context(), path, verify.CreateOptions{
		PieceSize: pieceSize, Discovery: []string{verify.DiscoveryLAN},
		Peers: []string{addressOf(0).String(), addressOf(1).String()},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &published{m, data}
}

// addressOf is where the i-th node of a crowd listens: in a network of its own.
func addressOf(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{20, byte(i >> 8), byte(i), 1}), 7411)
}

func (c *published) read(piece int, off int64, buf []byte) {
	at := int64(piece)*c.PieceSize + off
	copy(buf, c.bytes[at:])
}

func simulate(t *testing.T, c *published, seed uint64) *simulation {
	ctx, stop := context.WithCancel(t.Context())
	s := &simulation{T: t, net: swarmtest.New(seed), content: c, ctx: ctx, line: crowdLine, source: originLine}
	t.Cleanup(func() { stop(); s.running.Wait() })
	return s
}

// origin is a mirror: a host that sends pieces to whoever asks, as ranges
// of a file would come by HTTP.
type origin struct {
	*swarmtest.Host
	at      netip.AddrPort
	content *published
}

func (s *simulation) mirror(line swarmtest.Line) *origin {
	at := netip.MustParseAddrPort("9.9.9.9:80")
	o := &origin{s.net.Host(at.Addr(), line), at, s.content}
	l := o.Listen(at.Port())
	s.running.Go(func() { <-s.ctx.Done(); l.Close() })
	s.running.Go(func() {
		var serving sync.WaitGroup
		defer serving.Wait()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer context.AfterFunc(s.ctx, func() { c.Close() })()
				o.serve(c)
			})
		}
	})
	s.origin = o
	return o
}

// serve answers requests for runs of pieces, one after another.
func (o *origin) serve(c net.Conn) {
	defer c.Close()
	for {
		var run [2]uint32 // the first piece, and the end
		if binary.Read(c, binary.BigEndian, &run) != nil {
			return
		}
		for i := run[0]; i < run[1]; i++ {
			piece := make([]byte, o.content.Span(int(i)).Size)
			o.content.read(int(i), 0, piece)
			if _, err := c.Write(piece); err != nil {
				return
			}
		}
	}
}

// mirrored is the origin as a source of one node's job.
type mirrored struct {
	*origin
	from *swarmtest.Host

	mu   sync.Mutex
	idle []net.Conn // kept for the next leases
}

func (m *mirrored) Name() string     { return "http://" + m.at.String() + "/f" }
func (m *mirrored) Kind() fetch.Kind { return fetch.KindMirror }

func (m *mirrored) Pieces(ctx context.Context, l fetch.Lease) iter.Seq2[fetch.Raw, error] {
	return func(yield func(fetch.Raw, error) bool) {
		c, err := m.connect(ctx)
		if err != nil {
			yield(fetch.Raw{}, passing(ctx, err))
			return
		}
		keep := context.AfterFunc(ctx, func() { c.Close() })
		for rest := l.Pieces; len(rest) > 0; {
			n := 1
			for n < len(rest) && rest[n] == rest[0]+n {
				n++
			}
			err := binary.Write(c, binary.BigEndian, [2]uint32{uint32(rest[0]), uint32(rest[0] + n)})
			for _, i := range rest[:n] {
				var raw fetch.Raw
				if err == nil {
					raw, err = m.piece(ctx, c, l, i)
				}
				if !yield(raw, passing(ctx, err)) || err != nil {
					c.Close()
					return
				}
			}
			rest = rest[n:]
		}
		if keep() {
			m.mu.Lock()
			m.idle = append(m.idle, c)
			m.mu.Unlock()
		}
	}
}

// connect returns a connection that is idle, or a new one.
func (m *mirrored) connect(ctx context.Context) (net.Conn, error) {
	m.mu.Lock()
	if n := len(m.idle); n > 0 {
		defer m.mu.Unlock()
		c := m.idle[n-1]
		m.idle = m.idle[:n-1]
		return c, nil
	}
	m.mu.Unlock()
	dialling, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	return m.from.Dial(dialling, m.at)
}

func (m *mirrored) piece(ctx context.Context, c net.Conn, l fetch.Lease, i int) (fetch.Raw, error) {
	buf, err := l.Buffer(ctx, m.content.Span(i).Size)
	if err != nil {
		return fetch.Raw{}, err
	}
	for at := 0; at < len(buf); {
		_ = c.SetReadDeadline(time.Now().Add(15 * time.Second))
		n, err := c.Read(buf[at:])
		if err != nil {
			return fetch.Raw{}, err
		}
		at += n
		l.Received(n)
	}
	return fetch.Raw{Piece: i, Data: buf}, nil
}

func passing(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return &fetch.Fault{Kind: fetch.FaultPassing, Err: err}
}

// node is one of the crowd: a swarm.Node, and a fetch.Job unless it has all.
type node struct {
	*swarmtest.Host
	*swarm.Swarm
	content *published
	gauges  fetch.Gauges
	prefer  fetch.Preference

	mu     sync.Mutex
	have   *bitset.BitSet
	wrong  map[string]int // pieces that were wrong, by source
	banned map[string]bool

	began time.Time
	took  time.Duration
	err   error
}

// join adds a node.
func (s *simulation) join(line swarmtest.Line, o swarm.Options, have *bitset.BitSet) *node {
	return s.joinAs(line, o, have, (*node).read)
}

// reader is how a node reads what it serves.
type reader func(n *node, piece int, off int64, buf []byte) error

// joinAs adds a node that serves what read reads.
func (s *simulation) joinAs(line swarmtest.Line, o swarm.Options, have *bitset.BitSet, read reader) *node {
	at := addressOf(len(s.nodes))
	n := &node{
		Host: s.net.Host(at.Addr(), line), content: s.content, have: bitset.New(uint(s.content.NumPieces())),
		wrong: map[string]int{}, banned: map[string]bool{},
	}
	if have != nil {
		n.have = have
	}
	o.Listener, o.Dial = n.Listen(at.Port()), n.Dial
	sn, err := swarm.New(o)
	if err != nil {
		s.Fatal(err)
	}
	s.running.Go(func() { _ = sn.Run(s.ctx) })
	n.Swarm = sn.Join(swarm.Content{Manifest: s.content.Manifest, Have: have, Read: func(piece int, off int64, buf []byte) error {
		return read(n, piece, off, buf)
	}})
	s.nodes = append(s.nodes, n)
	return n
}

func (n *node) read(piece int, off int64, buf []byte) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.have.Test(uint(piece)) {
		return fmt.Errorf("read piece %d: it was never proven", piece)
	}
	n.content.read(piece, off, buf)
	return nil
}

// Put implements fetch.Store.
func (n *node) Put(p verify.Piece) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.have.Set(uint(p.Index()))
	return nil
}

// fetch brings what the node does not have.
func (n *node) fetch(ctx context.Context, from *origin) {
	n.began = time.Now()
	job := &fetch.Job{
		Manifest: n.content.Manifest, Store: n, Observer: n, Gauges: &n.gauges,
		Crowd: crowd{n.Swarm}, Prefer: n.prefer, Linger: time.Minute, Connections: 4, Retries: 5,
	}
	if from != nil {
		job.Sources = []fetch.Source{&mirrored{origin: from, from: n.Host}}
	}
	n.err = job.Run(ctx)
	n.took = time.Since(n.began)
}

// SourceChanged implements fetch.Observer.
func (n *node) SourceChanged(s fetch.Source, state fetch.SourceState, _ string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if state == fetch.StateBanned {
		n.banned[s.Name()] = true
	}
}

// Brought implements fetch.Observer.
func (n *node) Brought(fetch.Source, int) {}

// BadPiece implements fetch.Observer.
func (n *node) BadPiece(s fetch.Source, _ int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.wrong[s.Name()]++
}

// crowd and peer are as in main.
type crowd struct{ *swarm.Swarm }

func (c crowd) Peers() (peers []fetch.Partial) {
	for _, p := range c.Swarm.Peers() {
		peers = append(peers, peer{p})
	}
	return peers
}

func (c crowd) Ban(s fetch.Source, reason string) { c.Swarm.Ban(s.(peer).Peer, reason) }

type peer struct{ *swarm.Peer }

func (peer) Kind() fetch.Kind { return fetch.KindPeer }

func (p peer) Pieces(ctx context.Context, l fetch.Lease) iter.Seq2[fetch.Raw, error] {
	return func(yield func(fetch.Raw, error) bool) {
		for raw, err := range p.Peer.Pieces(ctx, swarm.Lease(l)) {
			if e, ok := errors.AsType[*swarm.Error](err); ok {
				f := &fetch.Fault{Kind: fetch.FaultPassing, RetryAfter: e.RetryAfter, Err: e.Err}
				switch {
				case e.Lasting:
					f = &fetch.Fault{Kind: fetch.FaultLasting, Err: e.Err}
				case e.Withdrawn:
					f = &fetch.Fault{Kind: fetch.FaultWithdrawn, Err: e.Err}
				}
				err = f
			}
			if !yield(fetch.Raw(raw), err) {
				return
			}
		}
	}
}

// outcome is the yardsticks of a flash crowd.
type outcome struct {
	bound  time.Duration
	times  []time.Duration
	copies float64
}

func (o outcome) slowest() float64 {
	return slices.Max(o.times).Seconds() / o.bound.Seconds()
}

func (o outcome) String() string {
	t := slices.Sorted(slices.Values(o.times))
	return fmt.Sprintf("T %.2fs: first %.2f median %.2f slowest %.2f, copies %.2f", o.bound.Seconds(),
		t[0].Seconds()/o.bound.Seconds(), t[len(t)/2].Seconds()/o.bound.Seconds(), o.slowest(), o.copies)
}
