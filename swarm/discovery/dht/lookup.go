package dht

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	mainline "github.com/anacrolix/dht/v2"
	nearest "github.com/anacrolix/dht/v2/k-nearest-nodes"
	"github.com/anacrolix/dht/v2/krpc"
	"github.com/anacrolix/dht/v2/traversal"
	"github.com/anacrolix/dht/v2/types"

	"github.com/shoal-dl/shoal/swarm/discovery"
)

const (
	// alpha is how many nodes a traversal asks at once. With a third of them
	// dead and 0.8 s lost on each, the usual 3 make it a matter of seconds.
	alpha = 8
	// maxQueries and maxTraversal bound a traversal that a liar leads on.
	maxQueries   = 300
	maxTraversal = 30 * time.Second
	// maxValues bounds the peers taken from one answer.
	maxValues = 200
)

// query asks one node, for a traversal.
type query func(ctx context.Context, node krpc.NodeAddr) mainline.QueryResult

// traverse asks nodes ever nearer to target, until the nearest eight have
// answered or ctx ends, and returns those and how many answered in all, not
// counting ourselves: a private DHT's first node may know no other.
func (f *family) traverse(ctx context.Context, target krpc.ID, ask query) (*nearest.Type, int) {
	ctx, cancel := context.WithTimeout(ctx, maxTraversal)
	defer cancel()
	var asked, answers atomic.Int32
	op := traversal.Start(traversal.OperationInput{
		Target:     target,
		Alpha:      alpha,
		NodeFilter: f.mayAsk,
		DataFilter: func(token any) bool { _, ok := token.(string); return ok },
		DoQuery: func(opCtx context.Context, node krpc.NodeAddr) traversal.QueryResult {
			if asked.Add(1) > maxQueries {
				cancel()
				return traversal.QueryResult{}
			}
			res := ask(opCtx, node)
			if r := res.Reply.R; r != nil && r.ID != f.server.ID() {
				answers.Add(1)
				f.share(r)
			}
			return res.TraversalQueryResult(node)
		},
	})
	defer context.AfterFunc(ctx, op.Stop)()
	op.AddNodes(f.known(target))
	<-op.Stalled() // or stopped
	op.Stop()
	<-op.Stopped()
	return op.Closest(), int(answers.Load())
}

// mayAsk tells whether a traversal may ask a node.
func (f *family) mayAsk(n types.AddrMaybeId) bool {
	return f.usable(n.Addr.AddrPort) && f.server.TraversalNodeFilter(n)
}

// share gives the other address family's node the nodes named in an answer,
// as long as it knows nobody.
func (f *family) share(r *krpc.Return) {
	if f.other == nil {
		return
	}
	select {
	case <-f.other.first:
	default:
		r.ForAllNodes(func(n krpc.NodeInfo) { f.other.offer(n.Addr.ToNodeAddrPort().AddrPort) })
	}
}

// known is the nodes to begin a traversal with: the nearest of the routing
// table, and those that answered last, which need not be in it.
func (f *family) known(target krpc.ID) []types.AddrMaybeId {
	table, _ := f.server.TraversalStartingNodes() // its only error is that there are none
	slices.SortFunc(table, func(a, b types.AddrMaybeId) int {
		return cmp.Or(
			a.Id.Value.Distance(target.Int160()).Cmp(b.Id.Value.Distance(target.Int160())),
			a.Addr.Compare(b.Addr),
		)
	})
	nodes := slices.Clip(table[:min(len(table), maxTableUsed)])
	good := f.good()
	for _, addr := range good[:min(len(good), alpha)] {
		if !slices.ContainsFunc(nodes, func(n types.AddrMaybeId) bool { return n.Addr.AddrPort == addr }) {
			// Without its id, because the library would refuse a public
			// router's, which seldom matches its address.
			nodes = append(nodes, types.AddrMaybeId{Addr: krpc.NodeAddrPort{AddrPort: addr}})
		}
	}
	return nodes
}

// lookUp asks the nodes nearest to infohash for its peers, and passes those to
// found as they come, until that returns false. It returns the nearest nodes
// that may be announced to, and how many answered in all.
func (f *family) lookUp(ctx context.Context, infohash krpc.ID, found func(netip.AddrPort) bool) (*nearest.Type, int) {
	var mu sync.Mutex
	var thin discovery.Thin
	pass := func(addr netip.AddrPort) bool {
		mu.Lock()
		defer mu.Unlock()
		return thin.Pass(addr.Addr())
	}
	return f.traverse(ctx, infohash, func(opCtx context.Context, node krpc.NodeAddr) mainline.QueryResult {
		res := f.getPeers(opCtx, node, infohash)
		if r := res.Reply.R; r != nil {
			for _, v := range r.Values[:min(len(r.Values), maxValues)] {
				if addr := v.ToNodeAddrPort().AddrPort; pass(addr) && !found(addr) {
					break
				}
			}
		}
		return res
	})
}

// getPeers asks a node for the peers of infohash.
func (f *family) getPeers(ctx context.Context, node krpc.NodeAddr, infohash krpc.ID) mainline.QueryResult {
	return f.ask(ctx, node, "get_peers", krpc.MsgArgs{InfoHash: infohash, Want: bothFamilies()})
}

// announcement is that we serve infohash at port.
type announcement struct {
	infohash krpc.ID
	port     int
	taken    atomic.Int32
	telling  sync.WaitGroup
	told     sync.Map // of krpc.NodeAddrPort
}

// tell announces to a node, once.
func (a *announcement) tell(ctx context.Context, f *family, node krpc.NodeAddr, token string) {
	if _, told := a.told.LoadOrStore(node.ToNodeAddrPort(), nil); told {
		return
	}
	a.telling.Go(func() {
		res := f.ask(ctx, node, "announce_peer", krpc.MsgArgs{InfoHash: a.infohash, Port: &a.port, Token: token})
		if res.ToError() == nil {
			a.taken.Add(1)
		}
	})
}

// announce tells the nodes nearest to infohash that we serve it at port, and
// returns how many took it, and how many nodes answered at all. In a private DHT
// every node is told that answers, at once: there are few, whoever looks us up asks
// them all, and those that are gone hold up the end of the traversal.
func (f *family) announce(ctx context.Context, infohash krpc.ID, port uint16) (taken, answers int) {
	a := announcement{infohash: infohash, port: int(port)}
	closest, answers := f.traverse(ctx, infohash, func(opCtx context.Context, node krpc.NodeAddr) mainline.QueryResult {
		res := f.getPeers(opCtx, node, infohash)
		if r := res.Reply.R; r != nil && r.Token != nil && f.private {
			a.tell(ctx, f, node, *r.Token)
		}
		return res
	})
	closest.Range(func(e nearest.Elem) {
		token, _ := e.Data.(string) // traverse keeps no others
		a.tell(ctx, f, e.Addr.ToNodeAddr(), token)
	})
	a.telling.Wait()
	return int(a.taken.Load()), answers
}

// bootstrap asks the nodes nearest to our own id for more of them, so that
// they know us and we them.
func (f *family) bootstrap(ctx context.Context) {
	self := krpc.ID(f.server.ID())
	f.traverse(ctx, self, func(opCtx context.Context, node krpc.NodeAddr) mainline.QueryResult {
		return f.ask(opCtx, node, "find_node", krpc.MsgArgs{Target: self, Want: bothFamilies()})
	})
}
