//go:build unix

package report

import (
	"os/exec"
	"syscall"
	"time"
)

// group gives a command that is about to start a group of its own, so that it can
// be told to end with all that it has started.
func group(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// terminate tells a command and all of its group to end.
func terminate(c *exec.Cmd) error { return syscall.Kill(-c.Process.Pid, syscall.SIGTERM) }

// endGroup waits for the group of a command that has ended, and kills what is left
// of it at that time.
func endGroup(c *exec.Cmd, at time.Time) {
	for syscall.Kill(-c.Process.Pid, 0) == nil {
		if !time.Now().Before(at) {
			_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}
