package dht

import (
	"context"
	"net/netip"
	"sync"

	"github.com/anacrolix/dht/v2/krpc"
)

// Reach is how far a look into the DHT went.
type Reach struct {
	IPv4, IPv6 int          // nodes that answered, in each family
	External   []netip.Addr // where they see us, if enough of them agree
}

// Probe looks into the DHT: it asks the first nodes, and those that they name,
// for nodes near to a place of no meaning. Nothing is announced. It ends with
// ctx at the latest, and then returns what there was until then; the sockets are
// closed, whatever happens.
func Probe(ctx context.Context, o Options) (Reach, error) {
	o.AskOnly = true
	d, err := New(o)
	if err != nil {
		return Reach{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var looking, pinging sync.WaitGroup
	for _, f := range d.families {
		pinging.Go(func() { f.pingOffers(ctx) })
		looking.Go(func() { f.reach(ctx) })
	}
	looking.Wait()
	cancel()
	pinging.Wait()
	var r Reach
	for _, f := range d.families {
		if n := len(f.good()); f.network == "ip4" {
			r.IPv4 = n
		} else {
			r.IPv6 = n
		}
		f.close()
	}
	r.External = d.External()
	d.save()
	return r, nil
}

// reach looks for nodes in one family. Where the first nodes are silent it does
// not wait for those that the other family may learn of.
func (f *family) reach(ctx context.Context) {
	if f.contact(ctx) == 0 {
		return
	}
	target := krpc.RandomNodeID()
	f.lookUp(ctx, target, func(netip.AddrPort) bool { return true })
}
