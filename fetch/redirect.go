package fetch

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
)

const maxRedirects = 10

// target is where a URL led.
type target struct {
	url     *url.URL
	guarded bool // a public host sent us here: private addresses are refused
}

// get asks for the URL start and follows redirects. It begins at the target
// that start is known to lead to, if there is one. It returns the reply
// together with the target it came from, the target also with an error: a
// *Fault, or the context's error when it was the caller who ended it.
func (c *Client) get(w *watch, start *url.URL, at target, h http.Header) (*http.Response, target, error) {
	if at.url == nil {
		at.url = start
	}
	var seen []string
	for {
		seen = append(seen, at.url.String())
		resp, public, err := c.ask(w, start, at, h)
		if err != nil {
			return nil, at, w.fault(err)
		}
		if !redirects(resp.StatusCode) {
			return resp, at, nil
		}
		next, err := follow(at.url, resp)
		if err != nil {
			return nil, at, err
		}
		at = target{url: next, guarded: at.guarded || public}
		if slices.Contains(seen, next.String()) {
			return nil, at, faultf(FaultLasting, "redirect loop")
		}
		if len(seen) > maxRedirects {
			return nil, at, faultf(FaultLasting, "more than %d redirects", maxRedirects)
		}
	}
}

func redirects(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// follow closes a redirect and returns where it leads.
func follow(from *url.URL, resp *http.Response) (*url.URL, error) {
	// A short body is read, so that its connection can be used again.
	_, _ = io.CopyN(io.Discard, resp.Body, 2<<10)
	_ = resp.Body.Close()
	location := resp.Header.Get("Location")
	if location == "" {
		return nil, faultf(FaultLasting, "%w without a Location", statusError(resp.StatusCode))
	}
	to, err := from.Parse(location)
	if err != nil || checkURL(to) != nil {
		return nil, faultf(FaultLasting, "redirect to what is not an HTTP address")
	}
	if from.Scheme == "https" && to.Scheme != "https" {
		return nil, faultf(FaultLasting, "redirect from https to plain http at %s", to.Host)
	}
	to.Fragment, to.RawFragment = "", ""
	if origin(to) != origin(from) {
		to.User = nil
	}
	return to, nil
}

// redirected makes f name the server it speaks of, if that is not start's.
func redirected(start *url.URL, at target, f *Fault) *Fault {
	if origin(at.url) == origin(start) {
		return f
	}
	return f.about("redirected to " + at.url.Host)
}

// ask makes one request and tells whether its server is a public one.
func (c *Client) ask(w *watch, start *url.URL, at target, h http.Header) (resp *http.Response, public bool, err error) {
	proxy, err := c.proxy(at.url)
	if err != nil {
		return nil, false, err
	}
	if at.guarded && proxy != nil && c.privateName(at.url.Hostname()) {
		return nil, false, errPrivate()
	}
	c.announce(at.url, proxy)
	ctx := httptrace.WithClientTrace(w.ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			w.wait()
			if proxy != nil {
				public = !c.privateName(at.url.Hostname())
			} else {
				public = c.publicAddr(info.Conn.RemoteAddr())
			}
		},
		GotFirstResponseByte: w.wait,
	})
	req := (&http.Request{Method: http.MethodGet, URL: at.url, Header: h.Clone()}).WithContext(ctx)
	r := route{guarded: at.guarded && proxy == nil}
	c.dress(req, start, &r)
	w.wait()
	defer w.rest()
	resp, err = c.roundTrip(req, r)
	return resp, public, err
}

// dress adds what only this server may see to a request.
func (c *Client) dress(req *http.Request, start *url.URL, r *route) {
	req.Header.Set("User-Agent", c.options.UserAgent)
	req.Header.Set("Accept-Encoding", "identity")
	if origin(req.URL) != origin(start) {
		return
	}
	trusted := c.trusts(start)
	if login, ok := c.netrc.find(start.Hostname()); ok && (trusted || start.Scheme == "https") {
		req.SetBasicAuth(login.user, login.password)
	}
	if start.User != nil {
		password, _ := start.User.Password()
		req.SetBasicAuth(start.User.Username(), password)
	}
	if !trusted {
		return
	}
	r.cert = len(c.certs) > 0
	for name, values := range c.header {
		if name == "Host" {
			req.Host = values[0]
		} else {
			req.Header[name] = values
		}
	}
}

// roundTrip speaks HTTP/1.1, or HTTP/2 with a server that refuses anything else.
func (c *Client) roundTrip(req *http.Request, r route) (*http.Response, error) {
	server := origin(req.URL)
	c.mu.Lock()
	r.http2 = c.http2[server]
	c.mu.Unlock()
	resp, err := c.transport(r).RoundTrip(req)
	if err == nil || r.http2 || !refusesHTTP1(err) {
		return resp, err
	}
	c.mu.Lock()
	c.http2[server] = true
	c.mu.Unlock()
	r.http2 = true
	return c.transport(r).RoundTrip(req)
}

// refusesHTTP1 recognises the TLS alert no_application_protocol (RFC 7301,
// section 3.2), for which crypto/tls has no exported error.
func refusesHTTP1(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error" && strings.Contains(op.Err.Error(), "no application protocol")
}

// announce names each host once, before it is contacted.
func (c *Client) announce(u, proxy *url.URL) {
	text := "contacting " + u.Host
	if proxy != nil {
		text += " through " + proxy.Host
	}
	c.mu.Lock()
	known := c.named[text]
	c.named[text] = true
	c.mu.Unlock()
	if !known {
		c.options.Verbose("%s", text)
	}
}

func errPrivate() error {
	return faultf(FaultLasting, "redirect from a public host to a private address")
}

// refusePrivate is called with each address before it is dialled.
func (c *Client) refusePrivate(_ context.Context, _, address string, _ syscall.RawConn) error {
	if a, err := netip.ParseAddrPort(address); err != nil || c.options.private(a.Addr().Unmap()) {
		return errPrivate()
	}
	return nil
}

func (c *Client) publicAddr(a net.Addr) bool {
	ap, err := netip.ParseAddrPort(a.String())
	return err == nil && !c.options.private(ap.Addr().Unmap())
}

// privateName judges a host that only a proxy looks up: all there is to go by
// is its name.
func (c *Client) privateName(host string) bool {
	a, err := netip.ParseAddr(host)
	if err != nil {
		host = strings.ToLower(strings.TrimSuffix(host, "."))
		return host == "localhost" || strings.HasSuffix(host, ".localhost")
	}
	return c.options.private(a.Unmap())
}

// isPrivate tells whether an address is none of the public Internet's: those of
// RFC 1918, RFC 4193 and RFC 6598 (carrier-grade NAT), loopback, link-local
// and those that stand for the machine itself.
func isPrivate(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() ||
		a.Is4() && a.As4()[0] == 0 ||
		netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64}), 10).Contains(a)
}

// origin is the scheme, host and port of a URL (RFC 6454).
func origin(u *url.URL) string {
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// parseURL reads an absolute http or https URL. Its errors don't repeat the
// URL, which may hold a secret.
func parseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("is not a URL")
	}
	if err := checkURL(u); err != nil {
		return nil, err
	}
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}

func checkURL(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("is neither an http nor an https URL")
	case u.Hostname() == "":
		return errors.New("is a URL without a host")
	}
	return nil
}

// shown is what the user is shown of a URL: neither credentials nor the query,
// where tokens are.
func shown(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
}
