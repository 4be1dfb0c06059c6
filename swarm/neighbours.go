package swarm

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/shoal-dl/shoal/swarm/discovery"
	"github.com/shoal-dl/shoal/swarm/wire"
)

const (
	// HAVE and FETCHING wait for more of them so long, and longer the more
	// neighbours there are to tell.
	tellEvery = 50 * time.Millisecond
	tellEach  = 5 * time.Millisecond
	// A piece spreads without us if so many neighbours have it who lack others. That we have
	// it too is told later: in a crowd most news is such.
	commonFrom = 5
	tellCommon = 600 * time.Millisecond

	checkEvery  = 10 * time.Second
	greetWithin = 15 * time.Second // HELLO and BITFIELD
	pingAfter   = 45 * time.Second // of silence
	pingOwed    = 5 * time.Second  // of it, while the peer owes us something
	pongWithin  = 9 * time.Second  // while it does; less than checkEvery, so that one PING is enough
	deadAfter   = 2 * time.Minute  // of silence
	stuckAfter  = time.Minute      // with a Write that does not end
	crossing    = 5 * time.Second  // in which two who dial each other meet twice

	// A connection that another one of the same node is to replace has so long for
	// a sign of life, which is looked for so often.
	proveWithin = 2 * time.Second
	proveLook   = 50 * time.Millisecond
	// uselessAfter is how long it may owe us blocks then.
	uselessAfter = 10 * time.Second
	// idleAfter is how long a neighbour that is of no use keeps its place from others.
	// It bounds how often a crowd that waits for something changes places.
	idleAfter = 5 * time.Minute
)

var (
	errDuplicate = errors.New("there is another connection to the same peer")
	errIdle      = errors.New("nothing was heard from the peer for too long")
	errReplaced  = errors.New("it has come anew")
	errStuck     = errors.New("the peer does not read")
	errUseless   = errors.New("neither end needs the other, and others do")
	errFull      = errors.New("there are neighbours enough")
	errCrowded   = errors.New("its host or its content has more neighbours here than others")
	errBanned    = errors.New("the peer is banned")
)

// meet makes p a neighbour after its handshake, or closes the connection and says
// why. It gives up when ctx ends.
func (s *Swarm) meet(ctx context.Context, p *Peer) error {
	s.challenge(ctx, p)
	if ctx.Err() != nil {
		_ = p.stream.Close()
		return context.Cause(ctx)
	}
	if bye, err := s.admit(p); err != nil {
		p.refuse(bye, err)
		return err
	}
	return nil
}

// keep runs the connection to a neighbour until it ends.
func (s *Swarm) keep(p *Peer) {
	defer s.dismiss(p)
	s.node.options.Verbose("peer %v has joined", p.addr)
	p.run()
	s.node.options.Verbose("peer %v has left: %v", p.addr, p.ended())
}

// admit makes p a neighbour, or says why not.
func (s *Swarm) admit(p *Peer) (wire.ByeReason, error) {
	s.node.admitting.Lock()
	defer s.node.admitting.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.left:
		return wire.ByeDone, errLeft
	case s.book.Banned(p.addr.Addr()):
		return wire.ByeBanned, errBanned
	}
	if o := s.sameNode(p); o != nil {
		if !s.prefers(p, o) {
			if p.dialled { // who comes may claim any port
				o.aliases = append(o.aliases, p.listens)
			}
			return wire.ByeDuplicate, errDuplicate
		}
		o.close(errDuplicate, wire.ByeDuplicate)
	} else if s.crowded(p) || !s.makeRoom(p) {
		return wire.ByeFull, errFull
	}
	s.showKin(p)
	s.peers = append(s.peers, p)
	if p.listens.Port() != 0 {
		if s.dht != nil {
			s.dht.AddNode(p.listens)
		}
		s.book.Connected(p.listens)
		s.crowdNews.Add(1)
		signal(s.dirty)
	}
	return 0, nil
}

// sameNode returns the live connection to the same node, if there is one. Anybody may
// give the name of another: who does so from elsewhere is another neighbour, so that he
// keeps nobody out.
func (s *Swarm) sameNode(p *Peer) *Peer {
	for _, o := range s.peers {
		if p.namesake(o) && o.up.turn.key == p.up.turn.key && o.ended() == nil {
			return o
		}
	}
	return nil
}

// namesake tells whether two neighbours say that they are the same node.
func (p *Peer) namesake(o *Peer) bool { return o.conn.Peer().Node == p.conn.Peer().Node }

// challenge has the older connection to the node of p prove that it is of use: who
// comes anew may have lost it, as our address has changed or what is between us has
// forgotten it.
func (s *Swarm) challenge(ctx context.Context, p *Peer) {
	s.mu.Lock()
	o := s.sameNode(p)
	s.mu.Unlock()
	if o == nil || o.stream.age() < crossing {
		return
	}
	if o.down.overdue(time.Now()) > uselessAfter {
		o.close(errReplaced, wire.ByeDuplicate)
		return
	}
	asked := o.stream.age()
	_ = o.ping() // or it is ending
	look := time.NewTicker(proveLook)
	defer look.Stop()
	// What is heard may be its BYE: a look later that is known.
	for heard := false; !heard && o.ended() == nil; {
		heard = o.stream.age()-o.stream.quiet() >= asked
		if !heard && o.stream.age()-asked >= proveWithin {
			o.close(errReplaced, wire.ByeDuplicate)
			return
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

// prefers tells whether a new connection stays in place of one between the same
// nodes. Of two that were made at once it is the one that the lower node opened, so
// that both ends keep the same; else it is the older.
func (s *Swarm) prefers(p, old *Peer) bool {
	us, them := s.node.endpoint.Node(), p.conn.Peer().Node
	oursWins := bytes.Compare(us[:], them[:]) < 0
	return p.dialled != old.dialled && p.dialled == oursWins && old.stream.age() < crossing
}

// crowded tells whether the host of p has neighbours enough here, so that nobody
// can take all places. Behind a private address may be many.
func (s *Swarm) crowded(p *Peer) bool {
	if !discovery.Public(p.addr.Addr()) {
		return false
	}
	return s.peersOf(p) >= neighboursOfHost
}

// makeRoom tells whether there is room for p, if need be after it has closed a
// connection. The caller holds s.mu and the node's admitting.
func (s *Swarm) makeRoom(p *Peer) bool {
	full, richer := s.node.full(s, s.live())
	switch {
	case len(s.peers) >= neighboursMost || full && richer == nil:
		return s.evict(p)
	case full:
		richer.mu.Lock()
		defer richer.mu.Unlock()
		return richer.shed(0)
	}
	return true
}

// full tells whether there are as many neighbours of all contents as may be, live of
// them that of s; and which content has most, if one of these can make room so that s
// comes nearer to having as many. The caller holds n.admitting, and no lock of another
// swarm.
func (n *Node) full(s *Swarm, live int) (full bool, richer *Swarm) {
	all, most := live, live+1
	n.each(func(o *Swarm) {
		if o == s {
			return
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		has := o.live()
		if all += has; has > most {
			most, richer = has, o
		}
	})
	return all >= neighboursInAll, richer
}

// live counts the neighbours that are not leaving. The caller holds s.mu.
func (s *Swarm) live() (n int) {
	for _, o := range s.peers {
		if o.ended() == nil {
			n++
		}
	}
	return n
}

// evict closes a connection in favour of p, and tells whether there was one to
// close.
func (s *Swarm) evict(p *Peer) bool { return s.shed(s.peersOf(p) + 1) }

// shed closes a connection in favour of one of a host that would then have so many, and
// tells whether there was one to close.
func (s *Swarm) shed(most int) bool {
	o, why := s.victim(most)
	if o == nil {
		return false
	}
	bye := wire.ByeDone
	if errors.Is(why, errCrowded) {
		bye = wire.ByeFull
	}
	o.close(why, bye)
	return true
}

// victim returns the neighbour that has to make room for one of a host that would
// then have so many, and why, or nil: one that has everything while we have too, or
// the one that has been of no use for the longest time, or else the newest of a host
// that would still have as many. The caller holds s.mu.
func (s *Swarm) victim(most int) (found *Peer, why error) {
	seed, longest := s.have.All(), idleAfter
	for _, o := range s.peers {
		if o.ended() != nil {
			continue // it is leaving already
		}
		if seed && o.complete() {
			return o, errUseless
		}
		if idle := o.idle(); idle > longest && !s.needs(o) {
			longest, found = idle, o
		}
	}
	if found != nil {
		return found, errUseless
	}
	for _, o := range s.peers {
		if o.ended() != nil {
			continue
		}
		if n := s.peersOf(o); n > most || n == most && found != nil {
			most, found = n, o
		}
	}
	return found, errCrowded
}

// idle is how long p has neither asked for anything nor given.
func (p *Peer) idle() time.Duration {
	now := time.Now()
	return min(p.stream.age(), p.up.idle(now), p.down.idle(now))
}

// peersOf counts the live neighbours of the host of p.
func (s *Swarm) peersOf(p *Peer) (n int) {
	for _, o := range s.peers {
		if o.up.turn.key == p.up.turn.key && o.ended() == nil {
			n++
		}
	}
	return n
}

// dismiss ends that p is a neighbour.
func (s *Swarm) dismiss(p *Peer) {
	s.mu.Lock()
	s.peers = slices.DeleteFunc(s.peers, func(o *Peer) bool { return o == p })
	left := s.orphans(p)
	s.mu.Unlock()
	s.release(left...)
	s.crowdNews.Add(1)
	signal(s.news)
	signal(s.room)
}

// orphans returns the addresses that may lead to nobody any more, as p has left: its
// own, and those of its namesakes, for who is who of them is not certain. A node that
// we dialled, and that has us already, is a namesake at one more address. The caller
// holds s.mu.
func (s *Swarm) orphans(p *Peer) []netip.AddrPort {
	if p.united {
		return []netip.AddrPort{p.listens} // unless it is an alias of the one that stays
	}
	left := append(slices.Clip(p.aliases), p.listens)
	var namesake *Peer
	for _, o := range s.peers {
		if p.namesake(o) && !o.united {
			left = append(left, o.aliases...)
			o.aliases, namesake = nil, o
		}
	}
	e, parted := errors.AsType[*partedError](p.ended())
	if namesake == nil || !p.dialled || !parted || e.reason != wire.ByeDuplicate {
		return left
	}
	namesake.aliases = left
	return nil
}

// refuse tells a peer that it cannot stay, and who else there is.
func (p *Peer) refuse(bye wire.ByeReason, why error) {
	defer p.stream.Close()
	p.close(why, bye)
	if err := p.greet(); err != nil {
		return
	}
	if bye == wire.ByeFull {
		others, _ := p.tellPeers(nil)
		if p.conn.Write(others) != nil {
			return
		}
	}
	_ = p.sayBye() // the best that can be done
}

// source tells whether anything may be had from p.
func (p *Peer) source() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.have != nil && p.serves && p.cause == nil
}

// isGreeted tells whether p has said what it has.
func (p *Peer) isGreeted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.have != nil
}

// complete tells whether p needs nothing.
func (p *Peer) complete() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.whole
}

// trades tells whether p has a piece, and lacks others.
func (p *Peer) trades(piece int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.have != nil && p.have.Test(uint(piece)) && !p.whole
}

// keepAlive finds out which neighbours are dead.
func (s *Swarm) keepAlive(ctx context.Context) {
	clock := time.NewTicker(checkEvery)
	defer clock.Stop()
	for {
		select {
		case <-clock.C:
		case <-ctx.Done():
			return
		}
		s.mu.Lock()
		peers := slices.Clone(s.peers)
		s.mu.Unlock()
		for _, p := range peers {
			p.check()
		}
		signal(s.room) // who was of use may not be any more
	}
}

// check pings or closes a silent connection.
func (p *Peer) check() {
	after, silent := pingAfter, p.stream.quiet()
	owes := p.down.overdue(time.Now()) > 0
	if owes {
		after = pingOwed
	}
	switch {
	case p.stream.age() > greetWithin && !p.isGreeted():
		p.close(errIdle, wire.ByeIdle)
	case p.stream.stuck() > stuckAfter:
		p.close(errStuck, wire.ByeIdle)
	case silent > deadAfter, owes && silent > p.swarm.node.options.Timeout && p.down.unanswered(p.stream.age()) > pongWithin:
		p.close(errIdle, wire.ByeIdle)
	case silent > after:
		if err := p.ping(); err != nil {
			p.close(err, byeFor(err))
		}
	}
}

// ping asks for a sign of life.
func (p *Peer) ping() error {
	return p.say(wire.Ping{Nonce: p.down.ping(p.stream.age())}.Append)
}
