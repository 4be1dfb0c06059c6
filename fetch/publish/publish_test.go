package publish

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"aead.dev/minisign"

	"github.com/shoal-dl/shoal/fetch/argv"
	"github.com/shoal-dl/shoal/fetch/report"
	"github.com/shoal-dl/shoal/verify"
)

func TestManifest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, bytes.Repeat([]byte("content"), 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	r := report.New(report.Options{Stdout: io.Discard, Stderr: io.Discard})
	defer func() { _ = r.Close() }()
	plain := &argv.Create{Path: path}
	m, encoded, err := Manifest(t.Context(), plain, r)
	if err != nil {
		t.Fatal(err)
	}
	small := &argv.Create{Path: path, Zstd: true}
	same, compressed, err := Manifest(t.Context(), small, r)
	if err != nil || same.ID() != m.ID() || bytes.Equal(encoded, compressed) {
		t.Errorf("compressed: %v, %v and %v, %d and %d bytes", err, m.ID(), same.ID(), len(encoded), len(compressed))
	}
	for _, text := range [][]byte{encoded, compressed} {
		if read, err := verify.Parse(text); err != nil || read.ID() != m.ID() {
			t.Errorf("what is read is %v, %v", read, err)
		}
	}
	bad := &argv.Create{Path: path, CreateOptions: verify.CreateOptions{Name: "a/b"}}
	_, _, err = Manifest(t.Context(), bad, r)
	if _, ok := errors.AsType[*argv.UsageError](err); !ok {
		t.Errorf("a name that is none: %v", err)
	}
	if _, _, err = Manifest(t.Context(), &argv.Create{Path: path + "x"}, r); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing there: %v", err)
	}
}

// TestSignature names the manifest in the signature, but not where it lies.
func TestSignature(t *testing.T) {
	dir := t.TempDir()
	public, secret, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := secret.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(dir, "key")
	if err := os.WriteFile(key, text, 0o600); err != nil {
		t.Fatal(err)
	}
	r := report.New(report.Options{Stdout: io.Discard, Stderr: io.Discard})
	defer func() { _ = r.Close() }()
	sig, err := Signature(t.Context(), key, filepath.Join(dir, "f.shoal"), []byte("manifest"), nil, r)
	if err != nil || !minisign.Verify(public, []byte("manifest"), sig) || !bytes.Contains(sig, []byte("comment: file:f.shoal")) {
		t.Errorf("%v\n%s", err, sig)
	}
	if _, err := Signature(t.Context(), key+"x", "f.shoal", nil, nil, r); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no key: %v", err)
	}
}

func TestReadable(t *testing.T) {
	if err := readable(verify.MaxEncoded); err != nil {
		t.Error(err)
	}
	err := readable(verify.MaxEncoded + 1<<20)
	if usage, ok := errors.AsType[*argv.UsageError](err); !ok || !strings.Contains(usage.Hint, "--zstd") ||
		err.Error() != "the manifest would have 17.0 MiB, more than the 16.0 MiB that a reader takes" {
		t.Errorf("%v", err)
	}
}
