package dht

import "net/netip"

// maxVoters bounds votes; quorum is how many must agree. A stranger has few.
const (
	maxVoters = 64
	quorum    = 4
)

// votes counts which address of ours other nodes say they see (BEP 42). One
// voter is a whole network, an IPv4 /16 or an IPv6 /32, and its latest word
// counts: our address may change. The zero value is ready.
type votes struct {
	claims map[netip.Prefix]netip.Addr // by voter
}

// add counts that the node at from sees us at claim.
func (v *votes) add(from, claim netip.Addr) {
	bits := 32
	if from = from.Unmap(); from.Is4() {
		bits = 16
	}
	network, err := from.Prefix(bits)
	if err != nil {
		return
	}
	if v.claims == nil {
		v.claims = make(map[netip.Prefix]netip.Addr)
	}
	if _, known := v.claims[network]; !known {
		evict(v.claims, maxVoters) // those who are not asked any more go some time
	}
	v.claims[network] = claim
}

// winner is the claim with the most voters, if enough of them agree and no
// other claim has as many.
func (v *votes) winner() (winner netip.Addr, ok bool) {
	voters := make(map[netip.Addr]int)
	for _, claim := range v.claims {
		voters[claim]++
	}
	most := quorum - 1
	for claim, n := range voters {
		switch {
		case n > most:
			winner, ok, most = claim, true, n
		case n == most:
			ok = false
		}
	}
	return winner, ok
}
