package discovery

import (
	"net/netip"
	"testing"
)

func TestPublic(t *testing.T) {
	for addr, want := range map[string]bool{
		"8.8.8.8": true, "1.0.0.1": true, "172.15.0.1": true, "100.128.0.1": true, "223.255.255.255": true,
		"0.1.2.3": false, "10.0.0.1": false, "100.64.0.1": false, "127.0.0.1": false, "169.254.1.1": false,
		"172.31.0.1": false, "192.168.1.1": false, "192.0.2.1": false, "198.19.0.1": false, "203.0.113.9": false,
		"224.0.0.1": false, "240.0.0.1": false, "255.255.255.255": false,
		"::ffff:8.8.8.8": true, "::ffff:10.0.0.1": false,
		"2600::1": true, "2a00:1450::1": true, "2001:4860::1": true,
		"::": false, "::1": false, "fe80::1": false, "fe80::1%eth0": false, "fd00::1": false, "ff02::1": false,
		"2001::1": false, "2001:db8::1": false, "2002:7f00:1::": false, "64:ff9b::1": false, "4000::1": false,
	} {
		if got := Public(netip.MustParseAddr(addr)); got != want {
			t.Errorf("Public(%s) = %v", addr, got)
		}
	}
	if Public(netip.Addr{}) {
		t.Error("no address is public")
	}
}

func TestThin(t *testing.T) {
	var thin Thin
	for _, test := range []struct {
		addr string
		pass bool
	}{
		{"8.8.8.1", true}, {"8.8.8.2", true}, {"8.8.8.3", false}, {"::ffff:8.8.8.4", false}, {"8.8.9.3", true},
		{"2600:1:2:3::1", true}, {"2600:1:2:4::1", true}, {"2600:1:2:5::1", false}, {"2600:1:3::1", true},
		{"10.0.0.1", true}, {"10.0.0.2", true}, {"10.0.0.3", true}, // for Book to judge
	} {
		if got := thin.Pass(netip.MustParseAddr(test.addr)); got != test.pass {
			t.Errorf("%s: pass %v, want %v", test.addr, got, test.pass)
		}
	}
}
