package swarm

import (
	"net"
	"time"
)

// measured is what the system knows of a connection.
type measured struct {
	trip  time.Duration // a round trip, smoothed
	least time.Duration // the shortest so far; 0 if not known
	acked uint64        // bytes that have arrived
	sent  uint64        // bytes on the line, all told

	received uint64        // bytes
	incoming time.Duration // a round trip, as who receives sees it; 0 if not known
}

const (
	segmentBytes = 1448 // of a full segment of TCP
	headBytes    = 66   // of Ethernet, IP and TCP before those
)

// trafficEvery is over which what others do is measured.
const trafficEvery = 500 * time.Millisecond

// traffic measures what others on this machine send or receive through an
// interface of it, where the system counts that: all there is but ours.
type traffic struct {
	address string // of the interface
	device  string // its name; "" if it is not known
	since   time.Duration
	bytes   uint64  // that it had sent then
	before  float64 // bytes a second of others, in the span before
	rate    float64 // in the last
}

// others returns the bytes a second that others have to do with at an address of
// ours, by a counter of its interface and what was ours since this was last asked.
func (t *traffic) others(address string, now time.Duration, counter func(device string) (uint64, bool), mine func() uint64) float64 {
	if address != t.address {
		*t = traffic{address: address, device: deviceOf(address)}
	}
	if t.device == "" || now-t.since < trafficEvery {
		return min(t.rate, t.before)
	}
	bytes, ok := counter(t.device)
	ours := mine()
	if ok && t.bytes > 0 && bytes >= t.bytes {
		span := (now - t.since).Seconds()
		t.before, t.rate = t.rate, max(float64(bytes-t.bytes)-float64(ours), 0)/span
	}
	t.bytes, t.since = bytes, now
	// Some of ours may be counted sooner there than here, or later.
	return min(t.rate, t.before)
}

// sentTo is what our peers were sent from an address since it was last asked.
func sentTo(peers []*Peer, address string) (bytes uint64) {
	for _, p := range peers {
		if localOf(p.stream) != address {
			continue
		}
		if m, ok := measure(p.stream.await.raw); ok {
			bytes += m.sent - p.gentle.sent
			p.gentle.sent = m.sent
		}
	}
	return bytes
}

// deviceOf is the name of the interface that has an address, or "".
func deviceOf(address string) string {
	devices, err := net.Interfaces()
	if err != nil {
		return ""
	}
	for _, d := range devices {
		addrs, err := d.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && n.IP.String() == address {
				return d.Name
			}
		}
	}
	return ""
}
