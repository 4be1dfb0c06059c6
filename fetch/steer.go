package fetch

import "sync"

// Steer is how other goroutines pause a running job, and change what it may use.
// It is made by [NewSteer].
type Steer struct {
	changed chan struct{} // capacity 1

	mu          sync.Mutex
	paused      bool
	connections int // most to one mirror host from now on; 0 = as before
}

// NewSteer makes a Steer that changes nothing yet.
func NewSteer() *Steer { return &Steer{changed: make(chan struct{}, 1)} }

// Pause calls off all that is under way, and lets the job ask for nothing more
// until it is called with false.
func (s *Steer) Pause(on bool) {
	s.mu.Lock()
	s.paused = on
	s.mu.Unlock()
	s.tell()
}

// Connections changes how many connections one mirror host may have.
func (s *Steer) Connections(most int) {
	s.mu.Lock()
	s.connections = most
	s.mu.Unlock()
	s.tell()
}

func (s *Steer) tell() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// news receives a value when something has changed.
func (s *Steer) news() <-chan struct{} {
	if s == nil {
		return nil
	}
	return s.changed
}

// take is what the job is to do. A number of connections is taken once: a server
// may refuse so many later.
func (s *Steer) take() (paused bool, connections int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	connections, s.connections = s.connections, 0
	return s.paused, connections
}

// steer does what the job is told.
func (r *running) steer() {
	paused, connections := r.Steer.take()
	if connections > 0 {
		r.Connections = connections
		for _, s := range r.parties {
			if s.Kind() == KindMirror {
				s.party.host.allow(connections)
			}
		}
	}
	switch {
	case paused && !r.paused:
		for _, l := range r.leases {
			l.cancel(errCalledOff)
		}
	case !paused && r.paused:
		// Nobody is to blame for what did not come.
		r.ledger.slow, r.ledger.weighed, r.ledger.moved = 0, r.now(), r.now()
	}
	r.paused = paused
}
