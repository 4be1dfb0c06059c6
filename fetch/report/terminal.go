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
)

// Password asks whoever sits at the terminal stdin for a password, which is
// not shown while it is typed.
func (r *Reporter) Password(stdin *os.File, what string) (string, error) {
	if !term.IsTerminal(int(stdin.Fd())) {
		return "", errors.New("there is no terminal to type it at; set SHOAL_SIGN_PASSWORD")
	}
	r.post(func() { r.console.line(Safe(what) + " (it is not shown):") })
	word, err := term.ReadPassword(int(stdin.Fd()))
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	return string(word), nil
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
