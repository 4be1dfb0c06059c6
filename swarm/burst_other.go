//go:build !linux

package swarm

import "syscall"

// burstOf is of no use: this system keeps its own measure.
func burstOf(syscall.RawConn) int { return 0 }

// write writes p.
func (s *stream) write(p []byte) (int, error) { return s.Conn.Write(p) }
