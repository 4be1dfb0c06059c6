package dhttest

import (
	"net/netip"
	"sync"

	"github.com/anacrolix/dht/v2/krpc"
	"github.com/anacrolix/torrent/metainfo"
)

// peerStore is what one node knows of who has what. The library has none that
// works.
type peerStore struct {
	network *Network

	mu    sync.Mutex
	peers map[metainfo.Hash]map[netip.AddrPort]bool
}

// AddPeer notes an announcement.
func (s *peerStore) AddPeer(infohash metainfo.Hash, peer krpc.NodeAddr) {
	s.network.announced.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.peers == nil {
		s.peers = map[metainfo.Hash]map[netip.AddrPort]bool{}
	}
	if s.peers[infohash] == nil {
		s.peers[infohash] = map[netip.AddrPort]bool{}
	}
	s.peers[infohash][peer.ToNodeAddrPort().AddrPort] = true
}

// GetPeers returns all who announced infohash.
func (s *peerStore) GetPeers(infohash metainfo.Hash) (peers []krpc.NodeAddr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for addr := range s.peers[infohash] {
		peers = append(peers, krpc.NodeAddr{IP: addr.Addr().AsSlice(), Port: int(addr.Port())})
	}
	return peers
}
