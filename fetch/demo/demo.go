// Package demo is the stage for `shoal demo`: content made up on the spot and
// three mirrors of it on loopback, one fast, one slow and one that lies.
package demo

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/time/rate"

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
	role   string // what is special about it
	url    string // of the content
	lies   bool
	limit  *rate.Limiter // bytes of all connections
	sent   atomic.Int64  // bytes of content, right or wrong
	server *http.Server
}

// Open makes up size bytes of content and starts the mirrors. The Stage must
// be closed.
func Open(size int64) (*Stage, error) {
	dir, err := os.MkdirTemp("", "shoal-demo-")
	if err != nil {
		return nil, fmt.Errorf("make demo folder: %w", err)
	}
	s := &Stage{Dir: dir, Path: filepath.Join(dir, "origin.bin")}
	err = makeUp(s.Path, size)
	for _, m := range []*mirror{
		{role: "fast", limit: rate.NewLimiter(fast, fast/20)},
		{role: "slow", limit: rate.NewLimiter(slow, slow/20)},
		{role: "lying", limit: rate.NewLimiter(fast, fast/20), lies: true},
	} {
		if err == nil {
			err = s.start(m)
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
func (s *Stage) start(m *mirror) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("start demo mirror: %w", err)
	}
	m.url = "http://" + l.Addr().String() + "/" + filepath.Base(s.Path)
	m.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(&reply{ResponseWriter: w, mirror: m, request: r}, r, s.Path)
	})}
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

// reply sends no faster than the mirror may, and not the truth if it lies.
type reply struct {
	http.ResponseWriter
	mirror  *mirror
	request *http.Request
}

func (r *reply) Write(p []byte) (int, error) {
	done := 0
	for part := range slices.Chunk(p, r.mirror.limit.Burst()) {
		if err := r.mirror.limit.WaitN(r.request.Context(), len(part)); err != nil {
			return done, err
		}
		if r.mirror.lies {
			part = slices.Clone(part)
			part[0] ^= 1
		}
		n, err := r.ResponseWriter.Write(part)
		r.mirror.sent.Add(int64(n))
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}
