package argv

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Live is the limits that can be changed while shoal runs, named as their flags
// are. 0 is no limit, as on the line; with Stay, which is how a seed reads it,
// that goes for SeedTime too.
type Live struct {
	LimitDown, LimitUp int64 // bytes a second
	MaxUpload          int64 // bytes
	Connections        int
	SeedTime, SeedIdle time.Duration
	SeedRatio          float64
	MonthlyUpload      int64  // bytes
	QuietHours         string // as the flag takes them; "" is none
	ShareAnyway        bool
	Stay               bool
}

// NewLive is what the line leaves of them.
func NewLive(h HTTP, s Swarm, stay bool) Live {
	l := Live{
		LimitDown: h.LimitDown, LimitUp: s.LimitUp, MaxUpload: s.MaxUpload, Connections: h.Connections,
		SeedTime: s.SeedTime, SeedIdle: s.SeedIdle, SeedRatio: s.SeedRatio,
		MonthlyUpload: s.MonthlyUpload, QuietHours: hoursText(s.QuietHours), ShareAnyway: s.ShareAnyway, Stay: stay,
	}
	if stay {
		l.SeedTime = max(l.SeedTime, 0)
	}
	return l
}

// Serves is how long content is served once it is complete; negative is without end.
func (l *Live) Serves() time.Duration {
	if l.Stay && l.SeedTime == 0 {
		return -1
	}
	return l.SeedTime
}

// liveLimit is one of them, read and written as text.
type liveLimit struct {
	key string
	set func(string) error
	get func() string // "" when there is no such limit
	num func() float64
}

func (l *Live) limits() []liveLimit {
	return []liveLimit{
		liveOf("limit-down", &l.LimitDown, parseRate, sizeText),
		liveOf("limit-up", &l.LimitUp, parseRate, sizeText),
		liveOf("max-upload", &l.MaxUpload, parseSize, sizeText),
		liveOf("connections", &l.Connections, parseCount(1), func(n int) string { return unless0(n, strconv.Itoa(n)) }),
		liveOf("seed-time", &l.SeedTime, parseDuration, func(d time.Duration) string {
			if d == 0 && !l.Stay {
				return "0s"
			}
			return unless0(d, Duration(d))
		}),
		liveOf("seed-idle", &l.SeedIdle, parseDuration, func(d time.Duration) string { return unless0(d, Duration(d)) }),
		liveOf("seed-ratio", &l.SeedRatio, parseRatio, func(r float64) string {
			return unless0(r, strconv.FormatFloat(r, 'g', -1, 64))
		}),
		liveOf("monthly-upload", &l.MonthlyUpload, parseSize, sizeText),
		liveOf("quiet-hours", &l.QuietHours, parseHoursText, func(s string) string { return s }),
		liveOf("share-anyway", &l.ShareAnyway, parseBool, func(on bool) string { return unless0(on, "true") }),
	}
}

func liveOf[T limitable](key string, to *T, parse func(string) (T, error), text func(T) string) liveLimit {
	return liveLimit{
		key: key,
		set: func(s string) error {
			v, err := parse(s)
			if err == nil {
				*to = v
			}
			return err
		},
		get: func() string { return text(*to) },
		num: func() float64 { return number(*to) },
	}
}

// limitable is what a limit may be.
type limitable interface {
	int | int64 | time.Duration | float64 | string | bool
}

// number is a limit in bytes, bytes a second, seconds or just so many; of one that
// is no number, 1 when it is in force.
func number[T limitable](v T) float64 {
	switch v := any(v).(type) {
	case int:
		return float64(v)
	case int64:
		return float64(v)
	case float64:
		return v
	case time.Duration:
		return v.Seconds()
	}
	var none T
	if v == none {
		return 0
	}
	return 1
}

// unless0 is text, or nothing for the zero value.
func unless0[T comparable](v T, text string) string {
	var zero T
	if v == zero {
		return ""
	}
	return text
}

// Keys are the names of all limits, in the order in which they are shown.
func (l *Live) Keys() (keys []string) {
	for _, limit := range l.limits() {
		keys = append(keys, limit.key)
	}
	return keys
}

// find is the limit of that name.
func (l *Live) find(key string) (limit liveLimit, ok bool) {
	all := l.limits()
	if i := slices.IndexFunc(all, func(limit liveLimit) bool { return limit.key == key }); i >= 0 {
		return all[i], true
	}
	return liveLimit{}, false
}

// Get is a limit as its flag takes it, or "" when there is no such limit.
func (l *Live) Get(key string) string {
	if limit, ok := l.find(key); ok {
		return limit.get()
	}
	return ""
}

// Number is a limit in bytes, bytes a second or seconds, or 1 for one that is no
// number; 0 when there is none.
func (l *Live) Number(key string) float64 {
	if limit, ok := l.find(key); ok {
		return limit.num()
	}
	return 0
}

// Set changes a limit. Its error is a *UsageError.
func (l *Live) Set(key, value string) error {
	limit, ok := l.find(key)
	if !ok {
		return &UsageError{
			Text: fmt.Sprintf("%q is no limit that can be changed", key),
			Hint: "those are " + strings.Join(l.Keys(), ", "),
		}
	}
	if err := limit.set(value); err != nil {
		return &UsageError{Text: fmt.Sprintf("%s=%s: %v", key, value, err)}
	}
	return nil
}

// Setting is one KEY=VALUE of `shoal set`.
type Setting struct{ Key, Value string }

// parseSetting reads KEY=VALUE, both of them right.
func parseSetting(word string) (Setting, error) {
	key, value, ok := strings.Cut(strings.TrimPrefix(word, "--"), "=")
	var l Live
	if !ok {
		return Setting{}, &UsageError{
			Text: fmt.Sprintf("shoal set wants KEY=VALUE, but not %q", word),
			Hint: "the keys are " + strings.Join(l.Keys(), ", "),
		}
	}
	return Setting{key, value}, l.Set(key, value)
}

// Fixed is the limits in force that cannot be changed while shoal runs.
func (s *Swarm) Fixed() (all []Setting) {
	for _, l := range []Setting{
		{"no-share", unless0(s.NoShare, "true")},
		{"http-only", unless0(s.HTTPOnly, "true")},
		{"no-dht", unless0(s.NoDHT, "true")},
		{"no-lan", unless0(s.NoLAN, "true")},
	} {
		if l.Value != "" {
			all = append(all, l)
		}
	}
	return all
}

// sizeText writes bytes as parseSize reads them, exactly.
func sizeText(n int64) string {
	unit := ""
	for _, larger := range []string{"K", "M", "G", "T"} {
		if n == 0 || n%1024 != 0 {
			break
		}
		n, unit = n/1024, larger
	}
	return unless0(n, strconv.FormatInt(n, 10)+unit)
}

// Duration writes a time as flags take it, such as "1m30s", and "1m" rather than
// "1m0s".
func Duration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// parseTarget reads what names a running transfer: its content id or the
// beginning of it, or the number of its process.
func parseTarget(word string) (string, error) {
	hex := strings.TrimPrefix(word, "b3:")
	if hex == "" || len(hex) > 64 || strings.Trim(hex, "0123456789abcdef") != "" {
		return "", errors.New("want a content id, the beginning of one, or the number of a process")
	}
	return word, nil
}
