package report

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/term"

	"github.com/shoal-dl/shoal/fetch/argv"
)

// For is the options with which a command is told about; err is that of
// [argv.Parse], which leaves no command.
func For(cmd argv.Command, err error, stdout, stderr *os.File) Options {
	o := Options{
		Stdout: stdout, Stderr: stderr, Terminal: term.IsTerminal(int(stderr.Fd())),
		Width: func() int {
			cols, _, _ := term.GetSize(int(stderr.Fd()))
			return cols
		},
		Height: func() int {
			_, rows, _ := term.GetSize(int(stderr.Fd()))
			return rows
		},
	}
	if usage, ok := errors.AsType[*argv.UsageError](err); ok {
		o.JSON, o.ContentOnStdout = usage.JSON, usage.Stdout
		return o
	}
	look := cmd.Shown()
	o.JSON, o.Quiet, o.Verbose, o.NoProgress, o.Color = look.JSON, look.Quiet, look.Verbose, look.NoProgress, look.Color
	f, isFetch := cmd.(*argv.Fetch)
	o.ContentOnStdout = isFetch && f.Output == "-" && !f.Explain
	return o
}

// Password is the one in $SHOAL_SIGN_PASSWORD; else it asks whoever sits at the
// terminal stdin for one, which is not shown while it is typed. When ctx ends it
// stops waiting and returns the cause; the read then goes on, because nothing can
// interrupt it.
func (r *Reporter) Password(ctx context.Context, stdin *os.File, what string) (string, error) {
	if word := r.getenv("SHOAL_SIGN_PASSWORD"); word != "" {
		return word, nil
	}
	state, err := term.GetState(int(stdin.Fd()))
	if err != nil {
		return "", errors.New("there is no terminal to type it at; set SHOAL_SIGN_PASSWORD")
	}
	r.post(func() { r.console.line(Safe(what) + " (it is not shown):") })
	type answer struct {
		word []byte
		err  error
	}
	typed := make(chan answer, 1)
	go func() {
		word, err := term.ReadPassword(int(stdin.Fd()))
		typed <- answer{word, err}
	}()
	select {
	case a := <-typed:
		if a.err != nil {
			return "", fmt.Errorf("read password: %w", a.err)
		}
		return string(a.word), nil
	case <-ctx.Done():
		return "", errors.Join(context.Cause(ctx), term.Restore(int(stdin.Fd()), state))
	}
}

// Manual shows a manual page: on a terminal as man does, if there is one, and
// elsewhere its source.
func Manual(ctx context.Context, page string, stdout *os.File) error {
	man, err := exec.LookPath("man")
	if err != nil || !term.IsTerminal(int(stdout.Fd())) {
		_, err := io.WriteString(stdout, page)
		return err
	}
	c := exec.CommandContext(ctx, man, "-l", "-")
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(page), stdout, os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("run man: %w", err)
	}
	return nil
}
