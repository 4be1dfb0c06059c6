package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Client talks to the running processes of the user.
type Client struct {
	Folders []string                         // see the function of that name
	Verbose func(format string, args ...any) // is told of sockets that are of no use

	transport *transport // nil: that of the system
}

// Running is a process that can be talked to.
type Running struct {
	Process
	client *Client
	path   string
}

// errGone tells that nobody is at a socket any more.
var errGone = errors.New("the process has ended")

// Find asks all processes how they are doing, the longest running first. The
// sockets of those that died are removed. A process that does not answer is
// left out, and named by the error.
func (c *Client) Find(ctx context.Context) ([]Running, error) {
	var paths []string
	for _, dir := range c.Folders {
		found, err := sockets(dir)
		if err != nil {
			c.Verbose("looking for running transfers: %v", err)
		}
		paths = append(paths, found...)
	}
	all := make([]Running, len(paths))
	errs := make([]error, len(paths))
	var asking sync.WaitGroup
	for i, path := range paths {
		asking.Go(func() {
			a, err := c.ask(ctx, path, Request{Do: DoStatus})
			if err == nil && a.Process == nil {
				err = errors.New("it does not say what it is doing")
			}
			if err != nil {
				errs[i] = err
				return
			}
			all[i] = Running{*a.Process, c, path}
		})
	}
	asking.Wait()
	for i, err := range errs {
		if errors.Is(err, errGone) {
			c.Verbose("process %s is gone", number(paths[i]))
			errs[i] = nil
		} else if err != nil {
			errs[i] = fmt.Errorf("process %s does not answer: %w", number(paths[i]), err)
		}
	}
	all = slices.DeleteFunc(all, func(r Running) bool { return r.client == nil })
	slices.SortFunc(all, func(a, b Running) int {
		return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.PID, b.PID))
	})
	return all, errors.Join(errs...)
}

// number is that of the process whose socket it is.
func number(path string) string {
	n, _, _ := strings.Cut(filepath.Base(path), "-")
	return n
}

// Tell has a process do something, and waits until it has ended if that is what
// it was told.
func (r *Running) Tell(ctx context.Context, req Request) error {
	a, err := r.client.ask(ctx, r.path, req)
	switch {
	case err == nil && a.Error != "":
		err = errors.New(a.Error)
	case req.Do == DoStop && errors.Is(err, errGone):
		err = nil // it has stopped
	}
	if err != nil {
		return fmt.Errorf("process %d: %w", r.PID, err)
	}
	return nil
}

// ask sends a request and returns the answer.
func (c *Client) ask(ctx context.Context, path string, r Request) (Answer, error) {
	conn, err := c.connect(ctx, path, &r)
	if err != nil {
		return Answer{}, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })()
	_ = conn.SetDeadline(time.Now().Add(timeToAsk + time.Second))
	r.Schema = schema
	if _, err := conn.Write(encode(r)); err != nil {
		return Answer{}, err
	}
	line, err := readLine(conn, maxAnswer)
	if err != nil {
		if _, gone := os.Lstat(path); os.IsNotExist(gone) {
			return Answer{}, errGone // just now
		}
		return Answer{}, because(ctx, err)
	}
	a, err := decodeAnswer(line)
	if err == nil && a.Ending {
		_ = conn.SetDeadline(time.Now().Add(timeToStop))
		_, err = io.Copy(io.Discard, io.LimitReader(conn, maxRequest))
	}
	return a, because(ctx, err)
}

// connect dials a socket and removes it if nobody is there any more. A socket
// is not there before it can be dialled, and its name is not used again.
func (c *Client) connect(ctx context.Context, path string, r *Request) (net.Conn, error) {
	t := native()
	if c.transport != nil {
		t = *c.transport
	}
	reaching, cancel := context.WithTimeout(ctx, timeToReach)
	defer cancel()
	conn, token, err := t.dial(reaching, path)
	r.Token = token
	switch {
	case refused(err):
		return nil, errors.Join(errGone, os.Remove(path))
	case errors.Is(err, os.ErrNotExist):
		return nil, errGone
	}
	return conn, because(ctx, err)
}

// because is err, or the cause with which ctx ended if that was why.
func because(ctx context.Context, err error) error {
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errors.New("it takes too long")
	}
	return err
}
