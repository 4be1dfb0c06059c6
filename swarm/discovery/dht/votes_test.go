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
	vote(liar, 1, 2) // they have changed their minds
	check(liar)
	for i := range byte(100) { // a flood of claims is bounded
		v.add(netip.AddrFrom4([4]byte{21, i, 1, 1}), netip.AddrFrom4([4]byte{22, i, 1, 1}))
	}
	if len(v.claims) > maxVoters {
		t.Errorf("%d claims remembered", len(v.claims))
	}
}

// TestAddressChanges has many say where they see us, and then another address, those
// who said the old one or others.
func TestAddressChanges(t *testing.T) {
	before, after := netip.MustParseAddr("8.8.4.4"), netip.MustParseAddr("8.8.5.5")
	for _, others := range []byte{20, 21} {
		var v votes
		for i := range byte(100) {
			v.add(netip.AddrFrom4([4]byte{20, i, 1, 1}), before)
		}
		for range 10 {
			for i := range byte(100) {
				v.add(netip.AddrFrom4([4]byte{others, i, 1, 1}), after)
			}
		}
		if got, ok := v.winner(); !ok || got != after {
			t.Errorf("when %d.0.0.0/8 says so we are seen at %v, %v", others, got, ok)
		}
	}
}
