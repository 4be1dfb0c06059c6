package fetch

import (
	"context"
	"net"
	"net/netip"
)

// The causes with which a job ends a lease.
var (
	ErrPutOff    = errPutOff
	ErrCalledOff = errCalledOff
)

// WithDial makes a client connect through dial.
func (o ClientOptions) WithDial(dial func(ctx context.Context, network, addr string) (net.Conn, error)) ClientOptions {
	o.dial = dial
	return o
}

// WithPrivate replaces what counts as a private address.
func (o ClientOptions) WithPrivate(private func(netip.Addr) bool) ClientOptions {
	o.private = private
	return o
}
