package fetch

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"syscall"
)

const (
	maxRedirects    = 10
	maxRedirectBody = 4 << 10 // what is read of one, so that its connection can be used again
)

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
		resp, public, err := c.hop(w, start, at, h)
		if err != nil {
			return nil, at, w.fault(err)
		}
		if !redirects(resp.StatusCode) {
			return resp, at, nil
		}
		next, err := follow(w, at.url, resp)
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
func follow(w *watch, from *url.URL, resp *http.Response) (*url.URL, error) {
	if n := resp.ContentLength; n > 0 && n <= maxRedirectBody {
		w.wait()
		_, _ = io.CopyN(io.Discard, resp.Body, n)
		w.rest()
	}
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
	return to, nil
}

// redirected makes f name the server it speaks of, if that is not start's.
func redirected(start *url.URL, at target, f *Fault) *Fault {
	if origin(at.url) == origin(start) {
		return f
	}
	return f.about("redirected to " + at.url.Host)
}

// hop makes one request and tells whether its server is a public one.
func (c *Client) hop(w *watch, start *url.URL, at target, h http.Header) (resp *http.Response, public bool, err error) {
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
	})
	req := (&http.Request{Method: http.MethodGet, URL: at.url, Header: h.Clone()}).WithContext(ctx)
	r := route{guarded: at.guarded && proxy == nil}
	c.dress(req, start, &r)
	w.wait()
	defer w.rest()
	if resp, err = c.roundTrip(req, r); err == nil {
		c.compareClocks(at.url, resp.Header)
	}
	return resp, public, err
}

// dress adds what only this server may see to a request.
func (c *Client) dress(req *http.Request, start *url.URL, r *route) {
	req.Header.Set("User-Agent", c.options.UserAgent)
	req.Header.Set("Accept-Encoding", "identity")
	if origin(req.URL) != origin(start) {
		return
	}
	t := c.trusts(start)
	if l := c.netrc.find(start, t); l != nil {
		req.SetBasicAuth(l.user, l.password)
	}
	if start.User != nil {
		password, _ := start.User.Password()
		req.SetBasicAuth(start.User.Username(), password)
	}
	if t == stranger {
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

// roundTrip speaks HTTP/1.1, or HTTP/2 with a server that speaks nothing else.
func (c *Client) roundTrip(req *http.Request, r route) (*http.Response, error) {
	server := origin(req.URL)
	c.mu.Lock()
	http2, known := c.http2[server]
	c.mu.Unlock()
	r.http2 = http2
	resp, err := c.transport(r).RoundTrip(req)
	switch {
	case err == nil:
		c.spoke(server, http2)
		return resp, nil
	case known || req.URL.Scheme != "https" || !refusesHTTP1(err):
		return nil, err
	}
	r.http2 = true
	again, stillNot := c.transport(r).RoundTrip(req)
	if stillNot != nil {
		return nil, err
	}
	c.spoke(server, true)
	return again, nil
}

// spoke keeps what a server first answered to: who did so to HTTP/1.1 does not
// refuse it, whatever becomes of a connection later.
func (c *Client) spoke(server string, http2 bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.http2[server]; !known {
		c.http2[server] = http2
	}
}

// refusesHTTP1 tells whether an error can be the refusal of a server that
// speaks HTTP/2 only: the TLS alert no_application_protocol (RFC 7301, section
// 3.2), for which crypto/tls has no exported error, or a connection closed
// without a word, which is the way of servers written in Go. The close shows as
// an end or as a failed write or, when it comes before the request is on its
// way, as net/http's word on a connection it takes for idle, which is not
// exported either.
func refusesHTTP1(err error) bool {
	closed := []error{io.EOF, syscall.EPIPE, syscall.ECONNRESET}
	if slices.ContainsFunc(closed, func(c error) bool { return errors.Is(err, c) }) {
		return true
	}
	if strings.Contains(err.Error(), "server closed idle connection") {
		return true
	}
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
