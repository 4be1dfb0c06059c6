package control

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// transport is how processes reach one another on this machine.
type transport struct {
	// listen opens a socket, which a file at path then stands for.
	listen func(ctx context.Context, path string) (l net.Listener, token string, err error)
	// dial connects to it.
	dial func(ctx context.Context, path string) (c net.Conn, token string, err error)
}

// native is the transport of this system.
func native() transport {
	if runtime.GOOS == "windows" {
		return transport{listenLoopback, dialLoopback}
	}
	return transport{listenUnix, dialUnix}
}

func listenUnix(ctx context.Context, path string) (net.Listener, string, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, "", err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // it is to be renamed
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, "", errors.Join(err, l.Close(), os.Remove(path))
	}
	return l, "", nil
}

func dialUnix(ctx context.Context, path string) (net.Conn, string, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	return c, "", err
}

// listenLoopback listens at a port of loopback. The file holds its address, and
// the token without which nobody is listened to.
func listenLoopback(ctx context.Context, path string) (net.Listener, string, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	token := rand.Text()
	if err := os.WriteFile(path, []byte(l.Addr().String()+" "+token+"\n"), 0o600); err != nil {
		return nil, "", errors.Join(err, l.Close())
	}
	return l, token, nil
}

// maxAddress is how long the file of listenLoopback may be, in bytes.
const maxAddress = 256

func dialLoopback(ctx context.Context, path string) (net.Conn, string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, "", err
	}
	if !info.Mode().IsRegular() || info.Size() > maxAddress {
		return nil, "", fmt.Errorf("%s is no address", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, "", err
	}
	at, token, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	addr, err := netip.ParseAddrPort(at)
	if err != nil || !addr.Addr().IsLoopback() {
		return nil, "", fmt.Errorf("%s is no address", path)
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr.String())
	return c, token, err
}

// refused tells whether nobody listens at a socket any more.
func refused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, wsaRefused)
}

// wsaRefused is how Windows says ECONNREFUSED.
const wsaRefused = syscall.Errno(10061)

// newName is a name for the socket of this process, and what it is called until
// it can be connected to.
func newName(dir string) (path, draft string) {
	name := fmt.Sprintf("%d-%s", os.Getpid(), strings.ToLower(rand.Text()[:6]))
	return filepath.Join(dir, name+extension), filepath.Join(dir, name+".new")
}
