package fetch

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bits-and-blooms/bitset"
)

// village is a Crowd of fake peers that writes down what it is told.
type village struct {
	peers []Partial
	told  []string // "fetching 1 2" and the like
	have  int      // pieces
	news  chan struct{}
	ready chan struct{}
}

func (v *village) News() <-chan struct{}  { return v.news }
func (v *village) Ready() <-chan struct{} { return v.ready }
func (v *village) Peers() []Partial       { return v.peers }
func (v *village) Rank(int) uint64        { return 0 }
func (v *village) Uploaded() int64        { return 0 }
func (v *village) Have(int)               { v.have++ }
func (v *village) Fetching(p []int)       { v.tell("fetching", p) }
func (v *village) Unfetching(p []int)     { v.tell("unfetching", p) }
func (v *village) Ban(p Source, _ string) {
	v.told = append(v.told, "ban "+p.Name())
}

func (v *village) tell(what string, pieces []int) {
	v.told = append(v.told, what+" "+strings.Trim(fmt.Sprint(pieces), "[]"))
}

// villager is a peer.
type villager struct {
	*fake
	has, gets *bitset.BitSet
	version   uint64
	rank      uint64        // of piece 0; that of each other is one higher
	ready     atomic.Int64  // when, in nanoseconds since 1970; 0 for never
	withdraws chan struct{} // closed by Withdraw; nil: it does not agree
}

func newVillager(name string, has ...uint) *villager {
	v := &villager{fake: &fake{name: name, rate: 1e6}, has: bitset.New(4), gets: bitset.New(4)}
	for _, i := range has {
		v.has.Set(i)
	}
	return v
}

func (v *villager) Kind() Kind                       { return KindPeer }
func (v *villager) Look(f func(_, _ *bitset.BitSet)) { f(v.has, v.gets) }
func (v *villager) Version() uint64                  { return v.version }
func (v *villager) Rank(piece int) uint64            { return v.rank + uint64(piece) }

func (v *villager) Ready() (at time.Time) {
	if since := v.ready.Load(); since != 0 {
		at = time.Unix(0, since)
	}
	return at
}

// Withdraw has the lease under way withdrawn, the second time it is asked: at first it is
// about to begin.
func (v *villager) Withdraw(int) bool {
	if v.withdraws == nil {
		return true
	}
	if v.version++; v.version == 2 {
		close(v.withdraws)
	}
	return v.version == 2
}

// Pieces is what the fake brings, unless it is withdrawn before.
func (v *villager) Pieces(ctx context.Context, l Lease) iter.Seq2[Raw, error] {
	if v.withdraws == nil {
		return v.fake.Pieces(ctx, l)
	}
	return func(yield func(Raw, error) bool) {
		select {
		case <-v.withdraws:
			yield(Raw{}, faultf(FaultWithdrawn, "as you like"))
		case <-ctx.Done():
		}
	}
}

// amid is a scene of four pieces and no mirror amid peers.
func amid(t *testing.T, peers ...*villager) (*scene, *village) {
	s, v := play(t, 256<<10, 64<<10), &village{}
	for _, p := range peers {
		p.m, p.data, p.start = s.Manifest, s.store.want, time.Now()
		v.peers = append(v.peers, p)
	}
	s.Crowd, s.Linger = v, time.Second
	return s, v
}

// met is the job of amid, under way, as far as it meets the crowd.
func met(t *testing.T, s *scene) *running {
	return &running{
		Job: s.Job, ledger: newBoard(t, 4).ledger, started: time.Now(),
		hosts: map[string]*host{}, known: map[Partial]*sourceState{},
	}
}

// TestMeet lets two connections to one peer come and go: the user hears of one peer.
func TestMeet(t *testing.T) {
	one, two := newVillager("p", 0), newVillager("p", 0, 1)
	s, v := amid(t)
	r := met(t, s)
	meet := func(peers ...Partial) []*party {
		t.Helper()
		v.peers = peers
		if r.meet(); int(s.Gauges.Peers.Load()) != len(peers) || len(r.parties) != len(r.ledger.parties) {
			t.Errorf("of %d peers the gauge says %d, the job %d, the ledger %d",
				len(peers), s.Gauges.Peers.Load(), len(r.parties), len(r.ledger.parties))
		}
		return r.ledger.parties
	}
	first := meet(one)[0]
	one.has.Set(3)
	if meet(one, two); first.has(3) {
		t.Error("it was looked at again though its version was the same")
	}
	one.version++
	if meet(one, two); !first.has(3) {
		t.Error("it was not looked at again")
	}
	first.open++ // a lease of it goes on
	if left := meet(two)[0]; !left.gone {
		t.Error("who hung up is still there")
	}
	first.open--
	if rest := meet(two); len(rest) != 1 || !rest[0].has(1) {
		t.Errorf("%d are left", len(rest))
	}
	if rest := meet(); len(rest)+len(r.hosts) != 0 {
		t.Errorf("%d peers at %d hosts are left", len(rest), len(r.hosts))
	}
	if want := []string{"p joined", "p left"}; !slices.Equal(s.diary.lines, want) {
		t.Errorf("the user heard %q, not %q", s.diary.lines, want)
	}
}

func TestLiarInTheCrowdIsBanned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		liar, other := newVillager("liar", 0), newVillager("other", 0, 1, 2, 3)
		liar.wrong, other.rate = []int{0}, 1e4
		s, v := amid(t, liar, other)
		if err := s.Run(t.Context()); err != nil || v.have != 4 || !slices.Equal(v.told, []string{"ban liar"}) {
			t.Errorf("job: %v; %d pieces, told %q", err, v.have, v.told)
		}
	})
}

// TestCrowdHearsOfMirrors: what is asked of them, and what of that did not come.
func TestCrowdHearsOfMirrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, v := amid(t, newVillager("p", 0))
		m := &fake{name: "http://a/", rate: 1e6, partial: 2, m: s.Manifest, data: s.store.want, start: time.Now()}
		s.Sources = []Source{m}
		err := s.Run(t.Context())
		if err == nil || v.have == 0 {
			t.Fatalf("job: %v, %d pieces", err, v.have)
		}
		asked, back := map[string]bool{}, ""
		for _, line := range v.told {
			what, pieces, _ := strings.Cut(line, " ")
			for _, p := range strings.Fields(pieces) {
				asked[p] = asked[p] || what == "fetching"
			}
			if what == "unfetching" {
				back += pieces
			}
		}
		if !asked["2"] && !asked["3"] || !strings.ContainsAny(back, "23") || strings.ContainsAny(back, "01") {
			t.Errorf("the crowd was told %q", v.told)
		}
		if !strings.Contains(err.Error(), "p: has nothing that is missing") {
			t.Errorf("job: %v", err)
		}
	})
}

// ends is a mirror that notes why its leases end.
type ends struct {
	*fake
	meanwhile func() // runs beside a lease
	why       []error
}

func (e *ends) Pieces(ctx context.Context, l Lease) iter.Seq2[Raw, error] {
	return func(yield func(Raw, error) bool) {
		go e.meanwhile()
		for raw, err := range e.fake.Pieces(ctx, l) {
			if !yield(raw, err) || err != nil {
				break
			}
		}
		e.why = append(e.why, context.Cause(ctx))
	}
}

// TestPutOffForACrowd: what a mirror is asked for is put off when it turns out that a
// crowd is getting it, to whom it falls.
func TestPutOffForACrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, v := amid(t)
		v.news = make(chan struct{})
		for i := range turnCrowd * turnLeast {
			v.peers = append(v.peers, newVillager(fmt.Sprint("p", i)))
			v.peers[i].(*villager).rank = 1
		}
		m := &ends{fake: &fake{name: "http://a/", rate: 12e3, m: s.Manifest, data: s.store.want, start: time.Now()}}
		s.Sources = []Source{m}
		m.meanwhile = func() {
			time.Sleep(time.Second)
			for _, p := range v.peers {
				p.(*villager).gets.FlipRange(0, 4)
				p.(*villager).version++
			}
			v.news <- struct{}{}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if err := s.Run(ctx); !errors.Is(err, context.DeadlineExceeded) || !slices.Equal(m.why, []error{errPutOff}) {
			t.Errorf("job: %v; leases ended as %v", err, m.why)
		}
	})
}

// TestShortenedForACrowd: the crowd hears what a mirror is no longer asked for.
func TestShortenedForACrowd(t *testing.T) {
	s, v := amid(t)
	r, b := met(t, s), newBoard(t, 4)
	b.rank = v.Rank
	b.beside(2)
	b.most = 20
	r.ledger = b.ledger
	r.leases = []*lease{{claim: b.claim(b.add("M"), []int{1, 2, 3}, 0)}}
	r.sample()
	if want := []string{"unfetching 2 3"}; !slices.Equal(v.told, want) {
		t.Errorf("the crowd was told %q, want %q", v.told, want)
	}
}

// TestGivenUpIsNotBackAtOnce: a peer that was dropped and stays is asked again only
// when it has something new, and each time after twice as long.
func TestGivenUpIsNotBackAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newVillager("p", 0)
		s, _ := amid(t, p)
		r := met(t, s)
		r.meet()
		giveUp := func() {
			r.parties[0].party.gone = true
			r.parties[0].giveUp(r.now())
		}
		giveUp()
		time.Sleep(time.Hour)
		if r.meet(); !r.parties[0].party.gone {
			t.Error("it is back with nothing new")
		}
		p.version++
		if r.meet(); r.parties[0].party.gone {
			t.Error("it is not back with something new")
		}
		for _, wait := range []time.Duration{2 * firstSulk, 4 * firstSulk} {
			giveUp()
			p.version++
			time.Sleep(wait - 1)
			if r.meet(); !r.parties[0].party.gone {
				t.Errorf("it is back before %v", wait)
			}
			time.Sleep(time.Nanosecond)
			if r.meet(); r.parties[0].party.gone {
				t.Errorf("it is not back after %v", wait)
			}
		}
	})
}

// fickle is a peer that once rejects what it is asked for, and at once says that it
// can be had again, as one does who checks what he serves.
type fickle struct {
	*villager
	asked atomic.Uint64
}

func (f *fickle) Version() uint64 { return f.asked.Load() }

func (f *fickle) Pieces(ctx context.Context, l Lease) iter.Seq2[Raw, error] {
	if f.asked.Add(1) > 1 {
		return f.villager.Pieces(ctx, l)
	}
	return func(yield func(Raw, error) bool) { yield(Raw{}, faultf(FaultLasting, "it is not shared")) }
}

// TestGivenUpIsBackUnasked: when its time has come nobody may have any news, and
// there may be nobody else to wait for.
func TestGivenUpIsBackUnasked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, v := amid(t, newVillager("p", 0, 1, 2, 3))
		v.peers = []Partial{&fickle{villager: v.peers[0].(*villager)}}
		s.Linger, s.Retries = time.Minute, 5
		began := time.Now()
		if err := s.Run(t.Context()); err != nil || v.have != 4 {
			t.Errorf("job: %v; %d pieces", err, v.have)
		}
		if took := time.Since(began); took > 2*firstSulk {
			t.Errorf("it took %v", took)
		}
	})
}

// TestWithdrawn: who keeps us waiting agrees not to bring what another one is ready to,
// and it is no fault of his.
func TestWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dumb, other := newVillager("dumb", 0), newVillager("other", 0, 1)
		dumb.withdraws = make(chan struct{})
		other.rate = 1e9
		s, v := amid(t, dumb, other)
		v.ready = make(chan struct{}, 1)
		s.Have, s.Retries = bitset.New(4).Set(2).Set(3), 0
		took := make(chan time.Duration, 1)
		began := time.Now()
		time.AfterFunc(time.Second, func() {
			other.ready.Store(time.Now().UnixNano())
			v.ready <- struct{}{}
			<-dumb.withdraws
			took <- time.Since(began)
		})
		if err := s.Run(t.Context()); err != nil || v.have != 2 {
			t.Errorf("job: %v; %d pieces", err, v.have)
		}
		if at := <-took; at > time.Second+tick {
			t.Errorf("it was asked after %v", at)
		}
		if d := time.Since(began); d > time.Second+3*tick {
			t.Errorf("it took %v", d)
		}
		if s.diary.has("left") {
			t.Errorf("somebody has left: %q", s.diary.lines)
		}
	})
}

// TestReadyBeforeMet: a peer may say so before we have looked at it, and what it said
// counts once, and from then on.
func TestReadyBeforeMet(t *testing.T) {
	p := newVillager("p", 0)
	s, _ := amid(t, p)
	r := met(t, s)
	p.ready.Store(r.started.Add(time.Second).UnixNano())
	r.meet()
	if at := r.parties[0].party.readied; at != time.Second {
		t.Errorf("it is ready since %v", at)
	}
	r.parties[0].party.readied = 0
	r.heed()
	if at := r.parties[0].party.readied; at != 0 {
		t.Errorf("it is ready again since %v", at)
	}
}

// TestWithdrawnUnasked: who will not bring what nobody has taken from him has failed.
func TestWithdrawnUnasked(t *testing.T) {
	b := newBoard(t, 1)
	p := b.addPeer("A", ".", "#")
	for range 3 {
		if b.fault(p, faultf(FaultWithdrawn, "no"), p.notBefore, 0, 2, 0) {
			return
		}
	}
	t.Error("it may do so for ever")
}

// TestNewsOfManyGatherLonger, but never for as long as we wait for anything else.
func TestNewsOfManyGatherLonger(t *testing.T) {
	for peers, want := range map[int]time.Duration{1: gather, 30: 30 * gatherEach, 200: tick} {
		s, v := amid(t)
		for range peers {
			v.peers = append(v.peers, newVillager("p", 0))
		}
		r := met(t, s)
		if r.meet(); r.gathering() != want {
			t.Errorf("with %d peers it is %v, want %v", peers, r.gathering(), want)
		}
	}
}

// TestBannedIsNotBack while its connection is still ending.
func TestBannedIsNotBack(t *testing.T) {
	p := newVillager("p", 0)
	s, _ := amid(t, p)
	r := met(t, s)
	r.meet()
	r.wrongPiece(&lease{source: r.parties[0]}, 0)
	p.version++
	if r.meet(); !r.parties[0].party.gone {
		t.Error("it is back")
	}
}

// TestPeersOfOneNameHaveTheirOwnLeases: behind one address there may be several.
func TestPeersOfOneNameHaveTheirOwnLeases(t *testing.T) {
	s, _ := amid(t, newVillager("p", 0, 1, 2, 3), newVillager("p", 0, 1, 2, 3))
	r := met(t, s)
	r.meet()
	if a, b := r.parties[0].party, r.parties[1].party; a.host == b.host {
		t.Error("two peers share the leases of one")
	}
}
