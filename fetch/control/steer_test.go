package control

import (
	"context"
	"errors"
	"iter"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zeebo/blake3"

	"github.com/shoal-dl/shoal/fetch"
	"github.com/shoal-dl/shoal/verify"
)

// tap is a mirror that gives ten pieces a second over each connection. It forgets
// them, and what it hears of the job.
type tap struct {
	mu   sync.Mutex
	open int // connections
}

func (*tap) Name() string                                          { return "http://tap/" }
func (*tap) Kind() fetch.Kind                                      { return fetch.KindMirror }
func (*tap) Put(verify.Piece) error                                { return nil }
func (*tap) SourceChanged(fetch.Source, fetch.SourceState, string) {}
func (*tap) Brought(fetch.Source, int)                             {}
func (*tap) BadPiece(fetch.Source, int)                            {}

func (s *tap) add(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open += n
}

func (s *tap) Pieces(ctx context.Context, l fetch.Lease) iter.Seq2[fetch.Raw, error] {
	return func(yield func(fetch.Raw, error) bool) {
		s.add(1)
		defer s.add(-1)
		for _, piece := range l.Pieces {
			data, err := l.Buffer(ctx, drop)
			if err != nil {
				yield(fetch.Raw{}, err)
				return
			}
			time.Sleep(100 * time.Millisecond)
			clear(data)
			l.Received(drop)
			if !yield(fetch.Raw{Piece: piece, Data: data}, nil) {
				return
			}
		}
	}
}

// most is how many connections are open at once in the coming ten seconds.
func (s *tap) most() (most int) {
	for range 100 {
		time.Sleep(100 * time.Millisecond)
		s.mu.Lock()
		most = max(most, s.open)
		s.mu.Unlock()
	}
	return most
}

const drop = 64 << 10 // bytes of a piece of ocean

// ocean is content that a tap needs minutes for.
func ocean(t *testing.T) *verify.Manifest {
	t.Helper()
	const pieces = 2000
	f := verify.File{Path: "ocean", Size: pieces * drop}
	sum := blake3.Sum256(make([]byte, drop))
	for range pieces {
		f.Pieces = append(f.Pieces, sum)
	}
	raw, err := (&verify.Manifest{Name: "ocean", PieceSize: drop, Files: []verify.File{f}}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	m, err := verify.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestDeskSteersJobs has a running job do what the desk is told, and one that
// begins later.
func TestDeskSteersJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var working sync.WaitGroup
		o := newOffice(t)
		begin := func() *tap {
			s := &tap{}
			e := o.Add(ocean(t), "/ocean")
			job := &fetch.Job{
				Manifest: e.manifest, Store: s, Sources: e.Count([]fetch.Source{s}), Observer: s, Gauges: new(fetch.Gauges),
				Connections: 1, Retries: 1, Steer: e.Steer(),
			}
			working.Go(func() {
				if err := job.Run(ctx); !errors.Is(err, context.Canceled) {
					t.Errorf("the job ended with %v", err)
				}
			})
			return s
		}
		sees := func(s *tap, least, most int) {
			t.Helper()
			if n := s.most(); n < least || n > most {
				t.Errorf("there are %d connections, want %d to %d", n, least, most)
			}
		}
		first := begin()
		sees(first, 1, 1)
		if a := o.Handle(Request{Do: DoSet, Key: "connections", Value: "3"}); a.Error != "" {
			t.Error(a.Error)
		}
		sees(first, 2, 3)
		sees(begin(), 2, 3)
		o.do(DoPause, "")
		time.Sleep(time.Second) // for what was on its way
		sees(first, 0, 0)
		o.do(DoContinue, "")
		sees(first, 1, 3)
		stop()
		working.Wait()
	})
}
