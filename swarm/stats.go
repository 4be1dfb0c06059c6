package swarm

import (
	"slices"
	"time"
)

// Stats is what a swarm looks like now.
type Stats struct {
	Uploaded  int64     // bytes of blocks sent to peers, as they travelled
	ToLAN     int64     // those of them sent to peers in the local network
	Peers     int       // neighbours
	LastAsked time.Time // when a neighbour last asked for something; zero if none ever did
	Table     []PeerStats
}

// PeerStats is what one neighbour looks like now.
type PeerStats struct {
	Name     string  // its address
	Kind     string  // see Peer.Kind
	Client   string  // the program's name and version, as it says
	Have     int     // pieces that can be had from it
	Down, Up float64 // bytes a second from it and to it, lately
	From, To int64   // bytes of blocks from it and to it, as long as the connection lasts
}

// Stats returns a snapshot.
func (s *Swarm) Stats() Stats {
	s.mu.Lock()
	peers := slices.Clone(s.peers)
	s.mu.Unlock()
	st := Stats{Uploaded: s.uploaded.Load(), ToLAN: s.toLAN.Load(), Peers: len(peers)}
	if asked := s.asked.Load(); asked != 0 {
		st.LastAsked = s.began.Add(time.Duration(asked)) // which a jump of the wall clock does not change
	}
	for _, p := range peers {
		st.Table = append(st.Table, p.stats())
	}
	return st
}

func (p *Peer) stats() PeerStats {
	st := PeerStats{Name: p.Name(), Kind: p.Kind()}
	p.mu.Lock()
	st.Client = p.client
	if p.have != nil {
		st.Have = int(p.have.Count())
	}
	p.mu.Unlock()
	now := time.Now()
	st.Down, st.From = p.down.pace(now)
	st.Up, st.To = p.up.pace(now)
	return st
}
