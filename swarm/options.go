// Package swarm is about other people: discovery, handshake, wire, serving.
//
// A Node is this process among them. Each content it joins is a Swarm, whose
// neighbours are Peers: from a Peer pieces can be had, and it is served the
// pieces that are proven here. What is asked of whom is decided elsewhere.
package swarm

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/bits-and-blooms/bitset"
	"golang.org/x/time/rate"

	"github.com/shoal-dl/shoal/swarm/quota"
	"github.com/shoal-dl/shoal/verify"
)

// Options are what the user allows and wants. They are not changed after New.
type Options struct {
	Listen string // HOST:PORT for TCP, and for UDP if there is a DHT; port 0 picks one
	Share  bool   // false: never serve, never announce, listen to nobody

	// DHT and LAN say that the user lets them be used, for contents whose
	// publisher does too.
	DHT, LAN     bool
	DHTBootstrap []string // HOST:PORT of first nodes; none means the public routers
	DHTPrivate   bool     // a DHT of one's own, where private and loopback addresses count
	Stay         bool     // this is a seed: it runs for long, and serves even what only listed peers may

	Peers   []string      // HOST:PORT, the user's
	Timeout time.Duration // without a byte that was asked for; 0 means 15 s

	Background         *Background   // nil: what comes makes way for nobody
	LimitUp, LimitDown *rate.Limiter // bytes a second, which may be changed at any time; nil means none
	MaxUpload          int64         // bytes after which sharing ends; 0 means never. See Node.SetMaxUpload

	Quota   *quota.Keeper       // the user's rules, which Run lets run once something is shared; nil means none
	Sharing func(quota.Verdict) // is told what the rules say whenever that changes; nil for nobody

	Cache   string // folder for what the DHT keeps; "" means none
	Client  string // the program's name and version, as peers see it
	Verbose func(format string, args ...any)

	// Listener and Dial replace the operating system's TCP; Listener makes
	// Listen unused. For networks in memory.
	Listener net.Listener
	Dial     func(ctx context.Context, addr netip.AddrPort) (net.Conn, error)

	far bool // loopback counts as far away, for tests
	// lookUp replaces DNS, for tests.
	lookUp func(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Content is what a swarm is about.
type Content struct {
	Manifest *verify.Manifest
	Have     *bitset.BitSet // pieces proven and stored here; nil means none

	// Read reads len(buf) bytes at off of a piece that is proven and stored.
	// It is called by several goroutines at once. An error is a failing of
	// ours, which no peer is blamed for. Nil means that nothing is kept.
	Read func(piece int, off int64, buf []byte) error

	Peers []string // HOST:PORT, more of the user's
}

const (
	defaultTimeout = 15 * time.Second
	window         = 4 << 20 // bytes a peer may ask ahead, from DESIGN section 6

	neighboursWanted = 40  // dialled for
	neighboursMost   = 60  // accepted
	neighboursInAll  = 200 // of all contents together
	neighboursOfHost = 4   // accepted from one public host
	neighboursOfSeed = 4   // dialled for by who needs nothing, so as to be known to somebody
)
