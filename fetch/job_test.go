package fetch

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bits-and-blooms/bitset"
	"github.com/zeebo/blake3"

	"github.com/shoal-dl/shoal/verify"
)

const mbit = 1e6 / 8 // bytes a second

// testContent makes a manifest of one file of the given size and its bytes.
func testContent(t testing.TB, size, pieceSize int) (*verify.Manifest, []byte) {
	t.Helper()
	data := make([]byte, size)
	rng := rand.NewChaCha8([32]byte{1})
	_, _ = rng.Read(data)
	f := verify.File{Path: "f", Size: int64(size), Digest: blake3.Sum256(data)}
	for at := 0; at < size; at += pieceSize {
		f.Pieces = append(f.Pieces, blake3.Sum256(data[at:min(at+pieceSize, size)]))
	}
	m := &verify.Manifest{Name: "f", PieceSize: int64(pieceSize), Files: []verify.File{f}}
	raw, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if m, err = verify.Parse(raw); err != nil {
		t.Fatal(err)
	}
	return m, data
}

// memory is a Store that knows what the bytes must be.
type memory struct {
	t    *testing.T
	m    *verify.Manifest
	want []byte
	fail error
	slow time.Duration // to take a piece

	mu  sync.Mutex
	got *bitset.BitSet
}

func (s *memory) Put(p verify.Piece) error {
	<-time.After(s.slow)
	s.mu.Lock()
	defer s.mu.Unlock()
	span := s.m.Span(p.Index())
	if string(p.Data()) != string(s.want[span.Offset:span.Offset+int64(span.Size)]) {
		s.t.Errorf("piece %d has the wrong bytes", p.Index())
	}
	s.got.Set(uint(p.Index()))
	return s.fail
}

// fake is a source on a link of its own. Its fields are set before it is used.
type fake struct {
	name    string
	m       *verify.Manifest
	data    []byte
	rate    float64       // bytes a second of all its connections
	each    float64       // and of one, if not 0
	latency time.Duration // before the first byte of each lease
	silent  time.Duration // from this time on nothing comes
	dead    time.Duration // from this time on every lease fails
	reborn  time.Duration // until then
	lies    int           // pieces from here on are wrong, if not 0
	wrong   []int         // pieces that are wrong
	partial int           // pieces from here on are answered with a lasting fault, if not 0
	refuse  int           // connections above this are refused, if not 0
	reset   bool          // or rather reset
	flaky   int           // of so many leases each last one fails at once, if not 0

	start  time.Time
	mu     sync.Mutex
	free   time.Time // when the link has sent all that was asked
	open   int
	leases int

	refused int // connections
}

func (s *fake) Name() string { return s.name }
func (s *fake) Kind() Kind   { return KindMirror }

func (s *fake) Pieces(ctx context.Context, l Lease) iter.Seq2[Raw, error] {
	return func(yield func(Raw, error) bool) {
		s.mu.Lock()
		s.leases++
		s.open++
		open, flake := s.open, s.flaky > 0 && s.leases%s.flaky == 0
		s.mu.Unlock()
		defer func() {
			s.mu.Lock()
			s.open--
			s.mu.Unlock()
		}()
		if s.refuse > 0 && open > s.refuse {
			s.mu.Lock()
			s.refused++
			s.mu.Unlock()
			if flake = s.reset; !flake {
				yield(Raw{}, faultf(FaultBusy, "HTTP 429"))
				return
			}
		}
		if flake {
			yield(Raw{}, faultf(FaultPassing, "connection reset"))
			return
		}
		if err := pass(ctx, s.latency); err != nil {
			yield(Raw{}, err)
			return
		}
		for _, i := range l.Pieces {
			raw, err := s.piece(ctx, l, i)
			if !yield(raw, err) || err != nil {
				return
			}
		}
	}
}

func (s *fake) piece(ctx context.Context, l Lease, i int) (Raw, error) {
	if s.partial > 0 && i >= s.partial {
		return Raw{}, faultf(FaultLasting, "HTTP 404")
	}
	span := s.m.Span(i)
	buf, err := l.Buffer(ctx, span.Size)
	if err != nil {
		return Raw{}, err
	}
	const chunk = 16 << 10
	for at := 0; at < span.Size; at += chunk {
		n := min(chunk, span.Size-at)
		if err := s.send(ctx, n); err != nil {
			return Raw{}, err
		}
		l.Received(n)
	}
	copy(buf, s.data[span.Offset:])
	if s.lies > 0 && i >= s.lies || slices.Contains(s.wrong, i) {
		buf[span.Size/2] ^= 1
	}
	return Raw{Piece: i, Data: buf}, nil
}

// send waits until n bytes have passed over the link.
func (s *fake) send(ctx context.Context, n int) error {
	age := time.Since(s.start)
	if s.silent > 0 && age >= s.silent {
		return errors.Join(pass(ctx, 15*time.Second), faultf(FaultPassing, "no byte for 15s"))
	}
	if s.dead > 0 && age >= s.dead && (s.reborn == 0 || age < s.reborn) {
		return faultf(FaultPassing, "connection refused")
	}
	s.mu.Lock()
	if now := time.Now(); s.free.Before(now) {
		s.free = now
	}
	s.free = s.free.Add(time.Duration(float64(n) / s.rate * 1e9))
	wait := time.Until(s.free)
	s.mu.Unlock()
	if s.each > 0 {
		wait = max(wait, time.Duration(float64(n)/s.each*1e9))
	}
	return pass(ctx, wait)
}

// pass lets time pass.
func pass(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// diary is an Observer that writes everything down.
type diary struct{ lines []string }

func (d *diary) SourceChanged(s Source, state SourceState, reason string) {
	d.lines = append(d.lines, strings.TrimSpace(s.Name()+" "+string(state)+" "+reason))
}

func (d *diary) Brought(Source, int) {}

func (d *diary) BadPiece(s Source, piece int) {
	d.lines = append(d.lines, s.Name()+" bad piece")
}

func (d *diary) has(line string) bool {
	for _, l := range d.lines {
		if strings.Contains(l, line) {
			return true
		}
	}
	return false
}

// scene is one job against fake sources, in simulated time.
type scene struct {
	*Job
	store *memory
	diary *diary
	took  time.Duration
	err   error
}

func play(t *testing.T, size, pieceSize int, sources ...*fake) *scene {
	m, data := testContent(t, size, pieceSize)
	s := &scene{
		store: &memory{t: t, m: m, want: data, got: bitset.New(uint(m.NumPieces()))},
		diary: &diary{},
	}
	s.Job = &Job{Manifest: m, Store: s.store, Observer: s.diary, Gauges: &Gauges{}, Connections: 4, Retries: 5, jitter: func() float64 { return 0.5 }}
	for _, f := range sources {
		f.m, f.data = m, data
		s.Sources = append(s.Sources, f)
	}
	return s
}

func (s *scene) run(ctx context.Context) *scene {
	start := time.Now()
	for _, f := range s.Sources {
		f.(*fake).start = start
	}
	s.err = s.Run(ctx)
	s.took = time.Since(start)
	return s
}

// complete expects everything to be there within so many times the ideal.
func (s *scene) complete(t *testing.T, ideal float64, times float64) {
	t.Helper()
	if s.err != nil {
		t.Fatalf("job: %v\n%s", s.err, strings.Join(s.diary.lines, "\n"))
	}
	if !s.store.got.All() {
		t.Errorf("only %d of %d pieces are there", s.store.got.Count(), s.store.got.Len())
	}
	ratio := s.took.Seconds() / ideal
	t.Logf("%.2f s, %.3f x the ideal, %d KiB wasted", s.took.Seconds(), ratio, s.Gauges.Wasted.Load()>>10)
	if ratio > times {
		t.Errorf("took %.2f s, %.3f x the ideal %.2f s; want at most %.2f x", s.took.Seconds(), ratio, ideal, times)
	}
	if all := s.Gauges.Received.Load(); all < s.Manifest.Size()+s.Gauges.Wasted.Load() {
		t.Errorf("gauge says %d bytes were received, and %d of them wasted", all, s.Gauges.Wasted.Load())
	}
	if done := s.Gauges.Done.Load(); done != s.Manifest.Size() {
		t.Errorf("gauge says %d of %d bytes are done", done, s.Manifest.Size())
	}
}

func TestJobScenes(t *testing.T) {
	const size, piece = 64 << 20, 256 << 10
	four := func() []*fake {
		return []*fake{
			{name: "http://a/", rate: 10 * mbit}, {name: "http://b/", rate: 20 * mbit},
			{name: "http://c/", rate: 40 * mbit}, {name: "http://d/", rate: 80 * mbit},
		}
	}
	sum := func(mbits float64) float64 { return size / (mbits * mbit) }
	with := func(change func([]*fake)) []*fake { f := four(); change(f); return f }

	for _, tt := range []struct {
		name    string
		sources []*fake
		ideal   float64 // seconds
		times   float64
		diary   string
	}{
		{"fast and slow", four(), sum(150), 1.02, ""},
		{"with 50 ms of delay", with(func(f []*fake) {
			for _, s := range f {
				s.latency = 50 * time.Millisecond
			}
		}), sum(150), 1.10, ""},
		{"the fastest falls silent", with(func(f []*fake) { f[3].silent = time.Second }),
			1 + (size-150*mbit)/(70*mbit), 1.05, ""},
		{"the fastest dies", with(func(f []*fake) { f[3].dead = time.Second }),
			1 + (size-150*mbit)/(70*mbit), 1.05, ""},
		{"the fastest dies and comes back", with(func(f []*fake) { f[3].dead, f[3].reborn = time.Second, 2*time.Second }),
			1 + (size-220*mbit)/(150*mbit), 1.4, ""},
		{"one lies", with(func(f []*fake) { f[1].lies = 1 }), sum(130), 1.05, "http://b/ banned sent wrong bytes"},
		{"one has only the front", with(func(f []*fake) { f[2].partial = 4 }), sum(110), 1.05, "http://c/ left HTTP 404"},
		{"one drips", append(four()[:3], &fake{name: "http://d/", rate: 1}), sum(70), 1.03, ""},
		{"connections are throttled", []*fake{{name: "http://a/", rate: 100 * mbit, each: 10 * mbit}}, sum(40), 1.2, ""},
		{"some are reset", []*fake{{name: "http://a/", rate: 100 * mbit, each: 10 * mbit, flaky: 7}}, sum(40), 1.25, ""},
		{"more than two are refused", []*fake{{name: "http://a/", rate: 100 * mbit, each: 10 * mbit, refuse: 2}}, sum(20), 1.1, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := play(t, size, piece, tt.sources...).run(t.Context())
				s.complete(t, tt.ideal, tt.times)
				if tt.diary != "" && !s.diary.has(tt.diary) {
					t.Errorf("diary lacks %q: %q", tt.diary, s.diary.lines)
				}
			})
		})
	}
}

// TestSurplusConnections are tried now and then, and cost the one that works nothing.
func TestSurplusConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &fake{name: "http://a/", rate: 10 * mbit, each: 5 * mbit, refuse: 1, reset: true}
		s := play(t, 64<<20, 256<<10, a)
		s.Retries = 0
		s.run(t.Context())
		s.complete(t, 64<<20/(5*mbit), 1.02)
		if most := 2*int(s.took/settledFor) + 2; a.refused > most {
			t.Errorf("%d connections were reset, want %d at most", a.refused, most)
		}
	})
}

func TestJobFailures(t *testing.T) {
	refused := errors.New("disk full")
	for _, tt := range []struct {
		name   string
		prep   func(*scene)
		source *fake
		want   error
		text   string
	}{
		{"wrong bytes only", nil, &fake{name: "http://a/", rate: 1e6, lies: 1}, ErrWrongContent, "http://a/: sent wrong bytes for piece"},
		{"nobody answers", nil, &fake{name: "http://a/", rate: 1e6, dead: 1}, ErrNoSource, "http://a/: connection refused"},
		{"our own disk", func(s *scene) { s.store.fail = refused }, &fake{name: "http://a/", rate: 1e6}, refused, "disk full"},
		{"no source", func(s *scene) { s.Sources = nil }, &fake{}, ErrNoSource, "names no mirror"},
		{"no base", func(s *scene) { s.Sources, s.Manifest.Mirrors = nil, []verify.Mirror{{URL: "f"}} }, &fake{}, ErrNoSource, "relative to its own URL"},
		{"no use", func(s *scene) { s.Sources, s.Unusable = nil, []error{refused, refused} }, &fake{}, ErrNoSource, ": disk full; disk full"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := play(t, 1<<20, 64<<10, tt.source)
				if tt.prep != nil {
					tt.prep(s)
				}
				s.run(t.Context())
				if wasted := s.Gauges.Wasted.Load(); wasted > 64<<10 || wasted == 0 == s.diary.has("banned") {
					t.Errorf("%d bytes of a liar's were taken: %q", wasted, s.diary.lines)
				}
				if !errors.Is(s.err, tt.want) || !strings.Contains(s.err.Error(), tt.text) {
					t.Errorf("job: %v, want %v with %q", s.err, tt.want, tt.text)
				}
			})
		})
	}
}

func TestJobStopsWithItsCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, ErrDeadline)
		defer cancel()
		s := play(t, 8<<20, 64<<10, &fake{name: "http://a/", rate: 1e6})
		s.store.slow = 50 * time.Millisecond // so that one is being stored at the end
		s.run(ctx)
		if !errors.Is(s.err, ErrDeadline) || s.took < time.Second || s.took > time.Second+s.store.slow {
			t.Errorf("job: %v after %v", s.err, s.took)
		}
		if got := s.Gauges.Done.Load(); got != int64(s.store.got.Count())<<16 || got == 0 {
			t.Errorf("gauge says %d, %d pieces were stored", got, s.store.got.Count())
		}
	})
}

// brief is a source that ends every lease before its first piece.
type brief struct{ *fake }

func (brief) Pieces(context.Context, Lease) iter.Seq2[Raw, error] {
	return func(func(Raw, error) bool) {}
}

func TestSourceThatEndsEarlyIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, 1<<20, 64<<10)
		s.Sources = []Source{brief{&fake{name: "http://a/"}}}
		if err := s.Run(t.Context()); !errors.Is(err, ErrNoSource) || !strings.Contains(err.Error(), "http://a/: ended 1 pieces early") {
			t.Errorf("job: %v", err)
		}
	})
}

// TestMirrorsShareAHost, however their URLs spell it: its connections are counted
// together.
func TestMirrorsShareAHost(t *testing.T) {
	r := &running{Job: &Job{}, ledger: newBoard(t, 1).ledger, hosts: map[string]*host{}}
	join := func(mirror string) *host { return r.join(&fake{name: mirror}).party.host }
	first := join("http://h/")
	for mirror, same := range map[string]bool{"http://h/x": true, "http://H:80/": true, "https://h/": false, "http://h:8080/": false} {
		if got := join(mirror) == first; got != same {
			t.Errorf("%s shares the connections of http://h/: %v", mirror, got)
		}
	}
}

func TestJobBringsOnlyWhatIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, 1<<20, 64<<10, &fake{name: "http://a/", rate: 1e6})
		s.Have = bitset.New(16).Set(0).Set(7)
		s.run(t.Context())
		if s.err != nil || s.store.got.Count() != 14 || s.store.got.Test(7) {
			t.Errorf("job: %v, stored %s", s.err, s.store.got)
		}
	})
}

// slowWriter takes rate bytes a second.
type slowWriter struct {
	rate float64

	mu  sync.Mutex
	got []byte
}

func (w *slowWriter) Write(p []byte) (int, error) {
	<-time.After(time.Duration(float64(len(p)) / w.rate * 1e9))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got = append(w.got, p...)
	return len(p), nil
}

func (w *slowWriter) bytes() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.got
}

func TestStreamDeliversInOrderAndHoldsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, 64<<20, 256<<10, &fake{name: "http://a/", rate: 10e6}, &fake{name: "http://b/", rate: 40e6})
		w := &slowWriter{rate: 20e6}
		out := NewStream(s.Manifest, w)
		defer out.Close()
		s.Store = out
		s.run(t.Context())
		if s.err != nil {
			t.Fatal(s.err)
		}
		if ahead := s.Gauges.Done.Load() - int64(len(w.bytes())); ahead > streamBytes {
			t.Errorf("%d bytes were held", ahead)
		}
		if err := out.Finish(t.Context()); err != nil || string(w.bytes()) != string(s.store.want) {
			t.Errorf("stream: %v, %d bytes", err, len(w.bytes()))
		}
	})
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestStreamErrorEndsTheJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, 64<<20, 256<<10, &fake{name: "http://a/", rate: 10e6})
		out := NewStream(s.Manifest, brokenWriter{})
		defer out.Close()
		s.Store = out
		if s.run(t.Context()); s.err == nil || !strings.Contains(s.err.Error(), "broken pipe") {
			t.Errorf("job: %v", s.err)
		}
	})
}
