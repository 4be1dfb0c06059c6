//go:build linux || darwin

package resume

import (
	"testing"

	"golang.org/x/sys/unix"
)

// makePipe makes a named pipe.
func makePipe(t *testing.T, path string) {
	must(t, unix.Mkfifo(path, 0o600))
}
