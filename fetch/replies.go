package fetch

import (
	"io"
	"net/http"
)

// mostReplies is how many replies one piece may be put together from. A server
// that sends a byte at a time is no use.
const mostReplies = 100

// replies reads a segment, in as many replies as the server takes for it.
type replies struct {
	mirror   *Mirror
	watch    *watch
	segment  segment
	received func(n int)
	strict   bool // a reply that breaks off is the end of it

	body   *body  // nil before the first reply
	ranged bool   // it answers Range
	at     target // where it comes from
	done   int64  // bytes of the segment that were read
	got    int64  // those of them that this reply brought
	left   int64  // bytes that it is still to bring
}

// read fills buf, which is for one piece, with what comes next. When a reply breaks
// off, or was for less than was asked for, the same server is asked for the rest, as
// long as each brings something: what came is not lost, and all of a piece is from one
// source. A server that fell silent is not.
func (r *replies) read(buf []byte) error {
	if r.body == nil {
		if at, err := r.open(); err != nil {
			return r.failed(at, err)
		}
	}
	for n := 1; ; n++ {
		err := r.readOn(&buf)
		short := r.left == 0
		if !passes(err) || r.watch.ctx.Err() != nil || r.got == 0 || n == mostReplies || r.strict && !short {
			return r.failed(r.at, err)
		}
		r.body.close()
		switch at, stillNot := r.open(); {
		case stillNot != nil && short:
			return r.failed(at, stillNot) // the reply before was as it should be
		case stillNot != nil:
			return r.failed(r.at, err)
		}
	}
}

func passes(err error) bool {
	f := AsFault(err)
	return f != nil && f.Kind == FaultPassing
}

// readOn reads what the reply has of buf, and leaves what is missing.
func (r *replies) readOn(buf *[]byte) error {
	n, err := io.ReadFull(io.LimitReader(r.body, r.left), *buf)
	*buf = (*buf)[n:]
	r.got += int64(n)
	r.left -= int64(n)
	r.done += int64(n)
	if err == nil {
		return nil
	}
	return r.watch.cut(err, r.done, r.segment.bytes.end-r.segment.bytes.first)
}

// open asks for what is still to come of the segment, and sees to it that the body
// begins with that. It returns where the answer came from.
func (r *replies) open() (target, error) {
	rest := r.segment
	rest.bytes.first += r.done
	resp, at, err := r.mirror.ask(r.watch, rest) //nolint:bodyclose // b closes it
	if err != nil {
		return at, err
	}
	b := r.mirror.client.body(resp.Body, r.watch)
	skip, n, err := rest.bytes.accept(resp, rest.front)
	if err == nil {
		r.mirror.learn(rest.file, at, strongValidator(resp.Header))
		if _, err = io.CopyN(io.Discard, b, skip); err != nil {
			err = r.watch.cut(err, r.done, r.segment.bytes.end-r.segment.bytes.first)
		}
	}
	if err != nil {
		b.close()
		return at, err
	}
	b.received = r.received
	r.body, r.at, r.got, r.left = b, at, 0, n
	r.ranged = resp.StatusCode == http.StatusPartialContent
	return at, nil
}

func (r *replies) failed(at target, err error) error {
	return r.mirror.failed(r.segment, at, err)
}

func (r *replies) close() {
	if r.body != nil {
		r.body.close()
	}
}
