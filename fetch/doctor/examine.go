package doctor

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/shoal-dl/shoal/fetch"
	"github.com/shoal-dl/shoal/fetch/argv"
	"github.com/shoal-dl/shoal/fetch/report"
	"github.com/shoal-dl/shoal/verify"
)

// Subject is what is to be examined, and how to look at what is not of this room.
type Subject struct {
	*argv.Doctor
	Client *fetch.Client
	Stdin  io.Reader
	Report *report.Reporter // is told what was found

	// Found is told of the manifest once it is here, before the functions below are
	// called, and says how many bytes of the content are missing.
	Found    func(r *fetch.Resolved) (missing int64)
	Contacts func(r *fetch.Resolved) []fetch.Contact // whom a fetch of it would contact
	Disk     func(ctx context.Context) (Trial, error)
	Probe    func(dht bool, bootstrap []string) Probe // with the manifest's nodes
}

// Probe looks at what peers are found with. Its methods are called at once, each
// one time at most.
type Probe interface {
	Nodes() []string // by which one enters the DHT
	DHT(ctx context.Context) (Reach, error)
	Door(ctx context.Context) (Door, error)
	LAN(ctx context.Context) (Voice, error)
}

// examination is a subject under examination.
type examination struct {
	Subject
	manifest     *fetch.Resolved // nil while, or if, there is none
	made, broken int
}

// Examine makes all checks that there are for the subject, first of the manifest,
// if there is to be one, and then of what it names. Its error says how many are
// broken, or why ctx has ended.
func Examine(ctx context.Context, s Subject) error {
	began := time.Now()
	e := &examination{Subject: s}
	err := e.run(ctx, Limits(s.InForce, s.Insecure))
	if err == nil && s.Manifest != "" {
		err = e.run(ctx, e.resolve())
	}
	var missing int64
	var created time.Time
	if e.manifest != nil {
		missing, created = s.Found(e.manifest), e.manifest.Manifest.Created
	}
	if err == nil {
		err = e.run(ctx, append(e.here(missing), e.peers()...)...)
	}
	if err == nil { // after all servers, whose clocks count
		err = e.run(ctx, Clock(began, created, s.Client.Clocks))
	}
	if err == nil && e.broken > 0 {
		err = fmt.Errorf("examined %d things: %d broken", e.made, e.broken)
	}
	return err
}

// run makes checks and shows what they found.
func (e *examination) run(ctx context.Context, checks ...Check) error {
	broken, err := Run(ctx, checks, func(c Check, f Finding) {
		var id verify.ID
		if e.manifest != nil {
			id = e.manifest.Manifest.ID()
		}
		e.Report.Checked(id, report.Checked{
			Check: c.Name, About: c.About, State: string(f.State), Seen: f.Seen, Hint: f.Hint, Bytes: f.Bytes, Took: f.Took,
		})
	})
	e.made, e.broken = e.made+len(checks), e.broken+broken
	return err
}

// here is the checks of the disk, of the way out, and of the mirrors.
func (e *examination) here(missing int64) []Check {
	if e.manifest == nil {
		var hosts []string
		if e.usesDHT() {
			hosts = e.Probe(true, nil).Nodes()
		}
		return []Check{Disk(0, e.Disk), Proxies(e.Client, nil), Names(hosts, SystemLookup)}
	}
	m, from := e.manifest.Manifest, e.manifest.URL
	mirrors := Mirrors(e.Client, m, from, e.Mirrors) // which become trusted
	return append([]Check{
		Disk(missing, e.Disk),
		Proxies(e.Client, fetch.MirrorURLs(m, from, e.Mirrors)),
		Names(Direct(e.Contacts(e.manifest)), SystemLookup),
	}, mirrors...)
}

// peers is the checks of the ways to peers that the user and the publisher, if
// there is a manifest, let be used.
func (e *examination) peers() (checks []Check) {
	if e.HTTPOnly {
		return nil
	}
	var bootstrap []string
	if e.manifest != nil {
		bootstrap = e.manifest.Manifest.Bootstrap
	}
	probe := e.Probe(e.usesDHT(), bootstrap)
	if e.usesDHT() {
		checks = append(checks, DHT(probe.DHT))
	}
	if e.shares() {
		checks = append(checks, Inbound(probe.Door))
	}
	if e.usesLAN() {
		checks = append(checks, LAN(probe.LAN))
	}
	return checks
}

func (e *examination) usesDHT() bool { return !e.HTTPOnly && !e.NoDHT && e.lets(verify.DiscoveryDHT) }
func (e *examination) usesLAN() bool { return !e.HTTPOnly && !e.NoLAN && e.lets(verify.DiscoveryLAN) }

// shares tells whether a download would serve others, by any way that the
// publisher lets them be found.
func (e *examination) shares() bool {
	return !e.HTTPOnly && !e.NoShare && (e.manifest == nil || e.manifest.Manifest.Shareable())
}

// nobody tells whether neither the manifest nor the user leaves a source, or a
// way to find one.
func (e *examination) nobody() bool {
	m := e.manifest.Manifest
	peers := !e.HTTPOnly && len(m.Peers)+len(e.Peers) > 0
	mirrors := fetch.MirrorURLs(m, e.manifest.URL, e.Mirrors)
	return len(mirrors) == 0 && !peers && !e.usesDHT() && !e.usesLAN()
}

// lets tells whether the publisher lets peers be found that way.
func (e *examination) lets(way string) bool {
	return e.manifest == nil || slices.Contains(e.manifest.Manifest.Discovery, way)
}
