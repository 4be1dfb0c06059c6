// Package publish makes a manifest and its signature as the publisher has typed
// that he wants them. Where they go is not of this package.
package publish

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/shoal-dl/shoal/fetch/argv"
	"github.com/shoal-dl/shoal/fetch/report"
	"github.com/shoal-dl/shoal/verify"
)

// Manifest makes the manifest of what lies at o.Path, and encodes it. What comes of
// what was typed is a [argv.UsageError].
func Manifest(ctx context.Context, o *argv.Create, r *report.Reporter) (m *verify.Manifest, encoded []byte, err error) {
	hashing := r.Hashing("hashing " + filepath.Base(o.Path))
	o.Total, o.Progress = hashing.Total, hashing.Add
	m, err = verify.Create(ctx, o.Path, o.CreateOptions)
	hashing.Done()
	if errors.Is(err, verify.ErrName) {
		return nil, nil, &argv.UsageError{Text: err.Error(), Hint: "give it another one with --name"}
	}
	if errors.Is(err, verify.ErrManifest) {
		return nil, nil, &argv.UsageError{Text: err.Error()}
	}
	if err != nil {
		return nil, nil, err
	}
	if encoded, err = m.Encode(); err != nil {
		return nil, nil, err
	}
	if o.Zstd {
		encoded = verify.Compress(encoded)
	}
	return m, encoded, readable(len(encoded))
}

// readable refuses a manifest that no reader takes.
func readable(encoded int) error {
	if encoded <= verify.MaxEncoded {
		return nil
	}
	return &argv.UsageError{
		Text: fmt.Sprintf("the manifest would have %s, more than the %s that a reader takes",
			report.Bytes(int64(encoded)), report.Bytes(verify.MaxEncoded)),
		Hint: "make it smaller with --zstd or a larger --piece-size",
	}
}

// Signature signs what will be written to path with the secret key in a file, whose
// password may be asked for at the terminal stdin.
func Signature(ctx context.Context, keyFile, path string, encoded []byte, stdin *os.File, r *report.Reporter) ([]byte, error) {
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, fmt.Errorf("read secret key: %w", err)
	}
	password := func() (string, error) { return r.Password(ctx, stdin, "password of "+keyFile) }
	return verify.Sign(key, encoded, password, "file:"+filepath.Base(path))
}
