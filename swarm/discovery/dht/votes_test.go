package dht

import (
	"net/netip"
	"testing"
)

func TestVotes(t *testing.T) {
	us, liar := netip.MustParseAddr("8.8.4.4"), netip.MustParseAddr("9.9.9.9")
	var v votes
	vote := func(claim netip.Addr, networks ...byte) {
		for _, n := range networks {
			v.add(netip.AddrFrom4([4]byte{20, n, 1, 1}), claim)
			v.add(netip.AddrFrom4([4]byte{20, n, 2, 2}), claim) // the same network
		}
	}
	check := func(want netip.Addr) {
		t.Helper()
		if got, ok := v.winner(); ok != want.IsValid() || ok && got != want {
			t.Errorf("winner %v %v, want %v", got, ok, want)
		}
	}
	check(netip.Addr{})
	vote(us, 1, 2, 3)
	check(netip.Addr{}) // too few
	vote(us, 4)
	check(us)
	vote(liar, 5, 6, 7, 8)
	check(netip.Addr{}) // a tie
	vote(us, 9)
	check(us)
	for i := range byte(100) { // a flood of claims is bounded
		v.add(netip.AddrFrom4([4]byte{21, i, 1, 1}), netip.AddrFrom4([4]byte{22, i, 1, 1}))
	}
	if len(v.voters) > maxClaims {
		t.Errorf("%d claims remembered", len(v.voters))
	}
}
