// Package demo tells the whole story on loopback. The stage is set here, but
// the actors are the real program: each is a process of it, given a command
// line as anybody would type it, and heard by the JSON lines it prints.
package demo

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/shoal-dl/shoal/fetch/report"
)

// Size is how many bytes of content the show has.
const Size = 64 << 20

// killAt is how far the fetch gets before it is killed, in hundredths.
const killAt = 45

// Run plays the show with so many bytes of content, and answers with its
// outcome. It needs nothing but loopback, and leaves neither process nor file
// behind, also when ctx ends.
func Run(ctx context.Context, r *report.Reporter, size int64) (err error) {
	st, err := open(ctx, size)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	t, err := newTroupe(st.dir, r.Verbosef)
	if err != nil {
		return err
	}
	defer t.close()
	s := &show{Reporter: r, stage: st, cast: t, books: newBooks(size)}
	if err := s.play(ctx); err != nil {
		return err
	}
	s.tell()
	return nil
}

// show is one performance.
type show struct {
	*report.Reporter
	stage *stage
	cast  *troupe
	books *books
	outcome

	ports []string // HOST:PORT of the peers
	path  string   // where the content goes
}

// outcome is what remains to be told when all is over, beside the books.
type outcome struct {
	killed, kept    int64 // bytes there when it was killed, and known to be when it went on
	together, alone time.Duration
}

// play is the story.
func (s *show) play(ctx context.Context) error {
	for _, scene := range []func(context.Context) error{s.publish, s.fetch, s.compare, s.fetchAlone} {
		if err := scene(ctx); err != nil {
			return err
		}
	}
	return nil
}

// publish makes the manifest, and signs it.
func (s *show) publish(ctx context.Context) (err error) {
	if s.ports, err = freePorts(ctx, peers); err != nil {
		return err
	}
	args := []string{"create", s.stage.content, "-o", s.stage.manifest, "--sign", s.stage.secret, "--discovery", "dht", "--json",
		"--mirror", s.stage.fair.url, "--mirror", s.stage.slow.url, "--mirror", s.stage.liar.url}
	for i, at := range s.ports {
		s.books.enter(byte('a'+i), "peer", at)
		args = append(args, "--bootstrap", at)
	}
	s.books.enter('F', "mirror", s.stage.fair.url)
	s.books.enter('S', "slow mirror", s.stage.slow.url)
	s.books.enter('L', "lying mirror", s.stage.liar.url)
	var made event
	err = s.cast.run(ctx, "create", func(e event) {
		if e.Event == "created" {
			made = e
		}
	}, args...)
	if err == nil {
		s.Step("create", fmt.Sprintf("%s published as %s..., signed with a key made for this",
			report.Bytes(s.stage.size), made.ID[:min(len(made.ID), 19)]))
	}
	return err
}

// fetch has the peers serve while the content is fetched.
func (s *show) fetch(ctx context.Context) error {
	var seeds []*actor
	for i, at := range s.ports {
		a, err := s.cast.start(ctx, fmt.Sprintf("seed-%d", i+1), func(event) {},
			// The idle time ends one whose demo is gone, where nothing else does.
			"seed", s.stage.manifest, s.stage.content, "--json", "--verbose", "--no-lan", "--dht-private",
			"--seed-idle", "1m", "--listen", at, "--limit-up", strconv.Itoa(peerRate), "--share-anyway")
		if err != nil {
			return err
		}
		seeds = append(seeds, a)
	}
	for _, a := range seeds {
		if err := a.ready(ctx); err != nil {
			return err
		}
	}
	s.Step("seed", fmt.Sprintf("%d peers serve it, in a private DHT; of 3 mirrors one is slow and one lies", peers))
	s.path = filepath.Join(s.stage.dir, "fetched", filepath.Base(s.stage.content))
	if err := os.Mkdir(filepath.Dir(s.path), 0o700); err != nil {
		return fmt.Errorf("make folder for the fetch: %w", err)
	}
	defer s.Panel(s.books.draw).Close()
	if err := s.fetchHalf(ctx); err != nil {
		return err
	}
	if err := s.fetchOn(ctx); err != nil {
		return err
	}
	dismiss(seeds)
	return nil
}

// line is the command line that is killed half-way, and typed again.
func (s *show) line() []string {
	return []string{"fetch", s.stage.fair.url + ".shoal", "-o", s.path, "--pubkey", s.stage.public, "--json", "--verbose",
		"--no-lan", "--dht-private", "--listen", "127.0.0.1:0", "--seed-time", "0"}
}

// fetchHalf lets the fetch begin and kills it half-way.
func (s *show) fetchHalf(ctx context.Context) error {
	s.Step("fetch", "fetching it, given the manifest's URL and the public key")
	s.books.begin("fetch")
	half := make(chan struct{})
	enough := sync.OnceFunc(func() { close(half) })
	a, err := s.cast.start(ctx, "fetch", func(e event) {
		s.hear(e)
		if s.halfDone() {
			enough()
		}
	}, s.line()...)
	if err != nil {
		return err
	}
	select {
	case <-half:
		_ = a.kill() // it may have ended already
		<-a.ended
	case <-a.ended:
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case a.exit.Event != "" || !s.halfDone():
		return cmp.Or(a.wait(ctx), error(&Failure{Actor: a.name, Code: 1, Text: "it was over before it could be killed"}))
	}
	s.killed = s.books.brought()
	s.together = time.Since(a.began)
	s.Step("kill", fmt.Sprintf("killed without a warning, with %s of %s there", report.Bytes(s.killed), report.Bytes(s.stage.size)))
	return nil
}

// halfDone tells whether the fetch has got to where it is killed.
func (s *show) halfDone() bool { return s.books.brought()*100 >= s.stage.size*killAt }

// fetchOn types the same line again.
func (s *show) fetchOn(ctx context.Context) error {
	s.books.begin("again")
	a, err := s.cast.start(ctx, "fetch", func(e event) {
		if e.Event == "start" {
			s.kept = e.Have
			s.Step("resume", fmt.Sprintf("the same line again: %s are known to be right, the rest is fetched", report.Bytes(e.Have)))
		}
		s.hear(e)
	}, s.line()...)
	if err != nil {
		return err
	}
	if err := a.wait(ctx); err != nil {
		return err
	}
	s.together += time.Since(a.began)
	return nil
}

// hear books what the fetch says, and tells who is sent away.
func (s *show) hear(e event) {
	s.books.note(e)
	if e.Event == "source" && e.State == "banned" {
		s.Step("blame", s.books.name(e.Source)+" banned: it "+e.Reason)
	}
}

// compare looks with its own eyes.
func (s *show) compare(context.Context) error {
	same, err := equal(s.stage.content, s.path)
	switch {
	case err != nil:
		return err
	case !same:
		return &Failure{Actor: "fetch", Code: 3, Text: "what it put in place is not what was published"}
	}
	s.Step("compare", "in place, and byte for byte what was published")
	return os.Remove(s.path) // nobody needs so much of the disk
}

// equal tells whether two files have the same bytes.
func equal(a, b string) (bool, error) {
	const chunk = 1 << 20
	var files [2]*os.File
	for i, path := range []string{a, b} {
		f, err := os.Open(path)
		if err != nil {
			return false, fmt.Errorf("compare files: %w", err)
		}
		defer f.Close()
		files[i] = f
	}
	one, other := make([]byte, chunk), make([]byte, chunk)
	for {
		n, errOne := io.ReadFull(files[0], one)
		m, errOther := io.ReadFull(files[1], other)
		switch {
		case n != m || !bytes.Equal(one[:n], other[:m]):
			return false, nil
		case errOne == nil && errOther == nil:
		case errors.Is(errOne, io.EOF) || errors.Is(errOne, io.ErrUnexpectedEOF):
			return true, nil
		default:
			return false, fmt.Errorf("compare files: %w", errors.Join(errOne, errOther))
		}
	}
}

// fetchAlone measures what one good mirror gives.
func (s *show) fetchAlone(ctx context.Context) error {
	manifest := filepath.Join(s.stage.dir, "alone.shoal")
	err := s.cast.run(ctx, "create", func(event) {}, "create", s.stage.content, "-o", manifest, "--mirror", s.stage.fair.url, "--json")
	if err != nil {
		return err
	}
	s.Step("alone", "to compare, the same from the good mirror alone")
	b := newBooks(s.stage.size)
	b.enter('F', "mirror", s.stage.fair.url)
	b.begin("alone")
	defer s.Panel(b.draw).Close()
	a, err := s.cast.start(ctx, "fetch alone", b.note, "fetch", manifest, "-o", s.path, "--json", "--verbose", "--http-only", "--seed-time", "0")
	if err != nil {
		return err
	}
	err = a.wait(ctx)
	s.alone = time.Since(a.began)
	return err
}
