package swarm

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// lowerEffort is the traffic class that networks may leave behind all else, from
// RFC 8622: the code point 1, above two bits that are not ours.
const lowerEffort = 1 << 2

// measure asks the system about a connection. It does not know what has arrived,
// but of what is no longer kept to be sent again that is near enough.
func measure(raw syscall.RawConn) (m measured, ok bool) {
	if raw == nil {
		return m, false
	}
	err := raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPConnectionInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_CONNECTION_INFO)
		if err != nil {
			return
		}
		ok = true
		m = measured{
			trip: time.Duration(info.Srtt) * time.Millisecond, acked: info.Txbytes - min(uint64(info.Snd_sbbytes), info.Txbytes),
			sent: info.Txbytes, received: info.Rxbytes,
		}
	})
	return m, ok && err == nil
}

// setPace keeps the system from taking in more than few bytes that it cannot send
// yet. It paces by itself.
func setPace(raw syscall.RawConn, _ float64, kept int) {
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, kept)
	})
}

// setLower marks what a connection sends as of less importance than all else.
func setLower(raw syscall.RawConn) {
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TOS, lowerEffort)
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_TCLASS, lowerEffort)
	})
}

// sentBy is not known here.
func sentBy(string) (uint64, bool) { return 0, false }

// receivedBy is not known here.
func receivedBy(string) (uint64, bool) { return 0, false }

// setWindow does nothing: that we read slowly has to do.
func setWindow(syscall.RawConn, int) {}
