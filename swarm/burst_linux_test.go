package swarm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// segment is a TCP segment's room for data that tests ask for, in bytes.
const segment = 1000

// shortPair returns the two ends of a TCP connection with short segments, which
// the system keeps little of.
func shortPair(t *testing.T) (ours, theirs net.Conn) {
	t.Helper()
	short := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		_ = raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, segment) })
		return err
	}}
	l, err := short.Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if ours, err = new(net.Dialer).DialContext(t.Context(), "tcp4", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if theirs, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ours.Close(); _ = theirs.Close() })
	if err := errors.Join(ours.(*net.TCPConn).SetWriteBuffer(64<<10), theirs.(*net.TCPConn).SetReadBuffer(64<<10)); err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

// TestBursts writes to a socket that keeps what is written at once together.
func TestBursts(t *testing.T) {
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ours, err := net.DialUnix("unixpacket", nil, l.Addr().(*net.UnixAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	theirs, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	for _, c := range []struct {
		burst, bytes int
		want         []int
	}{{0, 2500, []int{2500}}, {1000, 999, []int{999}}, {1000, 1000, []int{1000}}, {1000, 2500, []int{1000, 1000, 500}}, {1000, 2000, []int{1000, 1000}}} {
		s := newStream(ours)
		if s.burst != 0 {
			t.Fatalf("a burst of %d bytes where there are no segments", s.burst)
		}
		s.burst = c.burst
		if n, err := s.Write(make([]byte, c.bytes)); n != c.bytes || err != nil {
			t.Fatal(n, err)
		}
		var got []int
		for left := c.bytes; left > 0; left -= got[len(got)-1] {
			n, err := theirs.Read(make([]byte, 4096))
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, n)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%d bytes in bursts of %d came as %v, want %v", c.bytes, c.burst, got, c.want)
		}
	}
}

// TestBurstsOverTCP sends more than the system takes at once, then hangs up on
// one who does not read, and writes to one who is gone.
func TestBurstsOverTCP(t *testing.T) {
	ours, theirs := shortPair(t)
	s := newStream(ours)
	if most := burstSegments * segment; s.burst > most || s.burst < most*9/10 { // TCP's options take some
		t.Fatalf("a burst of %d bytes, want some %d", s.burst, most)
	}
	sent, got := make([]byte, 4<<20), make([]byte, 4<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(sent)
	read := make(chan error, 1)
	go func() {
		_, err := io.ReadFull(theirs, got)
		read <- err
	}()
	if n, err := s.Write(sent); n != len(sent) || err != nil {
		t.Fatal(n, err)
	}
	if err := <-read; err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("other bytes came than were sent, %v", err)
	}

	s.hangUp()
	if _, err := s.Write(sent); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("writing to one who does not read: %v, want the deadline", err)
	}

	ours, theirs = shortPair(t)
	_ = theirs.Close()
	if _, err := newStream(ours).Write(sent); !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("writing to one who is gone: %v", err)
	}
}

// TestBurstsStayApart looks at what leaves: the system must not join bursts again.
func TestBurstsStayApart(t *testing.T) {
	const ipv4 = 0x0008 // ETH_P_IP, in the network's order
	tap, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, ipv4)
	if errors.Is(err, unix.EPERM) {
		t.Skip("may not look at packets")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(tap)
	if err := unix.SetsockoptInt(tap, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20); err != nil {
		t.Skip("may not look at packets:", err)
	}
	ours, theirs := shortPair(t)
	port := ours.LocalAddr().(*net.TCPAddr).AddrPort().Port()
	s := newStream(ours)
	sent := make([]byte, 4<<20)
	read := make(chan error, 1)
	go func() {
		_, err := io.ReadFull(theirs, make([]byte, len(sent)))
		read <- err
	}()
	if _, err := s.Write(sent); err != nil {
		t.Fatal(err)
	}
	if err := <-read; err != nil {
		t.Fatal(err)
	}
	longest := 0
	for head := make([]byte, 128); ; {
		n, _, err := unix.Recvfrom(tap, head, unix.MSG_DONTWAIT|unix.MSG_TRUNC)
		if errors.Is(err, unix.EAGAIN) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		ip := head[:min(n, len(head))]
		tcp := ip[4*(ip[0]&15):]
		if ip[9] == unix.IPPROTO_TCP && binary.BigEndian.Uint16(tcp) == port {
			longest = max(longest, n-len(ip)+len(tcp)-4*int(tcp[12]>>4))
		}
	}
	if longest == 0 || longest > s.burst {
		t.Errorf("up to %d bytes left in one go, want %d at most", longest, s.burst)
	}
}
