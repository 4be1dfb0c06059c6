package wire

import "sync"

const (
	// A first message is good for the minute it names and clockSkew minutes
	// to both sides.
	replayWindow = 2*clockSkew + 1
	maxReplays   = 1 << 15 // remembered at once: some 2 MiB
)

// replays remembers the keys of first messages for as long as they could be
// played again, in two generations: the older is forgotten when the younger has
// lasted a whole window, or is full.
//
// Only messages that proved knowledge of a key get here, so only a member of the
// swarm can make it forget early; and what a replay might reveal, that we are in
// the swarm, he knows.
type replays struct {
	mu         sync.Mutex
	young, old map[[keySize]byte]struct{}
	turned     int64 // minute in which young was begun
}

// first tells whether key comes for the first time, and remembers it.
func (r *replays) first(key [keySize]byte, minute int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.young == nil || minute-r.turned >= replayWindow || len(r.young) == maxReplays/2 {
		r.old, r.young = r.young, make(map[[keySize]byte]struct{})
		r.turned = minute
	}
	_, young := r.young[key]
	_, old := r.old[key]
	if young || old {
		return false
	}
	r.young[key] = struct{}{}
	return true
}
