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
	"strconv"
	"sync"

	"aead.dev/minisign"
	"golang.org/x/time/rate"

	"github.com/shoal-dl/shoal/fetch/faulty"
)

// What the sources send, in bytes a second: little enough for the show to be
// followed. Three peers that each have less than a good mirror are together
// worth more.
const (
	mirrorRate = 5 << 20
	slowRate   = 512 << 10
	peerRate   = 4 << 20
	peers      = 3
)

// stage is what the actors play on: a temporary folder, content made up on the
// spot, keys for its manifest, and three mirrors on loopback.
type stage struct {
	dir      string
	size     int64
	content  string // path
	manifest string // path that it will have, beside the content
	secret   string // path of the secret key
	public   string // the public key

	fair, slow, liar *mirror
	wg               sync.WaitGroup // their servers
}

// mirror is a server of the folder that the content lies in.
type mirror struct {
	faulty.Mirror
	url    string // of the content
	server http.Server
}

// open sets the stage for so many bytes of content. It must be closed.
func open(ctx context.Context, size int64) (*stage, error) {
	dir, err := os.MkdirTemp("", "shoal-demo-")
	if err != nil {
		return nil, fmt.Errorf("make demo folder: %w", err)
	}
	origin := filepath.Join(dir, "origin")
	s := &stage{
		dir: dir, size: size, content: filepath.Join(origin, "demo.bin"),
		manifest: filepath.Join(origin, "demo.bin.shoal"), secret: filepath.Join(dir, "minisign.key"),
	}
	err = os.Mkdir(origin, 0o700)
	if err == nil {
		err = makeUp(s.content, size)
	}
	if err == nil {
		err = s.makeKeys()
	}
	for _, m := range []struct {
		to   **mirror
		rate rate.Limit
		lies bool
	}{{&s.fair, mirrorRate, false}, {&s.slow, slowRate, false}, {&s.liar, mirrorRate, true}} {
		if err == nil {
			*m.to, err = s.serve(ctx, m.rate, m.lies)
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// close ends the mirrors and removes the folder with all that is in it.
func (s *stage) close() error {
	for _, m := range []*mirror{s.fair, s.slow, s.liar} {
		if m != nil {
			_ = m.server.Close() // nothing is lost with a connection to ourselves
		}
	}
	s.wg.Wait()
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("remove demo folder: %w", err)
	}
	return nil
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

// makeKeys makes a key pair as minisign -G -W does.
func (s *stage) makeKeys() error {
	public, secret, err := minisign.GenerateKey(nil)
	if err != nil {
		return fmt.Errorf("make key pair: %w", err)
	}
	text, err := secret.MarshalText()
	if err != nil {
		return fmt.Errorf("make key pair: %w", err)
	}
	s.public = public.String()
	if err := os.WriteFile(s.secret, text, 0o600); err != nil {
		return fmt.Errorf("write secret key: %w", err)
	}
	return nil
}

// serve starts a mirror of so many bytes a second at a port of the system's
// choice.
func (s *stage) serve(ctx context.Context, limit rate.Limit, lies bool) (*mirror, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start demo mirror: %w", err)
	}
	m := &mirror{url: "http://" + l.Addr().String() + "/" + filepath.Base(s.content)}
	m.Dir, m.Limit, m.Corrupt = filepath.Dir(s.content), rate.NewLimiter(limit, int(limit)/20), lies
	m.server.Handler = &m.Mirror
	s.wg.Go(func() { _ = m.server.Serve(l) }) // it always ends with an error, here by Close
	return m, nil
}

// Where the ports of the peers are looked for: the systems take those of
// connections, and of listeners that leave it to them, from 32768 (Linux) or
// 49152 (the others, RFC 6335) on.
const (
	firstPort = 20000
	endPort   = 32000
)

// freePorts finds so many ports on loopback that are free for TCP and for UDP,
// as a node needs them. Nothing keeps them free until the nodes open them, but
// nobody gets one by chance.
func freePorts(ctx context.Context, n int) (at []string, err error) {
	const tries = 50
	begin := firstPort + rand.IntN(endPort-firstPort-tries)
	for port := begin; port < begin+tries; port++ {
		one := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if taken := openable(ctx, one); taken != nil {
			err = taken
			continue
		}
		if at = append(at, one); len(at) == n {
			return at, nil
		}
	}
	return nil, fmt.Errorf("find %d free ports from %d on: %w", n, begin, err)
}

// openable tells whether an address can be listened at.
func openable(ctx context.Context, at string) error {
	tcp, err := new(net.ListenConfig).Listen(ctx, "tcp", at)
	if err != nil {
		return err
	}
	udp, err := new(net.ListenConfig).ListenPacket(ctx, "udp", at)
	if err == nil {
		err = udp.Close()
	}
	return errors.Join(err, tcp.Close())
}
