package swarm

import (
	"net"
	"slices"
	"testing"

	"github.com/shoal-dl/shoal/swarm/discovery/dhttest"
	"github.com/shoal-dl/shoal/verify"
)

func TestProbeDHT(t *testing.T) {
	d, err := dhttest.Open(t.Context(), 4)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	p := NewProbe(Options{Listen: "127.0.0.1:0", DHT: true, DHTPrivate: true, DHTBootstrap: []string{d.Bootstrap()}}, nil)
	r, err := p.DHT(t.Context())
	if err != nil || r.IPv4 < 1 || r.IPv4 > 4 || r.IPv6 != 0 || r.Asked != 1 || d.Announced() != 0 {
		t.Errorf("%+v, %v, announced %d times", r, err, d.Announced())
	}
	door, err := p.Door(t.Context())
	if err != nil || door.Port == 0 || door.Chosen || !door.Local {
		t.Errorf("%+v, %v", door, err)
	}
}

func TestProbeSilentDHT(t *testing.T) {
	c, err := net.ListenPacket("udp4", "127.0.0.1:0") // hears, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p := NewProbe(Options{Listen: "127.0.0.1:0", DHT: true, DHTPrivate: true}, []string{c.LocalAddr().String()})
	if r, err := p.DHT(t.Context()); err != nil || r.IPv4+r.IPv6 != 0 || r.Asked != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestProbePortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if d, err := NewProbe(Options{Listen: l.Addr().String()}, nil).Door(t.Context()); err == nil {
		t.Errorf("%+v", d)
	}
}

func TestContacts(t *testing.T) {
	m := newContent(t, 10, 64<<10, false).Manifest // its publisher consents to LAN
	hosts := func(o Options) (all []string) {
		for _, c := range Contacts(o, m) {
			all = append(all, c.Host)
		}
		return all
	}
	m.Peers, m.Bootstrap = []string{"peer.example:1"}, []string{"boot.example:2"}
	groups := []string{"239.255.83.72:7413", "[ff12::d348:4f41]:7413"}
	if got, want := hosts(Options{DHT: true, LAN: true}), append([]string{"peer.example:1"}, append(groups, "other peers")...); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	m.Discovery = []string{verify.DiscoveryDHT}
	o := Options{DHT: true, LAN: true, DHTPrivate: true, DHTBootstrap: []string{"mine.example:3"}, Peers: []string{"my.example:4"}}
	if got, want := hosts(o), []string{"peer.example:1", "my.example:4", "boot.example:2", "mine.example:3", "other nodes", "other peers"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	o = Options{DHT: true}
	if got := hosts(o); !slices.Contains(got, "router.bittorrent.com:6881") {
		t.Errorf("no public router in %q", got)
	}
	m.Discovery, m.Peers = nil, nil
	if got := hosts(o); len(got) != 0 {
		t.Errorf("without consent, %q", got)
	}
}
