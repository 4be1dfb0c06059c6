package swarm

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/shoal-dl/shoal/swarm/discovery"
	"github.com/shoal-dl/shoal/swarm/discovery/dht"
	"github.com/shoal-dl/shoal/swarm/discovery/lan"
	"github.com/shoal-dl/shoal/swarm/wire"
	"github.com/shoal-dl/shoal/swarm/yield"
)

// Node is this process as others see it: one port, any number of contents.
type Node struct {
	options  Options
	running  running // if Open was called
	sockets  sockets
	endpoint *wire.Endpoint
	turns    *turns
	gate     gate
	dials    *rate.Limiter
	blocks   pool // for those that come in
	runs     pool // of blocks, for those that go out

	maxUpload atomic.Int64  // bytes; 0 means no end
	uploaded  atomic.Int64  // bytes of blocks, and those on their way out
	exhausted chan struct{} // closed when MaxUpload is reached
	exhaust   func()

	joined chan struct{} // capacity 1: there are waiting swarms
	rule   sync.Once     // starts what looks after the rules
	upload chan struct{} // capacity 1: somebody who is yielded for has asked for something
	free   chan struct{} // capacity 1: there may be somebody to tell that we are ready

	admitting sync.Mutex // held before any swarm's mu: neighbours are counted, and become more

	mu      sync.Mutex
	ruled   chan struct{} // closed and replaced when mayShare may have changed
	waiting []*Swarm      // joined and not yet started
	swarms  []*Swarm      // running
	ended   bool

	// Both are made by Run for the first content that may use them.
	dht *dht.DHT
	lan *lan.LAN
}

// New opens the sockets at once, and sends nothing. Its errors are local, such
// as a port that is in use. Run must be called: it alone closes the sockets.
func New(o Options) (*Node, error) {
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Verbose == nil {
		o.Verbose = func(string, ...any) {}
	}
	s, err := openSockets(&o)
	if err != nil {
		return nil, err
	}
	endpoint, err := wire.NewEndpoint(s.port)
	if err != nil {
		s.close()
		return nil, fmt.Errorf("make node: %w", err)
	}
	n := &Node{
		options: o, sockets: s, endpoint: endpoint,
		turns:     newTurns(o.LimitUp),
		dials:     discovery.NewDials(),
		blocks:    pool{size: wire.MaxBlock},
		runs:      pool{size: quantum},
		exhausted: make(chan struct{}),
		joined:    make(chan struct{}, 1),
		ruled:     make(chan struct{}),
		upload:    make(chan struct{}, 1),
		free:      make(chan struct{}, 1),
	}
	n.turns.yield(yield.First)
	n.maxUpload.Store(o.MaxUpload)
	n.exhaust = sync.OnceFunc(func() { close(n.exhausted); n.change() })
	return n, nil
}

// Port is the TCP port at which peers are accepted, 0 if they are not.
func (n *Node) Port() uint16 { return n.sockets.port }

// Run does everything, until ctx ends. It returns when all goroutines of the
// node and its swarms have ended and the sockets are closed, with the cause of
// ctx's end.
func (n *Node) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var running sync.WaitGroup
	n.startWaiting(ctx, &running) // before anybody can come who wants it
	if l := n.sockets.tcp; l != nil {
		running.Go(func() { n.accept(ctx, l) })
	}
	running.Go(func() { n.watchTurns(ctx) })
	running.Go(func() { n.watchLine(ctx) })
	running.Go(func() { n.tellReady(ctx) })
	for ctx.Err() == nil {
		select {
		case <-n.joined:
			n.startWaiting(ctx, &running)
		case <-ctx.Done():
		}
	}
	n.end()
	n.sockets.close()
	running.Wait()
	n.turns.close()
	return context.Cause(ctx)
}

// Join enters the swarm of a content, which must not be joined already. It may
// be called before Run and at any time after.
func (n *Node) Join(c Content) *Swarm {
	s := newSwarm(n, c)
	n.mu.Lock()
	if n.ended {
		close(s.ended)
	} else {
		n.waiting = append(n.waiting, s)
	}
	n.mu.Unlock()
	signal(n.joined)
	return s
}

// startWaiting starts the swarms that were joined.
func (n *Node) startWaiting(ctx context.Context, running *sync.WaitGroup) {
	for s := n.firstWaiting(); s != nil; s = n.firstWaiting() {
		n.discover(ctx, s, running) // before anybody can come who looks at what it makes
		if !n.start(s) {
			continue
		}
		if s.serves {
			n.rule.Do(func() { n.obey(ctx, running) })
		}
		running.Go(func() { n.run(ctx, s) })
	}
}

// firstWaiting returns the swarm to be started next, or nil.
func (n *Node) firstWaiting() *Swarm {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.waiting) == 0 {
		return nil
	}
	return n.waiting[0]
}

// start makes a waiting swarm one of those that are running, unless it was
// forgotten meanwhile.
func (n *Node) start(s *Swarm) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.unqueue(s) {
		return false
	}
	n.swarms = append(n.swarms, s)
	return true
}

// unqueue takes a swarm from those that wait to be started, and tells whether it was
// among them. The caller holds n.mu.
func (n *Node) unqueue(s *Swarm) bool {
	i := slices.Index(n.waiting, s)
	if i >= 0 {
		n.waiting = slices.Delete(n.waiting, i, i+1)
	}
	return i >= 0
}

// run runs a swarm until it is left.
func (n *Node) run(ctx context.Context, s *Swarm) {
	s.run(ctx)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.swarms = slices.DeleteFunc(n.swarms, func(o *Swarm) bool { return o == s })
}

// end leaves nothing to be started.
func (n *Node) end() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ended = true
	for _, s := range n.waiting {
		close(s.ended)
	}
	n.waiting = nil
}

// forget drops a swarm that was never started, and tells whether it was so.
func (n *Node) forget(s *Swarm) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.unqueue(s) {
		return false
	}
	close(s.ended)
	return true
}

// each calls f with all running swarms.
func (n *Node) each(f func(*Swarm)) {
	n.mu.Lock()
	all := slices.Clone(n.swarms)
	n.mu.Unlock()
	for _, s := range all {
		f(s)
	}
}

// SetMaxUpload changes after how many bytes sharing ends; 0 means never. What
// has ended does not begin again.
func (n *Node) SetMaxUpload(bytes int64) { n.maxUpload.Store(bytes) }

// watchTurns keeps who takes nothing from holding up the others.
func (n *Node) watchTurns(ctx context.Context) {
	clock := time.NewTicker(time.Second)
	defer clock.Stop()
	for {
		select {
		case now := <-clock.C:
			n.turns.watch(now)
		case <-ctx.Done():
			return
		}
	}
}

// signal wakes whoever receives from a channel of capacity 1.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
