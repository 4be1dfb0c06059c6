//go:build !linux && !darwin

package swarm

import (
	"net"
	"syscall"
)

// setUnsent does nothing: this system keeps its own measure.
func setUnsent(net.Conn) {}

// setLowWater does nothing: this system wakes readers as it likes.
func setLowWater(syscall.RawConn, int) {}
