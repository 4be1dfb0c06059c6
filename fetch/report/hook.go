package report

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/shoal-dl/shoal/verify"
)

// hookGrace is how long the user's command may take to clean up when it is
// told to end: less than a signal leaves to us.
const hookGrace = 2 * time.Second

// Hook runs the user's shell command for content that is in place at path. What it
// prints goes to stderr, for it must not mix with our results.
func Hook(ctx context.Context, command, path string, id verify.ID, stderr *os.File) error {
	if command == "" {
		return nil
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("run --on-complete command: %w", err)
	}
	shell := []string{"/bin/sh", "-c"}
	if runtime.GOOS == "windows" {
		shell = []string{"cmd", "/C"}
	}
	c := exec.CommandContext(ctx, shell[0], shell[1], command)
	c.Env = append(os.Environ(), "SHOAL_PATH="+path, "SHOAL_ID="+id.String())
	c.Stdout, c.Stderr = stderr, stderr
	var told time.Time
	group(c)
	c.Cancel = func() error { // as the user's signal does to us
		told = time.Now()
		return terminate(c)
	}
	c.WaitDelay = hookGrace
	err = c.Run()
	if !told.IsZero() {
		endGroup(c, told.Add(hookGrace))
	}
	switch {
	case err != nil && ctx.Err() != nil: // no cause to be resumed: the content is in place
		return fmt.Errorf("run --on-complete command: %s", context.Cause(ctx).Error())
	case err != nil:
		return fmt.Errorf("run --on-complete command: %w", err)
	}
	return nil
}
