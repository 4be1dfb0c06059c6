//go:build linux || darwin

package swarm

import (
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// checkLower wants a connection to be marked as of less importance.
func checkLower(t *testing.T, raw syscall.RawConn) {
	t.Helper()
	err := raw.Control(func(fd uintptr) {
		if tos, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TOS); err != nil || tos&^3 != lowerEffort {
			t.Errorf("traffic class %#x, %v", tos, err)
		}
	})
	if err != nil {
		t.Error(err)
	}
}
