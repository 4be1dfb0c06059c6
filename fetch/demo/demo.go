// Package demo is the stage for `shoal demo`: content made up on the spot and
// three mirrors of it on loopback, one fast, one slow and one that lies.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/time/rate"

	"github.com/shoal-dl/shoal/fetch/faulty"
	"github.com/shoal-dl/shoal/verify"
)

// What the mirrors send, in bytes a second: little enough for the show to last
// a second or two.
const (
	fast = 48 << 20
	slow = 4 << 20
)

// Stage holds the content and the mirrors that serve it.
type Stage struct {
	Dir  string // temporary, and free for use; Close removes it
	Path string // of the content

	mirrors []*mirror
	wg      sync.WaitGroup // their servers
}

// mirror is a server of the content on loopback.
type mirror struct {
	faulty.Mirror
	role   string // what is special about it
	url    string // of the content
	server http.Server
}

// Open makes up size bytes of content and starts the mirrors. The Stage must
// be closed.
func Open(ctx context.Context, size int64) (*Stage, error) {
	dir, err := os.MkdirTemp("", "shoal-demo-")
	if err != nil {
		return nil, fmt.Errorf("make demo folder: %w", err)
	}
	s := &Stage{Dir: dir, Path: filepath.Join(dir, "origin.bin")}
	err = makeUp(s.Path, size)
	for _, m := range []*mirror{
		{role: "fast", Mirror: faulty.Mirror{Limit: rate.NewLimiter(fast, fast/20)}},
		{role: "slow", Mirror: faulty.Mirror{Limit: rate.NewLimiter(slow, slow/20)}},
		{role: "lying", Mirror: faulty.Mirror{Limit: rate.NewLimiter(fast, fast/20), Corrupt: true}},
	} {
		if err == nil {
			err = s.start(ctx, m)
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close ends the mirrors and removes the folder with all that is in it.
func (s *Stage) Close() error {
	for _, m := range s.mirrors {
		_ = m.server.Close() // nothing is lost with a connection to ourselves
	}
	s.wg.Wait()
	return os.RemoveAll(s.Dir)
}

// makeUp writes size bytes, the same each time, that no compression shrinks.
func makeUp(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write demo content: %w", err)
	}
	_, err = io.CopyN(f, rand.NewChaCha8([32]byte{}), size)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write demo content: %w", err)
	}
	return nil
}

// start serves the content from a port of the system's choice.
func (s *Stage) start(ctx context.Context, m *mirror) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("start demo mirror: %w", err)
	}
	m.url = "http://" + l.Addr().String() + "/" + filepath.Base(s.Path)
	m.Dir, m.server.Handler = s.Dir, &m.Mirror
	s.mirrors = append(s.mirrors, m)
	s.wg.Go(func() { _ = m.server.Serve(l) }) // it always ends with an error, here by Close
	return nil
}

// Mirrors are the mirrors as a manifest lists them.
func (s *Stage) Mirrors() []verify.Mirror {
	var list []verify.Mirror
	for _, m := range s.mirrors {
		list = append(list, verify.Mirror{URL: m.url})
	}
	return list
}
