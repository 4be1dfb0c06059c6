package dht

import (
	"net/netip"
	"sync"
	"time"

	"github.com/anacrolix/dht/v2/krpc"
	"github.com/anacrolix/torrent/metainfo"
)

// Bounds of what a full node stores for others: about 6 MB at the most.
const (
	maxHashes   = 1000
	maxPeers    = 100 // of one infohash
	maxReturned = 32  // peers in one answer: they fit a datagram of 1,000 bytes
	peerLife    = 45 * time.Minute
)

// peerStore remembers who announced what to this node, for a while. It is the
// library's PeerStore: the default is none, and its InMemory never forgets.
type peerStore struct {
	mu    sync.Mutex
	peers map[metainfo.Hash]map[netip.AddrPort]time.Time // when last announced
}

func newPeerStore() *peerStore {
	return &peerStore{peers: make(map[metainfo.Hash]map[netip.AddrPort]time.Time)}
}

// AddPeer notes an announcement. When there is no room, a peer of the same
// infohash, or a whole other infohash, picked by the map's whim, makes it.
func (s *peerStore) AddPeer(infohash metainfo.Hash, peer krpc.NodeAddr) {
	addr := peer.ToNodeAddrPort().AddrPort
	if !addr.Addr().IsValid() || peer.Port <= 0 || peer.Port > 65535 {
		return
	}
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	s.mu.Lock()
	defer s.mu.Unlock()
	peers := s.peers[infohash]
	if peers == nil {
		s.forget()
		evict(s.peers, maxHashes)
		peers = make(map[netip.AddrPort]time.Time)
		s.peers[infohash] = peers
	}
	if _, known := peers[addr]; !known {
		evict(peers, maxPeers)
	}
	peers[addr] = time.Now()
}

// forget drops what has grown old, when the store is full.
func (s *peerStore) forget() {
	if len(s.peers) < maxHashes {
		return
	}
	for infohash, peers := range s.peers {
		expire(peers)
		if len(peers) == 0 {
			delete(s.peers, infohash)
		}
	}
}

// GetPeers returns some of those who announced infohash lately.
func (s *peerStore) GetPeers(infohash metainfo.Hash) (some []krpc.NodeAddr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	peers := s.peers[infohash]
	expire(peers)
	for addr := range peers { // in random order
		if len(some) == maxReturned {
			break
		}
		some = append(some, krpc.NodeAddr{IP: addr.Addr().AsSlice(), Port: int(addr.Port())})
	}
	return some
}

// expire drops the peers that have not announced themselves for long.
func expire(peers map[netip.AddrPort]time.Time) {
	for addr, at := range peers {
		if time.Since(at) > peerLife {
			delete(peers, addr)
		}
	}
}

// evict makes room for one more in a map of at most limit entries.
func evict[K comparable, V any](m map[K]V, limit int) {
	for k := range m {
		if len(m) < limit {
			return
		}
		delete(m, k)
	}
}
