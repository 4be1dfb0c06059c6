package fetch

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/shoal-dl/shoal/verify"
)

// streamBytes is how much a Stream holds back for pieces that come early.
const streamBytes = 12 << 20

// Stream is a Store that writes the content, in order, to a writer that cannot
// seek, such as standard output. It holds a bounded number of pieces that came
// before their turn.
type Stream struct {
	w      io.Writer
	pieces int
	most   int
	moved  chan struct{}
	ended  chan struct{} // closed when the writer has nothing more to do

	mu      sync.Mutex
	changed *sync.Cond     // what follows did
	early   map[int][]byte // proven, not yet written
	spare   [][]byte
	next    int   // the piece to be written next
	err     error // the first write error
	stop    bool
}

var _ Windowed = (*Stream)(nil)

// NewStream returns a Stream of m's content into w. Close must be called.
func NewStream(m *verify.Manifest, w io.Writer) *Stream {
	s := &Stream{
		w: w, pieces: m.NumPieces(), most: max(int(streamBytes/m.PieceSize), 2),
		moved: make(chan struct{}, 1), ended: make(chan struct{}),
		early: map[int][]byte{},
	}
	s.changed = sync.NewCond(&s.mu)
	go s.write()
	return s
}

// Put takes a copy of the piece. It never waits for the writer, and returns the
// writer's error if there was one.
func (s *Stream) Put(p verify.Piece) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	i := p.Index()
	if i < s.next || s.early[i] != nil {
		return nil // the second in a race
	}
	if i >= s.next+s.most {
		return fmt.Errorf("stream piece %d: beyond the window at %d", i, s.next)
	}
	var buf []byte
	if n := len(s.spare); n > 0 {
		buf, s.spare = s.spare[n-1], s.spare[:n-1]
	}
	s.early[i] = append(buf[:0], p.Data()...)
	s.changed.Broadcast()
	return nil
}

// Window implements Windowed.
func (s *Stream) Window() (end, most int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next + s.most, s.most, s.err
}

// Moved implements Windowed.
func (s *Stream) Moved() <-chan struct{} { return s.moved }

// Await implements Windowed.
func (s *Stream) Await(ctx context.Context, piece int) error {
	defer context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.changed.Broadcast()
	})()
	s.mu.Lock()
	defer s.mu.Unlock()
	for ctx.Err() == nil && s.err == nil && piece >= s.next+s.most {
		s.changed.Wait()
	}
	return ctx.Err()
}

// Finish waits until everything is written and returns the first write error,
// or the cause with which ctx ended.
func (s *Stream) Finish(ctx context.Context) error {
	select {
	case <-s.ended:
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Close ends the stream. It does not wait for a write under way: nothing
// can interrupt one into a pipe that nobody reads.
func (s *Stream) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop = true
	s.changed.Broadcast()
}

func (s *Stream) write() {
	defer close(s.ended)
	for buf := s.take(); buf != nil; buf = s.take() {
		_, err := s.w.Write(buf)
		s.wrote(buf, err)
	}
}

// take waits for the piece whose turn it is; nil when there is no more to do.
func (s *Stream) take() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.stop && s.err == nil && s.next < s.pieces && s.early[s.next] == nil {
		s.changed.Wait()
	}
	if s.stop || s.err != nil || s.next == s.pieces {
		return nil
	}
	return s.early[s.next]
}

func (s *Stream) wrote(buf []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.err = fmt.Errorf("write output: %w", err)
	} else {
		delete(s.early, s.next)
		s.spare = append(s.spare, buf)
		s.next++
	}
	s.changed.Broadcast()
	select {
	case s.moved <- struct{}{}:
	default:
	}
}
