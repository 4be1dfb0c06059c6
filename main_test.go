package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/time/rate"

	"github.com/shoal-dl/shoal/fetch/argv"
	"github.com/shoal-dl/shoal/fetch/demo"
	"github.com/shoal-dl/shoal/fetch/faulty"
	"github.com/shoal-dl/shoal/resume"
	"github.com/shoal-dl/shoal/swarm/discovery/dhttest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"shoal": main, "small-shoal": small})
}

// small is main, but for a demo of a quarter of its content, and of the time.
func small() {
	ctx, stop, status := listen(context.Background())
	os.Exit(run(ctx, process{
		args: os.Args[1:], stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		getenv: os.Getenv, stop: stop, status: status, demoSize: demo.Size / 4,
	}))
}

// TestScripts runs the program as its users do. Beside testscript's own, the
// scripts have the commands below.
func TestScripts(t *testing.T) { runScripts(t, "testdata/script") }

// TestSlowScripts runs those that take long or want other programs.
func TestSlowScripts(t *testing.T) {
	if os.Getenv("SHOAL_SLOW") == "" {
		t.Skip("SHOAL_SLOW is not set")
	}
	runScripts(t, "testdata/slow")
}

func runScripts(t *testing.T, dir string) {
	testscript.Run(t, testscript.Params{
		Dir: dir,
		Setup: func(e *testscript.Env) error {
			e.Setenv("XDG_CONFIG_HOME", filepath.Join(e.WorkDir, "config"))
			e.Setenv("XDG_CACHE_HOME", filepath.Join(e.WorkDir, "cache"))
			e.Setenv("TMPDIR", e.WorkDir)
			e.Setenv("XDG_RUNTIME_DIR", filepath.Join(e.WorkDir, "run"))
			e.Setenv("SHOAL_SHARE_ANYWAY", "true") // whatever machine this is
			e.Values["mirrors"] = map[string]*faulty.Mirror{}
			e.Values["dht"] = new(*dhttest.Network)
			e.Values["running"] = map[string]*background{}
			return os.Mkdir(filepath.Join(e.WorkDir, "run"), 0o700)
		},
		RequireExplicitExec: true,
		Condition:           condition,
		UpdateScripts:       os.Getenv("SHOAL_UPDATE_SCRIPTS") != "", // rewrites golden parts
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": code, "gen": gen, "serve": serve, "stopat": stopAt, "events": events, "flip": flip,
			"dht": privateDHT, "asked": asked, "announced": announced, "start": start, "await": await, "end": end, "pid": pid, "get": get, "brought": brought,
			"onlyto": onlyTo, "hours": hours, "named": named, "nginx": nginx,
		},
	})
}

// condition tells whether strace is here and may trace.
func condition(cond string) (bool, error) {
	if cond != "strace" {
		return false, fmt.Errorf("no condition %q", cond)
	}
	return exec.Command("strace", "-qq", "-e", "trace=network", "true").Run() == nil, nil
}

// code CODE COMMAND... runs a command that must exit with the code.
func code(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// gen SIZE FILE... makes files of so many bytes that depend on their names.
func gen(ts *testscript.TestScript, _ bool, args []string) {
	size, err := strconv.Atoi(args[0])
	ts.Check(err)
	for _, name := range args[1:] {
		content := make([]byte, size)
		var seed [32]byte
		copy(seed[:], filepath.Base(name))
		_, _ = rand.NewChaCha8(seed).Read(content)
		ts.Check(os.MkdirAll(filepath.Dir(ts.MkAbs(name)), 0o777))
		ts.Check(os.WriteFile(ts.MkAbs(name), content, 0o666))
	}
}

// flip OFFSET FILE damages a byte.
func flip(ts *testscript.TestScript, _ bool, args []string) {
	offset, err := strconv.Atoi(args[0])
	ts.Check(err)
	content, err := os.ReadFile(ts.MkAbs(args[1]))
	ts.Check(err)
	content[offset] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), content, 0o666))
}

// serve [FLAGS] NAME DIR starts a mirror whose URL is then $NAME.
func serve(ts *testscript.TestScript, _ bool, args []string) {
	m := &faulty.Mirror{}
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	flags.BoolVar(&m.Corrupt, "corrupt", false, "")
	flags.BoolVar(&m.Truncate, "truncate", false, "")
	flags.BoolVar(&m.NoRanges, "noranges", false, "")
	flags.IntVar(&m.Status, "status", 0, "")
	flags.Int64Var(&m.Stall, "stall", 0, "")
	flags.StringVar(&m.Header, "header", "", "")
	limit := flags.Int("limit", 0, "")
	ts.Check(flags.Parse(args))
	if *limit > 0 {
		m.Limit = rate.NewLimiter(rate.Limit(*limit), 32<<10)
	}
	m.Dir = ts.MkAbs(flags.Arg(1))
	server := httptest.NewServer(m)
	ts.Defer(server.Close)
	ts.Defer(server.CloseClientConnections) // before Close, which would wait for the stalled ones
	ts.Setenv(flags.Arg(0), server.URL)
	ts.Value("mirrors").(map[string]*faulty.Mirror)[flags.Arg(0)] = m
}

// nginx DIR serves a folder at two ports, whose URLs are then $A and $B, as fast
// as a good server on the internet does.
func nginx(ts *testscript.TestScript, _ bool, args []string) {
	var listen string
	for _, name := range []string{"A", "B"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		listen += "listen " + l.Addr().String() + "; "
		ts.Setenv(name, "http://"+l.Addr().String())
		ts.Check(l.Close())
	}
	config, work := ts.MkAbs("nginx.conf"), ts.MkAbs(".")
	ts.Check(os.WriteFile(config, fmt.Appendf(nil, `user root; daemon off; pid %[1]s/nginx.pid; error_log %[1]s/nginx.err;
		events {}
		http { access_log off; sendfile on; limit_rate 64m; server { %[2]s root %[3]s; } }`, work, listen, ts.MkAbs(args[0])), 0o666))
	cmd := exec.Command("nginx", "-e", work+"/nginx.err", "-c", config)
	ts.Check(cmd.Start())
	ts.Defer(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	for late := time.Now().Add(patience); ; {
		c, err := net.Dial("tcp", strings.TrimPrefix(ts.Getenv("B"), "http://"))
		if err == nil {
			ts.Check(c.Close())
			return
		}
		if time.Now().After(late) {
			ts.Fatalf("nginx does not answer: %v", err)
		}
	}
}

var signals = map[string]syscall.Signal{
	"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "QUIT": syscall.SIGQUIT, "KILL": syscall.SIGKILL,
}

// stopAt SIGNAL MIRROR BYTES CODE COMMAND... sends the signal once the mirror
// has sent so many bytes. The command must then exit with the code; what it
// printed is in the files stdout.txt and stderr.txt.
func stopAt(ts *testscript.TestScript, _ bool, args []string) {
	bytes, err := strconv.ParseInt(args[2], 10, 64)
	ts.Check(err)
	want, err := strconv.Atoi(args[3])
	ts.Check(err)
	stdout, err := os.Create(ts.MkAbs("stdout.txt"))
	ts.Check(err)
	defer stdout.Close()
	stderr, err := os.Create(ts.MkAbs("stderr.txt"))
	ts.Check(err)
	defer stderr.Close()
	cmd := shoalIn(ts, args[5:]...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	got := stopAfter(cmd, signals[args[0]], ts.Value("mirrors").(map[string]*faulty.Mirror)[args[1]], bytes)
	if got != want {
		said, _ := os.ReadFile(stderr.Name())
		ts.Fatalf("exit code %d, want %d\n%s", got, want, said)
	}
}

// shoal is a command line of the program under test.
func shoal(args ...string) *exec.Cmd {
	return &exec.Cmd{Path: must(os.Executable()), Args: append([]string{"shoal"}, args...)}
}

// shoalIn is shoal in the folder and the environment of a script.
func shoalIn(ts *testscript.TestScript, args ...string) *exec.Cmd {
	cmd := shoal(args...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = os.Environ()
	for _, key := range []string{
		"XDG_CONFIG_HOME", "XDG_CACHE_HOME", "TMPDIR", "XDG_RUNTIME_DIR", "SHOAL_SHARE_ANYWAY", "SHOAL_MONTHLY_UPLOAD",
	} {
		cmd.Env = append(cmd.Env, key+"="+ts.Getenv(key))
	}
	return cmd
}

// stopAfter runs cmd, sends it a signal when m has sent it so many bytes, and
// returns its exit code, -1 if the signal killed it.
func stopAfter(cmd *exec.Cmd, signal os.Signal, m *faulty.Mirror, bytes int64) int {
	before := m.Sent()
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // the code is asked for below
	}()
	m.Await(before+bytes, ended)
	_ = cmd.Process.Signal(signal) // it may have ended already
	<-ended
	return cmd.ProcessState.ExitCode()
}

var volatile = regexp.MustCompile(`"(seconds|rate|eta|connections)":[^,}]+`)

// events FILE WANTED checks that every line of FILE is a JSON event and the
// last one is exit, and writes them to WANTED without what differs from run to
// run: times, ports, all progress events but the last, and all seeding events of a
// content but its first and its last.
func events(ts *testscript.TestScript, _ bool, args []string) {
	head := regexp.MustCompile(`^\{"schema":1,"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",`)
	until := regexp.MustCompile(`"until":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"`)
	port := regexp.MustCompile(`127\.0\.0\.1:\d+`)
	var lines []string
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		if !json.Valid([]byte(line)) || !head.MatchString(line) {
			ts.Fatalf("not an event: %s", line)
		}
		line = head.ReplaceAllString(line, "{")
		line = until.ReplaceAllString(line, `"until":"TIME"`)
		line = port.ReplaceAllString(volatile.ReplaceAllString(line, `"$1":0`), "HOST")
		lines = append(lines, strings.ReplaceAll(line, ts.Getenv("WORK"), "WORK"))
	}
	if n := len(lines); n == 0 || !strings.HasPrefix(lines[n-1], `{"event":"exit"`) {
		ts.Fatalf("the last event is not exit")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(strings.Join(certain(lines), "")), 0o666))
}

// certain leaves out the events of which there are more the longer it takes.
func certain(lines []string) (kept []string) {
	for i, line := range lines {
		same := func(other string) bool { return about(other) == about(line) }
		before, after := lines[:i], lines[i+1:]
		again := false
		switch event, _, _ := strings.Cut(about(line), ","); event {
		case `{"event":"progress"`:
			again = slices.ContainsFunc(after, func(other string) bool { return strings.HasPrefix(other, event) })
		case `{"event":"seeding"`:
			again = slices.ContainsFunc(before, same) && slices.ContainsFunc(after, same)
		}
		if !again {
			kept = append(kept, line)
		}
	}
	return kept
}

// about is the part of a line that says what event it is, and of what content.
func about(line string) string { return strings.Join(strings.SplitN(line, ",", 3)[:2], ",") }

// dht [NODES] starts a private DHT of real nodes, five by default. By the config
// file every shoal of the script takes part in it at $DHT, and is bound to
// loopback.
func privateDHT(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	nodes := 5
	if len(args) > 0 {
		nodes = must(strconv.Atoi(args[0]))
	}
	d, err := dhttest.Open(ctx, nodes)
	ts.Check(err)
	ts.Defer(d.Close)
	*ts.Value("dht").(**dhttest.Network) = d
	ts.Setenv("DHT", d.Bootstrap())
	folder := filepath.Join(ts.Getenv("XDG_CONFIG_HOME"), "shoal")
	ts.Check(os.MkdirAll(folder, 0o700))
	config := fmt.Sprintf("dht-bootstrap = [%q]\ndht-private = true\nlisten = \"127.0.0.1:0\"\n", d.Bootstrap())
	ts.Check(os.WriteFile(filepath.Join(folder, "config.toml"), []byte(config), 0o600))
}

// asked tells whether the DHT was asked anything.
func asked(ts *testscript.TestScript, neg bool, _ []string) {
	if n := (*ts.Value("dht").(**dhttest.Network)).Asked(); (n == 0) != neg {
		ts.Fatalf("the DHT was asked %d times", n)
	}
}

// announced tells whether anything was announced to the DHT.
func announced(ts *testscript.TestScript, neg bool, _ []string) {
	if n := (*ts.Value("dht").(**dhttest.Network)).Announced(); (n == 0) != neg {
		ts.Fatalf("the DHT took %d announcements", n)
	}
}

// patience is how long a script waits for what must come.
const patience = 20 * time.Second

// background is a shoal that runs beside a script.
type background struct {
	cmd   *exec.Cmd
	ended chan struct{}

	mu      sync.Mutex
	changed chan struct{} // closed when something was said
	said    [2]bytes.Buffer
}

// voice is the stdout or the stderr of a background.
type voice struct {
	of  *background
	out int
}

func (v voice) Write(p []byte) (int, error) {
	v.of.mu.Lock()
	defer v.of.mu.Unlock()
	close(v.of.changed)
	v.of.changed = make(chan struct{})
	return v.of.said[v.out].Write(p)
}

// start NAME ARGS... runs shoal beside the script, until it ends by itself or
// the script ends it.
func start(ts *testscript.TestScript, _ bool, args []string) {
	b := &background{cmd: shoalIn(ts, args[1:]...), ended: make(chan struct{}), changed: make(chan struct{})}
	b.cmd.Stdout, b.cmd.Stderr = voice{b, 0}, voice{b, 1}
	ts.Check(b.cmd.Start())
	go func() {
		defer close(b.ended)
		_ = b.cmd.Wait() // the code is asked for by end
	}()
	ts.Defer(func() {
		_ = b.cmd.Process.Kill() // it may have ended already
		<-b.ended
	})
	ts.Value("running").(map[string]*background)[args[0]] = b
}

// await NAME REGEXP [KEY] waits until a shoal has said that. What the first group
// matched is then $KEY.
func await(ts *testscript.TestScript, _ bool, args []string) {
	b := ts.Value("running").(map[string]*background)[args[0]]
	want := regexp.MustCompile(args[1])
	late := time.After(patience)
	for {
		b.mu.Lock()
		changed := b.changed
		out, err := b.said[0].String(), b.said[1].String()
		b.mu.Unlock()
		for _, text := range []string{out, err} {
			if said := want.FindStringSubmatch(text); said != nil {
				if len(args) > 2 {
					ts.Setenv(args[2], said[1])
				}
				return
			}
		}
		select {
		case <-changed:
		case <-b.ended:
			ts.Fatalf("%s ended without %s:\n%s%s", args[0], want, out, err)
		case <-late:
			ts.Fatalf("%s does not say %s:\n%s%s", args[0], want, out, err)
		}
	}
}

// get URL FILE fetches what is there into a file.
func get(ts *testscript.TestScript, _ bool, args []string) {
	resp, err := http.Get(args[0])
	ts.Check(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), text, 0o600))
}

// pid NAME makes $NAME the number of the process of a shoal.
func pid(ts *testscript.TestScript, _ bool, args []string) {
	b := ts.Value("running").(map[string]*background)[args[0]]
	ts.Setenv(args[0], strconv.Itoa(b.cmd.Process.Pid))
}

// end NAME CODE [SIGNAL] waits until a shoal ends, which a signal may ask it to,
// and must do with the code. What it printed is in the files NAME.out and
// NAME.err.
func end(ts *testscript.TestScript, _ bool, args []string) {
	b := ts.Value("running").(map[string]*background)[args[0]]
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	if len(args) > 2 {
		ts.Check(b.cmd.Process.Signal(signals[args[2]]))
	}
	select {
	case <-b.ended:
	case <-time.After(patience):
		b.mu.Lock()
		defer b.mu.Unlock()
		ts.Fatalf("%s does not end:\n%s%s", args[0], b.said[0].Bytes(), b.said[1].Bytes())
	}
	for i, suffix := range []string{".out", ".err"} {
		ts.Check(os.WriteFile(ts.MkAbs(args[0]+suffix), b.said[i].Bytes(), 0o600))
	}
	if got := b.cmd.ProcessState.ExitCode(); got != want {
		ts.Fatalf("exit code %d, want %d\n%s", got, want, &b.said[1])
	}
}

// brought FILE SIZE [KIND...] checks that the complete event in FILE accounts
// for every byte, and that each KIND, mirrors or peers, has brought some.
func brought(ts *testscript.TestScript, _ bool, args []string) {
	size, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		var e struct {
			Event       string
			FromMirrors int64 `json:"from_mirrors"`
			FromPeers   int64 `json:"from_peers"`
			FromDisk    int64 `json:"from_disk"`
		}
		ts.Check(json.Unmarshal([]byte(line), &e))
		if e.Event != "complete" {
			continue
		}
		ts.Logf("mirrors %d, peers %d, disk %d", e.FromMirrors, e.FromPeers, e.FromDisk)
		if e.FromMirrors+e.FromPeers+e.FromDisk != size ||
			slices.Contains(args, "mirrors") && e.FromMirrors == 0 || slices.Contains(args, "peers") && e.FromPeers == 0 {
			ts.Fatalf("%s brought %s", args[0], line)
		}
		return
	}
	ts.Fatalf("%s is not complete", args[0])
}

// hours makes $NOW a span of the day with this moment in it, and $LATER one without.
func hours(ts *testscript.TestScript, _ bool, _ []string) {
	after := func(hours time.Duration) string { return time.Now().Add(hours * time.Hour).Format("15:04") }
	ts.Setenv("NOW", after(-1)+"-"+after(1))
	ts.Setenv("LATER", after(1)+"-"+after(2))
}

// sentTo is whom packets went to in a trace of strace.
func sentTo(ts *testscript.TestScript, trace string) (hosts []string) {
	to := regexp.MustCompile(`(?:connect|sendto|sendmsg)\(.*sin6?_port=htons\((\d+)\).*(?:inet_addr\(|AF_INET6, )"([^"]+)"`)
	for _, s := range to.FindAllStringSubmatch(ts.ReadFile(trace), -1) {
		hosts = append(hosts, net.JoinHostPort(s[2], s[1]))
	}
	return hosts
}

// named TRACE FILE N checks that in a trace of strace packets went to at least
// N hosts, and that FILE names each.
func named(ts *testscript.TestScript, _ bool, args []string) {
	hosts := sentTo(ts, args[0])
	slices.Sort(hosts)
	hosts = slices.Compact(hosts)
	for _, host := range hosts {
		if !regexp.MustCompile(regexp.QuoteMeta(host) + `\b`).MatchString(ts.ReadFile(args[1])) {
			ts.Fatalf("nothing names %s", host)
		}
	}
	if least, err := strconv.Atoi(args[2]); err != nil || len(hosts) < least {
		ts.Fatalf("packets went to %v alone", hosts)
	}
}

// onlyTo TRACE [URL...] checks that in a trace of strace packets went to these
// hosts at most.
func onlyTo(ts *testscript.TestScript, _ bool, args []string) {
	var allowed []string
	for _, u := range args[1:] {
		allowed = append(allowed, strings.TrimPrefix(u, "http://"))
	}
	sent := sentTo(ts, args[0])
	for _, host := range sent {
		if !slices.Contains(allowed, host) {
			ts.Fatalf("a packet went to %s", host)
		}
	}
	if len(allowed) > 0 && len(sent) == 0 {
		ts.Fatalf("no packet went anywhere")
	}
}

// TestKillRounds kills a download again and again until it is complete. Each
// time at most the last unsynced batch, a second's worth, may be lost.
func TestKillRounds(t *testing.T) {
	rounds := 4
	if n, err := strconv.Atoi(os.Getenv("SHOAL_KILL_ROUNDS")); err == nil {
		rounds = n
	}
	const perSecond = 2 << 20
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	t.Chdir(t.TempDir())
	content := make([]byte, perSecond*rounds*3/4)
	_, _ = rand.NewChaCha8([32]byte{}).Read(content)
	if err := errors.Join(os.Mkdir("www", 0o700), os.WriteFile("www/f", content, 0o600)); err != nil {
		t.Fatal(err)
	}
	m := &faulty.Mirror{Dir: "www", Limit: rate.NewLimiter(perSecond, 64<<10)}
	server := httptest.NewServer(m)
	defer server.Close()
	if out, err := shoal("create", "www/f", "--piece-size", "64K", "--mirror", server.URL+"/f").CombinedOutput(); err != nil {
		t.Fatalf("create: %v\n%s", err, out)
	}
	var have, lost int64
	for round := range rounds {
		before := m.Sent()
		stopAfter(shoal("fetch", "f.shoal", "-q"), syscall.SIGKILL, m, rand.Int64N(3*perSecond))
		after := m.Sent()
		now := int64(len(content))
		if p, err := resume.Load("f"); err == nil {
			now = p.Have
		} else if _, err := os.Stat("f"); err != nil {
			now = 0 // killed before there was a record
		}
		lost += have + after - before - now
		if most := int64(2*perSecond + 1<<20); have+after-before-now > most {
			t.Errorf("round %d: %d bytes were there and %d came, but %d are kept: more than %d lost", round, have, after-before, now, most)
		}
		have = now
	}
	m.Limit.SetLimit(rate.Inf)
	before := m.Sent()
	if out, err := shoal("fetch", "f.shoal").CombinedOutput(); err != nil {
		t.Fatalf("the last fetch: %v\n%s", err, out)
	}
	if after := m.Sent(); after-before != int64(len(content))-have {
		t.Errorf("the last fetch brought %d bytes, but %d were missing", after-before, int64(len(content))-have)
	}
	if !bytes.Equal(must(os.ReadFile("f")), content) {
		t.Error("the content is wrong")
	}
	t.Logf("%d rounds, %d of %d bytes fetched again", rounds, lost, len(content))
}

// BenchmarkDiscovery fetches from a mirror with nobody else there, looking for
// peers in a private DHT and in the LAN, and with --http-only, in turns. It
// reports the ratio of the medians of what each took from start to exit:
//
//	go test -run '^$' -bench Discovery -benchtime 15x .
func BenchmarkDiscovery(b *testing.B) {
	const size = 512 << 20
	b.Setenv("XDG_RUNTIME_DIR", b.TempDir())
	b.Setenv("XDG_CACHE_HOME", b.TempDir())
	b.Setenv("SHOAL_SHARE_ANYWAY", "true")
	b.Chdir(b.TempDir())
	network := must(dhttest.Open(b.Context(), 20))
	defer network.Close()
	content := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(content)
	if err := errors.Join(os.Mkdir("www", 0o700), os.WriteFile("www/f", content, 0o600)); err != nil {
		b.Fatal(err)
	}
	server := httptest.NewServer(http.FileServer(http.Dir("www")))
	defer server.Close()
	if out, err := shoal("create", "www/f", "--discovery", "dht,lan", "--mirror", server.URL+"/f").CombinedOutput(); err != nil {
		b.Fatalf("create: %v\n%s", err, out)
	}
	took := func(flags ...string) time.Duration {
		start := time.Now()
		line := append([]string{"fetch", "f.shoal", "-q", "-o", "got", "--seed-time", "0"}, flags...)
		if out, err := shoal(line...).CombinedOutput(); err != nil {
			b.Fatalf("fetch: %v\n%s", err, out)
		}
		d := time.Since(start)
		if err := os.Remove("got"); err != nil {
			b.Fatal(err)
		}
		return d
	}
	median := func(d []time.Duration) float64 {
		slices.Sort(d)
		return float64(d[len(d)/2])
	}
	var with, without []time.Duration
	for b.Loop() {
		with = append(with, took("--dht-bootstrap", network.Bootstrap(), "--dht-private"))
		without = append(without, took("--http-only"))
	}
	if network.Announced() == 0 {
		b.Fatal("nobody was announced: discovery was not on")
	}
	b.SetBytes(2 * size)
	b.ReportMetric(median(with)/median(without), "discovery/http-only")
}

// TestSecondSignal blocks the program where nothing can stop it in good order,
// so that only the second signal can end it.
func TestSecondSignal(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	t.Chdir(t.TempDir())
	if err := os.WriteFile("f", []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := shoal("create", "f").CombinedOutput(); err != nil {
		t.Fatalf("create: %v\n%s", err, out)
	}
	cmd := shoal("fetch", "f.shoal", "-", "-o", ".")
	defer must(cmd.StdinPipe()).Close()
	lines := bufio.NewReader(must(cmd.StdoutPipe()))
	start := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := lines.ReadString('\n'); line != "f\n" {
		t.Fatalf("it said %q, %v", line, err)
	}
	// From here on it reads the second manifest from a pipe that stays empty.
	// Equal signals that wait may count as one, and of different ones either
	// may come first: so one kind, until it has ended.
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	for done := false; !done; {
		_ = cmd.Process.Signal(syscall.SIGINT)
		select {
		case <-ended:
			done = true
		default:
			runtime.Gosched()
		}
	}
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit code %d; want 130", code)
	}
	if took := time.Since(start); took > grace {
		t.Errorf("it took %v, as if the second signal did not count", took)
	}
}

// TestSignalWhileNobodyReads stops a download whose stdout is a pipe that is full.
func TestSignalWhileNobodyReads(t *testing.T) {
	for _, tt := range []struct {
		args []string
		hint string
	}{
		{[]string{"-o", "-"}, "the same command starts again"},
		{[]string{"-o", "g", "--json"}, "shoal resume g goes on from there"},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			m := stalled(t)
			reader, full := fullPipe(t)
			defer reader.Close()
			cmd := shoal(append([]string{"fetch", "f.shoal"}, tt.args...)...)
			var said bytes.Buffer
			cmd.Stdout, cmd.Stderr = full, &said
			began := time.Now()
			code := stopAfter(cmd, os.Interrupt, m, m.Stall)
			_ = full.Close()
			want := "shoal: interrupted\nhint: " + tt.hint + "\n"
			if code != 130 || !strings.HasSuffix(said.String(), want) {
				t.Errorf("exit code %d, said %q, want %q", code, said.String(), want)
			}
			if took := time.Since(began); took >= grace {
				t.Errorf("it took %v, as if nothing had stopped", took)
			}
		})
	}
}

// stalled enters a folder with f.shoal, whose mirror stalls after the first piece.
func stalled(t *testing.T) *faulty.Mirror {
	t.Helper()
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	t.Chdir(t.TempDir())
	if err := os.WriteFile("f", make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	m := &faulty.Mirror{Dir: ".", Stall: 300_000}
	server := httptest.NewServer(m)
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	if out, err := shoal("create", "f", "--mirror", server.URL+"/f").CombinedOutput(); err != nil {
		t.Fatalf("create: %v\n%s", err, out)
	}
	return m
}

// fullPipe is a pipe that takes no more before somebody reads.
func fullPipe(t *testing.T) (reader, writer *os.File) {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Skip(err)
	}
	if _, err := writer.Write(make([]byte, 1<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	return reader, writer
}

// TestEchoOfASignal: timeout(1) sends a signal to the process, and to its group.
func TestEchoOfASignal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			later  time.Duration
			signal os.Signal
			want   time.Duration
		}{
			{0, os.Interrupt, grace},
			{echo, os.Interrupt, grace},
			{echo + 1, os.Interrupt, echo + 1},
			{0, syscall.SIGTERM, 0},
		} {
			began, stop := time.Now(), make(chan os.Signal, 1)
			time.AfterFunc(tt.later, func() { stop <- tt.signal })
			again(stop, os.Interrupt)
			if took := time.Since(began); took != tt.want {
				t.Errorf("%v %v after the first is taken %v after it, want %v", tt.signal, tt.later, took, tt.want)
			}
		}
	})
}

// TestStatus asks a stalled download for a status line.
func TestStatus(t *testing.T) {
	signals := argv.StatusSignals()
	if len(signals) == 0 {
		t.Skip("this system has no signal for it")
	}
	m := stalled(t)
	cmd := shoal("fetch", "f.shoal", "-q", "-o", "g")
	lines := bufio.NewReader(must(cmd.StderrPipe()))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	m.Await(m.Stall, t.Context().Done())
	if err := cmd.Process.Signal(signals[0]); err != nil {
		t.Fatal(err)
	}
	if line, err := lines.ReadString('\n'); !strings.HasPrefix(line, "f: ") || !strings.Contains(line, "of 1.0 MiB") {
		t.Errorf("the status is %q, %v", line, err)
	}
	_ = cmd.Process.Signal(os.Interrupt)
	if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("exit code %d", cmd.ProcessState.ExitCode())
	}
}

// TestImportOrder keeps the rooms apart.
func TestImportOrder(t *testing.T) {
	const module = "github.com/shoal-dl/shoal/"
	sentences := map[string]string{
		"verify": "what the bytes must be: it imports nothing of ours",
		"resume": "what is already ours: files on disk and their record",
		"fetch":  "who brings what next, and bringing it",
		"swarm":  "other people: discovery, handshake, wire, serving",
	}
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		from, inRoom := strings.CutPrefix(words[0], module)
		room, _, _ := strings.Cut(from, "/")
		if !inRoom {
			continue // main may import all
		}
		if sentences[room] == "" {
			t.Errorf("%s is in no room", words[0])
		}
		for _, to := range words[1:] {
			other, ours := strings.CutPrefix(to, module)
			other, _, _ = strings.Cut(other, "/")
			if ours && other != room && (other != "verify" || room == "verify") {
				t.Errorf("%s imports %s, but %s is for %s; only main imports several rooms", words[0], to, room, sentences[room])
			}
		}
	}
}

// TestTopLevel keeps the first thing that a visitor sees short.
func TestTopLevel(t *testing.T) {
	allowed := strings.Fields("main.go main_test.go go.mod go.sum README.md LICENSE " +
		"verify resume fetch swarm man completions testdata")
	for _, e := range must(os.ReadDir(".")) {
		if !slices.Contains(allowed, e.Name()) && !strings.HasPrefix(e.Name(), ".") {
			t.Errorf("%s does not belong at the top level", e.Name())
		}
	}
}

// helpFlags are the flags that the help of each verb lists.
func helpFlags(t *testing.T) map[string][]string {
	ask := func(args ...string) string {
		t.Helper()
		cmd, err := argv.Parse(argv.Input{Args: args, Getenv: os.Getenv})
		if err != nil {
			t.Fatal(err)
		}
		return cmd.(*argv.Help).Text
	}
	verb := regexp.MustCompile(`(?m)^  ([a-z]+)`)
	name := regexp.MustCompile(`(?m)^  (?:    |-., )--([a-z-]+)`)
	flags := map[string][]string{}
	for _, v := range verb.FindAllStringSubmatch(ask("--help"), -1) {
		flags[v[1]] = nil
		for _, f := range name.FindAllStringSubmatch(ask("help", v[1]), -1) {
			flags[v[1]] = append(flags[v[1]], f[1])
		}
	}
	if len(flags) < 9 || len(flags["fetch"]) < 30 {
		t.Fatalf("help lists only %v", flags)
	}
	return flags
}

// TestFlagsAreDocumented finds every verb and flag in the manual page and in
// the completions, and no other flag in the README.
func TestFlagsAreDocumented(t *testing.T) {
	zsh := string(must(completions.ReadFile("completions/shoal.zsh")))
	known := []string{"help", "version"}
	for verb, flags := range helpFlags(t) {
		if !strings.Contains(manual, ".It Cm "+verb) || !strings.Contains(zsh, "'"+verb+":") {
			t.Errorf("%s is not in the manual page or in the zsh completion", verb)
		}
		for _, f := range flags {
			if !regexp.MustCompile(`(Fl|,) -` + f + `[ \n]`).MatchString(manual) {
				t.Errorf("--%s is not in the manual page", f)
			}
			if !regexp.MustCompile(`--` + f + `[=\[}]`).MatchString(zsh) {
				t.Errorf("--%s is not in the zsh completion", f)
			}
		}
		known = append(known, flags...)
	}
	flag := regexp.MustCompile(`--([a-z][a-z-]+)`)
	for line := range strings.Lines(string(must(os.ReadFile("README.md")))) {
		_, typed, _ := strings.Cut(line, "shoal ")
		for _, f := range flag.FindAllStringSubmatch(typed, -1) {
			if !slices.Contains(known, f[1]) {
				t.Errorf("the README speaks of --%s", f[1])
			}
		}
	}
}

// TestPromisesAreHeld finds the tests that the README names, where it says that
// they are.
func TestPromisesAreHeld(t *testing.T) {
	_, promises, _ := strings.Cut(string(must(os.ReadFile("README.md"))), "## What it promises")
	promises, _, _ = strings.Cut(promises, "## A session")
	count := 0
	for _, room := range regexp.MustCompile("`([a-z/.]+)`: ([A-Za-z, ]+)").FindAllStringSubmatch(promises, -1) {
		var code strings.Builder
		for _, path := range must(filepath.Glob(filepath.Join(room[1], "*_test.go"))) {
			code.Write(must(os.ReadFile(path)))
		}
		for _, name := range regexp.MustCompile(`(Test|Fuzz)[A-Z]\w+`).FindAllString(room[2], -1) {
			count++
			if !strings.Contains(code.String(), "\nfunc "+name+"(") {
				t.Errorf("there is no %s in %s", name, room[1])
			}
		}
	}
	if all := len(regexp.MustCompile(`(Test|Fuzz)[A-Z]\w+`).FindAllString(promises, -1)); count != all || count < 20 {
		t.Errorf("%d tests were found of %d", count, all)
	}
	for _, name := range regexp.MustCompile(`\w+\.txtar`).FindAllString(promises, -1) {
		_ = must(os.Stat(filepath.Join("testdata", "script", name)))
	}
}

// TestCompletionsOffer asks bash and fish which flags they offer for each verb.
func TestCompletionsOffer(t *testing.T) {
	ask := map[string]string{
		"bash": `source completions/shoal.bash; COMP_WORDS=(shoal %s --); COMP_CWORD=2; _shoal; printf '%%s\n' "${COMPREPLY[@]}"`,
		"fish": `source completions/shoal.fish; complete -C "shoal %s --"`,
	}
	for shell, script := range ask {
		if _, err := exec.LookPath(shell); err != nil {
			t.Logf("%s is not here", shell)
			continue
		}
		for verb, want := range helpFlags(t) {
			out := must(exec.Command(shell, "-c", fmt.Sprintf(script, verb)).Output())
			var got []string
			for line := range strings.Lines(string(out)) {
				name, isFlag := strings.CutPrefix(line, "--")
				name, _, _ = strings.Cut(strings.TrimSpace(name), "\t")
				if isFlag && name != "help" {
					got = append(got, name)
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%s offers for %s\n\t%v\nbut it takes\n\t%v", shell, verb, got, want)
			}
		}
	}
}

func must[T any](x T, err error) T {
	if err != nil {
		panic(err)
	}
	return x
}
