package doctor

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-dl/shoal/fetch"
)

// look is a check that takes that long, and then finds its name.
func look(name string, takes time.Duration, state State) Check {
	return Check{Name: name, Look: func(ctx context.Context) (Finding, error) {
		select {
		case <-time.After(takes):
			return Finding{State: state, Seen: name}, nil
		case <-ctx.Done():
			return Finding{Hint: "hurry"}, ctx.Err()
		}
	}}
}

func TestRunAtOnceAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var shown []string
		checks := []Check{look("slow", 3*time.Second, OK), look("quick", 0, Broken), look("endless", time.Hour, OK), look("second", time.Second, Warning)}
		broken, err := Run(t.Context(), checks, func(c Check, f Finding) {
			shown = append(shown, c.Name+" "+string(f.State)+" "+f.Seen+f.Hint)
		})
		want := []string{"slow ok slow", "quick broken quick", "endless broken not done within 10shurry", "second warning second"}
		if err != nil || broken != 2 || !reflect.DeepEqual(shown, want) {
			t.Errorf("%d broken, %v, shown %q", broken, err, shown)
		}
		if took := time.Since(start); took != usualLimit {
			t.Errorf("it took %v", took)
		}
	})
}

func TestRunIsCalledOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop := errors.New("stop")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(stop) })
		var shown int
		_, err := Run(ctx, []Check{look("quick", 0, OK), look("endless", time.Hour, OK)}, func(Check, Finding) { shown++ })
		if !errors.Is(err, stop) || shown != 1 {
			t.Errorf("%v, and %d shown", err, shown)
		}
	})
}

func TestManyChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		checks := make([]Check, 3*atOnce)
		for i := range checks {
			checks[i] = look("x", time.Second, OK)
		}
		if _, err := Run(t.Context(), checks, func(Check, Finding) {}); err != nil || time.Since(start) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestJudgeMirror(t *testing.T) {
	now := time.Now()
	good := fetch.Examined{Protocol: "HTTP/1.1", Status: 206, Validator: fetch.StrongValidator, Ranged: true, Right: true, Size: 10, Received: 10, Took: time.Second}
	with := func(change func(*fetch.Examined)) fetch.Examined {
		e := good
		change(&e)
		return e
	}
	for name, test := range map[string]struct {
		e          fetch.Examined
		err        error
		state      State
		seen, hint string
	}{
		"good":  {e: good, state: OK, seen: "right content; ranges, strong validator, HTTP/1.1"},
		"wrong": {e: with(func(e *fetch.Examined) { e.Right = false; e.Piece = 7 }), state: Broken, seen: "wrong content: piece 7 is not", hint: "put the right file there"},
		"old certificate": {e: with(func(e *fetch.Examined) { e.CertEnds = now.Add(13*24*time.Hour + time.Hour) }), state: Warning,
			seen: "certificate good for 13 days", hint: "renewed"},
		"new certificate": {e: with(func(e *fetch.Examined) { e.CertEnds = now.Add(15 * 24 * time.Hour) }), state: OK, seen: "certificate good for 15 days"},
		"ended certificate": {e: with(func(e *fetch.Examined) { e.CertEnds = now.Add(-time.Hour) }), state: Warning,
			seen: "certificate no longer good", hint: "renewed"},
		"day's certificate": {e: with(func(e *fetch.Examined) { e.CertEnds = now.Add(25 * time.Hour) }), state: Warning,
			seen: "certificate good for 1 day", hint: "renewed"},
		"no range": {e: with(func(e *fetch.Examined) { e.Ranged = false; e.Validator = fetch.NoValidator }), state: Warning, seen: "ignores Range, no validator", hint: "honour Range"},
		"where it is": {e: with(func(e *fetch.Examined) {
			e.At, e.Proxy, e.Addrs = "https://b/f", "p:3128", []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
		}), state: OK, seen: "redirected to https://b/f, at 192.0.2.1 2001:db8::1, through p:3128"},
		"slow":           {e: with(func(e *fetch.Examined) { e.Received = 3 }), err: context.DeadlineExceeded, state: Warning, seen: "slow: 3 of 10 bytes", hint: "leave most"},
		"empty":          {e: fetch.Examined{Piece: -1}, state: OK, seen: "empty"},
		"many addresses": {e: with(func(e *fetch.Examined) { e.Addrs = make([]netip.Addr, 6) }), state: OK, seen: "at" + strings.Repeat(" invalid IP", 4) + " 2 more"},
		"other size": {e: fetch.Examined{Status: 200}, err: &fetch.Fault{Kind: fetch.FaultLasting, Err: errors.New("has 9 bytes")},
			state: Broken, seen: "9 bytes", hint: "put the right file there"},
		"behind a proxy": {e: fetch.Examined{Proxy: "p:3128"}, err: &fetch.Fault{Kind: fetch.FaultPassing, Err: errors.New("refused")},
			state: Broken, seen: "refused", hint: "what the proxy lets through"},
		"busy": {err: &fetch.Fault{Kind: fetch.FaultBusy, Err: errors.New("x")}, state: Broken, seen: "x", hint: "try again later"},
		"TLS":  {err: &fetch.Fault{Kind: fetch.FaultLasting, Err: errors.New("TLS: certificate has expired")}, state: Broken, seen: "expired", hint: "--cacert"},
		"dead": {err: &fetch.Fault{Kind: fetch.FaultPassing, Err: errors.New("refused")}, state: Broken, seen: "refused", hint: "firewall"},
	} {
		c := Check{Look: func(context.Context) (Finding, error) { return judge(test.e, test.err, 4, now) }}
		f := c.examine(t.Context())
		if f.State != test.state || !strings.Contains(f.Seen, test.seen) || !strings.Contains(f.Hint, test.hint) || f.Hint != "" && test.hint == "" {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if f, err := judge(with(func(e *fetch.Examined) { e.Ranged = false }), nil, 1, now); err != nil || f.State != OK {
		t.Errorf("a file of one piece needs no ranges: %+v, %v", f, err)
	}
}

func TestJudgeClock(t *testing.T) {
	now := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	second := time.Second
	for name, test := range map[string]struct {
		now, created time.Time
		servers      map[string]time.Duration
		state        State
		seen         string
	}{
		"alone":           {now: now, state: OK, seen: "no server was asked"},
		"right":           {now: now, servers: map[string]time.Duration{"a": second, "b": -second}, state: OK, seen: "agrees with 2 servers"},
		"one liar":        {now: now, servers: map[string]time.Duration{"a": 0, "b": time.Hour, "c": second}, state: OK, seen: "agrees with 3 servers"},
		"a bit":           {now: now, servers: map[string]time.Duration{"a": time.Minute, "b": time.Minute}, state: Warning, seen: "is 1m0s behind that of 2 servers"},
		"one says so":     {now: now, servers: map[string]time.Duration{"a": -time.Hour}, state: Warning, seen: "is 1h0m0s ahead of that of 1 server"},
		"all say so":      {now: now, servers: map[string]time.Duration{"a": time.Hour, "b": time.Hour}, state: Broken, seen: "behind"},
		"the epoch":       {now: time.Unix(0, 0), state: Broken, seen: "before this program"},
		"from the future": {now: now, created: now.Add(time.Hour), state: Warning, seen: "written 1h0m0s from now"},
	} {
		f := judgeClock(test.now, test.now, test.created, test.servers)
		if f.State != test.state || !strings.Contains(f.Seen, test.seen) || (f.Hint == "") != (f.State == OK) {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestNames(t *testing.T) {
	lookup := func(_ context.Context, host string) ([]netip.Addr, error) {
		switch {
		case strings.HasPrefix(host, "no"):
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		case strings.HasPrefix(host, "dead"):
			return nil, &net.DNSError{Err: "refused", Name: host}
		}
		return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil
	}
	for hosts, want := range map[string]struct {
		state State
		seen  string
	}{
		"192.0.2.1:80 [::1]:7 other_peers": {OK, "none are to be looked up"},
		"a:80 a:81 b":                      {OK, "2 of 2 found"},
		"a:80 none:1":                      {OK, "1 of 2 found; there is no none"},
		"a:80 dead:1":                      {Warning, "1 of 2 found; no answer about dead"},
		"dead:80 dead2:1":                  {Broken, "0 of 2 found; no answer about dead, dead2"},
		"none:1":                           {OK, "0 of 1 found; there is no none"},
	} {
		var list []string
		for h := range strings.FieldsSeq(hosts) {
			list = append(list, strings.ReplaceAll(h, "_", " "))
		}
		f, err := Names(list, lookup).Look(t.Context())
		if err != nil || f.State != want.state || f.Seen != want.seen {
			t.Errorf("%s: %+v, %v", hosts, f, err)
		}
	}
}

func TestDisk(t *testing.T) {
	full := errors.New("write to /x: read-only file system")
	for _, test := range []struct {
		trial Trial
		err   error
		need  int64
		state State
	}{
		{Trial{"/x", 100 << 20, 16 << 20, time.Second}, nil, 50 << 20, OK},
		{Trial{"/x", 100 << 20, 16 << 20, time.Second}, nil, 101 << 20, Broken},
		{Trial{"/x", 100 << 20, 1 << 20, time.Second}, nil, 0, Warning},
		{Trial{"/x", -1, 16 << 20, time.Second}, nil, 50 << 20, OK},
		{Trial{"/x", 1000, 0, 0}, nil, 0, Warning},
		{Trial{Folder: "/x"}, full, 0, Broken},
	} {
		f := Disk(test.need, func(context.Context) (Trial, error) { return test.trial, test.err }).examine(t.Context())
		if f.State != test.state || (f.Hint == "") != (f.State == OK) {
			t.Errorf("%+v, %d needed: %+v", test.trial, test.need, f)
		}
	}
}

func TestJudgeDoor(t *testing.T) {
	ours, router := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.1")
	for _, test := range []struct {
		door       Door
		state      State
		seen, hint string
	}{
		{Door{Port: 7, Local: true}, OK, "only this machine", ""},
		{Door{Port: 7}, Warning, "unknown", "--listen :PORT, and elsewhere nc -vz ADDRESS PORT"},
		{Door{Port: 7, Chosen: true, External: []netip.Addr{router}}, Warning, "a router stands between", "nc -vz 198.51.100.1 7"},
		{Door{Port: 7, Chosen: true, External: []netip.Addr{ours}, Own: []netip.Addr{ours}}, Warning, "no router between", "nc -vz 192.0.2.1 7"},
	} {
		f := judgeDoor(test.door)
		own := strings.HasPrefix(f.Hint, "give it a port of its own")
		if f.State != test.state || !strings.Contains(f.Seen, test.seen) || !strings.Contains(f.Hint, test.hint) || own == (test.door.Chosen || test.door.Local) {
			t.Errorf("%+v: %+v", test.door, f)
		}
	}
}

func TestPeers(t *testing.T) {
	dht := func(r Reach) Check { return DHT(func(context.Context) (Reach, error) { return r, nil }) }
	lan := func(v Voice, err error) Check { return LAN(func(context.Context) (Voice, error) { return v, err }) }
	for _, test := range []struct {
		check Check
		state State
		seen  string
	}{
		{dht(Reach{IPv4: 30, IPv6: 2, Asked: 5, External: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}), OK, "30 nodes answered by IPv4, 2 by IPv6; they see us at 192.0.2.1"},
		{dht(Reach{IPv4: 1, Asked: 5}), OK, "1 node answered by IPv4, 0 by IPv6"},
		{dht(Reach{Asked: 5}), Broken, "no answer from the 5 nodes"},
		{dht(Reach{}), Broken, "no node to begin with"},
		{lan(Voice{Heard: []string{"eth0"}, Silent: []string{"wlan0"}}, nil), OK, "heard by eth0; silent: wlan0"},
		{lan(Voice{Silent: []string{"wlan0"}}, nil), Warning, "not heard"},
		{lan(Voice{Failed: []string{"tun0: why"}}, nil), Warning, "no multicast goes out; tun0: why"},
		{lan(Voice{}, nil), Warning, "no network interface"},
		{lan(Voice{}, errors.New("no socket")), Warning, "no socket"},
	} {
		f := test.check.examine(t.Context())
		if f.State != test.state || !strings.Contains(f.Seen, test.seen) || (f.Hint == "") != (f.State == OK) {
			t.Errorf("%s: %+v", test.check.Name, f)
		}
	}
}

// TestSlow finds what takes long no more broken than it is.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wait := func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}
		disk := Disk(0, func(ctx context.Context) (Trial, error) { return Trial{Folder: "/x"}, wait(ctx) })
		lan := LAN(func(ctx context.Context) (Voice, error) { return Voice{}, wait(ctx) })
		names := Names([]string{"a"}, func(context.Context, string) ([]netip.Addr, error) {
			time.Sleep(slowNames + time.Second)
			return nil, nil
		})
		for _, test := range []struct {
			check Check
			state State
			seen  string
		}{
			{disk, Warning, "/x: slow, a few bytes are not done within 30s"},
			{lan, Broken, "not done within 10s"},
			{names, Warning, "1 of 1 found"},
		} {
			if f := test.check.examine(t.Context()); f.State != test.state || f.Seen != test.seen || f.Hint == "" {
				t.Errorf("%s: %+v", test.check.Name, f)
			}
		}
	})
}

func TestLimits(t *testing.T) {
	for insecure, want := range map[bool]State{false: OK, true: Warning} {
		f := Limits([]string{"limit-up 1M", "no-dht"}, insecure).examine(t.Context())
		if f.State != want || f.Seen != "limit-up 1M, no-dht" || (f.Hint != "") != insecure {
			t.Errorf("insecure %v: %+v", insecure, f)
		}
	}
}

func TestClockTellsWhoMinds(t *testing.T) {
	now := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	for off, want := range map[time.Duration]bool{time.Second: false, time.Minute: false, -time.Minute: false, 3 * time.Minute: true, -3 * time.Minute: true} {
		f := judgeClock(now, now, time.Time{}, map[string]time.Duration{"a": off})
		if strings.Contains(f.Hint, "peers hang up") != want {
			t.Errorf("%v off: %+v", off, f)
		}
	}
}

func TestProxies(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	proxy := l.Addr().String()
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "no_proxy"} {
		t.Setenv(name, "")
	}
	t.Setenv("NO_PROXY", "near.example")
	for _, test := range []struct {
		proxy string
		urls  []string
		state State
		seen  string
	}{
		{"", nil, OK, "none"},
		{"http://me:secret@" + proxy, nil, OK, "http://" + proxy + "; peers"},
		{"http://" + proxy, []string{"https://near.example/f", "https://far.example/f"}, OK, "http://" + proxy + ", but not for 1 of 2 mirrors; peers"},
		{"http://" + proxy, []string{"https://near.example/f"}, OK, "none"},
		{"http://me:secret@127.0.0.1:1", nil, Broken, "http://127.0.0.1:1: "},
	} {
		c, err := fetch.NewClient(fetch.ClientOptions{Proxy: test.proxy})
		if err != nil {
			t.Fatal(err)
		}
		f := Proxies(c, test.urls).examine(t.Context())
		if f.State != test.state || !strings.HasPrefix(f.Seen, test.seen) || strings.Contains(f.Seen, "secret") {
			t.Errorf("%q for %q: %+v", test.proxy, test.urls, f)
		}
	}
	t.Setenv("HTTPS_PROXY", "http://"+proxy)
	c, err := fetch.NewClient(fetch.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if f := Proxies(c, nil).examine(t.Context()); !strings.HasPrefix(f.Seen, "http://"+proxy+", but not for http; peers") {
		t.Errorf("for https alone: %+v", f)
	}
}
