package swarm_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-dl/shoal/swarm"
)

// manner is how a node of a mixed crowd behaves.
type manner string

const (
	honest    manner = "honest"
	slow      manner = "slow"      // has everything, behind a line a hundred times as thin
	silent    manner = "silent"    // says that it has everything, and never answers
	vanishing manner = "vanishing" // fetches like all others, and drops off the network
	lying     manner = "lying"     // says that it has everything, and sends wrong bytes
	rejecting manner = "rejecting" // says that it has everything, and rejects every request
	greedy    manner = "greedy"    // asks everybody for everything, again and again, and serves nobody
)

// mixed is how many there are of each.
type mixed map[manner]int

// mingle lets a crowd in, in an order that the seed decides. The first is honest,
// because the manifest names it.
func (s *simulation) mingle(m mixed, seed uint64) map[manner][]*node {
	var order []manner
	for _, kind := range []manner{honest, slow, silent, vanishing, lying, rejecting, greedy} {
		for range m[kind] {
			order = append(order, kind)
		}
	}
	random := rand.New(rand.NewPCG(seed, 1))
	random.Shuffle(len(order)-1, func(i, j int) { order[i+1], order[j+1] = order[j+1], order[i+1] })
	crowd := map[manner][]*node{}
	for _, kind := range order {
		crowd[kind] = append(crowd[kind], s.enter(kind, random))
	}
	return crowd
}

// enter lets one in.
func (s *simulation) enter(kind manner, random *rand.Rand) *node {
	share := swarm.Options{Share: true}
	switch kind {
	case slow:
		line := s.line
		line.Up /= 100
		return s.join(line, share, s.content.all())
	case silent:
		return s.joinAs(s.line, share, s.content.all(), func(*node, int, int64, []byte) error {
			<-s.ctx.Done()
			return context.Cause(s.ctx)
		})
	case lying:
		return s.joinAs(s.line, share, s.content.all(), func(n *node, piece int, off int64, buf []byte) error {
			n.content.read(piece, off, buf)
			buf[len(buf)/2] ^= 1
			return nil
		})
	case rejecting:
		return s.joinAs(s.line, share, s.content.all(), func(*node, int, int64, []byte) error {
			return errors.New("it does not want to")
		})
	case vanishing:
		n := s.join(s.line, share, nil)
		after := time.Duration(random.Int64N(int64(s.fluid(1))))
		s.running.Go(func() { n.fetch(s.ctx, s.origin) })
		s.running.Go(func() {
			select {
			case <-time.After(after):
				n.Vanish()
			case <-s.ctx.Done():
			}
		})
		return n
	case greedy:
		n := s.join(s.line, swarm.Options{}, nil)
		s.running.Go(func() { s.devour(n) })
		return n
	}
	return s.join(s.line, share, nil)
}

// devour asks every neighbour for everything, for as long as there is one.
func (s *simulation) devour(n *node) {
	var asking sync.WaitGroup
	defer asking.Wait()
	asked := map[*swarm.Peer]bool{}
	clock := time.NewTicker(100 * time.Millisecond)
	defer clock.Stop()
	for {
		for _, p := range n.Peers() {
			if !asked[p] {
				asked[p] = true
				asking.Go(func() { s.drain(p) })
			}
		}
		select {
		case <-clock.C:
		case <-s.ctx.Done():
			return
		}
	}
}

// drain takes all pieces that a peer has, over and over.
func (s *simulation) drain(p *swarm.Peer) {
	all := make([]int, s.content.NumPieces())
	for i := range all {
		all[i] = i
	}
	for s.ctx.Err() == nil {
		for _, err := range p.Pieces(s.ctx, swarm.Lease{
			Pieces:   all,
			Buffer:   func(_ context.Context, n int) ([]byte, error) { return make([]byte, n), nil },
			Received: func(int) {},
		}) {
			if e, ok := errors.AsType[*swarm.Error](err); ok && e.Lasting {
				return
			}
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-s.ctx.Done():
		}
	}
}

// judge fails the test unless the honest have all of it and have found out who
// lies, and nobody else.
func (s *simulation) judge(crowd map[manner][]*node) {
	kinds := map[netip.Addr]manner{}
	for kind, nodes := range crowd {
		for _, n := range nodes {
			kinds[n.Addr()] = kind
		}
	}
	lies, bans := 0, 0
	for i, n := range crowd[honest] {
		n.mu.Lock()
		for name, wrong := range n.wrong {
			lies += wrong
			if kind := kinds[netip.MustParseAddrPort(name).Addr()]; kind != lying {
				s.Errorf("node %d had %d wrong pieces of a %s one", i, wrong, kind)
			}
			if !n.banned[name] {
				s.Errorf("node %d had %d wrong pieces of %s, and kept it", i, wrong, name)
			}
		}
		for name := range n.banned {
			bans++
			if kind := kinds[netip.MustParseAddrPort(name).Addr()]; kind != lying {
				s.Errorf("node %d banned a %s one", i, kind)
			}
		}
		n.mu.Unlock()
	}
	if len(crowd[lying]) > 0 {
		s.Logf("%d wrong pieces, %d bans by %d honest nodes of %d liars", lies, bans, len(crowd[honest]), len(crowd[lying]))
		if bans == 0 {
			s.Error("nobody has found out a liar")
		}
		if most := 2 * len(crowd[honest]) * len(crowd[lying]); lies > most {
			s.Errorf("%d wrong pieces were fetched, want at most %d", lies, most)
		}
	}
}

// TestHostileCrowd is a flash crowd with every sort of useless and harmful peer
// in it, many of each: with an origin, which those in need can turn to, and with
// nothing but one honest seed. The bound is that of the honest alone.
func TestHostileCrowd(t *testing.T) {
	for _, tt := range []struct {
		name  string
		mixed mixed
		most  float64 // of the bound, and copies; measured, and half as much again
		slow  bool
	}{
		{"some", mixed{honest: 8, slow: 1, silent: 1, vanishing: 1, lying: 1, rejecting: 1, greedy: 1}, 5, false},
		{"all", mixed{honest: 16, slow: 3, silent: 3, vanishing: 3, lying: 3, rejecting: 3, greedy: 3}, 7, true},
		{"slow", mixed{honest: 16, slow: 8}, 7.5, true},
		{"silent", mixed{honest: 16, silent: 8}, 8, true},
		{"vanishing", mixed{honest: 16, vanishing: 8}, 5.5, true},
		{"lying", mixed{honest: 16, lying: 8}, 3.5, true},
		{"rejecting", mixed{honest: 16, rejecting: 8}, 4.5, true},
		{"greedy", mixed{honest: 16, greedy: 8}, 6, true},
	} {
		if tt.slow && os.Getenv("SHOAL_SLOW") == "" {
			continue
		}
		for _, from := range []string{"origin", "seed"} {
			t.Run(fmt.Sprint(tt.name, " with ", from), func(t *testing.T) {
				c := publish(t, 4<<20, 64<<10)
				synctest.Test(t, func(t *testing.T) { simulate(t, c, 1).hostile(tt.mixed, from, tt.most) })
			})
		}
	}
}

// hostile is one such crowd, in which nothing may take longer than most bounds
// nor more copies.
func (s *simulation) hostile(m mixed, from string, most float64) {
	var o *origin
	var seed *node
	if from == "origin" {
		o = s.mirror(s.source)
	} else {
		seed = s.join(s.source, swarm.Options{Share: true, Stay: true}, s.content.all())
	}
	crowd := s.mingle(m, 7)
	out := s.together(o, crowd[honest]...)
	if seed != nil {
		out.copies = float64(seed.Uploaded()) / float64(len(s.content.bytes))
	}
	s.Log(out)
	if out.slowest() > most || out.copies > most {
		s.Errorf("want at most %.2f x and as many copies", most)
	}
	s.judge(crowd)
}

// TestLargeCrowd is the largest there is: two hundred at once, a quarter of
// them of no use. There is little content, behind lines that are as much thinner.
// It takes 6 to 7 bounds, most of them for the pieces that all begin with, before
// they know of one another; or 9 to 11 when nobody happened to begin with one of
// them. It takes 13 if then all ask for that, and 16 if they do so while hedging.
func TestLargeCrowd(t *testing.T) {
	if os.Getenv("SHOAL_SLOW") == "" {
		t.Skip("SHOAL_SLOW is not set")
	}
	c := publish(t, 2<<20, 64<<10)
	synctest.Test(t, func(t *testing.T) {
		s := simulate(t, c, 1)
		s.thin(1.0 / 8)
		s.hostile(mixed{honest: 150, slow: 10, silent: 8, vanishing: 8, lying: 8, rejecting: 8, greedy: 8}, "origin", 12)
	})
}
