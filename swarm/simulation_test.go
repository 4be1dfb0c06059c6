package swarm_test

import (
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bits-and-blooms/bitset"
	"golang.org/x/time/rate"

	"github.com/shoal-dl/shoal/swarm"
	"github.com/shoal-dl/shoal/swarm/swarmtest"
)

const mbit = 1e6 / 8 // bytes a second

// crowdLine is how the crowd is connected, a quarter of what the lab has, so
// that little content takes as long as much does there.
var (
	crowdLine  = swarmtest.Line{Up: 12.5 * mbit, Down: 25 * mbit, Delay: 10 * time.Millisecond}
	originLine = swarmtest.Line{Up: 12.5 * mbit, Delay: 10 * time.Millisecond}
)

// together lets all nodes that lack something fetch at once, and returns the
// yardsticks.
func (s *simulation) together(from *origin, nodes ...*node) outcome {
	var fetching sync.WaitGroup
	for _, n := range nodes {
		fetching.Go(func() { n.fetch(s.ctx, from) })
	}
	fetching.Wait()
	out := outcome{bound: s.fluid(len(nodes))}
	if from != nil {
		out.copies = float64(from.Sent()) / float64(len(s.content.bytes))
	}
	for i, n := range nodes {
		if n.err != nil || !n.have.All() {
			s.Errorf("node %d: %v, %d of %d pieces", i, n.err, n.have.Count(), s.content.NumPieces())
		}
		out.times = append(out.times, n.took)
	}
	return out
}

// fluid is the shortest time in which n nodes can have all of it, were the
// content a fluid.
func (s *simulation) fluid(n int) time.Duration {
	f, all := float64(len(s.content.bytes)), float64(n)
	bound := max(f/s.source.Up, f/s.line.Down, all*f/(s.source.Up+all*s.line.Up))
	return time.Duration(bound * 1e9)
}

// TestFlashCrowd is everybody at once. Of the slow ones the content is a quarter
// of the lab's, as the lines are; with less, getting to know one another weighs
// more. Two are no crowd: mirrors are spared from two live peers on.
func TestFlashCrowd(t *testing.T) {
	for _, tt := range []struct {
		nodes, size   int
		times, copies float64
		slow          bool
	}{
		{10, 8 << 20, 1.6, 1.2, false},
		{10, 16 << 20, 1.25, 1.15, true}, {30, 16 << 20, 1.35, 1.25, true}, {50, 16 << 20, 1.6, 1.6, true},
	} {
		if tt.slow && os.Getenv("SHOAL_SLOW") == "" {
			continue
		}
		c := publish(t, tt.size, 64<<10)
		synctest.Test(t, func(t *testing.T) {
			s := simulate(t, c, 1)
			o := s.mirror(originLine)
			for range tt.nodes {
				s.join(crowdLine, swarm.Options{Share: true}, nil)
			}
			out := s.together(o, s.nodes...)
			t.Logf("%d nodes: %v", tt.nodes, out)
			if out.slowest() > tt.times || out.copies > tt.copies {
				t.Errorf("%d nodes: %v; want at most %.2f x and %.2f copies", tt.nodes, out, tt.times, tt.copies)
			}
		})
	}
}

// TestCrowdAtASlowMirror is a crowd that is large for what the origin gives: were all to
// ask at once, the first piece would come after half of the time in which all could be
// done. Without turns it takes 2.1 bounds and as many copies; and 1.8, and 1.3 copies, if
// all wait for the first peer who has a piece.
func TestCrowdAtASlowMirror(t *testing.T) {
	if os.Getenv("SHOAL_SLOW") == "" {
		t.Skip("SHOAL_SLOW is not set")
	}
	c := publish(t, 16<<20, 256<<10)
	synctest.Test(t, func(t *testing.T) {
		s := simulate(t, c, 1)
		s.thin(2.0 / 5)
		o := s.mirror(s.source)
		for range 30 {
			s.join(s.line, swarm.Options{Share: true}, nil)
		}
		out := s.together(o, s.nodes...)
		t.Log(out)
		if out.slowest() > 1.75 || out.copies > 1.4 {
			t.Errorf("%v; want at most 1.75 x and 1.4 copies", out)
		}
	})
}

// thin makes all lines carry so much of what they did.
func (s *simulation) thin(by float64) {
	s.line.Up, s.line.Down, s.source.Up = s.line.Up*by, s.line.Down*by, s.source.Up*by
}

// all is a set of all pieces of the content.
func (c *published) all() *bitset.BitSet {
	return bitset.New(uint(c.NumPieces())).FlipRange(0, uint(c.NumPieces()))
}

// TestSeederLeavesAfterOneCopy: what it gave must be enough for the others.
func TestSeederLeavesAfterOneCopy(t *testing.T) {
	c := publish(t, 4<<20, 64<<10)
	synctest.Test(t, func(t *testing.T) {
		s := simulate(t, c, 1)
		seed := s.join(crowdLine, swarm.Options{Share: true, Stay: true}, c.all())
		for range 4 {
			s.join(crowdLine, swarm.Options{Share: true}, nil)
		}
		s.running.Go(func() {
			clock := time.NewTicker(50 * time.Millisecond)
			defer clock.Stop()
			for !s.covered(s.nodes[1:]) {
				select {
				case <-clock.C:
				case <-s.ctx.Done():
					return
				}
			}
			seed.Leave()
		})
		out := s.together(nil, s.nodes[1:]...)
		t.Logf("%v; the seed sent %.2f copies", out, float64(seed.Uploaded())/float64(len(c.bytes)))
		if copies := float64(seed.Uploaded()) / float64(len(c.bytes)); copies > 1.8 {
			t.Errorf("the seed sent %.2f copies", copies)
		}
	})
}

// covered tells whether the nodes have all pieces among them.
func (s *simulation) covered(nodes []*node) bool {
	union := bitset.New(uint(s.content.NumPieces()))
	for _, n := range nodes {
		n.mu.Lock()
		union.InPlaceUnion(n.have)
		n.mu.Unlock()
	}
	return union.All()
}

// TestPeersThatAreOfNoUse: politeness towards the mirror must not cost more
// than the moment it takes to see that the peers bring nothing.
func TestPeersThatAreOfNoUse(t *testing.T) {
	c := publish(t, 8<<20, 64<<10)
	share := swarm.Options{Share: true}
	little := func() swarm.Options { return swarm.Options{Share: true, LimitUp: rate.NewLimiter(4<<10, 4<<10)} }
	for _, tt := range []struct {
		name  string
		peers func(s *simulation)
		most  float64 // times what the mirror alone takes
	}{
		{"they have nothing", func(s *simulation) {
			s.join(crowdLine, share, nil)
			s.join(crowdLine, share, nil)
		}, 1.15},
		{"they vanish", func(s *simulation) {
			s.join(crowdLine, share, nil).Vanish()
			s.join(crowdLine, share, nil).Vanish()
		}, 1.15},
		// They have everything, and send a little all the time. It takes a few
		// tries, of three seconds each, to be sure that it will not be more.
		{"they trickle", func(s *simulation) {
			s.join(crowdLine, little(), c.all())
			s.join(crowdLine, little(), c.all())
		}, 3.5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := simulate(t, c, 1)
				s.source.Up = 8 * mbit
				o := s.mirror(s.source)
				s.join(crowdLine, share, nil)
				tt.peers(s)
				out := s.together(o, s.nodes[0])
				t.Log(out)
				if out.slowest() > tt.most {
					t.Errorf("%v; want at most %.2f x what the mirror alone takes", out, tt.most)
				}
			})
		})
	}
}

// TestCrawler has everything, and sends a little all the time: the piece that it
// was asked for is not to be waited for while somebody else has nothing to do.
func TestCrawler(t *testing.T) {
	c := publish(t, 8<<20, 1<<20)
	synctest.Test(t, func(t *testing.T) {
		s := simulate(t, c, 1)
		n := s.join(crowdLine, swarm.Options{Share: true}, nil)
		s.join(crowdLine, swarm.Options{Share: true}, c.all())
		s.join(crowdLine, swarm.Options{Share: true, LimitUp: rate.NewLimiter(4<<10, 4<<10)}, c.all())
		s.together(nil, n)
		if n.took > 20*time.Second {
			t.Errorf("it took %v", n.took)
		}
	})
}
