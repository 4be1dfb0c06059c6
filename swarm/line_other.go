//go:build !linux && !darwin

package swarm

import "syscall"

// measure does nothing: what peers answer to a PING has to do.
func measure(syscall.RawConn) (measured, bool) { return measured{}, false }

// setPace does nothing: this system keeps its own measure.
func setPace(syscall.RawConn, float64, int) {}

// setLower does nothing: this system marks nothing for a program.
func setLower(syscall.RawConn) {}

// sentBy is not known here.
func sentBy(string) (uint64, bool) { return 0, false }

// receivedBy is not known here.
func receivedBy(string) (uint64, bool) { return 0, false }

// setWindow does nothing: that we read slowly has to do.
func setWindow(syscall.RawConn, int) {}
