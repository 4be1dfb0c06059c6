package control

import (
	"context"
	"io"
	"iter"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/zeebo/blake3"
	"golang.org/x/time/rate"

	"github.com/shoal-dl/shoal/fetch"
	"github.com/shoal-dl/shoal/fetch/argv"
	"github.com/shoal-dl/shoal/verify"
)

// content is a manifest of one small file of that name.
func content(t *testing.T, name string) *verify.Manifest {
	t.Helper()
	data := []byte("content of " + name)
	sum := blake3.Sum256(data)
	m := &verify.Manifest{Name: name, PieceSize: 64 << 10, Files: []verify.File{
		{Path: name, Size: int64(len(data)), Digest: sum, Pieces: []verify.Digest{sum}},
	}}
	raw, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if m, err = verify.Parse(raw); err != nil {
		t.Fatal(err)
	}
	return m
}

// crowd is a Crowd that remembers what it was told.
type crowd struct {
	peers  []Source
	told   []string
	shares string // why not; empty if it does
}

func (c *crowd) Neighbours() (peers []Source, uploaded, toLAN int64) { return c.peers, 700, 200 }
func (c *crowd) Leave()                                              { c.told = append(c.told, "leave") }
func (c *crowd) Shares() (bool, string)                              { return c.shares == "", c.shares }
func (c *crowd) Pause(on bool) {
	c.told = append(c.told, map[bool]string{true: "pause", false: "continue"}[on])
}

// office is a desk with a seed of one content, a fetch of another, and a third
// that is being checked.
type office struct {
	*Desk
	stopped int
	ids     []string
	crowds  []*crowd
	entries []*Entry
}

func newOffice(t *testing.T) *office {
	o := &office{}
	o.Desk = newDesk(Options{
		Verb: "fetch", Down: fetch.NewLimit(0), Up: fetch.NewLimit(1 << 20), Stop: func() { o.stopped++ },
		Limits: argv.Live{LimitUp: 1 << 20, Connections: 4, SeedTime: time.Minute, SeedRatio: 1},
		Fixed:  []argv.Setting{{Key: "quiet-hours", Value: "9-18"}},
		Origins: argv.Origins{
			"limit-up": {From: argv.FromVariable, Where: "SHOAL_LIMIT_UP"}, "quiet-hours": {From: argv.FromFile, Where: "c:1"},
		},
	})
	for _, name := range []string{"a", "b", "c"} {
		m := content(t, name)
		o.ids = append(o.ids, m.ID().String())
		o.crowds = append(o.crowds, &crowd{peers: []Source{{Name: "peer of " + name, Kind: "lan", Down: 10, Up: 3}}})
		o.entries = append(o.entries, o.Add(m, "/"+name))
	}
	tell := func(i int) func(bool) {
		return func(on bool) {
			o.crowds[i].told = append(o.crowds[i].told, map[bool]string{true: "paused", false: "running"}[on])
		}
	}
	o.entries[0].Seeding(new(fetch.Gauges), o.crowds[0], tell(0))
	g := new(fetch.Gauges)
	g.FromMirrors.Store(1)
	g.FromPeers.Store(5)
	g.FromLAN.Store(2)
	o.entries[1].Fetching(g, o.crowds[1], tell(1))
	return o
}

func (o *office) do(do, id string) string { return o.Handle(Request{Do: do, ID: id}).Error }

func TestDeskStatus(t *testing.T) {
	o := newOffice(t)
	p := o.Handle(Request{Do: DoStatus}).Process
	want := []Limit{
		{"limit-up", "1M", "variable", "SHOAL_LIMIT_UP"}, {"connections", "4", "default", ""},
		{"seed-time", "1m", "default", ""}, {"seed-ratio", "1", "default", ""}, {"quiet-hours", "9-18", "file", "c:1"},
		{"discovery", "none", "manifest", "a"}, {"discovery", "none", "manifest", "b"}, {"discovery", "none", "manifest", "c"},
	}
	if !reflect.DeepEqual(p.Limits, want) {
		t.Errorf("the limits are %+v", p.Limits)
	}
	var states []State
	var why []string
	for _, x := range p.Transfers {
		states, why = append(states, x.State), append(why, x.Why)
	}
	if !slices.Equal(states, []State{Seeding, Fetching, Checking}) {
		t.Errorf("the states are %v", states)
	}
	for i, want := range []string{
		"until the first of seed-time 1m (default), seed-ratio 1 (default)",
		"while it downloads, then until the first of seed-time 1m (default), seed-ratio 1 (default)",
		"there is no way to peers",
	} {
		if why[i] != want {
			t.Errorf("it is shared %q, want %q", why[i], want)
		}
	}
	b := p.Transfers[1]
	if b.FromMirrors != 1 || b.FromPeers != 5 || b.FromLAN != 2 || b.Done != 6 || b.Uploaded != 700 || b.ToLAN != 200 || b.Down != 10 || b.Up != 3 ||
		b.Peers != 1 || b.Path != "/b" || b.Until != nil || !b.Sharing {
		t.Errorf("b is %+v", b)
	}
	until := time.Now().Add(time.Hour)
	o.entries[0].Until(until)
	o.crowds[1].shares = "no-share"
	p = o.Handle(Request{Do: DoStatus}).Process
	if got := p.Transfers[0].Until; got == nil || !got.Equal(until) {
		t.Errorf("it is shared until %v", got)
	}
	if x := p.Transfers[1]; x.Sharing || x.Why != "no-share" {
		t.Errorf("b is shared: %v, %s", x.Sharing, x.Why)
	}
	o.crowds[1].shares = ""
	o.entries[1].path = "-"
	if x := o.Handle(Request{Do: DoStatus}).Process.Transfers[1]; x.Sharing || x.Why != "it goes to stdout, and is not kept" {
		t.Errorf("what goes to stdout is shared: %v, %s", x.Sharing, x.Why)
	}
	o.entries[1].path = "/b"
	o.Handle(Request{Do: DoSet, Key: "seed-time", Value: "0"})
	o.do(DoPause, o.ids[1])
	if x := o.Handle(Request{Do: DoStatus}).Process.Transfers[1]; x.Why != "paused; else while it downloads: seed-time 0s (set)" {
		t.Errorf("paused without a seed period b is shared %q", x.Why)
	}
	if one := o.Handle(Request{Do: DoStatus, ID: o.ids[1]}).Process; len(one.Transfers) != 1 || one.Transfers[0].Name != "b" {
		t.Errorf("b alone is %+v", one.Transfers)
	}
}

func TestDeskPause(t *testing.T) {
	o := newOffice(t)
	for _, step := range []struct{ do, id string }{
		{DoPause, o.ids[0]}, {DoPause, o.ids[0]}, {DoPause, ""}, {DoContinue, o.ids[1]},
	} {
		if err := o.do(step.do, step.id); err != "" {
			t.Error(err)
		}
	}
	if p := o.Handle(Request{Do: DoStatus}).Process; p.Transfers[0].State != Paused || p.Transfers[1].State != Fetching {
		t.Errorf("now it is %+v", p.Transfers)
	}
	// What was paused before it began is paused when it does.
	o.entries[2].Fetching(new(fetch.Gauges), o.crowds[2], nil)
	for i, want := range [][]string{{"pause", "paused"}, {"pause", "paused", "continue", "running"}, {"pause"}} {
		if !slices.Equal(o.crowds[i].told, want) {
			t.Errorf("content %d was told %v, want %v", i, o.crowds[i].told, want)
		}
	}
	if err := o.do("dance", ""); err == "" {
		t.Error("it dances")
	}
}

func TestDeskStop(t *testing.T) {
	o := newOffice(t)
	if a := o.Handle(Request{Do: DoStop, ID: o.ids[0]}); a.Error != "" || a.Ending || o.stopped != 0 || !slices.Equal(o.crowds[0].told, []string{"leave"}) {
		t.Errorf("to stop what is served said %+v, and was %v", a, o.crowds[0].told)
	}
	o.entries[0].Done()
	if err := o.do(DoStop, o.ids[0]); err == "" || o.stopped != 0 {
		t.Errorf("what is gone was stopped: %v", err)
	}
	if a := o.Handle(Request{Do: DoStop, ID: o.ids[1]}); a.Error != "" || !a.Ending || o.stopped != 1 {
		t.Errorf("to stop what is fetched said %+v, %d", a, o.stopped)
	}
	// The last content takes its process with it.
	o = newOffice(t)
	o.entries[1].Done()
	o.entries[2].Done()
	if a := o.Handle(Request{Do: DoStop, ID: o.ids[0]}); !a.Ending || o.stopped != 1 {
		t.Errorf("to stop the last one said %+v, %d", a, o.stopped)
	}
}

func TestDeskSet(t *testing.T) {
	o := newOffice(t)
	var most []int64
	o.ObeyMaxUpload(func(n int64) { most = append(most, n) })
	for key, value := range map[string]string{"limit-down": "100K", "limit-up": "0", "max-upload": "1G", "seed-ratio": "2", "connections": "9"} {
		if a := o.Handle(Request{Do: DoSet, Key: key, Value: value}); a.Error != "" {
			t.Error(a.Error)
		}
	}
	for _, key := range []string{"limit-up", "listen"} {
		if a := o.Handle(Request{Do: DoSet, Key: key, Value: "x"}); a.Error == "" {
			t.Errorf("%s can be x", key)
		}
	}
	if o.options.Down.Limit() != 100<<10 || o.options.Up.Limit() != rate.Inf || !slices.Equal(most, []int64{0, 1 << 30}) || o.Limits().SeedRatio != 2 {
		t.Errorf("down %v, up %v, most %v, %+v", o.options.Down.Limit(), o.options.Up.Limit(), most, o.Limits())
	}
	want := []Limit{
		{"limit-down", "100K", "set", ""}, {"max-upload", "1G", "set", ""}, {"connections", "9", "set", ""},
		{"seed-time", "1m", "default", ""}, {"seed-ratio", "2", "set", ""},
	}
	if got := o.Handle(Request{Do: DoStatus}).Process.Limits; !reflect.DeepEqual(got[:len(want)], want) {
		t.Errorf("the limits are %+v", got)
	}
}

// TestNobody does to no entry what may be done to one.
func TestNobody(t *testing.T) {
	var d *Desk
	e := d.Add(content(t, "a"), "a")
	e.Fetching(new(fetch.Gauges), nil, nil)
	e.Seeding(nil, nil, nil)
	e.Until(time.Now())
	e.Done()
	if sources := []fetch.Source{nil}; len(e.Count(sources)) != 1 || e.Steer() != nil {
		t.Error("something was made of nothing")
	}
}

// stub is a source that brings so many bytes in each of so many seconds.
type stub struct{ bytes, seconds int }

func (s *stub) Name() string     { return "http://a/" }
func (s *stub) Kind() fetch.Kind { return fetch.KindMirror }
func (s *stub) Changed() string  { return "it changed" }

func (s *stub) Pieces(_ context.Context, l fetch.Lease) iter.Seq2[fetch.Raw, error] {
	return func(func(fetch.Raw, error) bool) {
		for range s.seconds * 10 {
			time.Sleep(100 * time.Millisecond)
			l.Received(s.bytes / 10)
		}
	}
}

// TestMirrorsAreCounted watches a mirror from its first byte to long after its
// last one.
func TestMirrorsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		s := o.entries[1].Count([]fetch.Source{&stub{1000, 10}})[0]
		if c, ok := s.(interface{ Changed() string }); !ok || c.Changed() != "it changed" || s.Name() != "http://a/" {
			t.Error("it is another source now")
		}
		heard := 0
		var bringing sync.WaitGroup
		bringing.Go(func() {
			for range s.Pieces(t.Context(), fetch.Lease{Received: func(n int) { heard += n }}) {
			}
		})
		see := func() Source { return o.Handle(Request{Do: DoStatus, ID: o.ids[1]}).Process.Transfers[0].Sources[0] }
		for _, after := range []time.Duration{time.Second + time.Millisecond, 8 * time.Second} {
			time.Sleep(after)
			if got := see(); got.Down < 900 || got.Down > 1250 {
				t.Errorf("it gives %v bytes a second", got.Down)
			}
		}
		bringing.Wait()
		if got := see(); got.From != 10_000 || heard != 10_000 {
			t.Errorf("it gave %d bytes, of which %d were heard", got.From, heard)
		}
		time.Sleep(30 * time.Second)
		if got := see(); got.Down > 1 {
			t.Errorf("it gives %v bytes a second long after", got.Down)
		}
	})
}

func TestMetrics(t *testing.T) {
	o := newOffice(t)
	evil := content(t, "brace} x{y='z'} = é")
	o.Add(evil, "/x").Seeding(new(fetch.Gauges), o.crowds[2], nil)
	l, err := listenMetrics(t.Context(), ":0")
	if err != nil {
		t.Fatal(err)
	}
	if ip := l.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() {
		t.Errorf("it listens at %v", ip)
	}
	ctx, stop := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() { o.serveMetrics(ctx, l) })
	get := func(path string) (int, string) {
		resp, err := http.Get("http://" + l.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(text)
	}
	if code, _ := get("/"); code != http.StatusNotFound {
		t.Errorf("/ is %d", code)
	}
	code, text := get("/metrics")
	if code != http.StatusOK {
		t.Errorf("/metrics is %d", code)
	}
	b := `id="` + o.ids[1] + `",name="b"`
	for _, line := range []string{
		"# TYPE shoal_received_bytes_total counter", "# TYPE shoal_peers gauge",
		"shoal_received_bytes_total{" + b + `,kind="mirror"} 1`, "shoal_received_bytes_total{" + b + `,kind="lan"} 2`,
		"shoal_received_bytes_total{" + b + `,kind="peer"} 3`, "shoal_sent_bytes_total{" + b + `,kind="lan"} 200`,
		"shoal_sent_bytes_total{" + b + `,kind="peer"} 500`, "shoal_peers{" + b + `,kind="lan"} 1`, "shoal_pieces{" + b + "} 1",
		"shoal_state{" + b + `,state="fetching"} 1`, "shoal_state{" + b + `,state="paused"} 0`, "shoal_sharing{" + b + "} 1",
		`shoal_limit{key="limit-up"} 1048576`, `shoal_limit{key="seed-time"} 60`,
		`shoal_size_bytes{id="` + evil.ID().String() + `",name="brace} x{y='z'} = é"} 31`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("there is no line %s", line)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
	stop()
	serving.Wait()
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("it still listens")
	}
}

func TestLabels(t *testing.T) {
	for value, want := range map[string]string{
		`plain`: `plain`, `a"b`: `a\"b`, `a\`: `a\\`, "a\nb": `a\nb`, `",y="`: `\",y=\"`, `{}=,`: `{}=,`,
	} {
		got := labelled("x", "k", value, "l", value)
		if got != `x{k="`+want+`",l="`+want+`"}` || metrics.ValidateMetric(got) != nil {
			t.Errorf("%q became %s", value, got)
		}
	}
}
