package swarm

import (
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// lowerEffort is the traffic class that networks may leave behind all else,
	// from RFC 8622: the code point 1, above two bits that are not ours.
	lowerEffort = 1 << 2
)

// measure asks the system about a connection.
func measure(raw syscall.RawConn) (m measured, ok bool) {
	if raw == nil {
		return m, false
	}
	err := raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return
		}
		ok = true
		m = measured{
			trip: time.Duration(info.Rtt) * time.Microsecond, least: time.Duration(info.Min_rtt) * time.Microsecond,
			acked: info.Bytes_acked, sent: info.Bytes_sent + headBytes*uint64(info.Segs_out),
			received: info.Bytes_received, incoming: time.Duration(info.Rcv_rtt) * time.Microsecond,
		}
	})
	return m, ok && err == nil
}

// setPace makes a connection send evenly at bytes a second, and the system keep
// few bytes that it cannot send yet.
func setPace(raw syscall.RawConn, pace float64, kept int) {
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MAX_PACING_RATE, int(min(pace, math.MaxInt32)))
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, kept)
	})
}

// setLower marks what a connection sends as of less importance than all else,
// and takes TCP-LP for it if the system has it loaded.
func setLower(raw syscall.RawConn) {
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TOS, lowerEffort)
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_TCLASS, lowerEffort)
		if has, _ := os.ReadFile("/proc/sys/net/ipv4/tcp_available_congestion_control"); slices.Contains(strings.Fields(string(has)), "lp") {
			_ = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, "lp")
		}
	})
}

// sentBy is how many bytes an interface has sent.
func sentBy(device string) (uint64, bool) { return counted(device, "tx_bytes") }

// receivedBy is how many bytes an interface has received.
func receivedBy(device string) (uint64, bool) { return counted(device, "rx_bytes") }

// setWindow lets who sends to a connection have so many bytes on the way.
func setWindow(raw syscall.RawConn, window int) {
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_WINDOW_CLAMP, window)
	})
}

// counted reads a counter of an interface.
func counted(device, what string) (uint64, bool) {
	text, err := os.ReadFile("/sys/class/net/" + device + "/statistics/" + what)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil
}
