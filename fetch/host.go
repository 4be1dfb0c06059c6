package fetch

import "time"

const (
	settleTime = 300 * time.Millisecond // before a changed number of connections is measured
	trialTime  = 700 * time.Millisecond // how long it is measured
	settledFor = 30 * time.Second       // how long its outcome holds
	worthIt    = 1.1                    // what an added connection must make of the rate
)

// host decides how many connections one server is worth: it adds one at a
// time for as long as each still adds rate.
type host struct {
	limit int // connections allowed now
	most  int // connections ever allowed
	open  int

	received int64         // bytes of all its claims
	since    time.Duration // when the limit changed, or its connections were last not all busy
	mark     int64         // received, once they had settled; -1 before
	before   float64       // bytes a second with one connection fewer
	vain     int           // connections on trial that failed before they brought anything
	settled  bool          // one more was tried and not worth it, or is not allowed
}

func newHost(most int) *host { return &host{limit: 1, most: most, mark: -1} }

// tick compares the rate with that of one connection fewer, over a while in
// which all allowed connections were busy.
func (h *host) tick(now time.Duration) {
	switch age := now - h.since; {
	case h.settled:
		if age >= settledFor {
			h.settled, h.before, h.since, h.mark = false, 0, now, -1
		}
	case h.open < h.limit:
		h.since, h.mark = now, -1
	case age < settleTime:
	case h.mark < 0:
		h.since, h.mark = now-settleTime, h.received
	case age >= settleTime+trialTime:
		h.judge(float64(h.received-h.mark)/(age-settleTime).Seconds(), now)
	}
}

// judge keeps the last connection added or takes it back, and tries one more.
func (h *host) judge(rate float64, now time.Duration) {
	h.since, h.mark, h.vain = now, -1, 0
	switch {
	case rate < h.before*worthIt:
		h.limit--
		h.settled = true
	case h.limit < h.most:
		h.before = rate
		h.limit++
	default:
		h.settled = true
	}
}

// allow changes the number of connections ever allowed.
func (h *host) allow(most int) {
	if h.most != most {
		h.most, h.limit = most, min(h.limit, most)
		h.before, h.mark, h.settled = 0, -1, false
	}
}

// restart measures anew: what one connection gave before says nothing of what it
// gives now.
func (h *host) restart(now time.Duration) {
	h.before, h.since, h.mark, h.vain, h.settled = 0, now, -1, 0, false
}

// refused lowers the number for good when the server refused a connection
// while others work, and tells whether it did.
func (h *host) refused(now time.Duration) bool {
	if h.open == 0 {
		return false
	}
	h.limit, h.most = h.open, h.open
	h.since, h.mark, h.settled = now, -1, true
	return true
}

// surplus notes that a connection failed before it brought anything, and tells whether
// it was on trial. The second time one more is given up, until the next is tried: the
// first may be chance.
func (h *host) surplus(now time.Duration) bool {
	if h.settled || h.before == 0 {
		return false
	}
	if h.vain++; h.vain == 2 {
		h.limit--
		h.since, h.mark, h.vain, h.settled = now, -1, 0, true
	}
	return true
}

// hostOf is the origin of a mirror's URL.
func hostOf(mirror string) string {
	u, err := parseURL(mirror)
	if err != nil {
		return mirror
	}
	return origin(u)
}
