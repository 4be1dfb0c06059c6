package lan

import (
	"net/netip"
	"testing"
)

func TestProbe(t *testing.T) {
	host := netip.MustParseAddr("127.0.0.1")
	needLoopback(t, host)
	o := Options{Listen: host, Port: freePort(t)}
	links, err := Probe(t.Context(), o)
	if err != nil || len(links) != 1 || !links[0].Heard || links[0].Err != nil {
		t.Fatalf("%+v, %v", links, err)
	}
	// Somebody else's probe is not our own voice, nor is it a hello to be answered.
	l := start(t, "127.0.0.1", o.Port)
	heard := serve(t, l, 1, 7)
	if links, err := Probe(t.Context(), o); err != nil || !links[0].Heard {
		t.Errorf("beside another one: %+v, %v", links, err)
	}
	if len(heard) != 0 {
		t.Errorf("a probe was taken for a peer at %v", <-heard)
	}
}
