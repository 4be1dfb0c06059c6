package fetch

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
)

// about returns a copy of f that says of what it speaks.
func (f *Fault) about(what string) *Fault {
	g := *f
	g.Err = fmt.Errorf("%s: %w", what, f.Err)
	return &g
}

// networkFault puts what went wrong on the way to a server in words. All of it
// may pass, save what is wrong with a certificate.
func networkFault(err error) *Fault {
	if f := AsFault(err); f != nil {
		return f
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return faultf(FaultLasting, "TLS: %s", strings.TrimPrefix(e.Err.Error(), "x509: "))
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return faultf(FaultLasting, "TLS: the server does not speak it")
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return faultf(FaultPassing, "look up %s: %s", e.Name, e.Err)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return faultf(FaultPassing, "connection closed without an answer")
	}
	prefix := ""
	if e, ok := errors.AsType[*net.OpError](err); ok {
		switch e.Op {
		case "proxyconnect":
			prefix = "proxy: "
		case "remote error":
			prefix = "TLS: "
		}
		err = innermost(e)
	}
	text := err.Error()
	for _, noise := range []string{"net/http: ", "http: ", "tls: "} {
		text = strings.TrimPrefix(text, noise)
	}
	return &Fault{Kind: FaultPassing, Err: &networkError{prefix + text, err}}
}

// networkError is a cause in shorter words than its own.
type networkError struct {
	text  string
	cause error
}

func (e *networkError) Error() string { return e.text }
func (e *networkError) Unwrap() error { return e.cause }

func innermost(err error) error {
	for {
		cause := errors.Unwrap(err)
		if cause == nil {
			return err
		}
		err = cause
	}
}
