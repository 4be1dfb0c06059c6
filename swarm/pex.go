package swarm

import (
	"net/netip"
	"time"

	"github.com/shoal-dl/shoal/swarm/discovery"
	"github.com/shoal-dl/shoal/swarm/wire"
)

const (
	pexSoon  = 2 * time.Second // between two PEX to one peer while there are few of us
	pexLater = time.Minute     // and when there are many
)

// tellPeers appends a PEX if the peer may be told of others that it has not been
// told of. It returns when to come back: idle, or a while.
func (p *Peer) tellPeers(frames []byte) ([]byte, time.Duration) {
	s := p.swarm
	latest := s.crowdNews.Load()
	if !s.open || p.told.crowd == latest {
		return frames, idle
	}
	now := time.Now()
	if wait := p.told.pexAfter.Sub(now); wait > 0 { // there is news, but too soon
		return frames, wait
	}
	others := s.others(p)
	news := p.newTo(others)
	if len(news) < wire.MaxPEX {
		p.told.crowd = latest
	}
	if len(news) == 0 {
		return frames, idle
	}
	pause := pexSoon
	if len(others) >= neighboursWanted {
		pause = pexLater
	}
	p.told.pexAfter = now.Add(pause)
	frames = wire.PEX{Addrs: news}.Append(frames)
	if p.told.crowd != latest {
		return frames, pause
	}
	return frames, idle
}

// newTo returns those that p has not been told of, as many as fit a PEX, and
// notes them as told. Who has left may be told of again when he comes back.
func (p *Peer) newTo(others []netip.AddrPort) []netip.AddrPort {
	var news []netip.AddrPort
	still := make(map[netip.AddrPort]struct{}, len(others))
	for _, addr := range others {
		_, known := p.told.peers[addr]
		if !known && len(news) == wire.MaxPEX {
			continue
		}
		if !known {
			news = append(news, addr)
		}
		still[addr] = struct{}{}
	}
	p.told.peers = still
	return news
}

// others returns where the other neighbours of p accept peers, as far as p could
// reach them: a private address is nobody's business outside.
func (s *Swarm) others(p *Peer) []netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	var addrs []netip.AddrPort
	for _, o := range s.peers {
		if o.listens.Port() == 0 || o.listens == p.listens {
			continue
		}
		if discovery.Public(o.listens.Addr()) || !discovery.Public(p.addr.Addr()) {
			addrs = append(addrs, o.listens)
		}
	}
	return addrs
}

// heardOf takes in what a peer said of others.
func (s *Swarm) heardOf(p *Peer, addrs []netip.AddrPort) {
	if !s.open {
		return
	}
	s.mu.Lock()
	added := s.book.Told(p.addr.Addr(), addrs...)
	s.mu.Unlock()
	if added > 0 {
		signal(s.room)
	}
}
