package swarm

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/shoal-dl/shoal/swarm/wire"
)

const (
	fewestAhead = 8 * wire.MaxBlock      // bytes asked ahead at least
	extraAhead  = 250 * time.Millisecond // beyond two round trips, from DESIGN section 5
)

// download is what we ask of one peer: the leases under way, and their requests.
type download struct {
	mu       sync.Mutex
	err      error // nil while requests can be made
	window   int   // bytes that may be asked ahead
	leases   []*bringing
	requests map[uint32]*request // each until it has ended, cancelled ones too
	nextID   uint32
	ahead    int // bytes of requests
	rate     meter
	received int64     // bytes of blocks
	moved    time.Time // when a block came, or the first request was made

	rtt       time.Duration // the shortest seen; 0 while unknown
	pingNonce uint64
	pinged    time.Duration // the stream's age then
}

// bringing is a lease under way. download.mu guards all of it.
type bringing struct {
	left      []int              // pieces there is no memory for yet
	parts     []*part            // those there is, in the order of the lease
	begun     bool               // the first bytes are about to come, or have come
	told      bool               // its owner knows that
	received  int                // bytes its owner has not been told of
	reported  time.Time          // when it was
	err       error              // why it cannot go on
	wake      chan struct{}      // capacity 1, for its owner
	interrupt context.CancelFunc // ends the owner's waiting for memory; nil unless it does
}

// part is a piece being put together.
type part struct {
	piece int
	buf   []byte
	asked int // bytes from the front that are requested
	got   int // bytes that have come
}

// request is a block that was asked for.
type request struct {
	lease  *bringing // nil when it was cancelled
	part   *part
	piece  int
	offset int // of the next byte, in the piece
	left   int // bytes still to come
}

// open tells how many bytes the peer lets us ask ahead.
func (d *download) open(window int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.window = window
}

// end tells that no request can be made or answered any more.
func (d *download) end(cause error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = &Error{Lasting: true, Err: cause}
	for _, l := range d.leases {
		l.fail(d.err)
	}
}

// fail ends a lease with err, unless it has ended.
func (l *bringing) fail(err error) {
	if l.err == nil {
		l.err = err
	}
	l.rouse()
}

// rouse makes the owner look at the lease.
func (l *bringing) rouse() {
	signal(l.wake)
	if l.interrupt != nil {
		l.interrupt()
	}
}

// target is how many bytes should be asked ahead: what the peer sends in two
// round trips and a quarter of a second, so that its pipe never runs dry.
func (d *download) target() int {
	want := int(d.rate.rate * (2*d.rtt + extraAhead).Seconds())
	return min(max(want, fewestAhead), max(d.window, wire.MaxBlock))
}

// hungry tells whether more should be asked for. It is slow to say so, that
// requests go out several at a time.
func (d *download) hungry() bool { return d.ahead <= d.target()*3/4 }

// ask appends requests, as many as should be under way.
func (d *download) ask(frames []byte, now time.Time) []byte {
	target := d.target()
	for _, l := range d.leases {
		for _, p := range l.parts {
			for p.asked < len(p.buf) && l.err == nil {
				n := min(wire.MaxBlock, len(p.buf)-p.asked)
				if d.ahead+n > target && d.ahead > 0 {
					return frames
				}
				frames = d.request(l, p, n, now).Append(frames)
			}
		}
	}
	return frames
}

// request makes the request for the next n bytes of a part.
func (d *download) request(l *bringing, p *part, n int, now time.Time) wire.Request {
	for d.requests[d.nextID] != nil {
		d.nextID++
	}
	r := wire.Request{ID: d.nextID, Piece: p.piece, Offset: p.asked, Length: n}
	d.nextID++
	d.requests[r.ID] = &request{lease: l, part: p, piece: p.piece, offset: p.asked, left: n}
	if d.ahead == 0 {
		d.moved = now
		d.rate.start(now)
	}
	d.ahead += n
	p.asked += n
	return r
}

// settle takes n bytes off a request, all of them or what one DATA brought.
func (d *download) settle(id uint32, r *request, n int, now time.Time) {
	r.offset += n
	r.left -= n
	d.ahead -= n
	if r.left == 0 {
		delete(d.requests, id)
	}
	if d.ahead == 0 {
		d.rate.stop(now)
	}
}

// unasked tells whether any part waits to be requested.
func (d *download) unasked() bool {
	for _, l := range d.leases {
		if l.unasked() {
			return true
		}
	}
	return false
}

// leaseOf is the last lease that has a piece still to bring, nil if none has, and whether
// any block of it was asked for.
func (d *download) leaseOf(piece int) (l *bringing, asked bool) {
	for _, l := range slices.Backward(d.leases) {
		if slices.Contains(l.left, piece) {
			return l, false
		}
		if i := slices.IndexFunc(l.parts, func(p *part) bool { return p.piece == piece }); i >= 0 {
			return l, l.parts[i].asked > 0
		}
	}
	return nil, false
}

func (l *bringing) unasked() bool {
	n := len(l.parts)
	return n > 0 && l.parts[n-1].asked < len(l.parts[n-1].buf)
}

// pace is how many bytes a second come, and how many came in all.
func (d *download) pace(now time.Time) (perSecond float64, received int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ahead == 0 {
		return 0, d.received
	}
	d.rate.add(0, now)
	return d.rate.rate, d.received
}

// overdue is how long no block has come although some were asked for; 0 if none were.
func (d *download) overdue(now time.Time) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ahead == 0 {
		return 0
	}
	return now.Sub(d.moved)
}

// idle is how long no block has come, and none was asked for anew.
func (d *download) idle(now time.Time) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return now.Sub(d.moved)
}

// unanswered is how long the last PING has waited for its answer, 0 if it has come.
func (d *download) unanswered(age time.Duration) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pinged == 0 {
		return 0
	}
	return age - d.pinged
}

// ping returns the nonce of a PING that is sent now.
func (d *download) ping(age time.Duration) uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pingNonce, d.pinged = rand.Uint64(), age
	return d.pingNonce
}

// pong takes the answer to it. The shortest round trip ever is what counts: the
// others had blocks before them in the queue. It returns the trip, 0 if it is none.
func (d *download) pong(nonce uint64, age time.Duration) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if nonce != d.pingNonce || d.pinged == 0 {
		return 0
	}
	trip := max(age-d.pinged, 1)
	if d.rtt == 0 || trip < d.rtt {
		d.rtt = trip
	}
	d.pinged = 0
	return trip
}
