package control

import (
	"bufio"
	"context"
	"crypto/subtle"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// Handler does what a Request asks for. It is called by several goroutines at once.
type Handler interface {
	Handle(r Request) Answer
}

// server answers at the socket of this process until it is closed.
type server struct {
	handler  Handler
	path     string
	listener net.Listener
	token    string
	closing  chan struct{}
	running  sync.WaitGroup
	slots    chan struct{} // holds a token for each connection
}

// serve answers at a socket in the first folder that can be used. Its error says why
// there is none.
func serve(ctx context.Context, t transport, folders []string, h Handler) (*server, error) {
	var errs []error
	for _, dir := range folders {
		s := &server{handler: h, closing: make(chan struct{}), slots: make(chan struct{}, mostAtOnce)}
		err := s.open(ctx, t, dir)
		if err == nil {
			s.running.Go(s.accept)
			return s, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// open makes the socket under another name first: whoever finds one that refuses
// him takes it for a dead process's and removes it.
func (s *server) open(ctx context.Context, t transport, dir string) error {
	if err := claim(dir); err != nil {
		return err
	}
	path, draft := newName(dir)
	l, token, err := t.listen(ctx, draft)
	if err != nil {
		return err
	}
	if err := os.Rename(draft, path); err != nil {
		return errors.Join(err, l.Close(), os.Remove(draft))
	}
	s.path, s.listener, s.token = path, l, token
	return nil
}

// close removes the socket and waits until nobody is being talked to.
func (s *server) close() error {
	close(s.closing)
	err := errors.Join(os.Remove(s.path), s.listener.Close())
	s.running.Wait()
	return err
}

func (s *server) accept() {
	for {
		select {
		case s.slots <- struct{}{}:
		case <-s.closing:
			return
		}
		c, err := s.listener.Accept()
		if err != nil {
			<-s.slots
			if s.closed(pause) {
				return
			}
			continue
		}
		s.running.Go(func() {
			defer func() { <-s.slots }()
			s.talk(c)
		})
	}
}

// pause is how long no connection is taken after the system could give none.
const pause = 50 * time.Millisecond

// closed waits, and tells whether the server is closed.
func (s *server) closed(wait time.Duration) bool {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-s.closing:
		return true
	case <-t.C:
		return false
	}
}

// talk answers one request. However slowly the other end writes or reads, it is
// over in a while, and sooner when the server is closed.
func (s *server) talk(c net.Conn) {
	defer c.Close()
	done := make(chan struct{})
	defer close(done)
	s.running.Go(func() {
		select {
		case <-s.closing:
			_ = c.SetReadDeadline(time.Now())
		case <-done:
		}
	})
	_ = c.SetDeadline(time.Now().Add(timeToAsk))
	line, err := readLine(c, maxRequest)
	if err != nil {
		return
	}
	answer := s.answer(line)
	answer.Schema = schema
	if _, err := c.Write(encode(answer)); err != nil || !answer.Ending {
		return
	}
	// Who told us to stop is to see when we have: by the end of the connection.
	_ = s.closed(timeToStop)
}

// answer has a request handled.
func (s *server) answer(line []byte) Answer {
	r, err := decodeRequest(line)
	switch {
	case err != nil:
		return Answer{Error: err.Error()}
	case subtle.ConstantTimeCompare([]byte(r.Token), []byte(s.token)) != 1:
		return Answer{Error: "the token is wrong"}
	}
	return s.handler.Handle(r)
}

var errLong = errors.New("the line is too long")

// readLine reads a line of at most so many bytes, without its end.
func readLine(r io.Reader, most int) ([]byte, error) {
	b := bufio.NewReaderSize(io.LimitReader(r, int64(most)+1), min(most, 4<<10))
	line, err := b.ReadString('\n')
	if len(line) > most {
		return nil, errLong
	}
	if err != nil {
		return nil, err
	}
	return []byte(strings.TrimSuffix(line, "\n")), nil
}
