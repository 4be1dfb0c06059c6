package swarm

import (
	"context"
	"errors"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-dl/shoal/swarm/quota"
	"github.com/shoal-dl/shoal/verify"
)

// keeper keeps rules in a bubble, where it is midnight in UTC.
func keeper(t *testing.T, r quota.Rules, p quota.Probes) *quota.Keeper {
	k := quota.New(quota.Options{
		Rules: r, Probes: p, File: filepath.Join(t.TempDir(), "uploads"),
		Now: func() time.Time { return time.Now().UTC() },
	})
	t.Cleanup(k.Close)
	return k
}

// refused tells whether an error is that a peer shares nothing.
func refused(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Lasting
}

// TestMonth stops sharing with the Internet after so many bytes in a month, over
// several runs.
func TestMonth(t *testing.T) {
	c := newContent(t, 10<<20, 64<<10, false)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		k := keeper(t, quota.Rules{Monthly: 2 << 20}, quota.Probes{})
		said := make(chan quota.Verdict, 10)
		run := func() (*Swarm, error) {
			m := w.machine(near)
			s := w.node(m, Options{Share: true, Stay: true, Quota: k, Sharing: func(v quota.Verdict) { said <- v }}).Join(c.seed())
			_, l := w.leech(c, Options{}, m)
			_, err := bring(t.Context(), firstPeer(t, l), lease(upTo(c.NumPieces())...))
			s.Serve(t.Context(), func() Period { return Period{Time: -1} }, func(time.Time, Stats) {}) // it ends, for it is in vain
			return s, err
		}
		s, err := run()
		if n := s.Stats().Uploaded; !refused(err) || n < 2<<20-quantum || n > 2<<20 {
			t.Errorf("%d bytes were uploaded: %v", n, err)
		}
		if v := <-said; v.Reason != quota.Monthly || v.LAN || v.Until.Format(time.DateOnly) != "2000-02-01" {
			t.Errorf("the user is told %+v", v)
		}
		m := w.machine(near)
		s = w.node(m, Options{Share: true, Quota: k}).Join(c.seed())
		w.leech(c, Options{}, m)
		time.Sleep(time.Minute)
		if st := s.Stats(); st.Uploaded > 0 {
			t.Errorf("in the same month it goes on: %+v", st)
		}
	})
}

// TestQuietHours shares nothing in some hours of the day, and again after them.
func TestQuietHours(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		k := keeper(t, quota.Rules{Quiet: quota.Hours{{60, 120}}}, quota.Probes{})
		said := make(chan quota.Verdict, 10)
		m := w.machine(near)
		w.node(m, Options{Share: true, Stay: true, Quota: k, Sharing: func(v quota.Verdict) { said <- v }}).Join(c.seed())
		_, l := w.leech(c, Options{}, m)
		if _, err := bring(t.Context(), firstPeer(t, l), lease(0)); err != nil {
			t.Errorf("at midnight: %v", err)
		}
		time.Sleep(time.Hour + time.Minute)
		if _, err := bring(t.Context(), firstPeer(t, l), lease(1)); !refused(err) {
			t.Errorf("in quiet hours: %v", err)
		}
		if v := <-said; v.Reason != quota.QuietHours || !v.LAN || v.Until.Hour() != 2 {
			t.Errorf("the user is told %+v", v)
		}
		_, late := w.leech(c, Options{}, m)
		time.Sleep(time.Hour)
		if v := <-said; v.Reason != "" {
			t.Errorf("the user is told %+v", v)
		}
		// Those who were refused, or who came in vain, meet us again.
		for _, l := range []*Swarm{l, late} {
			if _, err := bring(t.Context(), firstPeer(t, l), lease(2)); err != nil {
				t.Errorf("after the quiet hours: %v", err)
			}
		}
	})
}

// TestRulesCutUploads rejects what a peer waits for when a rule comes into force.
func TestRulesCutUploads(t *testing.T) {
	c := newContent(t, 8<<20, 64<<10, false)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		k := keeper(t, quota.Rules{Quiet: quota.Hours{{1, 60}}}, quota.Probes{})
		m := w.machine(near)
		s := w.node(m, Options{Share: true, Quota: k, LimitUp: perSecond(64 << 10)}).Join(c.seed())
		_, l := w.leech(c, Options{}, m)
		served := make(chan time.Duration, 1)
		begun := time.Now()
		go func() {
			s.Serve(t.Context(), func() Period { return Period{Time: time.Hour} }, func(time.Time, Stats) {})
			served <- time.Since(begun)
		}()
		got, err := bring(t.Context(), firstPeer(t, l), lease(upTo(c.NumPieces())...))
		if took := time.Since(begun); !refused(err) || len(got) < 40 || took > time.Minute+5*time.Second {
			t.Errorf("%d pieces in %v, then %v", len(got), took, err)
		}
		// Who is not to stay does not wait for the end of it.
		if long := <-served; long > time.Minute+2*time.Second {
			t.Errorf("the seed period lasted %v", long)
		}
	})
}

// TestWhileRuled begins anew when sharing ends, and not when all stays as it is.
func TestWhileRuled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.node(w.machine(near), Options{Share: true})
		ctx, stop := context.WithCancel(t.Context())
		var acts []bool
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			n.whileRuled(ctx, false, func(ctx context.Context, may bool) {
				acts = append(acts, may)
				<-ctx.Done()
			})
		}()
		synctest.Wait()
		n.change()
		synctest.Wait()
		if !slices.Equal(acts, []bool{true}) {
			t.Errorf("nothing has changed: %v", acts)
		}
		n.exhaust()
		synctest.Wait()
		stop()
		<-ended
		if !slices.Equal(acts, []bool{true, false}) {
			t.Errorf("sharing has ended: %v", acts)
		}
	})
}

// TestLocalPeersAreFree gives a neighbour in the local network what a metered
// way to the Internet and a month that is over forbid to others.
func TestLocalPeersAreFree(t *testing.T) {
	c := newContent(t, 1<<20, 64<<10, false)
	c.Discovery = []string{verify.DiscoveryDHT} // no multicast in a bubble
	yes := func(context.Context) bool { return true }
	for name, test := range map[string]struct {
		rules  quota.Rules
		probes quota.Probes
		lan    bool // is served
	}{
		"metered": {quota.Rules{}, quota.Probes{Metered: yes}, true},
		"month":   {quota.Rules{Monthly: 1}, quota.Probes{}, true},
		"battery": {quota.Rules{}, quota.Probes{Battery: yes}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				k := keeper(t, test.rules, test.probes)
				here, there, away := w.machineAt("20.0.0.1"), w.machineAt("10.0.0.2"), w.machineAt("20.0.1.1")
				s := w.node(here, Options{Share: true, Stay: true, LAN: true, Quota: k}).Join(c.seed())
				synctest.Wait() // it has looked at the machine
				for m, lan := range map[*machine]bool{there: true, away: false} {
					l := w.node(m, Options{}).Join(Content{Manifest: c.Manifest, Read: c.read, Peers: []string{here.at.String()}})
					time.Sleep(10 * time.Second)
					peers := l.Peers()
					if want := lan && test.lan; want != (len(peers) > 0) {
						t.Errorf("LAN %v: it meets %d peers", lan, len(peers))
					}
					if len(peers) > 0 {
						if _, err := bring(t.Context(), peers[0], lease(upTo(c.NumPieces())...)); err != nil {
							t.Errorf("LAN %v: %v", lan, err)
						}
					}
				}
				st := s.Stats()
				if n := st.Uploaded; k.Used() != 0 || test.lan != (n == 1<<20) || st.ToLAN != n {
					t.Errorf("%d bytes were uploaded, %d of them in the local network, %d are counted", n, st.ToLAN, k.Used())
				}
			})
		})
	}
}

// machineAt is a machine with an address that counts as private or public.
func (w *world) machineAt(addr string) *machine {
	host := netip.MustParseAddr(addr)
	return &machine{w.Host(host, near), netip.AddrPortFrom(host, 7411)}
}
