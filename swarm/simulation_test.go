package swarm_test

import (
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-dl/shoal/swarm"
	"github.com/shoal-dl/shoal/swarm/swarmtest"
)

const mbit = 1e6 / 8

func env(name string, def float64) float64 {
	if v, err := strconv.ParseFloat(os.Getenv(name), 64); err == nil {
		return v
	}
	return def
}

func TestExperiment(t *testing.T) {
	nodes, mib, scale, piece := int(env("N", 10)), env("MIB", 16), env("SCALE", 0.25), env("PIECE", 64)
	rtt := time.Duration(env("RTT", 40)) * time.Millisecond
	c := publish(t, int(mib*(1<<20)), int64(piece)<<10)
	us, ui, di := 50*mbit*scale, 50*mbit*scale, 100*mbit*scale
	for seed := range uint64(env("SEEDS", 1)) {
		synctest.Test(t, func(t *testing.T) {
			s := simulate(t, c, seed)
			o := s.mirror(swarmtest.Line{Up: us, Delay: rtt / 4})
			for range nodes {
				s.join(swarmtest.Line{Up: ui, Down: di, Delay: rtt / 4}, swarm.Options{Share: true}, nil)
			}
			var fetching sync.WaitGroup
			for _, n := range s.nodes {
				fetching.Go(func() { n.fetch(t.Context(), o) })
			}
			done := make(chan struct{})
			if env("TRACE", 0) > 0 {
				go s.trace(done, us, ui)
			}
			began := time.Now()
			fetching.Wait()
			_ = began
			close(done)
			f := float64(len(c.bytes))
			bound := max(f/us, f/di, float64(nodes)*f/(us+float64(nodes)*ui))
			out := outcome{bound: time.Duration(bound * 1e9), copies: float64(o.Sent()) / f}
			var up, wasted int64
			for _, n := range s.nodes {
				if n.err != nil {
					t.Error(n.err)
				}
				out.times = append(out.times, n.took)
				up += n.Uploaded()
				wasted += n.gauges.Wasted.Load()
			}
			t.Logf("seed %d: %v; uploaded %.2f copies, wasted %.2f", seed, out, float64(up)/f/float64(nodes), float64(wasted)/f/float64(nodes))
		})
	}
}

// trace prints every half second.
func (s *simulation) trace(done chan struct{}, us, ui float64) {
	clock := time.NewTicker(500 * time.Millisecond)
	defer clock.Stop()
	began := time.Now()
	var o0, u0 int64
	for {
		select {
		case <-done:
			return
		case <-clock.C:
		}
		var u, d, conns int64
		least, peers, finished := int64(1<<62), 1<<30, 0
		for _, n := range s.nodes {
			u += n.Sent()
			x := n.gauges.Done.Load()
			d += x
			conns += int64(n.gauges.Connections.Load())
			least = min(least, x)
			peers = min(peers, n.Stats().Peers)
			if x == int64(len(s.content.bytes)) {
				finished++
			}
		}
		o := s.origin.Sent()
		nn := float64(len(s.nodes))
		union := s.nodes[0].have.Clone()
		for _, n := range s.nodes {
			n.mu.Lock()
			union.InPlaceUnion(n.have)
			n.mu.Unlock()
		}
		s.Logf("%5.1f avg %.3f min %.3f union %.3f origin %.2f uplinks %.2f peers>=%d conns %d done %d", time.Since(began).Seconds(),
			float64(d)/nn/float64(len(s.content.bytes)), float64(least)/float64(len(s.content.bytes)),
			float64(union.Count())/float64(s.content.NumPieces()),
			float64(o-o0)/us*2, float64(u-u0)/ui/nn*2, peers, conns, finished)
		o0, u0 = o, u
	}
}
