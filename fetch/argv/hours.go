package argv

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// hoursMost is how many spans of a day can be told from one another.
const hoursMost = 24

// parseHours reads spans of a day such as 9-18,22:30-6, as minutes since
// midnight; "none" is none. One that ends before it begins goes past midnight.
func parseHours(s string) ([][2]int, error) {
	if s == "none" {
		return nil, nil
	}
	err := errors.New("want hours such as 9-18, 22:30-6 or 0-7,12-14, or none")
	texts := strings.Split(s, ",")
	if len(texts) > hoursMost {
		return nil, err
	}
	var spans [][2]int
	for _, text := range texts {
		begin, end, _ := strings.Cut(strings.TrimSpace(text), "-")
		from, ok := parseClock(begin)
		to, fine := parseClock(end)
		if !ok || !fine || from == to || from == 24*60 {
			return nil, err
		}
		spans = append(spans, [2]int{from, to})
	}
	return spans, nil
}

// parseClock reads a time of day, 9, 09 or 9:30, up to 24:00.
func parseClock(s string) (minutes int, ok bool) {
	hour, minute, both := strings.Cut(s, ":")
	if !both {
		minute = "00"
	}
	h, err := strconv.ParseUint(hour, 10, 8)
	m, e := strconv.ParseUint(minute, 10, 8)
	minutes = int(h*60 + m)
	return minutes, err == nil && e == nil && len(hour) <= 2 && len(minute) == 2 && m < 60 && minutes <= 24*60
}

// hoursText writes spans of a day as the flag takes them; "" is none.
func hoursText(spans [][2]int) string {
	var texts []string
	for _, s := range spans {
		texts = append(texts, clockText(s[0])+"-"+clockText(s[1]))
	}
	return strings.Join(texts, ",")
}

// clockText writes minutes since midnight as parseClock reads them.
func clockText(minutes int) string {
	if minutes%60 == 0 {
		return strconv.Itoa(minutes / 60)
	}
	return fmt.Sprintf("%d:%02d", minutes/60, minutes%60)
}

// parseHoursText is parseHours for who wants the text.
func parseHoursText(s string) (string, error) {
	spans, err := parseHours(s)
	return hoursText(spans), err
}

// Quiet is QuietHours in minutes since midnight.
func (l *Live) Quiet() [][2]int {
	spans, _ := parseHours(l.QuietHours) // it was read before, or is ""
	return spans
}
