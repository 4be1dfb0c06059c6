package dht

import (
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anacrolix/dht/v2/krpc"
)

func peer(a, b byte, port int) krpc.NodeAddr {
	return krpc.NodeAddr{IP: net.IPv4(8, 8, a, b), Port: port}
}

func TestStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newPeerStore()
		s.AddPeer(hash('a'), peer(1, 1, 7001))
		s.AddPeer(hash('a'), peer(1, 1, 7001)) // again
		s.AddPeer(hash('a'), peer(1, 1, 0))    // no port
		s.AddPeer(hash('a'), krpc.NodeAddr{Port: 1})
		got := s.GetPeers(hash('a'))
		if len(got) != 1 || got[0].ToNodeAddrPort().AddrPort != netip.MustParseAddrPort("8.8.1.1:7001") {
			t.Fatalf("peers %v", got)
		}
		if got := s.GetPeers(hash('b')); len(got) > 0 {
			t.Errorf("peers of nobody: %v", got)
		}
		time.Sleep(peerLife / 2)
		s.AddPeer(hash('a'), peer(1, 2, 7002))
		time.Sleep(peerLife/2 + time.Second)
		if got := s.GetPeers(hash('a')); len(got) != 1 || got[0].Port != 7002 {
			t.Errorf("peers %v, want only the later one", got)
		}
	})
}

func TestStoreIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newPeerStore()
		for i := range 2 * maxPeers {
			s.AddPeer(hash('a'), peer(byte(i>>8), byte(i), 7001))
		}
		if n := len(s.peers[hash('a')]); n != maxPeers {
			t.Errorf("%d peers stored of one infohash", n)
		}
		if n := len(s.GetPeers(hash('a'))); n != maxReturned {
			t.Errorf("%d peers returned", n)
		}
		many := func(first byte) {
			for i := range 2 * maxHashes {
				s.AddPeer([20]byte{first, byte(i >> 8), byte(i)}, peer(1, 1, 7001))
			}
		}
		many(1)
		if n := len(s.peers); n != maxHashes {
			t.Errorf("%d infohashes stored", n)
		}
		time.Sleep(peerLife + time.Second)
		s.AddPeer(hash('b'), peer(1, 1, 7001))
		if n := len(s.peers); n != 1 {
			t.Errorf("%d infohashes stored after all but one grew old", n)
		}
	})
}
