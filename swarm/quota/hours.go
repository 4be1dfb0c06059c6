package quota

import "time"

// Hours are spans of each day: the minute since midnight with which one begins,
// and the one with which it is over. One that is over before it begins goes on
// past midnight.
type Hours [][2]int

const day = 24 * 60 // minutes

// at tells whether t is in one of the spans, by its clock on the wall, and when
// that ends: the zero time if never.
func (h Hours) at(t time.Time) (until time.Time, in bool) {
	minute := t.Hour()*60 + t.Minute()
	total := 0
	for total < day {
		left := h.left((minute + total) % day)
		if left == 0 {
			break
		}
		total += left // another may begin right there
	}
	switch {
	case total == 0:
		return time.Time{}, false
	case total >= day:
		return time.Time{}, true
	}
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, minute+total, 0, 0, t.Location()), true
}

// left is how many minutes the longest span with that minute in it has left.
func (h Hours) left(minute int) (most int) {
	for _, span := range h {
		switch from, to := span[0], span[1]; {
		case from < to && from <= minute && minute < to, from > to && minute < to:
			most = max(most, to-minute)
		case from > to && minute >= from:
			most = max(most, day-minute+to)
		}
	}
	return most
}
