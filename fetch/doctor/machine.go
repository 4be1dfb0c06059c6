package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/shoal-dl/shoal/fetch"
	"github.com/shoal-dl/shoal/fetch/report"
)

// Trial is what a disk showed when it was tried out.
type Trial struct {
	Folder string
	Free   int64 // bytes; -1 when it is not known
	Wrote  int64 // bytes, synced
	Took   time.Duration
}

// slowDisk is how many bytes a second make a disk slower than most lines.
const slowDisk = 2 << 20

// Disk checks the disk that is to take need bytes more.
func Disk(need int64, try func(ctx context.Context) (Trial, error)) Check {
	return Check{Name: "disk", Limit: 30 * time.Second, Look: func(ctx context.Context) (Finding, error) {
		t, err := try(ctx)
		f := Finding{State: OK, Bytes: t.Wrote, Took: t.Took}
		switch {
		case err != nil && ctx.Err() != nil:
			f.State, f.Hint = Warning, "it will hold up the download; choose another disk with -o"
			f.Seen = fmt.Sprintf("%s: slow, a few bytes are %v", t.Folder, context.Cause(ctx))
			return f, nil
		case err != nil:
			f.Hint = "choose a folder that can be written to with -o"
			return f, err
		}
		f.Seen = t.Folder + ": " + report.Bytes(t.Free) + " free"
		if t.Free < 0 {
			f.Seen = t.Folder + ": it does not tell how much is free"
		}
		if need > 0 {
			f.Seen += ", " + report.Bytes(need) + " needed"
		}
		switch {
		case t.Free >= 0 && t.Free < need:
			f.State, f.Hint = Broken, "free some space, or choose another disk with -o"
		case t.Wrote == 0:
			f.State, f.Hint = Warning, "free some space: so little is left that no speed was measured"
		case float64(t.Wrote)/t.Took.Seconds() < slowDisk:
			f.State, f.Hint = Warning, "it will hold up the download; choose another disk with -o"
		}
		return f, nil
	}}
}

// Limits checks the settings in force, each with its value and where that came
// from. There is nothing that could be broken about them.
func Limits(settings []string, insecure bool) Check {
	return Check{Name: "limits", Look: func(context.Context) (Finding, error) {
		f := Finding{State: OK, Seen: strings.Join(settings, ", ")}
		if len(settings) == 0 {
			f.Seen = "none"
		}
		if insecure {
			f.State, f.Hint = Warning, "--insecure lets anybody pose as a server: pin the content with --id, or leave it away"
		}
		return f, nil
	}}
}

// Proxies checks whether the proxies on the way to these URLs let themselves be
// connected to. Without a URL, those that any would go through count.
func Proxies(c *fetch.Client, urls []string) Check {
	return Check{Name: "proxy", Look: func(ctx context.Context) (Finding, error) {
		asked := urls
		if len(urls) == 0 {
			asked = []string{"http://shoal.invalid", "https://shoal.invalid"} // never looked up
		}
		var proxies, addrs, direct []string
		for _, u := range asked {
			proxy, addr, err := c.Proxy(u)
			switch {
			case err != nil:
				return Finding{Hint: "mend --proxy, or the variables HTTP_PROXY, HTTPS_PROXY and ALL_PROXY"}, err
			case proxy == "":
				direct = append(direct, u)
			case !slices.Contains(proxies, proxy):
				proxies, addrs = append(proxies, proxy), append(addrs, addr)
			}
		}
		if len(proxies) == 0 {
			return Finding{State: OK, Seen: "none"}, nil
		}
		for i, proxy := range proxies {
			if err := dial(ctx, addrs[i]); err != nil {
				return Finding{Hint: "see whether it runs; --proxy and the variables HTTP_PROXY, HTTPS_PROXY and ALL_PROXY name it"},
					fmt.Errorf("%s: %w", proxy, err)
			}
		}
		f := Finding{State: OK, Seen: strings.Join(proxies, ", ")}
		switch {
		case len(direct) == 0:
		case len(urls) == 0:
			scheme, _, _ := strings.Cut(direct[0], ":")
			f.Seen += ", but not for " + scheme
		default:
			f.Seen += fmt.Sprintf(", but not for %d of %s", len(direct), plural(len(urls), "mirror"))
		}
		f.Seen += "; peers, DHT and local network go past it"
		return f, nil
	}}
}

// dial connects to HOST:PORT, and leaves it at that.
func dial(ctx context.Context, addr string) error {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err // the address is said already
	}
	if err != nil {
		return err
	}
	return c.Close()
}

// Lookup finds the addresses of a host.
type Lookup func(ctx context.Context, host string) ([]netip.Addr, error)

// SystemLookup asks the resolver of the operating system.
func SystemLookup(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// slowNames is how long a look-up may take before it is worth a word.
const slowNames = 2 * time.Second

// Names checks whether names can be looked up: that one does not exist is an
// answer too, and its own line's matter. Hosts are HOST:PORT, HOST or addresses,
// which need no look-up.
func Names(hosts []string, lookup Lookup) Check {
	return Check{Name: "names", Look: func(ctx context.Context) (Finding, error) {
		names := namesOf(hosts)
		if len(names) == 0 {
			return Finding{State: OK, Seen: "none are to be looked up"}, nil
		}
		start := time.Now()
		errs := make([]error, len(names))
		var wg sync.WaitGroup
		for i, name := range names {
			wg.Go(func() { _, errs[i] = lookup(ctx, name) })
		}
		wg.Wait()
		f := Finding{State: OK, Took: time.Since(start)}
		var found int
		var unknown, failed []string
		for i, err := range errs {
			dns, _ := errors.AsType[*net.DNSError](err)
			switch {
			case err == nil:
				found++
			case dns != nil && dns.IsNotFound:
				unknown = append(unknown, names[i])
			default:
				failed = append(failed, names[i])
			}
		}
		f.Seen = fmt.Sprintf("%d of %d found", found, len(names))
		if len(unknown) > 0 {
			f.Seen += "; there is no " + strings.Join(unknown, ", ")
		}
		if len(failed) > 0 {
			f.Seen += "; no answer about " + strings.Join(failed, ", ")
		}
		switch {
		case len(failed) == len(names):
			f.State, f.Hint = Broken, "see whether this machine is online, and which resolver it asks"
		case len(failed) > 0 || f.Took > slowNames:
			f.State, f.Hint = Warning, "the resolver is slow or fails now and then"
		}
		return f, nil
	}}
}

// namesOf is the names among hosts, each once.
func namesOf(hosts []string) (names []string) {
	for _, h := range hosts {
		if host, _, err := net.SplitHostPort(h); err == nil {
			h = host
		}
		if _, err := netip.ParseAddr(h); err == nil || h == "" || strings.Contains(h, " ") || slices.Contains(names, h) {
			continue
		}
		names = append(names, h)
	}
	return names
}
