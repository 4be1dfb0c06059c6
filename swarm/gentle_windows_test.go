package swarm

import (
	"syscall"
	"testing"
)

// checkLower checks nothing: there is no mark here.
func checkLower(*testing.T, syscall.RawConn) {}
