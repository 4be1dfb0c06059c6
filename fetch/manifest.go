package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/shoal-dl/shoal/verify"
)

const (
	manifestTries = 4                      // in all
	manifestPause = 500 * time.Millisecond // before the second try; doubled for each further one
	manifestTime  = 5 * time.Minute        // for one try
	longestPause  = 30 * time.Second       // what a Retry-After may ask for
	maxSignature  = 16 << 10               // bytes of a signature file
)

var (
	// ErrNoManifest says that a manifest could not be had.
	ErrNoManifest = errors.New("get manifest")
	// ErrWrongID says that a manifest describes other content than was asked for.
	ErrWrongID = errors.New("wrong content id")
)

// Resolved is a manifest and where it came from.
type Resolved struct {
	Manifest *verify.Manifest // with absolute mirror URLs, where they can be had
	Raw      []byte           // as it was served or stored
	URL      string           // after redirects; the absolute path of a file; "-" for stdin
	Secure   bool             // it came by https or from this machine
}

// Manifest gets a manifest by ref: an http or https URL, a path, or "-" for
// stdin. A URL's origin becomes a trusted one, see [Client.Trust]. What may
// pass is tried again a few times.
//
// Relative mirror URLs are resolved against the URL that the manifest came
// from; those of one that is no URL's stay as they are.
//
// When pin is not nil the content id must be that one, or the error wraps
// ErrWrongID. When pubkey, a minisign key, is not empty, the file beside the
// manifest whose name has ".minisig" appended must be its signature, or the
// error wraps [verify.ErrSignature]. Other errors wrap ErrNoManifest or
// [verify.ErrManifest], unless ctx ended: then its cause.
func (c *Client) Manifest(ctx context.Context, ref string, stdin io.Reader, pin *verify.ID, pubkey string) (*Resolved, error) {
	p, err := c.place(ref, stdin)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoManifest, err)
	}
	r, err := p.manifest(ctx)
	if err == nil && pubkey != "" {
		err = p.checkSignature(ctx, pubkey, r.Raw)
	}
	if err == nil {
		err = r.parse(p, pin)
	}
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("get manifest %s: %w", p.name, context.Cause(ctx))
	case err != nil:
		return nil, err
	}
	return r, nil
}

// place is where a manifest lies: on the web, on disk, or neither.
type place struct {
	client *Client
	name   string    // for messages
	url    *url.URL  // nil unless it is on the web
	stdin  io.Reader // nil unless it comes from there
}

func (c *Client) place(ref string, stdin io.Reader) (place, error) {
	switch {
	case ref == "-":
		return place{name: "from stdin", stdin: stdin}, nil
	case !strings.Contains(ref, "://"):
		return place{name: ref}, nil
	}
	u, err := parseURL(ref)
	if err != nil {
		return place{}, fmt.Errorf("what was given %w", err)
	}
	c.Trust(ref)
	return place{client: c, name: shown(u), url: u}, nil
}

// manifest reads the manifest, no more than a byte above what is allowed.
func (p place) manifest(ctx context.Context) (*Resolved, error) {
	r := &Resolved{URL: "-", Secure: p.url == nil || p.url.Scheme == "https"}
	var err error
	switch {
	case p.stdin != nil:
		r.Raw, err = aside(ctx, func() ([]byte, error) { return readAll(p.stdin, verify.MaxEncoded) })
	case p.url != nil:
		var at *url.URL
		if r.Raw, at, err = p.client.download(ctx, p.url, verify.MaxEncoded); err == nil {
			r.URL = at.String()
		}
	default:
		if r.Raw, err = readFile(ctx, p.name, verify.MaxEncoded); err == nil {
			r.URL, err = filepath.Abs(p.name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w %s: %w", ErrNoManifest, p.name, err)
	}
	return r, nil
}

// parse makes the manifest of its bytes.
func (r *Resolved) parse(p place, pin *verify.ID) error {
	m, err := verify.Parse(r.Raw)
	if err != nil {
		if strings.HasPrefix(http.DetectContentType(r.Raw), "text/html") {
			return fmt.Errorf("read manifest %s: %w: it is a web page", p.name, verify.ErrManifest)
		}
		return fmt.Errorf("read manifest %s: %w", p.name, err)
	}
	if id := m.ID(); pin != nil && id != *pin {
		return fmt.Errorf("check manifest %s: %w: it is %v, wanted %v", p.name, ErrWrongID, id, *pin)
	}
	m.Mirrors = absolute(m.Mirrors, webURL(r.URL))
	r.Manifest = m
	return nil
}

// absolute resolves relative mirror URLs, or leaves them as they are without a
// base.
func absolute(mirrors []verify.Mirror, base *url.URL) []verify.Mirror {
	mirrors = slices.Clone(mirrors)
	for i, m := range mirrors {
		if base != nil && isRelative(m) {
			u, _ := base.Parse(m.URL) // it has just been parsed
			mirrors[i].URL = u.String()
		}
	}
	return mirrors
}

// isRelative tells whether a mirror's URL says where it is only together with
// the manifest's. What is no URL at all is for NewMirror to judge.
func isRelative(m verify.Mirror) bool {
	u, err := url.Parse(m.URL)
	return err == nil && !u.IsAbs()
}

// checkSignature gets the signature from beside the manifest and checks it.
func (p place) checkSignature(ctx context.Context, pubkey string, message []byte) error {
	var sig []byte
	var err error
	switch {
	case p.stdin != nil:
		err = errors.New("there is no file beside it")
	case p.url != nil:
		sig, _, err = p.client.download(ctx, below(p.url, verify.SignatureExtension), maxSignature)
	default:
		sig, err = readFile(ctx, p.name+verify.SignatureExtension, maxSignature)
	}
	if err != nil {
		return fmt.Errorf("check signature of manifest %s: %w: cannot be had: %w", p.name, verify.ErrSignature, err)
	}
	if err := verify.CheckSignature(pubkey, message, sig); err != nil {
		return fmt.Errorf("check signature of manifest %s: %w", p.name, err)
	}
	return nil
}

// readFile reads a file, no more than a byte above most.
func readFile(ctx context.Context, path string, most int64) ([]byte, error) {
	return aside(ctx, func() ([]byte, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return readAll(f, most)
	})
}

// readAll reads no more than a byte above most.
func readAll(r io.Reader, most int64) ([]byte, error) { return io.ReadAll(io.LimitReader(r, most+1)) }

// aside waits for what reads a file. To open a pipe, or to read from one or from a
// terminal, cannot be called off: when ctx ends it is left behind, as nothing else
// keeps the process from ending.
func aside(ctx context.Context, read func() ([]byte, error)) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data, err := read()
		done <- result{data, err}
	}()
	select {
	case got := <-done:
		return got.data, got.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// download gets a small file, no more than a byte above most, and tries again
// what may pass. It returns where redirects led.
func (c *Client) download(ctx context.Context, u *url.URL, most int64) ([]byte, *url.URL, error) {
	for try := 1; ; try++ {
		data, at, err := c.exchange(ctx, u, most)
		f := AsFault(err)
		if f == nil {
			return data, at, err
		}
		wait, again := f.retryIn(try)
		if !again {
			return nil, nil, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
}

// exchange makes one try.
func (c *Client) exchange(ctx context.Context, u *url.URL, most int64) ([]byte, *url.URL, error) {
	// A server that keeps sending a byte now and then is never silent.
	tooLong := faultf(FaultLasting, "was not here after %v", manifestTime)
	ctx, cancel := context.WithTimeoutCause(ctx, manifestTime, tooLong)
	defer cancel()
	w := c.watch(ctx)
	defer w.stop()
	resp, at, err := c.get(w, u, target{}, http.Header{})
	if err == nil && resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		err = refusal(resp)
	}
	if f := AsFault(err); f != nil {
		err = redirected(u, at, f)
	}
	if err != nil {
		return nil, nil, err
	}
	b := c.body(resp.Body, w)
	defer b.close()
	data, err := readAll(b, most)
	if err != nil {
		return nil, nil, w.cut(err, int64(len(data)), resp.ContentLength)
	}
	return data, at.url, nil
}

// retryIn tells how long to wait after so many tries, if there is any use in
// another one.
func (f *Fault) retryIn(tries int) (wait time.Duration, again bool) {
	status, _ := errors.AsType[statusError](f)
	switch {
	case tries >= manifestTries, f.Kind == FaultLasting, status == http.StatusForbidden:
		return 0, false
	case f.RetryAfter > 0:
		return f.RetryAfter, f.RetryAfter <= longestPause
	}
	wait = manifestPause << (tries - 1)
	return wait/2 + rand.N(wait), true
}
