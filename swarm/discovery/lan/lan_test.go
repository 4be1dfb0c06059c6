package lan

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"
)

// freePort is a UDP port that nobody uses just now.
func freePort(t *testing.T) uint16 {
	t.Helper()
	c, err := net.ListenPacket("udp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return uint16(c.LocalAddr().(*net.UDPAddr).Port)
}

func never() bool { return false }

// needLoopback skips a test where one cannot multicast by loopback, as on Linux
// in IPv6.
func needLoopback(t *testing.T, host netip.Addr) {
	t.Helper()
	stations, err := newStations(t.Context(), host, freePort(t))
	if err != nil {
		t.Skip(err)
	}
	defer stations[0].close()
	lo, err := links(host, true)
	if err != nil || len(lo) == 0 {
		t.Skipf("no interface has %v: %v", host, err)
	}
	if err := stations[0].send(message{}, &lo[0].Interface); err != nil {
		t.Skip(err)
	}
}

// start joins the group on loopback until the test ends.
func start(t *testing.T, host string, port uint16) *LAN {
	t.Helper()
	l, err := New(t.Context(), Options{Listen: netip.MustParseAddr(host), Port: port, Verbose: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { l.Run(t.Context()) })
	t.Cleanup(wg.Wait)
	return l
}

// serve says hello until the test ends, and sends what it hears on.
func serve(t *testing.T, l *LAN, key byte, port uint16) <-chan netip.AddrPort {
	heard := make(chan netip.AddrPort, 64)
	var wg sync.WaitGroup
	wg.Go(func() {
		for addr := range l.Peers(t.Context(), keyOf(key), port, never) {
			select {
			case heard <- addr:
			default:
			}
		}
	})
	t.Cleanup(wg.Wait)
	return heard
}

// expect waits until want has been heard; anything in never is a failure.
func expect(t *testing.T, heard <-chan netip.AddrPort, want netip.AddrPort, never uint16) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		select {
		case got := <-heard:
			if got.Port() == never {
				t.Errorf("heard %v", got)
			}
			if got == want {
				return
			}
		case <-deadline:
			t.Fatalf("did not hear of %v", want)
		}
	}
}

// TestFindEachOther is four processes of one host: two with one content, one
// that only asks for it, and one with another content.
func TestFindEachOther(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		t.Run(host, func(t *testing.T) {
			needLoopback(t, netip.MustParseAddr(host))
			port := freePort(t)
			at := func(port uint16) netip.AddrPort {
				return netip.AddrPortFrom(netip.MustParseAddr(host), port)
			}
			stranger := serve(t, start(t, host, port), 's', 7009)
			one := serve(t, start(t, host, port), 'k', 7001)
			two := serve(t, start(t, host, port), 'k', 7002)
			asker := serve(t, start(t, host, port), 'k', 0)
			expect(t, one, at(7002), 7009)
			expect(t, two, at(7001), 7009)
			expect(t, asker, at(7001), 7009)
			expect(t, asker, at(7002), 7009)
			if len(stranger) > 0 {
				t.Errorf("the stranger heard %v", <-stranger)
			}
		})
	}
}

// TestSeveralContents is one process with two contents, each found by those
// who have it.
func TestSeveralContents(t *testing.T) {
	const host = "127.0.0.1"
	needLoopback(t, netip.MustParseAddr(host))
	port := freePort(t)
	both := start(t, host, port)
	serve(t, both, 'a', 7001)
	serve(t, both, 'b', 7002)
	a := serve(t, start(t, host, port), 'a', 7003)
	b := serve(t, start(t, host, port), 'b', 7004)
	expect(t, a, netip.MustParseAddrPort(host+":7001"), 7002)
	expect(t, b, netip.MustParseAddrPort(host+":7002"), 7001)
}

func TestEndsWithRun(t *testing.T) {
	l, err := New(t.Context(), Options{Listen: netip.MustParseAddr("127.0.0.1"), Port: freePort(t)})
	if err != nil {
		t.Skipf("this host cannot multicast: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { l.Run(ctx) })
	wg.Go(func() {
		for range l.Peers(t.Context(), keyOf('k'), 7001, never) {
		}
	})
	cancel()
	wg.Wait()
	if len(l.contents) > 0 {
		t.Error("Peers left its content behind")
	}
}

// counter counts what is sent through it.
type counter struct {
	net.PacketConn
	sent []net.Addr
}

func (c *counter) WriteTo(b []byte, to net.Addr) (int, error) {
	c.sent = append(c.sent, to)
	return len(b), nil
}

// fake is a LAN on 10.0.0.0/8 without sockets, with one content.
func fake() (*LAN, *content, *station, *counter) {
	c := &content{key: taggerOf('k'), nonce: [nonceSize]byte{'o', 'w', 'n'}, port: 7001, found: make(chan netip.AddrPort, backlog)}
	replied := &counter{}
	l := &LAN{
		links:    []link{{networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/8")}}},
		contents: map[*content]struct{}{c: {}},
		senders:  make(map[[nonceSize]byte]sender),
		replies:  rate.NewLimiter(replies, replies),
		verbose:  func(string, ...any) {},
	}
	return l, c, &station{own: replied}, replied
}

func TestHandle(t *testing.T) {
	from := netip.MustParseAddrPort("10.1.2.3:999")
	mine, other := taggerOf('k'), taggerOf('x')
	for _, test := range []struct {
		name    string
		message func(now time.Time) message
		from    netip.AddrPort
		heard   string // at once
		later   string // when the other one had time to connect
		replied bool
	}{
		{"hello", func(now time.Time) message { return seal(hello, mine, 7005, nonceOf(1), now) }, from, "", "10.1.2.3:7005", true},
		{"a question", func(now time.Time) message { return seal(hello, mine, 0, nonceOf(1), now) }, from, "", "", true},
		{"reply", func(now time.Time) message { return seal(reply, mine, 7005, nonceOf(1), now) }, from, "10.1.2.3:7005", "", false},
		{"another content", func(now time.Time) message { return seal(hello, other, 7005, nonceOf(1), now) }, from, "", "", false},
		{"replayed an hour later", func(now time.Time) message { return seal(hello, mine, 7005, nonceOf(1), now.Add(-time.Hour)) }, from, "", "", false},
		{"our own", func(now time.Time) message { return seal(hello, mine, 7005, [nonceSize]byte{'o', 'w', 'n'}, now) }, from, "", "", false},
		{"from afar", func(now time.Time) message { return seal(hello, mine, 7005, nonceOf(1), now) }, netip.MustParseAddrPort("8.8.8.8:999"), "", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now := time.Now()
				l, c, s, replied := fake()
				m := test.message(now)
				l.handle(s, m[:], test.from, now)
				if heard := hears(c); heard != test.heard {
					t.Errorf("heard %q, want %q", heard, test.heard)
				}
				<-time.After(patience + 1)
				synctest.Wait()
				if heard := hears(c); heard != test.later {
					t.Errorf("later heard %q, want %q", heard, test.later)
				}
				if got := len(replied.sent) > 0; got != test.replied {
					t.Errorf("replied %v, want %v", got, test.replied)
				}
				if len(replied.sent) > 0 && replied.sent[0].String() != test.from.String() {
					t.Errorf("replied to %v", replied.sent[0])
				}
			})
		})
	}
}

// hears is whom the caller of Peers is told of, "" if nobody.
func hears(c *content) string {
	select {
	case addr := <-c.found:
		return addr.String()
	default:
		return ""
	}
}

// TestOneWay hears a peer at the address where it was heard first, and at another
// one when that was long ago and it says something new.
func TestOneWay(t *testing.T) {
	for _, k := range []kind{hello, reply} {
		now := time.Unix(1_800_000_000, 0)
		l, c, s, replied := fake()
		for i, step := range []struct {
			nonce byte
			from  string
			after time.Duration
			heard bool
		}{
			{1, "10.1.2.3:999", 0, true},
			{1, "10.200.2.3:998", 0, false},
			{2, "10.200.2.3:998", 0, true}, // another peer
			{1, "10.1.2.3:999", 0, true},
			{1, "10.200.2.3:998", 2 * oneWay, false}, // the same message
			{1, "10.1.2.3:999", 0, true},
			{1, "10.200.2.3:998", time.Minute, true},
			{1, "10.1.2.3:999", 0, false},
		} {
			now = now.Add(step.after)
			m := seal(k, c.key, 7005, nonceOf(step.nonce), now)
			before := len(replied.sent) + len(c.found)
			l.handle(s, m[:], netip.MustParseAddrPort(step.from), now)
			if heard := len(replied.sent)+len(c.found) > before; heard != step.heard {
				t.Errorf("kind %d, step %d: heard %v, want %v", k, i, heard, step.heard)
			}
		}
	}
}

// TestPlayedBack gives a hello of a peer that is not heard any more from another
// address, as long as its minute is near enough: it is not replied to, and the peer
// is heard where it is.
func TestPlayedBack(t *testing.T) {
	begun := time.Unix(1_800_000_000, 0)
	l, c, s, replied := fake()
	m := seal(hello, c.key, 7005, nonceOf(1), begun.Add(window*time.Minute)) // its clock is fast
	l.handle(s, m[:], netip.MustParseAddrPort("10.1.2.3:999"), begun)
	if len(replied.sent) != 1 {
		t.Fatalf("%d replies to its sender", len(replied.sent))
	}
	for after := oneWay; after < 2*window*time.Minute+2*time.Minute; after += oneWay {
		l.handle(s, m[:], netip.MustParseAddrPort("10.6.6.6:999"), begun.Add(after))
	}
	if len(replied.sent) != 1 {
		t.Errorf("it is replied to %v", replied.sent[1:])
	}
	now := begun.Add(10 * time.Minute)
	m = seal(hello, c.key, 7005, nonceOf(1), now)
	l.handle(s, m[:], netip.MustParseAddrPort("10.1.2.3:999"), now)
	if len(replied.sent) != 2 {
		t.Error("the peer itself is not heard any more")
	}
	if len(l.senders) != 2 {
		t.Errorf("%d senders and messages are remembered", len(l.senders))
	}
}

// TestFlood checks that a flood of hellos costs few replies and little memory.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		l, c, s, replied := fake()
		for i := range 2 * mostSenders {
			nonce := nonceOf(byte(i))
			nonce[nonceSize-1] = byte(i >> 8)
			m := seal(hello, c.key, 7005, nonce, now)
			l.handle(s, m[:], netip.MustParseAddrPort("10.1.2.3:999"), now)
		}
		if n := len(replied.sent); n != replies {
			t.Errorf("%d replies to %d hellos at once, want %d", n, 2*mostSenders, replies)
		}
		if len(c.found) != backlog || len(l.senders) != mostSenders {
			t.Errorf("%d peers wait, and %d are remembered", len(c.found), len(l.senders))
		}
	})
}

// air is a network without sockets: it remembers in which family what was sent when.
type air struct {
	net.PacketConn
	said *[]string
}

func (a air) JoinGroup(*net.Interface, net.Addr) error   { return nil }
func (a air) SetMulticastInterface(*net.Interface) error { return nil }
func (a air) WriteTo(_ []byte, to net.Addr) (n int, err error) {
	family := "6"
	if to.(*net.UDPAddr).IP.To4() != nil {
		family = "4"
	}
	*a.said = append(*a.said, family+" "+time.Now().Format("05.00"))
	return 0, nil
}

// TestIPv4First: a peer is met at the address where it is heard first, and the
// headers of IPv4 are smaller.
func TestIPv4First(t *testing.T) {
	if lo, err := links(netip.IPv6Loopback(), false); err != nil || len(lo) == 0 {
		t.Skipf("no interface has ::1: %v", err)
	}
	synctest.Test(t, func(t *testing.T) {
		var said []string
		l, c, _, _ := fake()
		l.listen = netip.IPv6Loopback() // whose interface has both families
		for _, group := range []string{group4, group6} {
			a := air{said: &said}
			l.stations = append(l.stations, &station{group: net.UDPAddr{IP: net.ParseIP(group)}, own: a, join: a, via: a})
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		l.greet(ctx, c, never)
		if want := []string{"4 00.00", "6 00.05"}; !slices.Equal(said, want) {
			t.Errorf("said hello at %q, want %q", said, want)
		}
	})
}

// TestHellos: who has nobody says hello more often than who has neighbours.
func TestHellos(t *testing.T) {
	lo, err := links(netip.MustParseAddr("127.0.0.1"), false)
	if err != nil || len(lo) == 0 {
		t.Skipf("no interface has 127.0.0.1: %v", err)
	}
	synctest.Test(t, func(t *testing.T) {
		var said []string
		l, c, _, _ := fake()
		l.listen = netip.MustParseAddr("127.0.0.1")
		a := air{said: &said}
		l.stations = []*station{{group: net.UDPAddr{IP: net.ParseIP(group4)}, own: a, join: a, via: a}}
		for _, tt := range []struct {
			alone       bool
			least, most int
		}{{false, 12, 16}, {true, 200, 245}} {
			said = nil
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			l.greet(ctx, c, func() bool { return tt.alone })
			cancel()
			if n := len(said); n < tt.least || n > tt.most {
				t.Errorf("alone is %v: %d hellos in an hour", tt.alone, n)
			}
		}
	})
}

func TestLinks(t *testing.T) {
	all, err := links(netip.Addr{}, true)
	if err != nil {
		t.Fatal(err)
	}
	only, err := links(netip.MustParseAddr("127.0.0.1"), false)
	if err != nil {
		t.Fatal(err)
	}
	if len(only) != 1 || only[0].Flags&net.FlagLoopback == 0 {
		t.Errorf("the interfaces of 127.0.0.1 are %v", only)
	}
	without, err := links(netip.IPv4Unspecified(), false)
	if err != nil {
		t.Fatal(err)
	}
	if len(without) != len(all)-1 {
		t.Errorf("%d interfaces with loopback, %d without", len(all), len(without))
	}
	none, err := links(netip.MustParseAddr("8.8.8.8"), true)
	if err != nil || len(none) > 0 {
		t.Errorf("the interfaces of a foreign address are %v, %v", none, err)
	}
}
