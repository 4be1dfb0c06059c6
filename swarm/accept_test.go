package swarm

import (
	"context"
	"errors"
	"flag"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bits-and-blooms/bitset"

	"github.com/shoal-dl/shoal/swarm/swarmtest"
	"github.com/shoal-dl/shoal/swarm/wire"
)

var churn = flag.Int("churn", 0, "connections that come and go in TestChurn; 0 means 200, and 10,000 with SHOAL_SLOW")

func TestGate(t *testing.T) {
	var g gate
	gone := 0
	goAway := func() { gone++ }
	public, private := netip.MustParseAddr("8.8.8.1"), netip.MustParseAddr("192.168.0.1")
	var places []*place
	for range halfOpenNetwork {
		p := g.enter(public, goAway)
		if p == nil {
			t.Fatal("too few of one network may come")
		}
		places = append(places, p)
		public = public.Next()
	}
	if g.enter(public, goAway) != nil {
		t.Error("too many of one network may come")
	}
	for len(places) < halfOpenMost {
		places = append(places, g.enter(private, goAway))
	}
	if gone != 0 {
		t.Errorf("%d had to go while there was room", gone)
	}
	g.leave(places[halfOpenMost-1])
	places[halfOpenMost-1] = g.enter(private, goAway)
	for i := range halfOpenMost {
		if g.enter(private, goAway); gone != i+1 {
			t.Fatalf("%d had to go when %d came too many", gone, i+1)
		}
		g.leave(places[i]) // which has lost its place: nobody else leaves
		if len(g.places) != halfOpenMost {
			t.Fatalf("there are %d", len(g.places))
		}
	}
	if len(g.networks) > 0 {
		t.Errorf("it remembers %v", g.networks)
	}
	if g.enter(public, goAway) == nil {
		t.Error("nobody of a network may come after all have gone")
	}
}

// exhaustedListener has no descriptors left at first.
type exhaustedListener struct {
	net.Listener
	fails int
}

func (l *exhaustedListener) Accept() (net.Conn, error) {
	if l.fails > 0 {
		l.fails--
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return l.Listener.Accept()
}

func TestAcceptAfterErrors(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.machine(near)
		l := &exhaustedListener{m.Listen(m.at.Port()), 100}
		runNode(t, Options{Share: true, Listener: l, Dial: m.Dial}).Join(c.seed())
		_, s := w.leech(c, Options{}, m)
		firstPeer(t, s)
	})
}

// TestSlowDrip has strangers keep connections half open. They keep nobody out.
func TestSlowDrip(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.machine(near)
		w.node(m, Options{Share: true}).Join(c.seed())
		synctest.Wait()
		bad := w.machine(near)
		var all sync.WaitGroup
		for range halfOpenMost {
			nc, err := bad.Dial(t.Context(), m.at)
			if err != nil {
				t.Fatal(err)
			}
			all.Go(func() {
				began := time.Now()
				n, _ := io.Copy(io.Discard, nc)
				if n > 0 || time.Since(began) > wire.HandshakeTimeout+time.Second {
					t.Errorf("a stranger was told %d bytes within %v", n, time.Since(began))
				}
				nc.Close()
			})
		}
		began := time.Now()
		_, s := w.leech(c, Options{}, m)
		firstPeer(t, s)
		if took := time.Since(began); took > time.Second {
			t.Errorf("who means well had to wait for %v", took)
		}
		all.Wait()
	})
}

// pelt connects to a port again and again and sends what nobody wants, until
// ctx ends.
func (m *machine) pelt(ctx context.Context, at netip.AddrPort) {
	for ctx.Err() == nil {
		nc, err := m.Dial(ctx, at)
		if err != nil {
			return
		}
		stop := context.AfterFunc(ctx, func() { nc.Close() })
		_ = nc.SetDeadline(time.Now().Add(wire.HandshakeTimeout))
		for garbage := make([]byte, 16<<10); err == nil; {
			_, err = nc.Write(garbage)
		}
		stop()
		nc.Close()
	}
}

// TestStrangersAreNotPaidFor has strangers send as much as they can. It is not
// taken from what may come from peers, and does not delay the end.
func TestStrangersAreNotPaidFor(t *testing.T) {
	c := newContent(t, 4<<20, 256<<10, false)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		seed, _ := w.seed(c, near)
		us := w.machine(near)
		n, err := New(Options{Share: true, LimitDown: perSecond(1 << 20), Listener: us.Listen(us.at.Port()), Dial: us.Dial})
		if err != nil {
			t.Fatal(err)
		}
		s := n.Join(Content{Manifest: c.Manifest, Read: c.read, Peers: []string{seed.at.String()}})
		ctx, stop := context.WithCancel(t.Context())
		var running, strangers sync.WaitGroup
		running.Go(func() { _ = n.Run(ctx) })
		p := firstPeer(t, s)
		for range 40 {
			m := w.machine(swarmtest.Line{Up: 1 << 20})
			strangers.Go(func() { m.pelt(ctx, us.at) })
		}
		time.Sleep(time.Second)
		began := time.Now()
		if _, err := bring(ctx, p, lease(upTo(c.NumPieces())...)); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("4 MiB at 1 MiB/s take %v", took)
		}
		began = time.Now()
		stop()
		running.Wait()
		if took := time.Since(began); took > time.Second {
			t.Errorf("it takes %v to end", took)
		}
		strangers.Wait()
	})
}

// TestManyOfOneName comes again and again under the name of a neighbour that does
// not answer. No more wait for that than may come at once.
func TestManyOfOneName(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m, _ := w.seed(c, near)
		synctest.Wait()
		from := w.machine(near)
		end, err := wire.NewEndpoint(from.at.Port())
		if err != nil {
			t.Fatal(err)
		}
		var open atomic.Int32
		visit := func() {
			nc, err := from.Dial(t.Context(), m.at)
			if err != nil {
				t.Error(err)
				return
			}
			defer nc.Close()
			open.Add(1)
			defer open.Add(-1)
			if _, err := end.Initiate(nc, wire.Content{PSK: c.Keys().PSK, Pieces: c.NumPieces()}); err == nil {
				_, _ = io.Copy(io.Discard, nc) // until it is hung up
			}
		}
		var visitors sync.WaitGroup
		visitors.Go(visit) // who does not answer
		time.Sleep(crossing + time.Second)
		most := int32(0)
		for range 4 * halfOpenMost {
			visitors.Go(visit)
			time.Sleep(time.Millisecond)
			most = max(most, open.Load())
		}
		if most > halfOpenMost+10 { // some are on their way
			t.Errorf("%d connections are open", most)
		}
		visitors.Wait()
	})
}

// TestFlood has a neighbour say more than anybody needs to.
func TestFlood(t *testing.T) {
	c := newContent(t, 16<<20, 64<<10, false)
	toggle := wire.Unfetching{Pieces: []int{1}}.Append(wire.Fetching{Pieces: []int{1}}.Append(nil))
	tests := map[string]struct {
		frames []byte
		reads  bool
	}{
		"chatter":  {toggle, true},
		"pings":    {wire.Ping{}.Append(nil), true},
		"requests": {wire.Request{ID: 1, Piece: 1, Length: wire.MaxBlock}.Append(nil), false},
		"missing":  {wire.Request{ID: 1, Piece: 1, Offset: 1, Length: wire.MaxBlock}.Append(nil), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newWorld(t).visited(c, near, Options{Share: true})
				var reading sync.WaitGroup
				if tt.reads {
					reading.Go(func() { next[wire.Bye](s) })
				}
				sent := 0
				for ; sent < 1<<20; sent++ {
					if s.Write(tt.frames) != nil || s.Flush() != nil {
						break
					}
				}
				if sent == 1<<20 {
					t.Error("it is still listened to")
				}
				s.nc.Close()
				reading.Wait()
			})
		})
	}
}

// TestChurn lets connections of all sorts come and go, and nothing stay.
func TestChurn(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	n := runNode(t, Options{Listen: "127.0.0.1:0", Share: true})
	s := n.Join(c.seed())
	waitFor(t, func() bool { return len(n.contents()) > 0 })
	at := n.sockets.tcp.Addr().String()
	many := *churn
	switch {
	case many > 0:
	case os.Getenv("SHOAL_SLOW") != "":
		many = 10_000
	default:
		many = 200
	}
	some := many / 10
	var before usage
	for i := range many + some {
		if i == some { // everything is warm
			before = used(t, s)
		}
		visit(t, c, at, i)
	}
	after := used(t, s)
	t.Logf("after %d connections %+v, before %+v", many, after, before)
	if after.goroutines > before.goroutines+5 || after.descriptors > before.descriptors+5 || after.heap > before.heap+4<<20 {
		t.Errorf("used are %+v, before %d connections %+v", after, many, before)
	}
}

// remembering is a context that counts what is to be called when it ends.
type remembering struct {
	context.Context
	calls int
}

func (r *remembering) AfterFunc(func()) (stop func() bool) {
	r.calls++
	return sync.OnceValue(func() bool { r.calls--; return true })
}

func (r *remembering) Done() <-chan struct{} { return make(chan struct{}) }

// TestNothingStaysOfStrangers: not even what ends their connections with us.
func TestNothingStaysOfStrangers(t *testing.T) {
	n := runNode(t, Options{Share: true, Listen: "127.0.0.1:0"})
	ctx := &remembering{Context: context.Background()}
	theirs, ours := net.Pipe()
	_ = theirs.Close()
	n.welcome(ctx, ours, netip.AddrPort{}, n.gate.enter(netip.Addr{}, func() {}))
	if ctx.calls != 0 {
		t.Errorf("%d calls are waiting for our own end", ctx.calls)
	}
}

// visit connects in one of several ways, and goes.
func visit(t *testing.T, c *content, at string, how int) {
	t.Helper()
	nc, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if how%4 == 0 {
		_, _ = nc.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		return
	}
	end, err := wire.NewEndpoint(uint16(how))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := end.Initiate(nc, wire.Content{PSK: c.Keys().PSK, Pieces: c.NumPieces()})
	if err != nil {
		t.Fatal(err)
	}
	if how%4 == 1 {
		return
	}
	st := &stranger{conn, nc}
	st.say(wire.Hello{Client: "visitor"}.Append(nil))
	st.say(wire.Bitfield{Have: bitset.New(uint(c.NumPieces()))}.Append(nil))
	st.say(wire.Request{Piece: 3, Length: wire.MaxBlock}.Append(nil))
	if how%4 == 2 && next[wire.Data](st) == nil {
		t.Error("got no data")
	}
	st.say(wire.Bye{}.Append(nil))
}

// usage is what a process uses.
type usage struct{ goroutines, descriptors, heap int }

// used measures it when all neighbours have gone.
func used(t *testing.T, s *Swarm) usage {
	t.Helper()
	n := s.node
	waitFor(t, func() bool {
		n.gate.mu.Lock()
		defer n.gate.mu.Unlock()
		n.turns.mu.Lock()
		defer n.turns.mu.Unlock()
		return s.Stats().Peers == 0 && len(n.gate.places)+len(n.gate.networks)+len(n.turns.hosts) == 0
	})
	runtime.GC()
	runtime.GC()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	fds, _ := os.ReadDir("/proc/self/fd") // none where there is no such folder
	return usage{runtime.NumGoroutine(), len(fds), int(mem.HeapAlloc)}
}

// waitFor waits until something is so.
func waitFor(t *testing.T, so func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	clock := time.NewTicker(time.Millisecond)
	defer clock.Stop()
	for !so() {
		select {
		case <-clock.C:
		case <-ctx.Done():
			t.Fatal(errors.New("it took too long"))
		}
	}
}
