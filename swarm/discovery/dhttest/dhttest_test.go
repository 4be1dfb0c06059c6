package dhttest

import (
	"net"
	"testing"

	mainline "github.com/anacrolix/dht/v2"
)

// TestFind announces to the network and finds that again from elsewhere.
func TestFind(t *testing.T) {
	d, err := Open(t.Context(), 5)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if d.Asked() != 0 || d.Announced() != 0 {
		t.Errorf("at first %d have asked and %d announced", d.Asked(), d.Announced())
	}
	infohash := [20]byte{1, 2, 3}
	if addrs := search(t, d, infohash, mainline.AnnouncePeer(mainline.AnnouncePeerOpts{Port: 7411})); len(addrs) != 0 {
		t.Errorf("%v were there before anybody", addrs)
	}
	if d.Announced() == 0 {
		t.Error("nothing was announced")
	}
	if addrs := search(t, d, infohash); len(addrs) == 0 || addrs[0] != 7411 {
		t.Errorf("found %v, want port 7411", addrs)
	}
	if d.Asked() == 0 {
		t.Error("nobody has asked")
	}
}

// search looks infohash up from a node outside, and returns the ports found.
func search(t *testing.T, d *Network, infohash [20]byte, o ...mainline.AnnounceOpt) (ports []int) {
	t.Helper()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config := d.config(c)
	config.Passive = true
	config.OnQuery = nil
	node, err := mainline.NewServer(config)
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	a, err := node.AnnounceTraversal(infohash, o...)
	if err != nil {
		t.Fatal(err)
	}
	for answer := range a.Peers {
		for _, p := range answer.Peers {
			ports = append(ports, p.Port)
		}
	}
	<-a.Finished()
	return ports
}
