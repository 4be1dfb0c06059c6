package lan

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// namespaceSide tells the test binary which of two machines it is to be.
const namespaceSide = "SHOAL_LAN_SIDE"

// TestTwoMachines joins two network namespaces by two cables, and lets a process
// in each find the other by both cables and in both address families. It needs
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
	b := startMachine(t, "b", "")
	a := startMachine(t, "a", fmt.Sprint(b.Process.Pid))
	a.expect(t, "ready")
	b.tell(t, "go")
	b.expect(t, "ready")
	a.tell(t, "go")
	a.expect(t, "10.1.0.2:7411", "10.2.0.2:7411", "[fe80::2%east]:7411", "[fe80::2%west]:7411")
	b.expect(t, "10.1.0.1:7411", "10.2.0.1:7411", "[fe80::1%east]:7411", "[fe80::1%west]:7411")
}

// machine is the test binary in a network namespace of its own.
type machine struct {
	*exec.Cmd
	stdin io.WriteCloser
	lines chan string
}

func startMachine(t *testing.T, side, peer string) *machine {
	t.Helper()
	m := &machine{Cmd: exec.Command(os.Args[0], "-test.run=^TestMachine$", "-test.v"), lines: make(chan string, 1024)}
	m.Env = append(os.Environ(), namespaceSide+"="+side, "SHOAL_LAN_PEER="+peer)
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

// expect waits until the machine has said all that.
func (m *machine) expect(t *testing.T, want ...string) {
	t.Helper()
	missing := map[string]bool{}
	for _, w := range want {
		missing[w] = true
	}
	late := time.After(20 * time.Second)
	for len(missing) > 0 {
		select {
		case line, ok := <-m.lines:
			if strings.HasPrefix(line, "skip: ") {
				t.Skip(line)
			}
			if !ok {
				t.Fatalf("it ended without saying %v", missing)
			}
			delete(missing, line)
		case <-late:
			t.Fatalf("it has not said %v", missing)
		}
	}
}

// TestMachine is one of the machines: it makes its end of the cables, and says
// whom it hears until its stdin ends.
func TestMachine(t *testing.T) {
	side, number := os.Getenv(namespaceSide), "1"
	switch side {
	case "":
		t.Skip("TestTwoMachines runs this in namespaces")
	case "b":
		number = "2"
	}
	stdin := bufio.NewReader(os.Stdin)
	if side == "b" { // the other one lays the cables
		_, _ = stdin.ReadString('\n')
	}
	for i, name := range []string{"east", "west"} {
		if side == "a" {
			command(t, "ip", "link", "add", name, "type", "veth", "peer", "name", name, "netns", os.Getenv("SHOAL_LAN_PEER"))
		}
		command(t, "ip", "link", "set", name, "addrgenmode", "none")
		command(t, "ip", "addr", "add", fmt.Sprintf("10.%d.0.%s/24", i+1, number), "dev", name)
		command(t, "ip", "addr", "add", "fe80::"+number+"/64", "dev", name, "nodad")
		command(t, "ip", "link", "set", name, "up")
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
		for addr := range l.Peers(ctx, keyOf('k'), 7411) {
			fmt.Println(addr)
		}
	})
	_, _ = stdin.ReadString('\n')
	cancel()
	running.Wait()
}

// command runs a program of the system that must succeed.
func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		fmt.Printf("skip: %s %v: %v: %s\n", name, args, err, out)
		t.FailNow()
	}
}
