package fetch_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shoal-dl/shoal/fetch"
)

func TestExamine(t *testing.T) {
	m, content := oneFile(t, 4*piece)
	good := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		serveBytes(w, r, content)
	})
	for name, test := range map[string]struct {
		handler   http.HandlerFunc
		right     bool
		ranged    bool
		validator fetch.Validator
		at        string
		fault     string
	}{
		"redirected": {handler: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, good.URL+"/there?token=secret", http.StatusFound)
		}, right: true, ranged: true, validator: fetch.StrongValidator, at: good.URL + "/there"},
		"weak": {handler: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `W/"v1"`)
			serveBytes(w, r, content)
		}, right: true, ranged: true, validator: fetch.WeakValidator},
		"without ranges": {handler: func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(content)
		}, right: true, validator: fetch.NoValidator},
		"half of what was asked for": {handler: subset(content, func(size int) int { return (size + 1) / 2 }),
			right: true, ranged: true, validator: fetch.NoValidator},
		"wrong in the middle": {handler: func(w http.ResponseWriter, r *http.Request) {
			other := slices.Clone(content)
			other[2*piece] ^= 1
			serveBytes(w, r, other)
		}, ranged: true, validator: fetch.NoValidator},
		"longer": {handler: func(w http.ResponseWriter, r *http.Request) {
			serveBytes(w, r, append(slices.Clone(content), 0))
		}, ranged: true, validator: fetch.NoValidator, fault: "has 262145 bytes, the manifest says 262144"},
		"gone": {handler: status(http.StatusNotFound), validator: fetch.NoValidator, fault: "HTTP 404 Not Found"},
	} {
		s := newMirror(t, newClient(t, fetch.ClientOptions{}), m, serve(t, test.handler).URL+"/f?token=secret")
		e, err := s.Examine(t.Context())
		if e.Right != test.right || e.Ranged != test.ranged || e.Validator != test.validator || e.At != test.at {
			t.Errorf("%s: %+v", name, e)
		}
		if test.fault == "" && (err != nil || e.Received != piece || e.Size != piece || e.Took <= 0) ||
			test.fault != "" && (fetch.AsFault(err) == nil || err.Error() != test.fault) {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
}

func TestExamineCertificate(t *testing.T) {
	m, content := oneFile(t, 2*piece)
	s := httptest.NewTLSServer(serveContent(m, content))
	defer s.Close()
	c := newClient(t, fetch.ClientOptions{Insecure: true})
	e, err := newMirror(t, c, m, s.URL+"/file.bin").Examine(t.Context())
	if err != nil || !e.CertEnds.Equal(s.Certificate().NotAfter) || !e.Right {
		t.Errorf("%+v, %v", e, err)
	}
	s.Config.ErrorLog = quiet
	_, err = newMirror(t, newClient(t, fetch.ClientOptions{}), m, s.URL+"/file.bin").Examine(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "TLS: ") {
		t.Errorf("of a certificate that nobody vouches for: %v", err)
	}
}

func TestExamineNothing(t *testing.T) {
	m, _ := oneFile(t, 0)
	e, err := newMirror(t, newClient(t, fetch.ClientOptions{}), m, "http://127.0.0.1:1/f").Examine(t.Context())
	if err != nil || e.Piece != -1 {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestClocks(t *testing.T) {
	m, content := oneFile(t, piece)
	c := newClient(t, fetch.ClientOptions{})
	var hosts []string
	for _, header := range []http.Header{
		{"Date": {time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)}},
		{"Date": {time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)}, "Age": {"3600"}},
		{"Date": {"yesterday"}},
	} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			for name, values := range header {
				w.Header()[name] = values
			}
			serveBytes(w, r, content)
		})
		hosts = append(hosts, strings.TrimPrefix(s.URL, "http://"))
		if _, err := newMirror(t, c, m, s.URL+"/f").Examine(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	got := c.Clocks()
	if ahead := got[hosts[0]]; len(got) != 1 || ahead < 59*time.Minute || ahead > time.Hour {
		t.Errorf("the servers %q are ahead by %v", hosts, got)
	}
}

func TestContacts(t *testing.T) {
	t.Setenv("NO_PROXY", "near.example")
	m, _ := oneFile(t, piece)
	c := newClient(t, fetch.ClientOptions{Proxy: "socks5://me:secret@proxy.example"})
	got := c.Contacts(m, "https://m.example/f.shoal", "https://cdn.example/x/f.shoal",
		[]string{"http://near.example:8080/f?token=secret", "https://me:secret@far.example/f", "https://far.example/f", "ftp://none.example/f"})
	why := "a mirror that you named"
	want := []fetch.Contact{
		{Host: "proxy.example:1080", Kind: "proxy", Why: "a proxy, by --proxy or the environment"},
		{Host: "m.example:443", Kind: "manifest", Why: "where the manifest is; asked for it just now", Via: "proxy.example:1080"},
		{Host: "cdn.example:443", Kind: "manifest", Why: "where the manifest's URL led; asked just now", Via: "proxy.example:1080"},
		{Host: "near.example:8080", Kind: "mirror", Why: why},
		{Host: "far.example:443", Kind: "mirror", Why: why, Via: "proxy.example:1080"},
		{Host: "other servers", Kind: "mirror", Why: "where mirrors redirect to"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := c.Contacts(m, "/a/path", "/a/path", nil); len(got) != 0 {
		t.Errorf("a path has no host, but %+v", got)
	}
}
