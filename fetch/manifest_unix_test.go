//go:build unix

package fetch

import (
	"context"
	"errors"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestOpeningAPipeIsCalledOff: to open a named pipe waits for who writes to it.
func TestOpeningAPipeIsCalledOff(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "m.shoal")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := NewClient(ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Millisecond, ErrDeadline)
	defer cancel()
	if _, err := c.Manifest(ctx, pipe, nil, nil, ""); !errors.Is(err, ErrDeadline) {
		t.Errorf("got %v", err)
	}
}
