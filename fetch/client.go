package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/time/rate"
)

const (
	defaultTimeout  = 15 * time.Second
	idleTime        = 30 * time.Second // an unused connection is kept this long
	idlePerHost     = 64               // unused connections kept for one server
	maxHeaderBytes  = 256 << 10        // of one reply
	defaultProduct  = "shoal"
	reservedHeaders = "Range If-Range Accept-Encoding Connection Content-Length Transfer-Encoding"
)

// ClientOptions say how HTTP servers are talked to. The zero value is usable.
type ClientOptions struct {
	Headers   []string                         // "Name: value", for trusted origins only: see [Client.Trust]
	UserAgent string                           // "shoal" if empty
	Netrc     bool                             // take credentials from $NETRC or ~/.netrc
	Proxy     string                           // http, https, socks5 or socks5h URL; if empty the environment decides
	CACert    string                           // PEM file of the authorities to trust instead of the system's
	Cert, Key string                           // PEM files of a client certificate, for trusted origins only; Key may be in Cert
	Insecure  bool                             // accept any certificate
	Meant     bool                             // credentials were given for this run: see [Client.Mirrors]
	Timeout   time.Duration                    // a server silent for this long has failed; 15 s if 0
	Limit     *rate.Limiter                    // bytes of all bodies together; nil for none: see [NewLimit]
	Verbose   func(format string, args ...any) // is told of each host contacted, by any goroutine

	// Wrap is handed each connection that is made, and returns what to use for
	// it; nil uses them as they are.
	Wrap func(net.Conn) net.Conn

	// Tests replace these: how to connect, and which addresses are none of the
	// public Internet's.
	dial    func(ctx context.Context, network, addr string) (net.Conn, error)
	private func(netip.Addr) bool
}

// Client talks to the HTTP servers of a run: mirrors and those of manifests.
// Its connections are shared by all of them. It may be used by several
// goroutines at once.
//
// Credentials never leave the origin (scheme, host and port) they are meant
// for, whatever a server redirects to:
//
//   - the user and password in a URL go to that URL's origin;
//   - those of netrc go to the host they are listed for, when it is asked by
//     the URL that the user or the manifest gave; to a mirror that only the
//     manifest names not over plain http, and those of the default entry only
//     to an origin that the user himself named;
//   - custom headers and the client certificate go only to the origins that
//     the user named, see [Client.Trust], and, if they are meant for this run,
//     to the mirrors of a manifest file of his, see [Client.Mirrors]. No
//     manifest can list a mirror in order to be sent what is set for all runs.
type Client struct {
	options ClientOptions
	header  http.Header
	tls     *tls.Config       // without client certificate
	certs   []tls.Certificate // of the user
	proxy   func(*url.URL) (*url.URL, error)
	netrc   netrc

	mu         sync.Mutex // guards what follows
	transports map[route]*http.Transport
	trusted    map[string]standing // origins
	http2      map[string]bool     // origins that answered: whether they refuse HTTP/1.1
	named      map[string]bool     // hosts that Verbose was told of
	clocks     map[string]time.Duration
}

// route tells the kinds of connection apart that must not be mixed up.
type route struct {
	guarded bool // private addresses are refused
	cert    bool // with the client certificate
	http2   bool
}

// NewClient checks the options and reads the files they name. Its errors are
// the user's to mend.
func NewClient(o ClientOptions) (*Client, error) {
	if o.UserAgent == "" {
		o.UserAgent = defaultProduct
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Verbose == nil {
		o.Verbose = func(string, ...any) {}
	}
	if o.private == nil {
		o.private = isPrivate
	}
	c := &Client{
		options:    o,
		transports: map[route]*http.Transport{},
		trusted:    map[string]standing{},
		http2:      map[string]bool{},
		named:      map[string]bool{},
		clocks:     map[string]time.Duration{},
	}
	var err error
	if c.header, err = parseHeaders(o.Headers); err != nil {
		return nil, err
	}
	if c.tls, c.certs, err = loadTLS(o); err != nil {
		return nil, err
	}
	if c.proxy, err = proxyFunc(o.Proxy); err != nil {
		return nil, err
	}
	if o.Netrc {
		if c.netrc, err = loadNetrc(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Trust lets the custom headers and the client certificate go to the origin of
// a URL, because the user named it. [Client.Manifest] does so for the URL it
// is given. What is not an HTTP URL is ignored.
func (c *Client) Trust(rawURL string) { c.raise(rawURL, named) }

// Recorded lets the custom headers and the client certificate go to the origin of
// a URL that lies on disk, if they are meant for this run: whose record it is the
// user may not know.
func (c *Client) Recorded(rawURL string) {
	if c.options.Meant {
		c.raise(rawURL, handed)
	}
}

func (c *Client) raise(rawURL string, to standing) {
	if u, err := parseURL(rawURL); err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.trusted[origin(u)] = max(c.trusted[origin(u)], to)
	}
}

// standing is what makes an origin one that may see credentials.
type standing int

const (
	stranger standing = iota // nothing: a manifest lists it
	handed                   // a manifest file of the user's lists it, and they were meant for this run
	named                    // the user named it
)

// Limit is the limiter of what all connections receive together, to be shared
// with other sources; nil if there is none.
func (c *Client) Limit() *rate.Limiter { return c.options.Limit }

// Close ends the connections that no request is using.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.transports {
		t.CloseIdleConnections()
	}
}

func (c *Client) trusts(u *url.URL) standing {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.trusted[origin(u)]
}

// withholds tells whether the user gave credentials that a URL's server would
// have been shown, had he named it himself.
func (c *Client) withholds(u *url.URL) bool {
	t := c.trusts(u)
	login := c.netrc.find(u, named) != nil && c.netrc.find(u, t) == nil
	return login || t == stranger && (len(c.header) > 0 || len(c.certs) > 0)
}

// transport returns the connections of one kind.
//
// HTTP/1.1 is preferred wherever a server speaks it: several ranges at once
// want several connections, and HTTP/2 costs twice the CPU a byte.
func (c *Client) transport(r route) *http.Transport {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.transports[r]; t != nil {
		return t
	}
	config := c.tls.Clone()
	if r.cert {
		config.Certificates = c.certs
	}
	protocols := new(http.Protocols)
	if r.http2 {
		protocols.SetHTTP2(true)
	} else {
		protocols.SetHTTP1(true)
		config.NextProtos = []string{"http/1.1"}
	}
	t := &http.Transport{
		DialContext:            c.dialer(r.guarded),
		TLSClientConfig:        config,
		Protocols:              protocols,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    idlePerHost,
		IdleConnTimeout:        idleTime,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
	if !r.guarded {
		t.Proxy = func(req *http.Request) (*url.URL, error) { return c.proxy(req.URL) }
	}
	c.transports[r] = t
	return t
}

// dialer is net.Dialer's, which tries IPv6 and IPv4 as RFC 8305 says.
func (c *Client) dialer(guarded bool) func(ctx context.Context, network, addr string) (net.Conn, error) {
	if c.options.dial != nil {
		return c.options.dial
	}
	d := &net.Dialer{Timeout: c.options.Timeout}
	if guarded {
		d.ControlContext = c.refusePrivate
	}
	if c.options.Wrap == nil {
		return d.DialContext
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return c.options.Wrap(nc), nil
	}
}

// parseHeaders reads lines of the form "Name: value".
func parseHeaders(lines []string) (http.Header, error) {
	h := http.Header{}
	for _, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		if !ok || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			// The line may hold a secret: only its name is shown.
			return nil, fmt.Errorf("read header %q: want \"Name: value\"", name)
		}
		for reserved := range strings.FieldsSeq(reservedHeaders) {
			if strings.EqualFold(name, reserved) {
				return nil, fmt.Errorf("set header %s: shoal sets it itself", reserved)
			}
		}
		h.Add(name, value)
	}
	return h, nil
}

func loadTLS(o ClientOptions) (*tls.Config, []tls.Certificate, error) {
	config := &tls.Config{InsecureSkipVerify: o.Insecure}
	if o.CACert != "" {
		pem, err := os.ReadFile(o.CACert)
		if err != nil {
			return nil, nil, fmt.Errorf("read CA certificates: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, nil, fmt.Errorf("read CA certificates: %s has none in PEM format", o.CACert)
		}
	}
	switch {
	case o.Cert == "" && o.Key == "":
		return config, nil, nil
	case o.Cert == "":
		return nil, nil, errors.New("read client certificate: there is a key but no certificate")
	case o.Key == "":
		o.Key = o.Cert
	}
	cert, err := tls.LoadX509KeyPair(o.Cert, o.Key)
	if err != nil {
		return nil, nil, fmt.Errorf("read client certificate: %w", err)
	}
	return config, []tls.Certificate{cert}, nil
}
