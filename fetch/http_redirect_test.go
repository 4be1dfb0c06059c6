package fetch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/shoal-dl/shoal/fetch"
)

// TestRedirectIsRemembered has a server that sends each request on, and counts.
func TestRedirectIsRemembered(t *testing.T) {
	for _, status := range []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone} {
		t.Run(fmt.Sprint(status), func(t *testing.T) { testRedirectIsRemembered(t, status) })
	}
}

// testRedirectIsRemembered has the target answer with a status when its link is no
// longer good: some stores have 400 for a signed URL that has expired.
func testRedirectIsRemembered(t *testing.T, status int) {
	m, content := oneFile(t, 4*piece)
	var asked, expired atomic.Int32
	target := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != fmt.Sprintf("link=%d", asked.Load()) {
			expired.Add(1)
			w.WriteHeader(status)
			return
		}
		serveBytes(w, r, content)
	})
	mirror := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, fmt.Sprintf("%s/there?link=%d", target.URL, asked.Add(1)), http.StatusTemporaryRedirect)
	})
	s := newMirror(t, newClient(t, fetch.ClientOptions{}), m, mirror.URL)
	for i := range 3 {
		if _, err := bring(t.Context(), s, m, i, i+1); err != nil {
			t.Fatal(err)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the mirror was asked %d times for 3 pieces", n)
	}
	asked.Store(7) // the link expires
	if got, err := bring(t.Context(), s, m, 3, 4); err != nil || !bytes.Equal(got, content[3*piece:]) {
		t.Errorf("after the link expired: %v", err)
	}
	if n, e := asked.Load(), expired.Load(); n != 8 || e != 1 {
		t.Errorf("the mirror was asked %d times and refused %d, wanted once each", n-7, e)
	}
}

// TestRedirectTargetDies has the target of a known redirect fail in a way that is
// not asked anew at once; the next lease is sent to another one.
func TestRedirectTargetDies(t *testing.T) {
	m, content := oneFile(t, 3*piece)
	alive := serve(t, serveContent(m, content))
	var fails atomic.Bool
	dies := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if fails.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		serveBytes(w, r, content)
	})
	mirror := serve(t, func(w http.ResponseWriter, r *http.Request) {
		to := dies.URL
		if fails.Load() {
			to = alive.URL
		}
		http.Redirect(w, r, to+"/file.bin", http.StatusFound)
	})
	s := newMirror(t, newClient(t, fetch.ClientOptions{}), m, mirror.URL)
	if _, err := bring(t.Context(), s, m, 0, 1); err != nil {
		t.Fatal(err)
	}
	fails.Store(true)
	_, err := bring(t.Context(), s, m, 1, 2)
	checkFault(t, err, fetch.FaultPassing, "HTTP 502 Bad Gateway")
	if _, err := bring(t.Context(), s, m, 2, 3); err != nil {
		t.Error(err)
	}
}

// TestRedirectTargetFails has a fresh redirect whose target refuses: there is
// nothing to ask anew.
func TestRedirectTargetFails(t *testing.T) {
	m, _ := oneFile(t, 100)
	var asked atomic.Int32
	target := serve(t, status(404))
	mirror := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.Redirect(w, r, target.URL+"/?token=secret", http.StatusFound)
	})
	s := newMirror(t, newClient(t, fetch.ClientOptions{}), m, mirror.URL)
	_, err := bring(t.Context(), s, m, 0, 1)
	checkFault(t, err, fetch.FaultLasting, "redirected to "+strings.TrimPrefix(target.URL, "http://")+": HTTP 404 Not Found")
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestRedirectLoop(t *testing.T) {
	m, _ := oneFile(t, 100)
	var requests atomic.Int32
	var a, b *httptest.Server
	a = serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		http.Redirect(w, r, b.URL+"/", http.StatusFound)
	})
	b = serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		http.Redirect(w, r, a.URL+"/file.bin", http.StatusFound)
	})
	s := newMirror(t, newClient(t, fetch.ClientOptions{}), m, a.URL+"/file.bin")
	_, err := bring(t.Context(), s, m, 0, 1)
	checkFault(t, err, fetch.FaultLasting, "redirect loop")
	if n := requests.Load(); n != 2 {
		t.Errorf("%d requests", n)
	}
}

func TestRedirectDowngradeIsRefused(t *testing.T) {
	m, content := oneFile(t, 100)
	plain := serve(t, serveContent(m, content))
	secure := httptest.NewTLSServer(http.RedirectHandler(plain.URL+"/file.bin", http.StatusMovedPermanently))
	defer secure.Close()
	s := newMirror(t, newClient(t, fetch.ClientOptions{Insecure: true}), m, secure.URL)
	_, err := bring(t.Context(), s, m, 0, 1)
	checkFault(t, err, fetch.FaultLasting, "redirect from https to plain http at 127.0.0.1")
}

// TestRedirectToPrivateIsRefused plays the public Internet on 127.0.0.2.
func TestRedirectToPrivateIsRefused(t *testing.T) {
	m, content := oneFile(t, 2*piece)
	private := serve(t, serveContent(m, content))
	publicOnly := func(a netip.Addr) bool { return a != netip.MustParseAddr("127.0.0.2") }
	toPrivate := servePublic(t, http.RedirectHandler(private.URL+"/file.bin", http.StatusFound))
	_, port, _ := net.SplitHostPort(private.Listener.Addr().String())
	byName := servePublic(t, http.RedirectHandler("http://localhost:"+port+"/file.bin", http.StatusFound))
	public := servePublic(t, serveContent(m, content))
	toPublic := servePublic(t, http.RedirectHandler(public.URL+"/file.bin", http.StatusFound))
	inside := serve(t, http.RedirectHandler(public.URL+"/file.bin", http.StatusFound).ServeHTTP)
	around := serve(t, http.RedirectHandler(toPrivate.URL+"/", http.StatusFound).ServeHTTP)

	c := newClient(t, fetch.ClientOptions{}.WithPrivate(publicOnly))
	// There is an open connection to the private server that must not be used.
	if _, err := bring(t.Context(), newMirror(t, c, m, private.URL+"/file.bin"), m, 0, 2); err != nil {
		t.Fatal(err)
	}
	for name, server := range map[string]*httptest.Server{"address": toPrivate, "name": byName, "inside out and in": around} {
		_, err := bring(t.Context(), newMirror(t, c, m, server.URL+"/"), m, 0, 2)
		if err == nil {
			t.Errorf("%s: was followed", name)
			continue
		}
		checkFault(t, err, fetch.FaultLasting, "redirect from a public host to a private address")
	}
	for name, server := range map[string]*httptest.Server{"public to public": toPublic, "private to public": inside} {
		if _, err := bring(t.Context(), newMirror(t, c, m, server.URL+"/"), m, 0, 2); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// servePublic listens on an address that only some systems have.
func servePublic(t *testing.T, handler http.Handler) *httptest.Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Skip("127.0.0.2 is not to be had: ", err)
	}
	s := httptest.NewUnstartedServer(handler)
	_ = s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// TestCredentialsStayAtHome has a mirror, named by the user, that redirects to
// another port: what is for the first must not reach the second.
func TestCredentialsStayAtHome(t *testing.T) {
	m, content := oneFile(t, 2*piece)
	var first, second http.Header
	other := serve(t, func(w http.ResponseWriter, r *http.Request) {
		second = r.Header
		serveBytes(w, r, content)
	})
	home := serve(t, func(w http.ResponseWriter, r *http.Request) {
		first = r.Header
		http.Redirect(w, r, strings.Replace(other.URL, "//", "//eve:pw@", 1), http.StatusFound)
	})
	netrcFile(t, "machine 127.0.0.1 login netrc password secret\n")
	for name, test := range map[string]struct {
		options      fetch.ClientOptions
		userinfo     string
		trust        bool
		auth, header string
	}{
		"userinfo":           {userinfo: "ann:pw@", auth: "Basic YW5uOnB3"},
		"headers":            {options: fetch.ClientOptions{Headers: []string{"X-Token: secret", "Authorization: Bearer secret"}}, trust: true, auth: "Bearer secret", header: "secret"},
		"headers, untrusted": {options: fetch.ClientOptions{Headers: []string{"X-Token: secret", "Authorization: Bearer secret"}}},
		"netrc":              {options: fetch.ClientOptions{Netrc: true}, trust: true, auth: "Basic bmV0cmM6c2VjcmV0"},
		"netrc, untrusted":   {options: fetch.ClientOptions{Netrc: true}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, test.options)
			if test.trust {
				c.Trust(home.URL)
			}
			s := newMirror(t, c, m, strings.Replace(home.URL, "//", "//"+test.userinfo, 1))
			for i := range 2 { // by redirect, then by what is remembered of it
				if _, err := bring(t.Context(), s, m, i, i+1); err != nil {
					t.Fatal(err)
				}
				if second.Get("Authorization") != "" || second.Get("X-Token") != "" {
					t.Errorf("the other server was sent %v", second)
				}
			}
			if got := first.Get("Authorization"); got != test.auth {
				t.Errorf("Authorization was %q, wanted %q", got, test.auth)
			}
			if got := first.Get("X-Token"); got != test.header {
				t.Errorf("X-Token was %q, wanted %q", got, test.header)
			}
		})
	}
}

// TestCalledOffKeepsTheRedirect calls a lease off while the target of a known
// redirect is asked: where it leads need not be asked again.
func TestCalledOffKeepsTheRedirect(t *testing.T) {
	m, content := oneFile(t, 3*piece)
	var asked, answered atomic.Int32
	ctx, cancel := context.WithCancel(t.Context())
	target := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if answered.Add(1) == 2 {
			cancel()
			<-r.Context().Done()
			return
		}
		serveBytes(w, r, content)
	})
	mirror := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.Redirect(w, r, target.URL, http.StatusFound)
	})
	s := newMirror(t, newClient(t, fetch.ClientOptions{}), m, mirror.URL)
	for i, want := range []error{nil, context.Canceled} {
		if _, err := bring(ctx, s, m, i, i+1); !errors.Is(err, want) || fetch.AsFault(err) != nil {
			t.Fatalf("lease %d: %v", i, err)
		}
	}
	if _, err := bring(t.Context(), s, m, 2, 3); err != nil {
		t.Fatal(err)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times where it leads", n)
	}
}
