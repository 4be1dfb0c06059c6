package swarm

import (
	"slices"
	"sync"
	"time"

	"github.com/shoal-dl/shoal/swarm/wire"
)

// requestsMost is how many requests of one peer may wait, however small.
const requestsMost = 1024

// begunKept is how many pieces are known to have begun.
const begunKept = 8

// upload is what one peer has asked of us.
type upload struct {
	turn   *turn
	narrow narrow

	mu    sync.Mutex
	queue []wire.Request // what is left of them, first come first
	bytes int
	begun []int     // the pieces of which parts were taken off the queue last
	asked time.Time // when a request was last queued
	ready readiness
	rate  meter
	sent  int64 // bytes of blocks, as they travelled
}

// takeRequest queues a request, or rejects it.
func (p *Peer) takeRequest(r wire.Request) error {
	now := time.Now()
	if reason := p.refusal(r); reason != 0 {
		return p.say(wire.Reject{ID: r.ID, Reason: reason}.Append)
	}
	u := &p.up
	u.mu.Lock()
	busy := u.bytes+r.Length > window || len(u.queue) == requestsMost
	if !busy {
		u.queue = append(u.queue, r)
		u.bytes += r.Length
		u.asked = now
		u.ready = readiness{}
	}
	u.mu.Unlock()
	if busy {
		return p.say(wire.Reject{ID: r.ID, Reason: wire.RejectBusy}.Append)
	}
	p.swarm.asked.Store(int64(max(now.Sub(p.swarm.began), 1)))
	p.swarm.node.turns.ask(u.turn, now)
	if p.yields() {
		signal(p.swarm.node.upload)
	}
	return nil
}

// refusal is why a request cannot be answered, or 0.
func (p *Peer) refusal(r wire.Request) wire.RejectReason {
	switch s := p.swarm; {
	case !s.shares(p.lan):
		return wire.RejectUnshared
	case !s.has(r.Piece), r.Offset+r.Length > s.manifest.Span(r.Piece).Size:
		return wire.RejectMissing
	}
	return 0
}

// takeCancel drops a request that is still waiting.
func (p *Peer) takeCancel(id uint32) error {
	if !p.cancels.AllowN(time.Now(), 1) || !p.up.forget(id) {
		return nil // it will be answered, or has been
	}
	return p.say(wire.Reject{ID: id, Reason: wire.RejectCancelled}.Append)
}

// takeWithdraw drops the requests for a piece that has not begun to be sent.
func (p *Peer) takeWithdraw(piece int) error {
	if !p.cancels.AllowN(time.Now(), 1) {
		return nil // they will be answered
	}
	ids := p.up.withdraw(piece)
	if len(ids) == 0 {
		return nil
	}
	return p.say(func(frames []byte) []byte {
		for _, id := range ids {
			frames = wire.Reject{ID: id, Reason: wire.RejectCancelled}.Append(frames)
		}
		return frames
	})
}

// withdraw drops all requests for a piece, or none if part of it was taken off the
// queue. It returns their ids.
func (u *upload) withdraw(piece int) (ids []uint32) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if slices.Contains(u.begun, piece) {
		return nil
	}
	u.queue = slices.DeleteFunc(u.queue, func(r wire.Request) bool {
		if r.Piece == piece {
			u.bytes -= r.Length
			ids = append(ids, r.ID)
		}
		return r.Piece == piece
	})
	return ids
}

// noteBegun notes that a part of a piece was taken off the queue. The requests for few
// pieces alternate.
func (u *upload) noteBegun(piece int) {
	if slices.Contains(u.begun, piece) {
		return
	}
	if len(u.begun) == begunKept {
		u.begun = slices.Delete(u.begun, 0, 1)
	}
	u.begun = append(u.begun, piece)
}

// forget drops what is left of a request, and tells whether there was anything.
func (u *upload) forget(id uint32) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	i := slices.IndexFunc(u.queue, func(r wire.Request) bool { return r.ID == id })
	if i < 0 {
		return false
	}
	u.bytes -= u.queue[i].Length
	u.queue = slices.Delete(u.queue, i, i+1)
	return true
}

// run is a range of a piece that is sent at once, and the requests it answers.
type run struct {
	piece, offset, size int
	parts               []wire.Data
}

// first is the requests that come next and can be answered by one read, of most bytes
// at most, and in DATA of block bytes at most. They stay in the queue until begun.
func (u *upload) first(most, block int) (r run) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, q := range u.queue {
		if r.size == 0 {
			r.piece, r.offset = q.Piece, q.Offset
		}
		n := min(q.Length, block)
		if q.Piece != r.piece || q.Offset != r.offset+r.size || r.size > 0 && r.size+n > most {
			break
		}
		r.parts = append(r.parts, wire.Data{ID: q.ID, Offset: q.Offset, Size: n})
		r.size += n
		if n < q.Length {
			break
		}
	}
	return r
}

// begin takes a part of a request off the queue, and tells whether it is still there: it
// may have been cancelled since.
func (u *upload) begin(d wire.Data) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	i := slices.IndexFunc(u.queue, func(r wire.Request) bool { return r.ID == d.ID && r.Offset == d.Offset })
	if i < 0 {
		return false
	}
	q := &u.queue[i]
	q.Offset += d.Size
	q.Length -= d.Size
	u.bytes -= d.Size
	u.noteBegun(q.Piece)
	if q.Length == 0 {
		u.queue = slices.Delete(u.queue, i, i+1)
	}
	return true
}

// waiting tells whether there is anything to answer.
func (u *upload) waiting() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.queue) > 0
}

// serve answers some requests if it is the peer's turn. It tells whether it might
// go on at once.
func (p *Peer) serve() (more bool, err error) {
	turns, u := p.swarm.node.turns, &p.up
	most := turns.allowance(u.turn, time.Now())
	if most == 0 {
		return false, nil
	}
	// If nothing is left, it is for send to find out.
	left := max(p.swarm.node.left(), 1)
	r := u.first(min(most, quantum, left), min(turns.block(u.turn), left))
	if r.size == 0 {
		turns.done(u.turn, time.Now())
		signal(p.swarm.node.free)
		if u.waiting() { // it came in between
			turns.ask(u.turn, time.Now())
		}
		return false, nil
	}
	n, err := p.send(r)
	turns.spent(u.turn, n, time.Now())
	return true, err
}

// send reads a run from our disk and sends it. It returns the bytes that travel.
func (p *Peer) send(r run) (sent int, err error) {
	s := p.swarm
	if !s.shares(p.lan) || !s.node.spend(r.size, p.lan) {
		return 0, p.reject(r, wire.RejectUnshared)
	}
	defer func() {
		s.node.unspend(r.size-sent, p.lan)
		if all, enough := s.uploaded.Add(int64(sent)), s.enough.Load(); enough > 0 && all >= enough {
			signal(s.sated)
		}
		if p.lan {
			s.toLAN.Add(int64(sent))
		}
		p.up.count(sent)
	}()
	buf := s.node.runs.get()
	defer s.node.runs.put(buf)
	block := (*buf)[:r.size]
	if err := s.read(r.piece, int64(r.offset), block); err != nil {
		s.node.options.Verbose("cannot serve piece %d: %v", r.piece, err)
		return 0, p.reject(r, wire.RejectFailed)
	}
	for _, d := range r.parts {
		if p.up.begin(d) {
			n, err := p.sendBlock(d, block[:d.Size])
			if err != nil {
				return sent, err
			}
			sent += n
		}
		block = block[d.Size:]
	}
	// Now, lest they go out in the turn of somebody else.
	return sent, p.conn.Flush()
}

// reject rejects what cannot be sent.
func (p *Peer) reject(r run, reason wire.RejectReason) error {
	for _, d := range r.parts {
		if !p.up.forget(d.ID) {
			continue // it was cancelled, and is answered
		}
		if err := p.say(wire.Reject{ID: d.ID, Reason: reason}.Append); err != nil {
			return err
		}
	}
	return nil
}

// pace is how many bytes a second are sent, and how many were in all.
func (u *upload) pace(now time.Time) (perSecond float64, sent int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.rate.add(0, now)
	return u.rate.rate, u.sent
}

// idle is how long nothing has been asked for; 0 while something waits.
func (u *upload) idle(now time.Time) time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.queue) > 0 {
		return 0
	}
	return now.Sub(u.asked)
}

// count counts bytes that were sent.
func (u *upload) count(n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.rate.add(n, time.Now())
	u.sent += int64(n)
}
