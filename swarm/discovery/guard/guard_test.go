package guard

import (
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	mainline "github.com/anacrolix/dht/v2"
	"github.com/anacrolix/dht/v2/krpc"
	peer_store "github.com/anacrolix/dht/v2/peer-store"
	"github.com/anacrolix/log"
	"github.com/anacrolix/torrent/bencode"
	"golang.org/x/time/rate"
)

// unlimited is what tests use that are not about limits.
var unlimited = Limits{PerSource: 1e6, Queries: 1e6}

// pipe is a socket in memory: what is sent to in is read from it, and what is
// written to it comes out. Everything comes from, and goes to, one address.
type pipe struct {
	in     chan any // []byte or error
	out    chan []byte
	closed chan struct{}
	once   sync.Once
}

func newPipe() *pipe {
	return &pipe{in: make(chan any), out: make(chan []byte, 64), closed: make(chan struct{})}
}

func (p *pipe) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case v := <-p.in:
		if err, ok := v.(error); ok {
			return 0, nil, err
		}
		return copy(b, v.([]byte)), &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 7}, nil
	case <-p.closed:
		return 0, nil, net.ErrClosed
	}
}

func (p *pipe) WriteTo(b []byte, _ net.Addr) (int, error) {
	select {
	case p.out <- append([]byte(nil), b...):
	default: // a full buffer loses datagrams, as a network does
	}
	return len(b), nil
}

func (p *pipe) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipe) LocalAddr() net.Addr {
	return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}
}
func (p *pipe) SetDeadline(time.Time) error      { return nil }
func (p *pipe) SetReadDeadline(time.Time) error  { return nil }
func (p *pipe) SetWriteDeadline(time.Time) error { return nil }

// serve runs a DHT node over the guarded socket until the test ends.
func serve(t testing.TB, socket net.PacketConn) {
	quiet := log.Default.FilterLevel(log.Critical)
	quiet.SetHandlers(log.DiscardHandler)
	conn := New(socket, unlimited)
	server, err := mainline.NewServer(&mainline.ServerConfig{
		Conn:        conn,
		NoSecurity:  true,
		PeerStore:   &peer_store.InMemory{},
		Logger:      quiet,
		SendLimiter: rate.NewLimiter(rate.Inf, 1),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close(); conn.Close() })
}

// TestKillers sends each killer to a real node over a real socket, and checks
// that it still answers. Without the guard the test process itself would end.
func TestKillers(t *testing.T) {
	socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, socket)
	client, err := net.Dial("udp4", socket.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for name, killer := range killers() {
		for _, datagram := range []string{killer, wellFormed()["ping"]} {
			if _, err := client.Write([]byte(datagram)); err != nil {
				t.Fatal(err)
			}
		}
		if err := client.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		var b [1500]byte
		n, err := client.Read(b[:])
		if kind, _ := Check(b[:n]); kind != Response {
			t.Fatalf("after %s: answer %q, %v", name, b[:n], err)
		}
	}
}

// TestReadErrors checks that only Close lets an error through.
func TestReadErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		c := New(p, unlimited)
		ping := []byte(wellFormed()["ping"])
		got := make(chan int, 1)
		ended := make(chan error, 1)
		go func() {
			var b [1500]byte
			for {
				n, _, err := c.ReadFrom(b[:])
				if err != nil {
					ended <- err
					return
				}
				got <- n
			}
		}()
		p.in <- errors.New("connection refused")
		p.in <- []byte("garbage")
		p.in <- ping
		if n := <-got; n != len(ping) {
			t.Errorf("read %d bytes", n)
		}
		p.Close() // by another hand
		synctest.Wait()
		if len(ended) > 0 {
			t.Fatalf("read error %v before Close", <-ended)
		}
		for range 2 {
			if err := c.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("read error %v after Close", err)
		}
	})
}

func TestLimits(t *testing.T) {
	c := New(newPipe(), Limits{PerSource: 10, Queries: 25})
	now := time.Now()
	from := func(host byte) net.Addr { return &net.UDPAddr{IP: net.IPv4(10, 0, 0, host), Port: 7} }
	count := func(datagram string, sources ...byte) (passed int) {
		for range 20 {
			for _, s := range sources {
				if c.pass([]byte(datagram), from(s), now) {
					passed++
				}
			}
		}
		return passed
	}
	ping, pong := wellFormed()["ping"], wellFormed()["pong"]
	if n := count(ping, 1); n != 10 {
		t.Errorf("%d queries of one source passed, want 10", n)
	}
	if n := count(ping, 2, 3); n != 15 {
		t.Errorf("%d queries of two more passed, want the 15 left of all sources'", n)
	}
	if n := count(pong, 4); n != 10 {
		t.Errorf("%d responses of a source passed, want 10", n)
	}
	now = now.Add(time.Second)
	if n := count(ping, 1); n != 10 {
		t.Errorf("%d queries passed a second later, want 10", n)
	}
	if c.pass([]byte(ping), &net.UDPAddr{IP: net.IPv4(10, 0, 0, 9)}, now) {
		t.Error("a datagram from port 0 passed")
	}
}

func TestSourceIsNetworkInIPv6(t *testing.T) {
	c := New(newPipe(), Limits{PerSource: 3, Queries: 100})
	passed := 0
	for i := range 20 {
		ip := net.ParseIP("2600:1:2:3::")
		ip[15] = byte(i)
		if c.pass([]byte(wellFormed()["ping"]), &net.UDPAddr{IP: ip, Port: 7}, time.Time{}.Add(time.Hour)) {
			passed++
		}
	}
	if passed != 3 {
		t.Errorf("%d datagrams of one /64 passed, want 3", passed)
	}
}

// FuzzGuard feeds datagrams to a node through the guard. The node's own
// goroutines panic, and so end the test, on what the guard should have held.
func FuzzGuard(f *testing.F) {
	for _, set := range []map[string]string{wellFormed(), killers(), malformed()} {
		for _, datagram := range set {
			f.Add([]byte(datagram))
		}
	}
	p := newPipe()
	serve(f, p)
	ping := []byte(strings.Replace(wellFormed()["ping"], "1:t2:xx", "1:t4:fuzz", 1))
	f.Fuzz(func(t *testing.T, datagram []byte) {
		if _, err := Check(datagram); err == nil {
			var m krpc.Msg
			if err := bencode.Unmarshal(datagram, &m); err != nil {
				t.Fatalf("the library cannot decode what passed: %v", err)
			}
		}
		p.in <- append([]byte(nil), datagram...)
		p.in <- ping
		for answer := range p.out {
			if strings.Contains(string(answer), "1:t4:fuzz") {
				return
			}
		}
	})
}

func BenchmarkGuard(b *testing.B) {
	c := New(newPipe(), unlimited)
	from := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1).To4(), Port: 7}
	datagram := []byte(wellFormed()["nodes"])
	b.ReportAllocs()
	for b.Loop() {
		c.pass(datagram, from, time.Now())
	}
}
