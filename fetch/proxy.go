package fetch

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// Proxy is the proxy through which a URL is asked for: its scheme, host and port
// as they were given, without credentials, and the HOST:PORT at which it is. Both
// are empty when there is none.
func (c *Client) Proxy(rawURL string) (given, addr string, err error) {
	u, err := parseURL(rawURL)
	if err != nil {
		return "", "", err
	}
	proxy, err := c.proxy(u)
	if err != nil || proxy == nil {
		return "", "", err
	}
	given = (&url.URL{Scheme: proxy.Scheme, Host: proxy.Host}).String()
	if strings.HasPrefix(proxy.Scheme, "socks5") && proxy.Port() == "" {
		return given, net.JoinHostPort(strings.ToLower(proxy.Hostname()), "1080"), nil
	}
	_, addr, _ = strings.Cut(origin(proxy), "://")
	return given, addr, nil
}

// proxyFunc finds the proxy for a URL: the given one, or that of HTTP_PROXY,
// HTTPS_PROXY and ALL_PROXY. Hosts in NO_PROXY are asked directly, and so is
// loopback where only the environment names a proxy.
func proxyFunc(proxy string) (func(*url.URL) (*url.URL, error), error) {
	config := httpproxy.FromEnvironment()
	if proxy == "" {
		all := os.Getenv("ALL_PROXY")
		if all == "" {
			all = os.Getenv("all_proxy")
		}
		if config.HTTPProxy == "" {
			config.HTTPProxy = all
		}
		if config.HTTPSProxy == "" {
			config.HTTPSProxy = all
		}
		return config.ProxyFunc(), nil
	}
	if !strings.Contains(proxy, "://") {
		proxy = "http://" + proxy
	}
	u, err := url.Parse(proxy)
	if err != nil || u.Host == "" {
		return nil, errors.New("read proxy: is not a URL")
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
	default:
		return nil, fmt.Errorf("read proxy: cannot speak %q, only http, https and socks5", u.Scheme)
	}
	config.HTTPProxy, config.HTTPSProxy, config.CGI = proxy, proxy, false
	choose := config.ProxyFunc()
	return func(to *url.URL) (*url.URL, error) {
		if isLoopback(to.Hostname()) && !listed(to.Hostname(), config.NoProxy) {
			return u, nil // which config never does, but curl
		}
		return choose(to)
	}, nil
}

// isLoopback tells whether a host is this machine, by what it is called.
func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// listed tells whether NO_PROXY names a host itself, or all hosts.
func listed(host, noProxy string) bool {
	for entry := range strings.SplitSeq(noProxy, ",") {
		if entry = strings.TrimSpace(entry); entry == "*" || entry == host {
			return true
		}
	}
	return false
}
