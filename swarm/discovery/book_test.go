package discovery

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// epoch is when tests begin.
var epoch = time.Unix(1_800_000_000, 0)

func at(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// first breaks every tie in favour of the candidate met first.
func first(int) int { return 1 }

// drain dials all there is to dial at that time and says what in which order.
// Time passes as the limit on dials demands.
func drain(b *Book, now time.Time) string {
	var order []string
	for {
		addr, _, wait, ok := b.Next(now)
		switch {
		case ok:
			order = append(order, addr.String())
		case wait > time.Second:
			return strings.Join(order, " ")
		default:
			now = now.Add(wait)
		}
	}
}

func TestOrder(t *testing.T) {
	b := NewBook(NewDials(), false, first)
	b.Add(DHT, at("8.8.1.1:1"))
	b.Add(Manifest, at("8.8.3.3:1"))
	b.Add(User, at("8.8.4.4:1"))
	b.Add(LAN, at("10.0.0.1:1"))
	b.Add(PEX, at("8.8.2.2:1"))
	b.Add(Manifest, at("8.8.2.2:1")) // a better origin for one that is known
	b.Failed(at("8.8.3.3:1"), epoch.Add(-time.Hour))
	if got, want := drain(b, epoch), "10.0.0.1:1 8.8.4.4:1 8.8.2.2:1 8.8.3.3:1 8.8.1.1:1"; got != want {
		t.Errorf("order %s, want %s", got, want)
	}
	if _, _, wait, ok := b.Next(epoch.Add(time.Hour)); ok || wait != Never {
		t.Errorf("wait %v, ok %v with all being dialled", wait, ok)
	}
}

// TestFreshBeforeFailed checks that among strangers' addresses those never
// tried come first, and are picked at random.
func TestFreshBeforeFailed(t *testing.T) {
	picked := make(map[string]bool)
	for range 200 {
		b := NewBook(NewDials(), false, nil)
		b.Add(DHT, at("8.8.1.1:1"), at("8.8.2.2:1"), at("8.8.3.3:1"))
		b.Add(PEX, at("8.8.4.4:1"))
		b.Failed(at("8.8.1.1:1"), epoch.Add(-time.Hour))
		order := strings.Fields(drain(b, epoch))
		if order[3] != "8.8.1.1:1" {
			t.Fatalf("order %v", order)
		}
		picked[order[0]] = true
	}
	if len(picked) != 3 {
		t.Errorf("first picks of 200: %v, want all three fresh ones", picked)
	}
}

func TestAllowed(t *testing.T) {
	const public, private, loopback, local = "8.8.8.8:1", "192.168.0.7:1", "127.0.0.1:1", "[fe80::1%eth0]:1"
	for _, test := range []struct {
		private bool
		from    Origin
		addr    string
		want    bool
	}{
		{false, DHT, public, true}, {false, DHT, private, false}, {false, DHT, loopback, false}, {false, DHT, local, false},
		{false, PEX, public, true}, {false, PEX, private, false}, {false, PEX, loopback, false},
		{false, LocalPEX, private, true}, {false, User, private, true}, {false, User, loopback, true},
		{false, Manifest, private, true}, {false, LAN, private, true}, {false, LAN, local, true},
		{false, LocalPEX, "[fe80::1]:1", false}, {true, User, "[fe80::1]:1", false},
		{true, DHT, private, true}, {true, DHT, loopback, true}, {true, PEX, private, true},
		{false, User, "8.8.8.8:0", false}, {true, DHT, "0.0.0.0:1", false}, {true, User, "[::]:1", false},
		{true, User, "224.0.0.1:1", false}, {true, User, "[ff02::1]:1", false}, {true, User, "255.255.255.255:1", false},
		{false, DHT, "[::ffff:192.168.0.7]:1", false},
	} {
		b := NewBook(NewDials(), test.private, first)
		if got := b.Add(test.from, at(test.addr)) == 1; got != test.want {
			t.Errorf("private %v, origin %d, %s: allowed %v", test.private, test.from, test.addr, got)
		}
	}
	if pexFrom(netip.MustParseAddr("8.8.8.8")) != PEX || pexFrom(netip.MustParseAddr("10.0.0.1")) != LocalPEX {
		t.Error("origin of what a peer tells")
	}
}

// TestOneNetwork checks that one PEX message brings two addresses of a /24,
// while the user may name as many as wanted.
func TestOneNetwork(t *testing.T) {
	var addrs []netip.AddrPort
	for i := range 10 {
		addrs = append(addrs, at(fmt.Sprintf("8.8.8.%d:1", i+1)))
	}
	if n := NewBook(NewDials(), false, first).Add(PEX, addrs...); n != 2 {
		t.Errorf("%d added by PEX, want 2", n)
	}
	if n := NewBook(NewDials(), false, first).Add(User, addrs...); n != 10 {
		t.Errorf("%d added by the user, want 10", n)
	}
}

func TestSameAddressOnce(t *testing.T) {
	b := NewBook(NewDials(), false, first)
	n := b.Add(DHT, at("8.8.8.8:1"), at("[::ffff:8.8.8.8]:1"), at("8.8.8.8:1"), at("8.8.8.8:2"))
	if n != 2 || b.Len() != 2 {
		t.Errorf("%d added, %d remembered, want two", n, b.Len())
	}
}

// TestBackOff follows one address through failures and a connection.
func TestBackOff(t *testing.T) {
	for _, test := range []struct {
		from  Origin
		waits []time.Duration
	}{
		{DHT, []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 32 * time.Minute, time.Hour, time.Hour}},
		{User, []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 160 * time.Second, 5 * time.Minute, 5 * time.Minute}},
	} {
		b, a, now := NewBook(NewDials(), false, first), at("8.8.8.8:1"), epoch
		b.Add(test.from, a)
		for _, want := range test.waits {
			if _, _, _, ok := b.Next(now); !ok {
				t.Fatalf("origin %d: not to be dialled at %v", test.from, now.Sub(epoch))
			}
			b.Failed(a, now)
			b.Add(test.from, a) // hearing of it again changes nothing
			if _, _, wait, ok := b.Next(now); ok || wait != want {
				t.Errorf("origin %d: wait %v, want %v", test.from, wait, want)
			}
			now = now.Add(want)
		}
		b.Connected(a)
		if _, _, wait, ok := b.Next(now.Add(time.Hour)); ok || wait != Never {
			t.Errorf("a connected peer is to be dialled in %v", wait)
		}
		b.Gone(a, now)
		if _, _, wait, ok := b.Next(now); ok || wait != redial {
			t.Errorf("a peer that left is to be dialled in %v", wait)
		}
		if _, from, _, ok := b.Next(now.Add(redial)); !ok || from != test.from {
			t.Errorf("a peer that left is not dialled again (%v, origin %d)", ok, from)
		}
	}
}

func TestInbound(t *testing.T) {
	b := NewBook(NewDials(), false, first)
	b.Connected(at("192.168.0.9:1"))
	b.Add(DHT, at("8.8.8.8:1"))
	if got := drain(b, epoch); got != "8.8.8.8:1" {
		t.Errorf("dialled %q", got)
	}
	b.Gone(at("192.168.0.9:1"), epoch)
	if got := drain(b, epoch.Add(redial)); got != "192.168.0.9:1" {
		t.Errorf("dialled %q after it left", got)
	}
	b.Failed(at("9.9.9.9:9"), epoch) // unknown addresses are no trouble
	b.Gone(at("9.9.9.9:9"), epoch)
}

func TestSelf(t *testing.T) {
	b := NewBook(NewDials(), false, first)
	b.Self(at("8.8.8.8:1"))
	b.Add(DHT, at("8.8.8.8:1"), at("8.8.8.8:2"), at("[::ffff:8.8.8.8]:1"))
	b.Self(at("8.8.8.8:2")) // met there
	b.Add(User, at("8.8.8.8:2"))
	if got := drain(b, epoch); got != "" {
		t.Errorf("dialled ourselves: %s", got)
	}
}

func TestBan(t *testing.T) {
	b := NewBook(NewDials(), true, first)
	b.Add(DHT, at("8.8.8.8:1"), at("8.8.8.8:2"), at("8.8.9.9:1"), at("[2600:1:2:3::1]:1"), at("[2600:1:2:4::1]:1"),
		at("[fd00::1]:1"), at("[fd00::2]:1"))
	for _, host := range []string{"8.8.8.8", "2600:1:2:3::99", "fd00::1"} {
		b.Ban(netip.MustParseAddr(host))
	}
	b.Add(User, at("8.8.8.8:3"), at("[2600:1:2:3::5]:1"))
	for addr, want := range map[string]bool{
		"8.8.8.8": true, "::ffff:8.8.8.8": true, "8.8.9.9": false, "2600:1:2:3:4::": true, "2600:1:2:4::1": false,
		"fd00::1": true, "fd00::2": false,
	} {
		if got := b.Banned(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s banned: %v", addr, got)
		}
	}
	if b.Len() != 3 {
		t.Errorf("%d addresses left, want 3", b.Len())
	}
	b.Ban(netip.Addr{})
	if b.Banned(netip.Addr{}) {
		t.Error("banned nobody, and nobody is banned")
	}
}

// TestDialRate checks that no second sees more than thirty dials.
func TestDialRate(t *testing.T) {
	b := NewBook(NewDials(), true, first)
	for i := range 200 {
		b.Add(DHT, at(fmt.Sprintf("10.0.0.%d:1", i+1)))
	}
	dials, now := 0, epoch
	for now.Before(epoch.Add(time.Second)) {
		_, _, wait, ok := b.Next(now)
		if ok {
			dials++
		}
		now = now.Add(wait)
	}
	if dials != dialsPerSecond {
		t.Errorf("%d dials in a second", dials)
	}
}

// TestBounded checks that strangers can fill the book but not crowd out those
// the user and the publisher name, nor what is in use.
func TestBounded(t *testing.T) {
	b := NewBook(NewDials(), false, first)
	flood := func(from Origin, seed int) {
		for i := range 2 * maxCandidates {
			b.Add(from, netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(seed), byte(i >> 8), byte(i), 1}), 1))
		}
	}
	b.Add(Manifest, at("9.9.9.9:1"))
	b.Connected(at("9.9.9.8:1"))
	flood(DHT, 20)
	if b.Len() != maxCandidates {
		t.Errorf("%d addresses remembered", b.Len())
	}
	if b.Add(PEX, at("30.1.1.1:1")) != 0 {
		t.Error("a stranger's address displaced another that was never tried")
	}
	if b.Add(User, at("9.9.9.7:1")) != 1 {
		t.Error("no room for the user's address")
	}
	b.Failed(at("20.0.1.1:1"), epoch)
	if b.Add(PEX, at("30.1.1.1:1")) != 1 || b.candidates[at("20.0.1.1:1")] != nil {
		t.Error("a dead address was kept in place of a fresh one")
	}
	for _, kept := range []string{"9.9.9.9:1", "9.9.9.8:1", "9.9.9.7:1"} {
		if b.candidates[at(kept)] == nil {
			t.Errorf("%s was crowded out", kept)
		}
	}
	for i := range 2 * maxBans {
		b.Ban(netip.AddrFrom4([4]byte{40, byte(i >> 8), byte(i), 1}))
		b.Self(netip.AddrPortFrom(netip.AddrFrom4([4]byte{50, byte(i >> 8), byte(i), 1}), 1))
	}
	if len(b.bans.set) != maxBans || len(b.bans.order) != maxBans || len(b.self.set) != maxSelf {
		t.Errorf("%d bans, %d selves remembered", len(b.bans.set), len(b.self.set))
	}
}

// TestCrowd checks that a peer that names ever more addresses neither fills the
// book nor delays for long what the DHT or another peer finds, even if that failed
// before.
func TestCrowd(t *testing.T) {
	b := NewBook(NewDials(), false, nil)
	liar, honest, now, n := netip.MustParseAddr("7.7.7.7"), netip.MustParseAddr("7.7.7.8"), epoch, 0
	lie := func() {
		for range maxUntried {
			n++
			b.Told(liar, netip.AddrPortFrom(netip.AddrFrom4([4]byte{20, byte(n >> 8), byte(n), 1}), 1))
		}
	}
	lie()
	lie()
	if b.Len() != maxUntried {
		t.Fatalf("one peer has named %d addresses, want %d", b.Len(), maxUntried)
	}
	b.Add(DHT, at("8.8.1.1:1"))
	b.Told(honest, at("8.8.2.2:1"))
	b.Failed(at("8.8.1.1:1"), now.Add(-time.Hour))
	var order []netip.AddrPort
	for range 4 {
		now = now.Add(time.Second)
		addr, _, _, _ := b.Next(now)
		b.Failed(addr, now)
		order = append(order, addr)
		lie()
	}
	for _, want := range []string{"8.8.1.1:1", "8.8.2.2:1"} {
		if !slices.Contains(order, at(want)) {
			t.Errorf("%s is not among the first dialled: %v", want, order)
		}
	}
}

// TestOneHost checks that one host has few of the places in the book, and that a
// fresh address of it can take the place of a dead one, or of one that only a
// peer named.
func TestOneHost(t *testing.T) {
	b := NewBook(NewDials(), false, first)
	host := netip.MustParseAddr("5.5.5.5")
	for port := range uint16(2 * maxPorts) { // it comes, says that it listens there, and goes
		b.Connected(netip.AddrPortFrom(host, port+1))
		b.Gone(netip.AddrPortFrom(host, port+1), epoch)
	}
	if b.Len() != maxPorts {
		t.Errorf("one host has %d places, want %d", b.Len(), maxPorts)
	}
	for port, test := range []struct {
		from Origin
		want int
	}{{Inbound, 0}, {DHT, 1}, {DHT, 1}, {DHT, 1}, {DHT, 1}, {DHT, 0}, {PEX, 0}, {User, 1}} {
		if got := b.Add(test.from, netip.AddrPortFrom(host, uint16(port)+100)); got != test.want {
			t.Errorf("step %d: %d added, want %d", port, got, test.want)
		}
	}
	b.Failed(netip.AddrPortFrom(host, 101), epoch)
	if b.Add(PEX, netip.AddrPortFrom(host, 200)) != 1 || b.Len() != maxPorts+1 {
		t.Errorf("a dead address was kept in place of a fresh one: %d remembered", b.Len())
	}
	for port := range uint16(2 * maxPorts) {
		b.Add(User, netip.AddrPortFrom(netip.MustParseAddr("5.5.5.6"), port+1))
	}
	if b.Len() != 3*maxPorts+1 {
		t.Errorf("%d addresses remembered: the user may name any number", b.Len())
	}
	b = NewBook(NewDials(), true, first)
	for port := range uint16(2 * maxPorts) {
		b.Add(DHT, netip.AddrPortFrom(netip.IPv6Loopback(), port+1))
	}
	if b.Len() != 2*maxPorts {
		t.Errorf("%d addresses of one host remembered in a private DHT", b.Len())
	}
}

// TestWorseOrigin checks that a full book makes room for what a better origin
// names.
func TestWorseOrigin(t *testing.T) {
	b := NewBook(NewDials(), false, first)
	for i := range maxCandidates {
		peer := netip.AddrFrom4([4]byte{7, 7, 7, byte(i / maxUntried)})
		b.Told(peer, netip.AddrPortFrom(netip.AddrFrom4([4]byte{20, byte(i >> 8), byte(i), 1}), 1))
	}
	if b.Len() != maxCandidates {
		t.Fatalf("%d addresses remembered", b.Len())
	}
	if b.Told(netip.MustParseAddr("7.7.7.99"), at("8.8.1.1:1")) != 0 {
		t.Error("one peer's address displaced another's that was never tried")
	}
	if b.Add(DHT, at("8.8.1.1:1")) != 1 || b.Len() != maxCandidates {
		t.Error("no room for what the DHT finds")
	}
}

func BenchmarkNext(b *testing.B) {
	book := NewBook(NewDials(), false, nil)
	for i := range maxCandidates {
		book.Add(DHT, netip.AddrPortFrom(netip.AddrFrom4([4]byte{20, byte(i >> 8), byte(i), 1}), 1))
	}
	now := epoch
	for b.Loop() {
		now = now.Add(time.Second)
		if addr, _, _, ok := book.Next(now); ok {
			book.Gone(addr, now)
		}
	}
}
