package quota

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/prop"
)

func TestBusSocket(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "/run/dbus/system_bus_socket",
		"unix:path=/tmp/bus,guid=123": "/tmp/bus",
		"unix:guid=1,path=/tmp/bus;unix:path=/other": "/tmp/bus",
		"unix:abstract=/tmp/x":                       "@/tmp/x",
		"tcp:host=localhost,port=1":                  "/run/dbus/system_bus_socket",
	} {
		if got := busSocket(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// TestMetered asks a real bus, on which something calls itself NetworkManager.
func TestMetered(t *testing.T) {
	address := startBus(t)
	socket := busSocket(address)
	if metered(t.Context(), socket) {
		t.Error("it is metered though nobody is there")
	}
	bus, err := dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	const name = "org.freedesktop.NetworkManager"
	properties, err := prop.Export(bus, "/org/freedesktop/NetworkManager", prop.Map{name: {"Metered": {Value: uint32(0)}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bus.RequestName(name, 0); err != nil {
		t.Fatal(err)
	}
	for value, want := range []bool{false, true, false, true, false, false} {
		properties.SetMust(name, "Metered", uint32(value))
		if got := metered(t.Context(), socket); got != want {
			t.Errorf("NetworkManager says %d: metered %v", value, got)
		}
	}
}

// startBus starts a private bus, and returns its address.
func startBus(t *testing.T) string {
	if _, err := exec.LookPath("dbus-daemon"); err != nil {
		t.Skip(err)
	}
	cmd := exec.Command("dbus-daemon", "--session", "--nofork", "--print-address", "--address=unix:path="+filepath.Join(t.TempDir(), "bus"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// TestBadBus has a bus that is silent, hangs up or talks nonsense, or does not
// listen: it takes no longer than it may, and nothing is metered.
func TestBadBus(t *testing.T) {
	for name, answer := range map[string]func(net.Conn){
		"silent":   func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
		"absent":   nil,
		"hangs up": func(net.Conn) {},
		"nonsense": func(c net.Conn) {
			go func() { _, _ = io.Copy(io.Discard, c) }()
			for range 1000 {
				_, _ = fmt.Fprint(c, "DATA nonsense\r\n")
			}
		},
		"half": func(c net.Conn) {
			lines := bufio.NewReader(c)
			for _, reply := range []string{"REJECTED EXTERNAL\r\n", "OK 0123456789abcdef0123456789abcdef\r\n"} {
				if _, err := lines.ReadString('\n'); err != nil {
					return
				}
				_, _ = fmt.Fprint(c, reply)
			}
			_, _ = io.Copy(io.Discard, c)
		},
	} {
		t.Run(name, func(t *testing.T) {
			socket := filepath.Join(t.TempDir(), "bus")
			if answer != nil {
				l, err := net.Listen("unix", socket)
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					c, err := l.Accept()
					if err == nil {
						answer(c)
						_ = c.Close()
					}
				}()
				defer func() { <-ended }()
			}
			begun := time.Now()
			if metered(t.Context(), socket) {
				t.Error("it is metered")
			}
			if took := time.Since(begun); took > 20*busPatience {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// TestSystem looks at this machine, whatever it is.
func TestSystem(t *testing.T) {
	p := System(os.Getenv)
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	t.Logf("on battery %v, metered %v", p.Battery(ctx), p.Metered(ctx))
	if ctx.Err() != nil {
		t.Error("it took a minute")
	}
}
