package swarm

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// burstSegments is how many segments may leave in one go: as many as TCP may
// begin with (RFC 6928). Left alone, Linux hands the line up to 64 KiB at a time,
// behind which all else waits, and which a shaper with a smaller bucket takes
// apart, so that from there on each packet is handled by itself.
const burstSegments = 10

// burstOf is how many bytes such a burst has on a connection, 0 if not known.
func burstOf(raw syscall.RawConn) (bytes int) {
	if raw == nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) {
		if segment, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG); err == nil {
			bytes = burstSegments * segment
		}
	})
	return bytes
}

// write writes p in bursts that the system does not join (MSG_EOR).
func (s *stream) write(p []byte) (written int, err error) {
	if s.burst == 0 || len(p) <= s.burst {
		return s.Conn.Write(p)
	}
	waited := s.await.raw.Write(func(fd uintptr) bool {
		for written < len(p) {
			end := min(written-written%s.burst+s.burst, len(p))
			var n int
			n, err = unix.SendmsgN(int(fd), p[written:end], nil, nil, unix.MSG_EOR|unix.MSG_NOSIGNAL)
			switch {
			case err == nil:
				written += n
			case errors.Is(err, unix.EAGAIN):
				return false
			case !errors.Is(err, unix.EINTR):
				err = os.NewSyscallError("sendmsg", err)
				return true
			}
		}
		return true
	})
	if waited != nil {
		err = waited
	}
	return written, err
}
