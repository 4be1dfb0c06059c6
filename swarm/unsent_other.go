//go:build !linux && !darwin

package swarm

import "net"

// setUnsent does nothing: this system keeps its own measure.
func setUnsent(net.Conn) {}
