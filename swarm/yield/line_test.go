package yield

import (
	"math"
	"math/rand/v2"
	"time"
)

const tick = 50 * time.Millisecond // between looks, as in life

// line is a bottleneck as a fluid: a rate, a buffer, and who sends into it.
type line struct {
	rate   float64       // bytes a second
	buffer time.Duration // of queue
	trip   time.Duration // without any
	jitter time.Duration // added to what is seen, at random
	random *rand.Rand

	now    time.Duration
	queued float64 // bytes
	seen   []time.Duration

	us    Controller
	mute  bool // we send nothing
	paths []*Path
	rival *rival // nil while there is none

	ours, theirs float64       // bytes that got through
	waited       time.Duration // in the queue, summed over milliseconds
}

// rival is a TCP flow, which halves nothing before the buffer overflows.
type rival struct {
	window float64       // bytes
	lost   bool          // the slow start is over
	calm   time.Duration // no second cut before
	most   float64       // bytes a second; 0 for as much as can be had
}

func newLine(rate float64, trip time.Duration) *line {
	l := &line{rate: rate, buffer: 250 * time.Millisecond, trip: trip, random: rand.New(rand.NewPCG(1, 0))}
	for range 4 {
		l.paths = append(l.paths, &Path{})
	}
	l.us.Step(Look{})
	return l
}

// delay is how long a byte that comes now would wait.
func (l *line) delay() time.Duration { return time.Duration(l.queued / l.rate * float64(time.Second)) }

// run lets time pass, in steps of a millisecond, and counts anew what got through.
func (l *line) run(long time.Duration, others func() float64) {
	l.ours, l.theirs, l.waited = 0, 0, 0
	bytes := 0.0
	for end := l.now + long; l.now < end; {
		l.now += time.Millisecond
		ours := min(l.us.Rate(), 4*l.rate) / 1000
		if l.mute {
			ours = 0
		}
		theirs := l.rival.send(l)
		sent := ours + theirs
		l.queued += sent
		part := ours / max(sent, 1e-9)
		out := min(l.queued, l.rate/1000)
		l.queued -= out
		l.ours += out * part
		l.theirs += out * (1 - part)
		bytes += out * part
		if most := l.rate * l.buffer.Seconds(); l.queued > most {
			l.queued = most
			l.rival.lose(l)
		}
		l.waited += l.delay()
		l.seen = append(l.seen, l.trip+l.delay())
		if l.now%tick == 0 {
			l.look(int(bytes), others)
			bytes = 0
		}
	}
}

// look is one step of the controller, who sees what was a round trip ago.
func (l *line) look(bytes int, others func() float64) {
	ago := int((l.trip + l.delay()) / time.Millisecond)
	if i := len(l.seen) - 1 - ago; i >= 0 {
		for _, p := range l.paths {
			l.us.Saw(p, l.seen[i]+time.Duration(l.random.Int64N(int64(l.jitter)+1)), l.now)
		}
	}
	look := Look{Now: l.now, Bytes: bytes, Paths: l.paths}
	if others != nil {
		look.Others = others()
	}
	l.us.Step(look)
}

// send is what a rival sends in a millisecond.
func (r *rival) send(l *line) float64 {
	if r == nil {
		return 0
	}
	trip := (l.trip + l.delay()).Seconds()
	rate := r.window / trip
	if r.most > 0 && rate > r.most {
		return r.most / 1000
	}
	if !r.lost {
		r.window *= math.Exp2(0.001 / trip)
		return rate / 1000
	}
	r.window += 1448 / trip / 1000 * max(1, r.window/64/1448) // a segment a trip, or as fast as cubic at large ones
	return rate / 1000
}

func (r *rival) lose(l *line) {
	if r != nil && l.now >= r.calm {
		r.window *= 0.7
		r.lost = true
		r.calm = l.now + l.trip + l.buffer
	}
}

// wait is the mean time in the queue over the last run.
func (l *line) wait(long time.Duration) time.Duration {
	return l.waited / (long / time.Millisecond)
}
