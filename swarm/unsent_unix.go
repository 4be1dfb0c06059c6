//go:build linux || darwin

package swarm

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// unsent is how many bytes the system may keep that TCP cannot send yet.
const unsent = 128 << 10

// setUnsent keeps the system from taking in seconds' worth of blocks, behind
// which a request or a HAVE would wait. It is of use, not of need.
func setUnsent(nc net.Conn) {
	raw := rawConn(nc)
	if raw == nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsent)
	})
}

// setLowWater is how many bytes must have come before a reader is woken.
func setLowWater(raw syscall.RawConn, bytes int) {
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT, bytes)
	})
}
