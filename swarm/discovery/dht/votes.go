package dht

import "net/netip"

// Bounds of votes, and how many networks must agree. A stranger has few.
const (
	maxClaims = 8
	maxVoters = 64
	quorum    = 4
)

// votes counts which address of ours other nodes say they see (BEP 42). One
// voter is a whole network, an IPv4 /16 or an IPv6 /32, and has one vote for
// each claim. The zero value is ready.
type votes struct {
	voters map[netip.Addr]map[netip.Prefix]struct{} // by the address claimed
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
	if v.voters == nil {
		v.voters = make(map[netip.Addr]map[netip.Prefix]struct{})
	}
	if v.voters[claim] == nil {
		evict(v.voters, maxClaims)
		v.voters[claim] = make(map[netip.Prefix]struct{})
	}
	if len(v.voters[claim]) < maxVoters {
		v.voters[claim][network] = struct{}{}
	}
}

// winner is the claim with the most voters, if enough of them agree and no
// other claim has as many.
func (v *votes) winner() (winner netip.Addr, ok bool) {
	most := quorum - 1
	for claim, voters := range v.voters {
		switch {
		case len(voters) > most:
			winner, ok, most = claim, true, len(voters)
		case len(voters) == most:
			ok = false
		}
	}
	return winner, ok
}
