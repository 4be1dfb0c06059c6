package lan

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Link is what multicast by one network interface came to.
type Link struct {
	Name  string
	Heard bool  // what went out there was heard by us
	Err   error // why nothing went out, in any family
}

// hearing is how long one's own voice is waited for. It comes from the same
// machine.
const hearing = time.Second

// Probe sends a message to the group by each interface, and listens for it with
// another socket. The message is about no content, so nobody answers. It ends
// with ctx at the latest.
func Probe(ctx context.Context, o Options) ([]Link, error) {
	l, err := New(ctx, o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, hearing)
	defer cancel()
	p := &probe{lan: l, sent: make(map[[nonceSize]byte]int), all: cancel}
	for i, k := range l.refresh() {
		p.links = append(p.links, Link{Name: k.Name})
		p.hello(i, k)
	}
	if p.missing() == 0 {
		cancel() // there is nothing to be heard
	}
	var wg sync.WaitGroup
	for _, s := range l.stations {
		wg.Go(func() { p.listen(ctx, s.shared) })
	}
	<-ctx.Done()
	for _, s := range l.stations {
		s.close()
	}
	wg.Wait()
	return p.links, nil
}

// probe is a Probe under way.
type probe struct {
	lan *LAN
	all func() // called when all was heard

	mu    sync.Mutex
	links []Link
	sent  map[[nonceSize]byte]int // which link a nonce went out by
}

// hello says hello to nobody, by one interface.
func (p *probe) hello(i int, k link) {
	var key [32]byte
	nonce := newNonce()
	copy(key[:], nonce[:]) // of no content
	m := seal(hello, newTagger(key), 0, nonce, time.Now())
	var errs []error
	went := false
	for _, s := range p.lan.stations {
		if !s.on(k) {
			continue
		}
		err := s.send(m, &k.Interface)
		went = went || err == nil
		errs = append(errs, err)
	}
	switch {
	case went:
		p.sent[nonce] = i
	case len(errs) == 0:
		p.links[i].Err = errors.New("it has no address")
	default:
		p.links[i].Err = fmt.Errorf("nothing goes out: %w", errors.Join(errs...))
	}
}

// missing is how many messages were not heard yet.
func (p *probe) missing() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, i := range p.sent {
		if !p.links[i].Heard {
			n++
		}
	}
	return n
}

// listen notes which of our messages come back, until the socket is closed.
func (p *probe) listen(ctx context.Context, socket net.PacketConn) {
	var b [messageSize + 1]byte
	for {
		n, _, err := socket.ReadFrom(b[:])
		if errors.Is(err, net.ErrClosed) || err != nil && ctx.Err() != nil {
			return
		}
		if err != nil {
			continue // a passing one, as in receive; it ends with ctx in any case
		}
		if m, ok := parse(b[:n], time.Now()); ok {
			p.hear(m)
		}
	}
}

func (p *probe) hear(m message) {
	p.mu.Lock()
	if i, ours := p.sent[m.nonce()]; ours {
		p.links[i].Heard = true
	}
	p.mu.Unlock()
	if p.missing() == 0 {
		p.all()
	}
}
