package swarm

import (
	"net"
	"strconv"
	"testing"
)

func TestOpenListensUntilClosed(t *testing.T) {
	said := 0
	n, err := Open(t.Context(), Options{Listen: "127.0.0.1:0", Share: true, Verbose: func(format string, args ...any) {
		if format == "listening at port %d" {
			said++
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	at := net.JoinHostPort("127.0.0.1", strconv.Itoa(int(n.Port())))
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	n.Close()
	if c, err := net.Dial("tcp", at); err == nil {
		_ = c.Close()
		t.Error("it listens after Close")
	}
	if said != 1 {
		t.Errorf("the port was named %d times", said)
	}
}
