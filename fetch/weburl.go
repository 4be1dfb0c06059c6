package fetch

import (
	"errors"
	"net"
	"net/url"
	"strings"
)

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

// below returns the URL of what lies at a path, or what else is to be appended,
// below u.
func below(u *url.URL, path string) *url.URL {
	v := *u
	if v.RawPath != "" {
		v.RawPath += (&url.URL{Path: path}).EscapedPath()
	}
	v.Path += path
	return &v
}

// Shown is what the user is shown of where a manifest came from: of a URL
// neither credentials nor the query, anything else as it is.
func Shown(from string) string {
	if u, err := parseURL(from); err == nil {
		return shown(u)
	}
	return from
}

// shown is what the user is shown of a URL: neither credentials nor the query,
// where tokens are.
func shown(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
}
