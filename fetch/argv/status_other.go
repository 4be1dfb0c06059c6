//go:build !unix

package argv

import "os"

// StatusSignals are those on which a status line is printed: here none.
func StatusSignals() []os.Signal { return nil }
