package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Reach is how far a look into the DHT went.
type Reach struct {
	IPv4, IPv6 int // nodes that answered, in each family
	Asked      int // first nodes that were known
	External   []netip.Addr
}

// DHT checks whether nodes of the DHT answer.
func DHT(look func(ctx context.Context) (Reach, error)) Check {
	return Check{Name: "dht", Limit: 20 * time.Second, Look: func(ctx context.Context) (Finding, error) {
		r, err := look(ctx)
		f := Finding{State: OK}
		switch {
		case err != nil:
			f.Hint = "choose another port with --listen"
			return f, err
		case r.Asked == 0:
			f.State, f.Seen = Broken, "there is no node to begin with"
			f.Hint = "name one with --dht-bootstrap, or leave the DHT out with --no-dht"
			return f, nil
		case r.IPv4+r.IPv6 == 0:
			f.State, f.Seen = Broken, fmt.Sprintf("no answer from the %s to begin with", plural(r.Asked, "node"))
			f.Hint = "let UDP out through the firewall, or leave the DHT out with --no-dht; mirrors and listed peers do without"
			return f, nil
		}
		f.Seen = fmt.Sprintf("%s answered by IPv4, %d by IPv6", plural(r.IPv4, "node"), r.IPv6)
		if len(r.External) > 0 {
			f.Seen += "; they see us at " + join(r.External)
		}
		return f, nil
	}}
}

// Door is the port at which others would reach us.
type Door struct {
	Port     uint16
	Chosen   bool // it is the same each time
	Local    bool // only this machine can reach it
	Own      []netip.Addr
	External []netip.Addr
}

// Inbound checks whether others can connect to us, as far as one can tell
// without anybody else's help: a port that opens proves nothing about the
// firewalls and routers before it.
func Inbound(look func(ctx context.Context) (Door, error)) Check {
	return Check{Name: "inbound", Limit: 25 * time.Second, Look: func(ctx context.Context) (Finding, error) {
		d, err := look(ctx)
		if err != nil {
			return Finding{Hint: "choose another port with --listen"}, err
		}
		return judgeDoor(d), nil
	}}
}

func judgeDoor(d Door) Finding {
	if d.Local {
		return Finding{State: OK, Seen: "by --listen, only this machine can connect"}
	}
	f := Finding{State: Warning, Seen: "unknown: a port opens here, but only somebody outside can tell whether it can be reached"}
	port := "PORT"
	if d.Chosen {
		port = fmt.Sprint(d.Port)
	}
	at := "ADDRESS"
	for _, e := range d.External {
		at = e.String()
		if !slices.Contains(d.Own, e) {
			f.Seen += "; " + at + ", where others see us, is not an address of this machine: a router stands between"
			f.Hint = "let the router forward TCP and UDP port " + port + " to this machine; "
			break
		}
		f.Seen += "; others see us at an address of our own, with no router between"
	}
	if !d.Chosen {
		f.Hint = "give it a port of its own with --listen :PORT; " + f.Hint
	}
	f.Hint += fmt.Sprintf("to test it, run shoal seed MANIFEST --listen :%s, and elsewhere nc -vz %s %s", port, at, port)
	return f
}

// Voice is what multicast by the network interfaces came to.
type Voice struct {
	Heard, Silent []string // interfaces by which what went out was heard again, or was not
	Failed        []string // by which nothing went out, and why
}

// LAN checks whether multicast works, with which peers in the local network are
// found. A download does without.
func LAN(look func(ctx context.Context) (Voice, error)) Check {
	return Check{Name: "lan", Look: func(ctx context.Context) (Finding, error) {
		v, err := look(ctx)
		f := Finding{State: Warning, Hint: "nothing is lost but peers in the local network; --no-lan leaves it out"}
		switch {
		case err != nil && ctx.Err() != nil:
			return f, err
		case err != nil:
			f.Seen = err.Error()
			return f, nil
		case len(v.Heard) > 0:
			f.State, f.Hint = OK, ""
			f.Seen = "multicast is heard by " + strings.Join(v.Heard, ", ")
		case len(v.Silent) > 0:
			f.Seen = "multicast goes out, but is not heard: a firewall may stand between"
		case len(v.Failed) > 0:
			f.Seen = "no multicast goes out"
		default:
			f.Seen = "no network interface can multicast"
		}
		if len(v.Silent) > 0 {
			f.Seen += "; silent: " + strings.Join(v.Silent, ", ")
		}
		if len(v.Failed) > 0 {
			f.Seen += "; " + strings.Join(v.Failed, "; ")
		}
		return f, nil
	}}
}
