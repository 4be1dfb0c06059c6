//go:build unix && !(darwin || freebsd || netbsd || openbsd || dragonfly)

package argv

import (
	"os"
	"syscall"
)

// StatusSignals are those on which a status line is printed: SIGUSR1.
func StatusSignals() []os.Signal { return []os.Signal{syscall.SIGUSR1} }
