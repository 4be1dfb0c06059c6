package demo

import (
	"os/exec"
	"syscall"
)

// bind gives a process that is about to start a group of its own, so that
// Ctrl-C in the terminal reaches the demo alone, and lets the kernel kill it if
// the demo is killed.
func bind(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
