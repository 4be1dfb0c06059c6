// Command shoal downloads large files fast and verified. This file puts the
// rooms together: verbs, signals, exit codes; what has rules of its own lies
// in a room.
package main

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/adrg/xdg"
	"github.com/bits-and-blooms/bitset"
	"golang.org/x/time/rate"

	"github.com/shoal-dl/shoal/fetch"
	"github.com/shoal-dl/shoal/fetch/argv"
	"github.com/shoal-dl/shoal/fetch/control"
	"github.com/shoal-dl/shoal/fetch/demo"
	"github.com/shoal-dl/shoal/fetch/doctor"
	"github.com/shoal-dl/shoal/fetch/publish"
	"github.com/shoal-dl/shoal/fetch/report"
	"github.com/shoal-dl/shoal/resume"
	"github.com/shoal-dl/shoal/swarm"
	"github.com/shoal-dl/shoal/swarm/quota"
	"github.com/shoal-dl/shoal/verify"
)

const version = "0.1.0"

//go:embed man/shoal.1
var manual string

//go:embed completions
var completions embed.FS

func main() {
	ctx, stop, status := listen(context.Background())
	os.Exit(run(ctx, process{
		args: os.Args[1:], stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		getenv: os.Getenv, stop: stop, status: status, demoSize: demo.Size,
	}))
}

const (
	// grace is how long a first signal leaves to stop and to save what is there.
	grace = 3 * time.Second
	// echo is how soon a signal of the same kind is the first one again: timeout(1)
	// sends it to the process and then to its group.
	echo = 100 * time.Millisecond
)

// listen returns a context that the first signal to stop ends, a function that
// does what such a signal does, and a channel of wishes for a status line. The
// second signal, or the end of grace, ends the process at once: what is on disk
// can be gone on with at any instant.
func listen(parent context.Context) (ctx context.Context, end func(), wishes <-chan os.Signal) {
	ctx, cancel := context.WithCancelCause(parent)
	stop := make(chan os.Signal, 2)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGQUIT} {
		if !signal.Ignored(s) { // as nohup has it, and a shell for what it runs behind it
			signal.Notify(stop, s)
		}
	}
	go func() {
		why := &stopped{<-stop}
		cancel(why)
		again(stop, why.signal)
		os.Exit(why.code())
	}()
	status := make(chan os.Signal, 1)
	if s := argv.StatusSignals(); len(s) > 0 {
		signal.Notify(status, s...)
	}
	// A reader who leaves is an error of writing, not the end of the process.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return ctx, func() {
		select {
		case stop <- syscall.SIGTERM:
		default: // it is stopping
		}
	}, status
}

// again waits for a signal after the first, or the end of grace.
func again(stop <-chan os.Signal, first os.Signal) {
	began, over := time.Now(), time.After(grace)
	for {
		select {
		case s := <-stop:
			if s != first || time.Since(began) > echo {
				return
			}
		case <-over:
			return
		}
	}
}

// process is what the system hands to a program, once.
type process struct {
	args           []string
	stdin          *os.File
	stdout, stderr *os.File
	getenv         func(string) string
	stop           func() // as a signal does
	status         <-chan os.Signal
	demoSize       int64 // bytes of content; tests have less patience
}

// run does what the line says and returns the exit code.
func run(ctx context.Context, p process) int {
	cmd, err := argv.Parse(argv.Input{
		Args: p.args, Getenv: p.getenv, Config: filepath.Join(xdg.ConfigHome, "shoal", "config.toml"),
	})
	o := report.For(cmd, err, p.stdout, p.stderr)
	o.Getenv, o.Wishes, o.Stop = p.getenv, p.status, ctx.Done()
	r := report.New(o)
	s := &session{process: p, report: r, last: r}
	if err == nil {
		err = because(ctx, s.do(ctx, cmd))
	}
	v := judge(err)
	s.last.Exit(err, v)
	if err := s.report.Close(); err != nil && v.Code == 0 {
		if errors.Is(err, report.ErrUnread) {
			err = context.Cause(ctx)
		}
		fmt.Fprintln(p.stderr, "shoal:", err)
		return judge(err).Code
	}
	return v.Code
}

// session is one run of one verb.
type session struct {
	process
	report *report.Reporter
	last   teller            // who has the last word: the transfer, when there is just one
	quiet  *swarm.Background // nil unless what is received makes way
}

// teller says how things ended: a transfer, or the reporter when there is none.
type teller interface {
	Exit(err error, v report.Verdict)
	Failed(err error, v report.Verdict)
}

func (s *session) do(ctx context.Context, cmd argv.Command) error {
	switch o := cmd.(type) {
	case *argv.Fetch:
		return s.fetch(ctx, o)
	case *argv.Resume:
		return s.resume(ctx, o)
	case *argv.Verify:
		return s.verify(ctx, o)
	case *argv.Seed:
		return s.seed(ctx, o)
	case *argv.Create:
		return s.create(ctx, o)
	case *argv.Show:
		return s.show(ctx, o)
	case *argv.Status:
		return s.report.Watch(ctx, s.stdout, o.Watch, func() ([]control.Process, error) { return s.others().Only(ctx, o.Target) })
	case *argv.Order:
		told, err := s.others().Obey(ctx, o)
		s.report.Obeyed(o, told)
		return err
	case *argv.Doctor:
		return s.doctor(ctx, o)
	case *argv.Demo:
		return demo.Run(ctx, s.report, s.demoSize)
	case *argv.Man:
		return report.Manual(ctx, manual, s.stdout)
	case *argv.Completion:
		text, err := completions.ReadFile("completions/shoal." + o.Shell)
		return errors.Join(err, s.print(string(text)))
	case *argv.Help:
		return s.print(o.Text)
	case *argv.Version:
		return s.print("shoal " + version + "\n")
	}
	return fmt.Errorf("run %T: no such verb", cmd)
}

func (s *session) print(text string) error {
	_, err := io.WriteString(s.stdout, text)
	return err
}

// stopped is the cause with which a signal ends the work.
type stopped struct{ signal os.Signal }

func (s *stopped) Error() string {
	if s.signal == os.Interrupt {
		return "interrupted"
	}
	return "terminated"
}

func (s *stopped) code() int {
	if s.signal == os.Interrupt {
		return 130
	}
	return 143
}

// advised is an error with what the user can do about it, and whether what was
// begun can be gone on with.
type advised struct {
	error
	hint      string
	resumable bool
}

func (a *advised) Unwrap() error { return a.error }

// because is err, or the cause with which ctx ended if err says only that.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return context.Cause(ctx)
	}
	return err
}

// startsAgain is the hint when nothing is there to go on with.
const startsAgain = "the same command starts again"

// judge is the one table from error to exit code and hint.
func judge(err error) (v report.Verdict) {
	is := func(any ...error) bool {
		return slices.ContainsFunc(any, func(target error) bool { return errors.Is(err, target) })
	}
	stop, isStop := errors.AsType[*stopped](err)
	usage, isUsage := errors.AsType[*argv.UsageError](err)
	disk, isDisk := errors.AsType[*resume.Error](err)
	_, isPath := errors.AsType[*fs.PathError](err)
	failure, isFailure := errors.AsType[*demo.Failure](err)
	advice, isAdvised := errors.AsType[*advised](err)
	target, isTarget := errors.AsType[*control.TargetError](err)
	switch {
	case err == nil:
	case isStop:
		v.Code = stop.code()
	case isUsage:
		v.Code, v.Hint = 2, cmp.Or(usage.Hint, "see shoal man")
	case isFailure:
		v.Code, v.Hint = failure.Code, failure.Hint
	case isTarget:
		v.Code, v.Hint = 1, target.Hint
	case is(fetch.ErrWrongContent):
		v.Code, v.Hint = 3, "another mirror may have it: --mirror URL"
	case is(verify.ErrSignature, fetch.ErrWrongID, report.ErrDamaged):
		v.Code = 3
	case is(verify.ErrNotRegular, verify.ErrNotFolder):
		v.Code, v.Hint = 5, "move it away, or name another path"
	case is(fetch.ErrNoSource, fetch.ErrDeadline):
		v.Code = 4
	case isDisk:
		v.Code, v.Hint = 5, disk.Hint
	case is(fetch.ErrNoManifest, verify.ErrManifest):
		v.Code = 6
	case isPath && !is(syscall.EPIPE):
		v.Code = 5
	default:
		v.Code = 1
	}
	if isAdvised {
		v.Hint = cmp.Or(v.Hint, advice.hint)
		v.Resumable = advice.resumable && (v.Code == 4 || isStop || isDisk && disk.Full())
	}
	if isStop {
		v.Hint = cmp.Or(v.Hint, startsAgain)
	}
	return v
}

// each does something for every one of n manifests. One that fails does not
// stop the others; the error is then that of the worst.
func (s *session) each(n int, do func(i int) error) error {
	if n == 1 {
		return do(0)
	}
	var failed []error
	for i := range n {
		s.last = s.report
		err := do(i)
		if _, isStop := errors.AsType[*stopped](err); isStop {
			return err
		}
		if err == nil {
			continue
		}
		s.last.Failed(err, judge(err))
		failed = append(failed, err)
	}
	s.last = s.report
	return worst(failed, n)
}

// worst is what the failures of some of n things come to: the first of those with
// the worst exit code, or nil if none failed.
func worst(failed []error, n int) error {
	if len(failed) == 0 {
		return nil
	}
	ranks := []int{1, 2, 4, 6, 5, 3} // exit codes, the worst last
	rank := func(err error) int { return slices.Index(ranks, judge(err).Code) }
	err := slices.MaxFunc(failed, func(a, b error) int { return cmp.Compare(rank(a), rank(b)) })
	if n == 1 {
		return err
	}
	return fmt.Errorf("%d of %d failed, the worst with: %w", len(failed), n, err)
}

// online does something with the HTTP client that the user wants, until the
// deadline.
func (s *session) online(ctx context.Context, o argv.HTTP, do func(ctx context.Context, c *fetch.Client) error) error {
	if o.Deadline > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.Deadline, fetch.ErrDeadline)
		defer cancel()
	}
	o.UserAgent = cmp.Or(o.UserAgent, "shoal/"+version)
	o.Limit, o.Verbose = fetch.NewLimit(o.LimitDown), s.report.Verbosef
	c, err := fetch.NewClient(o.ClientOptions)
	if err != nil {
		return &argv.UsageError{Text: err.Error()}
	}
	defer c.Close()
	return because(ctx, do(ctx, c))
}

// behind makes what is received make way for the user's other traffic, if he
// wants that, until the function it returns is called.
func (s *session) behind(h *argv.HTTP, o argv.Swarm) (end func()) {
	if !h.Background {
		return func() {}
	}
	s.quiet = swarm.OpenBackground(context.Background(), !o.NoLAN)
	h.Wrap = s.quiet.Wrap
	return s.quiet.Close
}

// manifest gets a manifest and lets its transfer have the last word.
func (s *session) manifest(ctx context.Context, c *fetch.Client, ref string, t argv.Trust) (*fetch.Resolved, error) {
	r, err := c.Manifest(ctx, ref, s.stdin, t.ID, t.Pubkey)
	if err != nil {
		return nil, err
	}
	about := s.report.Transfer(r.Manifest)
	s.last = about
	if !r.Secure && t.ID == nil && t.Pubkey == "" {
		about.Warn("the manifest came over plain http: anybody on the way could have changed it",
			"pin the content with --id, its id from a place that you trust, or demand a signature with --pubkey")
	}
	return r, nil
}

// download is the bringing of one content: what fetch, resume and verify
// --repair come down to.
type download struct {
	*sharing
	manifest   *verify.Manifest
	from       resume.Origin
	path       string // as the user is told
	at         string // as the disk has it, where path is a symbolic link that the user named
	repair     bool   // of content that was in place before
	onComplete string
	entry      *control.Entry
}

// bring runs the job that puts what is not in have into store.
func (s *session) bring(ctx context.Context, d download, store fetch.Store, have *bitset.BitSet, with *crowd) (*report.Transfer, error) {
	t := s.report.Transfer(d.manifest)
	s.last = t
	sources, unusable := d.client.Mirrors(d.manifest, d.from.URL, d.Mirrors)
	for _, err := range unusable {
		t.Warn(err.Error())
	}
	var g fetch.Gauges
	job := &fetch.Job{
		Manifest: d.manifest, Store: store, Have: have, Sources: d.entry.Count(sources), Observer: t, Gauges: &g,
		Connections: d.Connections, Retries: d.Retries, Steer: d.entry.Steer(), Unusable: unusable,
	}
	job.Deadline, _ = ctx.Deadline()
	var seen control.Crowd
	if with != nil {
		seen = with
		job.Crowd, job.Prefer, job.Linger = with, d.Prefer, linger
	}
	d.entry.Fetching(&g, seen, t.Paused)
	t.Start(job.Here(), len(sources), &g)
	return t, job.Run(ctx)
}

// toFile brings what file does not have, puts it in place and says so.
func (s *session) toFile(ctx context.Context, d download, file *resume.File) error {
	d.entry = d.desk.Add(d.manifest, d.path)
	with := d.try(file)
	t, err := s.bring(ctx, d, file, file.Have(), with)
	if err == nil {
		err = file.Finish()
	}
	if err == nil && !file.Complete() {
		s.keep(s.receipt(d))
	}
	if err == nil && with != nil {
		d.keep(ctx, &kept{crowd: with, transfer: t, file: file, entry: d.entry}, nil)
	} else {
		d.entry.Done()
		if with != nil {
			with.Leave()
		}
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		return &advised{err, d.again(), true}
	}
	t.Complete(d.path)
	return report.Hook(ctx, d.onComplete, d.path, d.manifest.ID(), s.stderr)
}

// again is the hint when a download was cut short: what is there to go on with.
func (d download) again() string {
	if _, none := resume.Load(d.path); none == nil {
		return "shoal resume " + argv.Quote(d.path) + " goes on from there"
	}
	if _, none := os.Lstat(d.at); d.repair && none == nil {
		return "the same command goes on from there" // what was mended is back in place
	}
	return startsAgain
}

// toStdout brings the content in order; it cannot be gone on with.
func (s *session) toStdout(ctx context.Context, d download) error {
	if d.manifest.Folder() {
		return &argv.UsageError{Text: "the content is a folder, which does not fit into one stream",
			Hint: "write it to the disk with -o DIR"}
	}
	stream := fetch.NewStream(d.manifest, s.stdout)
	defer stream.Close()
	d.path = "-"
	d.entry = d.desk.Add(d.manifest, d.path)
	defer d.entry.Done()
	t, err := s.bring(ctx, d, stream, bitset.New(0), d.try(nil))
	if err == nil {
		err = stream.Finish(ctx)
	}
	if err == nil {
		t.Complete("-")
	}
	return err
}

// open goes on from what lies on the disk.
func (s *session) open(ctx context.Context, d download, o resume.Options) error {
	d.at = d.path
	hashing := s.report.Hashing("checking " + d.manifest.Name)
	o.Total, o.Progress = hashing.Total, hashing.Add
	file, err := resume.Open(ctx, d.manifest, d.from, d.path, o)
	hashing.Done()
	if err != nil {
		return &advised{err, "", true}
	}
	return s.toFile(ctx, d, file)
}

func (s *session) fetch(ctx context.Context, o *argv.Fetch) error {
	defer s.behind(&o.HTTP, o.Swarm)()
	return s.online(ctx, o.HTTP, func(ctx context.Context, c *fetch.Client) error {
		return s.share(ctx, "fetch", c, o.HTTP, o.Swarm, len(o.Manifests), func(sh *sharing, i int) error {
			r, err := s.manifest(ctx, c, o.Manifests[i], o.Trust)
			if err != nil {
				return &advised{err, "", o.Output != "-"}
			}
			if o.Explain {
				s.report.Contacts(r.Manifest.ID(), doctor.Explained(s.contacts(c, r, o.Manifests[i], o.HTTP, o.Swarm)))
				s.report.Consent(r.Manifest, o.Swarm, o.Output != "-")
				return nil
			}
			d := download{
				sharing: sh, manifest: r.Manifest, from: resume.Origin{URL: r.URL, Raw: r.Raw},
				path: resume.Target(r.Manifest, o.Output), onComplete: o.OnComplete,
			}
			if o.Output == "-" {
				return s.toStdout(ctx, d)
			}
			return s.open(ctx, d, resume.Options{Overwrite: o.Overwrite, Recheck: o.Recheck, NoResume: o.NoResume})
		})
	})
}

func (s *session) resume(ctx context.Context, o *argv.Resume) error {
	paths, broken := resume.Wanted(o.Paths)
	if len(paths) == 0 && broken == nil {
		s.report.Note("no interrupted download here")
	}
	defer s.behind(&o.HTTP, o.Swarm)()
	err := s.online(ctx, o.HTTP, func(ctx context.Context, c *fetch.Client) error {
		return s.share(ctx, "resume", c, o.HTTP, o.Swarm, len(paths), func(sh *sharing, i int) error {
			p, err := resume.Load(paths[i])
			if err != nil {
				return err
			}
			if o.List {
				s.report.Pending(p.Path, fetch.Shown(p.Origin.URL), p.Have, p.Manifest)
				return nil
			}
			c.Recorded(p.Origin.URL)
			d := download{sharing: sh, manifest: p.Manifest, from: p.Origin, path: p.Path, onComplete: o.OnComplete}
			return s.open(ctx, d, resume.Options{Overwrite: o.Overwrite, Recheck: o.Recheck})
		})
	})
	return errors.Join(err, broken)
}

func (s *session) verify(ctx context.Context, o *argv.Verify) error {
	defer s.behind(&o.HTTP, o.Swarm)()
	return s.online(ctx, o.HTTP, func(ctx context.Context, c *fetch.Client) error {
		r, err := s.manifest(ctx, c, o.Manifest, o.Trust)
		if err != nil {
			return err
		}
		m, path := r.Manifest, o.PathOf(r.Manifest)
		at := resume.Follow(path, o.Path)
		seen := resume.See(m, at)
		good, damage, err := s.report.Check(ctx, m, path, at, !o.Repair)
		switch {
		case err != nil:
			return err
		case damage == nil && o.Repair:
			if err := resume.Permit(m, at); err != nil {
				return err
			}
			fallthrough
		case damage == nil:
			s.report.Note(path + ": right")
			return nil
		case !o.Repair:
			return &advised{damage, "shoal verify --repair fetches just that", false}
		}
		return s.share(ctx, "verify", c, o.HTTP, o.Swarm, 1, func(sh *sharing, _ int) error {
			d := download{sharing: sh, manifest: m, from: resume.Origin{URL: r.URL, Raw: r.Raw}, path: path, at: at, repair: true}
			file, err := resume.Adopt(ctx, m, d.from, at, seen, good)
			if err != nil {
				return err
			}
			return s.toFile(ctx, d, file)
		})
	})
}

// seed serves content that is in place, once it is known to be right.
func (s *session) seed(ctx context.Context, o *argv.Seed) error {
	return s.online(ctx, o.HTTP, func(ctx context.Context, c *fetch.Client) error {
		return s.share(ctx, "seed", c, o.HTTP, o.Swarm, len(o.Manifests), func(sh *sharing, i int) error {
			r, err := s.manifest(ctx, c, o.Manifests[i], o.Trust)
			if err != nil {
				return err
			}
			path := o.PathOf(r.Manifest)
			return s.offer(ctx, download{sharing: sh, manifest: r.Manifest, path: path, at: resume.Follow(path, o.Path)}, o)
		})
	})
}

// offer makes content part of what is shared.
func (s *session) offer(ctx context.Context, d download, o *argv.Seed) (err error) {
	file, err := resume.Offer(d.manifest, d.at)
	if err != nil {
		return err
	}
	d.entry = d.desk.Add(d.manifest, d.path)
	defer func() {
		if err != nil {
			d.entry.Done()
			err = errors.Join(err, file.Close())
		}
	}()
	switch {
	case o.Trusted:
	case !o.Recheck && s.receipt(d).Holds():
		s.report.Verbosef("%s was proven before and looks untouched", d.path)
	default:
		if err := s.check(ctx, d); err != nil {
			return err
		}
	}
	t := s.report.Transfer(d.manifest)
	s.last = t
	with, err := d.join(file)
	if err == nil && with == nil {
		err = errors.New("there is no way to peers: neither the manifest nor the line leaves one")
	}
	if err != nil {
		return fmt.Errorf("seed %s: %w", d.path, err)
	}
	g := new(fetch.Gauges)
	g.FromDisk.Store(d.manifest.Size())
	t.Start(d.manifest.Size(), 0, g)
	d.keep(ctx, &kept{crowd: with, transfer: t, file: file, entry: d.entry}, g)
	return nil
}

// check hashes content that is in place, and keeps a receipt if it is right.
func (s *session) check(ctx context.Context, d download) error {
	r := s.receipt(d)
	_, damage, err := s.report.Check(ctx, d.manifest, d.path, d.at, false)
	if err != nil {
		return err
	}
	if damage != nil {
		return &advised{damage, "shoal verify --repair fetches what is bad", false}
	}
	s.keep(r)
	return nil
}

// receipt looks at what lies in place for a record that it is right.
func (s *session) receipt(d download) resume.Receipt {
	return resume.LookAt(d.manifest, d.at, filepath.Join(xdg.CacheHome, "shoal", "receipts"))
}

// keep keeps a receipt. Without it, the next seed only takes longer to begin.
func (s *session) keep(r resume.Receipt) {
	if err := r.Keep(); err != nil {
		s.report.Verbosef("%v", err)
	}
}

func (s *session) show(ctx context.Context, o *argv.Show) error {
	return s.online(ctx, o.HTTP, func(ctx context.Context, c *fetch.Client) error {
		r, err := s.manifest(ctx, c, o.Manifest, o.Trust)
		if err == nil {
			s.report.Manifest(r.Manifest)
		}
		return err
	})
}

// doctor examines this machine and, with a manifest, its sources.
func (s *session) doctor(ctx context.Context, o *argv.Doctor) error {
	return s.online(ctx, o.HTTP, func(ctx context.Context, c *fetch.Client) error {
		path := cmp.Or(o.Output, ".")
		return doctor.Examine(ctx, doctor.Subject{
			Doctor: o, Client: c, Stdin: s.stdin, Report: s.report,
			Found: func(r *fetch.Resolved) (missing int64) {
				s.last = s.report.Transfer(r.Manifest)
				path = resume.Target(r.Manifest, o.Output)
				return resume.Missing(r.Manifest, path)
			},
			Contacts: func(r *fetch.Resolved) []fetch.Contact { return s.contacts(c, r, o.Manifest, o.HTTP, o.Swarm) },
			Disk: func(ctx context.Context) (doctor.Trial, error) {
				t, err := resume.Try(ctx, path)
				return doctor.Trial(t), err
			},
			Probe: func(dht bool, bootstrap []string) doctor.Probe {
				among := s.among(o.HTTP, o.Swarm)
				among.DHT = dht
				return probe{swarm.NewProbe(among, bootstrap)}
			},
		})
	})
}

// probe is how a doctor looks at ways to peers; neither room knows the other.
type probe struct{ *swarm.Probe }

func (p probe) DHT(ctx context.Context) (doctor.Reach, error) {
	r, err := p.Probe.DHT(ctx)
	return doctor.Reach(r), err
}

func (p probe) Door(ctx context.Context) (doctor.Door, error) {
	d, err := p.Probe.Door(ctx)
	return doctor.Door(d), err
}

func (p probe) LAN(ctx context.Context) (doctor.Voice, error) {
	v, err := p.Probe.LAN(ctx)
	return doctor.Voice(v), err
}

// contacts is everybody whom a download would contact, as far as they are known
// before.
func (s *session) contacts(c *fetch.Client, r *fetch.Resolved, ref string, h argv.HTTP, o argv.Swarm) []fetch.Contact {
	all := c.Contacts(r.Manifest, ref, r.URL, h.Mirrors)
	if o.HTTPOnly {
		return all
	}
	for _, c := range swarm.Contacts(s.among(h, o), r.Manifest) {
		all = append(all, fetch.Contact{Host: c.Host, Kind: c.Kind, Why: c.Why})
	}
	return all
}

// among is how this process goes among peers.
func (s *session) among(h argv.HTTP, o argv.Swarm) swarm.Options {
	return swarm.Options{
		Listen: o.Listen, Share: !o.NoShare, DHT: !o.NoDHT, LAN: !o.NoLAN,
		DHTBootstrap: o.Bootstrap, DHTPrivate: o.DHTPrivate, Peers: o.Peers, Timeout: h.Timeout, Background: s.quiet,
		Cache: filepath.Join(xdg.CacheHome, "shoal"), Client: "shoal " + version, Verbose: s.report.Verbosef,
	}
}

func (s *session) create(ctx context.Context, o *argv.Create) error {
	to, err := o.Target()
	if err != nil {
		return err
	}
	if to != "-" {
		o.Except = []string{to, to + verify.SignatureExtension}
	}
	for _, path := range o.Except {
		if path == to || o.Sign != "" {
			if err := resume.Savable(path, o.Replaces(path)); err != nil {
				return err
			}
		}
	}
	m, encoded, err := publish.Manifest(ctx, o, s.report)
	if err != nil {
		return err
	}
	if to == "-" {
		return s.print(string(encoded))
	}
	if o.Sign != "" {
		sig, err := publish.Signature(ctx, o.Sign, to, encoded, s.stdin, s.report)
		if err == nil {
			beside := to + verify.SignatureExtension
			err = resume.Save(beside, sig, o.Replaces(beside))
		}
		if err != nil {
			return err
		}
	}
	if err := resume.Save(to, encoded, o.Replaces(to)); err != nil {
		return err
	}
	s.last = s.report.Transfer(m)
	s.report.Created(to, m)
	return nil
}

// others are the running transfers of this user.
func (s *session) others() *control.Client {
	return &control.Client{Folders: control.Folders(s.getenv), Verbose: s.report.Verbosef}
}

// linger is how long a download waits for peers when there is no source at all.
const linger = time.Minute

// sharing is this process among peers: one node for all contents of a run, made
// when the first of them wants it.
type sharing struct {
	*session
	argv.HTTP
	argv.Swarm
	client  *fetch.Client
	limitUp *rate.Limiter
	stay    bool          // as a seed does
	several bool          // contents
	desk    *control.Desk // what other processes of the user see of this one
	node    *swarm.Node   // nil until it is wanted
	kept    []*kept
}

// kept is content in place that is served.
type kept struct {
	*crowd
	transfer *report.Transfer
	file     *resume.File
	entry    *control.Entry

	unguard  context.CancelFunc
	guarding sync.WaitGroup
	lost     error // why it is served no longer, once guarding is over
}

// share does something for each of n contents, any of which it may leave to be
// served, and then serves them.
func (s *session) share(ctx context.Context, verb string, c *fetch.Client, h argv.HTTP, o argv.Swarm, n int, do func(sh *sharing, i int) error) error {
	sh := &sharing{session: s, HTTP: h, Swarm: o, client: c, limitUp: fetch.NewLimit(o.LimitUp), stay: verb == "seed", several: n > 1}
	var err error
	sh.desk, err = control.Open(context.Background(), control.Options{
		Verb: verb, Limits: argv.NewLive(h, o, sh.stay), Fixed: o.Fixed(), Origins: o.Origins, Down: c.Limit(), Up: sh.limitUp, Stop: s.stop,
		Folders: control.Folders(s.getenv), Metrics: o.Metrics, Verbose: s.report.Verbosef,
	})
	if err != nil {
		return err
	}
	defer sh.close()
	err = s.each(n, func(i int) error { return do(sh, i) })
	if lost := sh.serve(ctx); err == nil && sh.stay {
		err = lost
	}
	return err
}

// join enters the swarm of the content, if its publisher and the user want
// that. file is nil when nothing is kept that could be served.
func (d download) join(file *resume.File) (*crowd, error) {
	if d.HTTPOnly || !d.manifest.Shareable() && len(d.manifest.Peers)+len(d.Peers) == 0 {
		return nil, nil
	}
	if err := d.up(file != nil); err != nil {
		return nil, err
	}
	c := swarm.Content{Manifest: d.manifest}
	if file != nil {
		c.Have, c.Read = file.Have(), file.Read
		d.report.Shares(d.manifest, d.Swarm, d.stay)
	}
	return &crowd{d.node.Join(c)}, nil
}

// try is join, where mirrors have to do if there is no way to peers.
func (d download) try(file *resume.File) *crowd {
	with, err := d.join(file)
	if err != nil {
		d.report.Transfer(d.manifest).Warn("going on without peers: " + err.Error())
	}
	return with
}

// up starts the node, unless it runs. One that keeps nothing to serve, as when
// the content goes to stdout alone, listens to nobody.
func (sh *sharing) up(keeps bool) error {
	if sh.node != nil {
		return nil
	}
	o := sh.among(sh.HTTP, sh.Swarm)
	o.Stay, o.LimitUp, o.LimitDown = sh.stay, sh.limitUp, sh.client.Limit()
	keeper := quota.New(quota.Options{
		File: filepath.Join(o.Cache, "uploads"), Probes: quota.System(sh.getenv), Verbose: sh.report.Verbosef,
	})
	o.Share = o.Share && keeps
	o.Quota, o.Sharing = keeper, sh.ruled
	node, err := swarm.Open(context.Background(), o)
	if errors.Is(err, syscall.EADDRINUSE) && !sh.stay {
		sh.report.Warn("going on at another port: " + err.Error())
		host, _, _ := net.SplitHostPort(o.Listen) // it has just been split
		o.Listen = net.JoinHostPort(host, "0")
		node, err = swarm.Open(context.Background(), o)
	}
	if err != nil {
		return err
	}
	sh.desk.ObeyMaxUpload(node.SetMaxUpload)
	sh.desk.ObeyRules(func(l argv.Live) {
		keeper.SetRules(quota.Rules{Monthly: l.MonthlyUpload, Quiet: l.Quiet(), Anyway: l.ShareAnyway})
	})
	sh.node = node
	return nil
}

// ruled says what the user's rules have changed.
func (sh *sharing) ruled(v quota.Verdict) {
	v.LAN = v.LAN || v.Reason != "" && sh.NoLAN // nobody counts as local
	sh.report.Sharing(report.Rule(v), sh.desk.Limits().MonthlyUpload)
}

// keep leaves a content to be served; g is nil if the desk knows it.
func (d download) keep(ctx context.Context, k *kept, g *fetch.Gauges) {
	d.kept = append(d.kept, k)
	k.entry.Seeding(g, k.crowd, k.transfer.Paused)
	ctx, k.unguard = context.WithCancel(ctx)
	if k.Serves() {
		k.guarding.Go(func() { d.guard(ctx, k) })
	}
}

// guard leaves the swarm of a content that is not right any more.
func (d download) guard(ctx context.Context, k *kept) {
	err := k.file.Guard(ctx, k.Hold, func() error {
		d.report.Verbosef("%s looks changed: it is checked again, and not served meanwhile", d.path)
		err := d.check(ctx, d)
		if err == nil {
			d.report.Note(d.path + " was touched but is still right, and goes on being served")
		}
		return err
	})
	if err == nil {
		return
	}
	k.lost = fmt.Errorf("served no longer, because it has changed: %w", err)
	k.Leave()
	k.entry.Done()
	switch v := judge(k.lost); {
	case !d.stay && v.Hint != "":
		k.transfer.Warn(k.lost.Error(), v.Hint)
	case !d.stay:
		k.transfer.Warn(k.lost.Error())
	case d.several:
		k.transfer.Failed(k.lost, v)
	}
}

// serve serves what is kept until the limits are reached or ctx ends. What goes
// wrong meanwhile is no failure of the command, but that nothing of it is left to
// serve is one of a seed: serve returns the worst of it.
func (sh *sharing) serve(ctx context.Context) error {
	var all sync.WaitGroup
	for _, k := range sh.kept {
		all.Go(func() {
			k.Serve(ctx, sh.period, func(until time.Time, st swarm.Stats) {
				k.entry.Until(until)
				k.transfer.Seeding(until, st.Uploaded, st.Peers)
			})
			k.Leave() // others may be served for longer
			k.unguard()
			k.guarding.Wait()
			k.transfer.Seeded(k.Uploaded())
			k.entry.Done()
		})
	}
	all.Wait()
	var lost []error
	for _, k := range sh.kept {
		if k.lost != nil {
			lost = append(lost, k.lost)
		}
	}
	if len(lost) < len(sh.kept) {
		return nil // some were served to their end
	}
	return worst(lost, len(lost))
}

// period is how long a content is to be served, as things stand.
func (sh *sharing) period() swarm.Period {
	l := sh.desk.Limits()
	return swarm.Period{Time: l.Serves(), Idle: l.SeedIdle, Ratio: l.SeedRatio}
}

func (sh *sharing) close() {
	if sh.node != nil {
		sh.node.Close()
	}
	for _, k := range sh.kept {
		_ = k.file.Close() // the content is in place
	}
	sh.desk.Close() // at last: it is the sign that all is done
}

// crowd makes the neighbours in a swarm sources of a job, and shows them to other
// processes; neither room knows the other.
type crowd struct{ *swarm.Swarm }

// Neighbours implements [control.Crowd].
func (c *crowd) Neighbours() (peers []control.Source, uploaded, toLAN int64) {
	st := c.Stats()
	for _, p := range st.Table {
		peers = append(peers, control.Source(p))
	}
	return peers, st.Uploaded, st.ToLAN
}

func (c *crowd) Peers() (peers []fetch.Partial) {
	for _, p := range c.Swarm.Peers() {
		peers = append(peers, peer{p})
	}
	return peers
}

func (c *crowd) Ban(s fetch.Source, reason string) { c.Swarm.Ban(s.(peer).Peer, reason) }

// peer is a source of a job.
type peer struct{ *swarm.Peer }

func (p peer) Kind() fetch.Kind { return fetch.Kind(p.Peer.Kind()) }

func (p peer) Pieces(ctx context.Context, l fetch.Lease) iter.Seq2[fetch.Raw, error] {
	return func(yield func(fetch.Raw, error) bool) {
		for raw, err := range p.Peer.Pieces(ctx, swarm.Lease(l)) {
			if !yield(fetch.Raw(raw), fault(err)) {
				return
			}
		}
	}
}

// fault says what a peer's error means to a job.
func fault(err error) error {
	e, ok := errors.AsType[*swarm.Error](err)
	switch {
	case !ok:
		return err
	case e.Lasting:
		return &fetch.Fault{Kind: fetch.FaultLasting, Err: e.Err}
	case e.Withdrawn:
		return &fetch.Fault{Kind: fetch.FaultWithdrawn, Err: e.Err}
	}
	return &fetch.Fault{Kind: fetch.FaultPassing, RetryAfter: e.RetryAfter, Err: e.Err}
}
