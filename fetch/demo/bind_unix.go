//go:build unix

package demo

import (
	"os"
	"os/exec"
	"syscall"
)

// bound is called when the process has started.
func bound(*exec.Cmd) error { return nil }

// killAll kills a process with all that it has started.
func killAll(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

// interrupt asks a process to stop.
func interrupt(cmd *exec.Cmd) error { return cmd.Process.Signal(os.Interrupt) }
