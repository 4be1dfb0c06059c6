package fetch

import (
	"net/netip"
	"testing"
)

func TestIsPrivate(t *testing.T) {
	for addr, want := range map[string]bool{
		"10.1.2.3": true, "172.16.0.1": true, "192.168.0.1": true, "100.64.0.1": true, "100.127.255.255": true,
		"127.0.0.1": true, "169.254.169.254": true, "0.0.0.0": true, "0.1.2.3": true, "224.0.0.1": true,
		"::1": true, "::": true, "fe80::1": true, "fd00::1": true, "ff02::1": true,
		"100.63.255.255": false, "100.128.0.1": false, "172.32.0.1": false, "8.8.8.8": false, "2001:4860:4860::8888": false,
	} {
		if got := isPrivate(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s is private: %v", addr, got)
		}
	}
}
