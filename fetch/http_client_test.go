package fetch_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/shoal-dl/shoal/fetch"
)

func TestBadClientOptions(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NETRC", empty+".none")
	for name, o := range map[string]fetch.ClientOptions{
		"header without colon": {Headers: []string{"X-Token"}},
		"header with newline":  {Headers: []string{"X-Token: secret\r\nHost: evil"}},
		"header with space":    {Headers: []string{"X Token: secret"}},
		"reserved header":      {Headers: []string{"accept-encoding: gzip"}},
		"no CA file":           {CACert: empty + ".none"},
		"empty CA file":        {CACert: empty},
		"no certificate":       {Cert: empty + ".none"},
		"bad certificate":      {Cert: empty},
		"key alone":            {Key: empty},
		"proxy scheme":         {Proxy: "ftp://ann:secret@proxy"},
		"proxy host":           {Proxy: "http://"},
		"no netrc":             {Netrc: true},
	} {
		if _, err := fetch.NewClient(o); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestHeaders shows what a server the user named is sent.
func TestHeaders(t *testing.T) {
	m, content := oneFile(t, 100)
	var got http.Header
	var host string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got, host = r.Header, r.Host
		serveBytes(w, r, content)
	})
	c := newClient(t, fetch.ClientOptions{
		UserAgent: "shoal/1.2",
		Headers:   []string{"cookie: a=b", "X-Two: 1", "x-two:2", "Host: other.example"},
	})
	c.Trust(s.URL + "/elsewhere")
	if _, err := bring(t.Context(), newMirror(t, c, m, s.URL), m, 0, 1); err != nil {
		t.Fatal(err)
	}
	want := http.Header{
		"User-Agent": {"shoal/1.2"}, "Accept-Encoding": {"identity"}, "Range": {"bytes=0-99"},
		"Cookie": {"a=b"}, "X-Two": {"1", "2"},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) || host != "other.example" {
		t.Errorf("host %s was sent %v, wanted %v", host, got, want)
	}
}

// TestProxy asks for a host that only the proxy knows.
func TestProxy(t *testing.T) {
	m, content := oneFile(t, 100)
	var asked, auth atomic.Value
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.RequestURI)
		auth.Store(r.Header.Get("Proxy-Authorization"))
		serveBytes(w, r, content)
	})
	withUser := strings.Replace(proxy.URL, "//", "//ann:pw@", 1)
	host := strings.TrimPrefix(proxy.URL, "http://")
	tests := map[string]struct {
		flag string
		env  map[string]string
	}{
		"flag":                {flag: withUser},
		"flag against others": {flag: withUser, env: map[string]string{"HTTP_PROXY": "http://proxy.invalid"}},
		"variable":            {env: map[string]string{"HTTP_PROXY": withUser}},
		"variable for all":    {env: map[string]string{"ALL_PROXY": withUser}},
		"as a CGI program":    {flag: withUser, env: map[string]string{"REQUEST_METHOD": "GET"}},
		"without scheme":      {flag: "ann:pw@" + host},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			clearProxies(t)
			for key, value := range test.env {
				t.Setenv(key, value)
			}
			var told []string
			c := newClient(t, fetch.ClientOptions{Proxy: test.flag, Verbose: func(f string, args ...any) {
				told = append(told, fmt.Sprintf(f, args...))
			}})
			s := newMirror(t, c, m, "http://mirror.invalid/file.bin")
			for range 2 {
				if _, err := bring(t.Context(), s, m, 0, 1); err != nil {
					t.Fatal(err)
				}
			}
			if asked.Load() != "http://mirror.invalid/file.bin" || auth.Load() != "Basic YW5uOnB3" {
				t.Errorf("asked for %v with %v", asked.Load(), auth.Load())
			}
			if want := []string{"contacting mirror.invalid through " + host}; !slices.Equal(told, want) {
				t.Errorf("told %q, wanted %q", told, want)
			}
		})
	}
	t.Run("NO_PROXY", func(t *testing.T) {
		clearProxies(t)
		t.Setenv("NO_PROXY", ".invalid")
		s := newMirror(t, newClient(t, fetch.ClientOptions{Proxy: proxy.URL}), m, "http://mirror.invalid/")
		_, err := bring(t.Context(), s, m, 0, 1)
		checkFault(t, err, fetch.FaultPassing, "look up mirror.invalid")
	})
	t.Run("loopback", func(t *testing.T) {
		clearProxies(t)
		direct := serve(t, status(404))
		for _, test := range []struct {
			env, value string
			flag       string
			proxied    bool
		}{
			{flag: proxy.URL, proxied: true},
			{flag: proxy.URL, env: "NO_PROXY", value: "x, 127.0.0.1"},
			{flag: proxy.URL, env: "NO_PROXY", value: "*"},
			{env: "HTTP_PROXY", value: proxy.URL},
		} {
			clearProxies(t)
			if test.env != "" {
				t.Setenv(test.env, test.value)
			}
			s := newMirror(t, newClient(t, fetch.ClientOptions{Proxy: test.flag}), m, direct.URL)
			if _, err := bring(t.Context(), s, m, 0, 1); (err == nil) != test.proxied {
				t.Errorf("%+v: %v", test, err)
			}
		}
	})
	t.Run("redirect to a private address", func(t *testing.T) {
		clearProxies(t)
		evil := serve(t, status(302, "Location: http://192.168.0.1/"))
		s := newMirror(t, newClient(t, fetch.ClientOptions{Proxy: evil.URL}), m, "http://mirror.invalid/")
		_, err := bring(t.Context(), s, m, 0, 1)
		checkFault(t, err, fetch.FaultLasting, "redirect from a public host to a private address")
	})
	t.Run("dead", func(t *testing.T) {
		clearProxies(t)
		dead := serve(t, status(200))
		dead.Close()
		s := newMirror(t, newClient(t, fetch.ClientOptions{Proxy: dead.URL}), m, "http://mirror.invalid/")
		_, err := bring(t.Context(), s, m, 0, 1)
		checkFault(t, err, fetch.FaultPassing, "proxy: connection refused")
	})
}

func clearProxies(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUEST_METHOD"} {
		t.Setenv(name, "")
		t.Setenv(strings.ToLower(name), "")
	}
}

// TestSOCKS speaks just enough SOCKS 5 (RFC 1928) for one connection.
func TestSOCKS(t *testing.T) {
	m, content := oneFile(t, 100)
	clearProxies(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	server := serve(t, serveContent(m, content))
	asked := make(chan string, 1)
	go func() {
		ours, err := l.Accept()
		if err != nil {
			return
		}
		buf := make([]byte, 300)
		_, _ = io.ReadFull(ours, buf[:3]) // version 5, one method: none
		_, _ = ours.Write([]byte{5, 0})
		_, _ = io.ReadFull(ours, buf[:5]) // connect to a name of so many bytes
		name := buf[5:][:int(buf[4])+2]
		_, _ = io.ReadFull(ours, name)
		asked <- string(name[:len(name)-2])
		_, _ = ours.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
		theirs, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			return
		}
		go io.Copy(theirs, ours)
		_, _ = io.Copy(ours, theirs)
	}()
	c := newClient(t, fetch.ClientOptions{Proxy: "socks5://" + l.Addr().String()})
	if _, err := bring(t.Context(), newMirror(t, c, m, "http://mirror.invalid/file.bin"), m, 0, 1); err != nil {
		t.Fatal(err)
	}
	if name := <-asked; name != "mirror.invalid" {
		t.Errorf("asked for %q", name)
	}
}

// TestHTTP2Only has a server that refuses to speak anything else.
func TestHTTP2Only(t *testing.T) {
	m, content := oneFile(t, 5*piece)
	var protocols []string
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocols = append(protocols, r.Proto)
		serveBytes(w, r, content)
	}))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = quiet
	var hellos atomic.Int32
	s.TLS = &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		hellos.Add(1)
		if slices.Contains(hello.SupportedProtos, "h2") {
			return nil, nil
		}
		config := s.TLS.Clone()
		config.GetConfigForClient, config.NextProtos = nil, []string{"none of yours"}
		return config, nil
	}}
	s.StartTLS()
	defer s.Close()
	mirror := newMirror(t, newClient(t, fetch.ClientOptions{Insecure: true}), m, s.URL)
	for i := range 5 {
		if got, err := bring(t.Context(), mirror, m, i, 5); err != nil || string(got) != string(content[i*piece:]) {
			t.Fatal(err)
		}
	}
	if want := slices.Repeat([]string{"HTTP/2.0"}, 5); !slices.Equal(protocols, want) || hellos.Load() != 2 {
		t.Errorf("%v in %d connections", protocols, hellos.Load())
	}
}

// TestHTTP2OnlyInSilence has a server that lets HTTP/1.1 in, and then hangs up.
func TestHTTP2OnlyInSilence(t *testing.T) {
	m, content := oneFile(t, 100)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serveBytes(w, r, content) }))
	s.TLS = &tls.Config{NextProtos: []string{"h2"}}
	s.Config.ErrorLog = quiet
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP2(true)
	s.StartTLS()
	defer s.Close()
	mirror := newMirror(t, newClient(t, fetch.ClientOptions{Insecure: true}), m, s.URL)
	for range 2 {
		if got, err := bring(t.Context(), mirror, m, 0, 1); err != nil || string(got) != string(content) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	}
}

// TestHTTP1IsPreferred has a server that would speak HTTP/2 as well.
func TestHTTP1IsPreferred(t *testing.T) {
	m, content := oneFile(t, 100)
	var protocol string
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocol = r.Proto
		serveBytes(w, r, content)
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	mirror := newMirror(t, newClient(t, fetch.ClientOptions{Insecure: true}), m, s.URL)
	if _, err := bring(t.Context(), mirror, m, 0, 1); err != nil || protocol != "HTTP/1.1" {
		t.Errorf("%s, %v", protocol, err)
	}
}

// TestHTTP1Stays has a server that would speak HTTP/2 as well hang up once, after it
// has answered.
func TestHTTP1Stays(t *testing.T) {
	m, content := oneFile(t, 3*piece)
	var protocols []string
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocols = append(protocols, r.Proto)
		if n := len(protocols); n == 2 || n == 3 { // net/http asks again on a new connection
			panic(http.ErrAbortHandler)
		}
		serveBytes(w, r, content)
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	mirror := newMirror(t, newClient(t, fetch.ClientOptions{Insecure: true}), m, s.URL)
	for i, fails := range []bool{false, true, false} {
		if _, err := bring(t.Context(), mirror, m, i, i+1); (err != nil) != fails {
			t.Errorf("piece %d: %v", i, err)
		}
	}
	if want := slices.Repeat([]string{"HTTP/1.1"}, 4); !slices.Equal(protocols, want) {
		t.Errorf("spoke %v", protocols)
	}
}

// TestCertificates has servers that ask for the client's certificate. Only the
// one that the user named gets it, and only with the right authority is either
// believed.
func TestCertificates(t *testing.T) {
	m, content := oneFile(t, 100)
	var shown int
	start := func() *httptest.Server {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			shown = len(r.TLS.PeerCertificates)
			serveBytes(w, r, content)
		}))
		s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
		s.StartTLS()
		t.Cleanup(s.Close)
		return s
	}
	named, other := start(), start()
	authority := filepath.Join(t.TempDir(), "ca.pem")
	writePEM(t, authority, &pem.Block{Type: "CERTIFICATE", Bytes: named.Certificate().Raw})
	c := newClient(t, fetch.ClientOptions{CACert: authority, Cert: clientCertificate(t)})
	c.Trust(named.URL)
	for want, s := range map[int]*httptest.Server{1: named, 0: other} {
		if _, err := bring(t.Context(), newMirror(t, c, m, s.URL), m, 0, 1); err != nil {
			t.Fatal(err)
		}
		if shown != want {
			t.Errorf("%d certificates were shown, wanted %d", shown, want)
		}
	}
}

// TestWithheldCredentials has a server that only the manifest names say that it
// wants credentials, and the user has some.
func TestWithheldCredentials(t *testing.T) {
	m, _ := oneFile(t, 100)
	status := http.StatusUnauthorized
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
	netrcFile(t, "machine 127.0.0.1 login joe password secret")
	for name, test := range map[string]struct {
		o      fetch.ClientOptions
		status int
		trust  bool
		hint   bool
	}{
		"header":        {o: fetch.ClientOptions{Headers: []string{"X-Token: secret"}}, status: 403, hint: true},
		"netrc":         {o: fetch.ClientOptions{Netrc: true}, status: 401, hint: true},
		"certificate":   {o: fetch.ClientOptions{Cert: clientCertificate(t)}, status: 400, hint: true},
		"named":         {o: fetch.ClientOptions{Netrc: true}, status: 401, trust: true},
		"none":          {status: 401},
		"other trouble": {o: fetch.ClientOptions{Netrc: true}, status: 404},
	} {
		c := newClient(t, test.o)
		if test.trust {
			c.Trust(s.URL)
		}
		status = test.status
		_, err := bring(t.Context(), newMirror(t, c, m, s.URL), m, 0, 1)
		if err == nil || strings.Contains(err.Error(), "--mirror") != test.hint {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// clientCertificate makes a file of a certificate and its key.
func clientCertificate(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "client.pem")
	writePEM(t, path, &pem.Block{Type: "CERTIFICATE", Bytes: cert}, &pem.Block{Type: "PRIVATE KEY", Bytes: private})
	return path
}

func writePEM(t *testing.T, path string, blocks ...*pem.Block) {
	t.Helper()
	var text []byte
	for _, b := range blocks {
		text = append(text, pem.EncodeToMemory(b)...)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
