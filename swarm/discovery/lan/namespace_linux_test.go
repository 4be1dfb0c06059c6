package lan

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// namespaceSide tells the test binary which of two machines it is to be.
const namespaceSide = "SHOAL_LAN_SIDE"

// TestTwoMachines joins two network namespaces by two cables, of which one or both
// carry IPv4 or IPv6 or both, and lets a process in each find the other. It needs
// root.
func TestTwoMachines(t *testing.T) {
	if os.Getenv(namespaceSide) != "" {
		t.Skip("this is one of the machines")
	}
	if os.Getuid() != 0 {
		t.Skip("only root makes network namespaces")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip(err)
	}
	for _, ways := range [][]string{
		{"10.2.0.%d west"},
		{"fe80::%d west"},
		{"10.1.0.%d east", "fe80::%d east", "10.2.0.%d west", "fe80::%d west"},
	} {
		t.Run(strings.Join(ways, ", "), func(t *testing.T) {
			t.Parallel()
			b := startMachine(t, "b", "", ways, "TestMachine")
			a := startMachine(t, "a", fmt.Sprint(b.Process.Pid), ways, "TestMachine")
			a.expect(t, "ready")
			b.tell(t, "go")
			b.expect(t, "ready")
			a.tell(t, "go")
			a.expect(t, found(ways, 2)...)
			b.expect(t, found(ways, 1)...)
		})
	}
}

// found is where the machine of that number may be found by those ways.
func found(ways []string, number int) (addrs []string) {
	for _, way := range ways {
		ip, name, _ := strings.Cut(fmt.Sprintf(way, number), " ")
		addr := netip.MustParseAddr(ip)
		if addr.Is6() {
			addr = addr.WithZone(name)
		}
		addrs = append(addrs, netip.AddrPortFrom(addr, 7411).String())
	}
	return addrs
}

// machine is the test binary in a network namespace of its own.
type machine struct {
	*exec.Cmd
	stdin io.WriteCloser
	lines chan string
}

func startMachine(t *testing.T, side, peer string, ways []string, test string) *machine {
	t.Helper()
	m := &machine{Cmd: exec.Command(os.Args[0], "-test.run=^"+test+"$", "-test.v"), lines: make(chan string, 1024)}
	m.Env = append(os.Environ(), namespaceSide+"="+side, "SHOAL_LAN_PEER="+peer, "SHOAL_LAN_WAYS="+strings.Join(ways, ","))
	m.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	var err error
	if m.stdin, err = m.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := m.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	m.Stderr = os.Stderr
	if err := m.Start(); err != nil {
		t.Skipf("no network namespaces here: %v", err)
	}
	go func() { // ends with the process, for which the cleanup waits
		defer close(m.lines)
		for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
			select {
			case m.lines <- scanner.Text():
			default: // it says the same again and again
			}
		}
	}()
	t.Cleanup(func() {
		m.stdin.Close()
		for range m.lines {
		}
		_ = m.Wait()
	})
	return m
}

// tell lets the machine go on.
func (m *machine) tell(t *testing.T, line string) {
	t.Helper()
	if _, err := fmt.Fprintln(m.stdin, line); err != nil {
		t.Fatal(err)
	}
}

// expect waits until the machine has said one of these.
func (m *machine) expect(t *testing.T, want ...string) {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case line, ok := <-m.lines:
			switch {
			case strings.HasPrefix(line, "skip: "):
				t.Skip(line)
			case !ok:
				t.Fatalf("it ended without saying %v", want)
			case slices.Contains(want, line):
				return
			}
		case <-late:
			t.Fatalf("it has not said %v", want)
		}
	}
}

// TestMachine is one of the machines: it makes its end of the cables, and says
// whom it hears until its stdin ends.
func TestMachine(t *testing.T) {
	side, number := os.Getenv(namespaceSide), 1
	switch side {
	case "":
		t.Skip("TestTwoMachines runs this in namespaces")
	case "b":
		number = 2
	}
	stdin := bufio.NewReader(os.Stdin)
	if side == "b" { // the other one lays the cables
		_, _ = stdin.ReadString('\n')
	}
	for _, name := range []string{"east", "west"} {
		if side == "a" {
			command(t, "ip", "link", "add", name, "type", "veth", "peer", "name", name, "netns", os.Getenv("SHOAL_LAN_PEER"))
		}
		command(t, "ip", "link", "set", name, "addrgenmode", "none")
		command(t, "ip", "link", "set", name, "up")
	}
	for way := range strings.SplitSeq(os.Getenv("SHOAL_LAN_WAYS"), ",") {
		ip, name, _ := strings.Cut(fmt.Sprintf(way, number), " ")
		if netip.MustParseAddr(ip).Is6() {
			command(t, "ip", "addr", "add", ip+"/64", "dev", name, "nodad")
		} else {
			command(t, "ip", "addr", "add", ip+"/24", "dev", name)
		}
	}
	fmt.Println("ready")
	if side == "a" {
		_, _ = stdin.ReadString('\n')
	}
	ctx, cancel := context.WithCancel(t.Context())
	l, err := New(ctx, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { l.Run(ctx) })
	running.Go(func() {
		for addr := range l.Peers(ctx, keyOf('k'), 7411, never) {
			fmt.Println(addr)
		}
	})
	_, _ = stdin.ReadString('\n')
	cancel()
	running.Wait()
}

// TestLateAddress gives an interface its IPv4 address after LAN has begun, as DHCP
// does, in a network namespace of its own. It needs root.
func TestLateAddress(t *testing.T) {
	if os.Getenv(namespaceSide) == "" {
		if os.Getuid() != 0 {
			t.Skip("only root makes network namespaces")
		}
		m := startMachine(t, "alone", "", nil, "TestLateAddress")
		m.expect(t, "joined true <nil>")
		return
	}
	command(t, "ip", "link", "add", "east", "type", "veth", "peer", "name", "west")
	command(t, "ip", "link", "set", "west", "up")
	command(t, "ip", "link", "set", "east", "up")
	command(t, "ip", "addr", "add", "fe80::77/64", "dev", "east", "nodad")
	l, err := New(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	l.refresh()
	command(t, "ip", "addr", "add", "10.2.0.1/24", "dev", "east")
	l.refresh() // as each hello does
	groups, err := os.ReadFile("/proc/net/igmp")
	group := binary.NativeEndian.Uint32(netip.MustParseAddr(group4).AsSlice())
	fmt.Println("joined", strings.Contains(string(groups), fmt.Sprintf("%08X", group)), err)
}

// command runs a program of the system that must succeed.
func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		fmt.Printf("skip: %s %v: %v: %s\n", name, args, err, out)
		t.FailNow()
	}
}
