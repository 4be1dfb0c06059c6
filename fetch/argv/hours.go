package argv

import (
	"errors"
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
