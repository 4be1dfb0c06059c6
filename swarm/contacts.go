package swarm

import (
	"slices"

	"github.com/shoal-dl/shoal/swarm/discovery/lan"
	"github.com/shoal-dl/shoal/verify"
)

// Contact is somebody to whom packets would go.
type Contact struct {
	Host string // HOST:PORT, or what stands for those that nobody can name yet
	Kind string // peer, dht or lan
	Why  string
}

// Contacts is everybody whom a node with these options would contact first for
// the sake of that manifest, and what would lead it to others. It sends nothing.
func Contacts(o Options, m *verify.Manifest) []Contact {
	var all []Contact
	add := func(kind, why string, hosts ...string) {
		for _, h := range hosts {
			all = append(all, Contact{h, kind, why})
		}
	}
	add("peer", "a peer that the manifest lists", m.Peers...)
	add("peer", "a peer that you named", o.Peers...)
	if o.DHT && slices.Contains(m.Discovery, verify.DiscoveryDHT) {
		all = append(all, dhtContacts(o, m)...)
	}
	if o.LAN && slices.Contains(m.Discovery, verify.DiscoveryLAN) {
		add("lan", "multicast to the local network, which the manifest lets find peers", lan.Groups()...)
	}
	if len(all) > 0 {
		add("peer", "whom the peers, the DHT or the local network name as having this content", "other peers")
	}
	return all
}

func dhtContacts(o Options, m *verify.Manifest) []Contact {
	var all []Contact
	for _, h := range m.Bootstrap {
		all = append(all, Contact{h, "dht", "a first node of the DHT that the manifest lists"})
	}
	why := "a public first node of the DHT, asked when no other answers"
	if len(o.DHTBootstrap) > 0 {
		why = "a first node of the DHT that you named"
	}
	d := o.joinWith(m.Bootstrap)
	for _, h := range d.Routers {
		all = append(all, Contact{h, "dht", why})
	}
	for _, h := range d.Cached() {
		all = append(all, Contact{h.String(), "dht", "a node of the DHT that answered an earlier run"})
	}
	return append(all, Contact{"other nodes", "dht", "whom the nodes of the DHT name"})
}
