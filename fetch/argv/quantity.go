package argv

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// parseSize reads a number of bytes: digits, with a fraction if there is a
// unit. K, M, G and T count in steps of 1024, as curl's --limit-rate does, and
// so do KiB, MiB, GiB and TiB; kB, MB, GB and TB in steps of 1000. Upper and
// lower case are the same.
func parseSize(s string) (int64, error) {
	err := errors.New("want a size such as 500K, 2M or 1.5MiB")
	digits := strings.TrimRight(strings.ToLower(s), "kmgtib")
	unit, ok := unitBytes(strings.ToLower(s)[len(digits):])
	if !ok || digits == "" || strings.Trim(digits, "0123456789.") != "" {
		return 0, err
	}
	if n, e := strconv.ParseInt(digits, 10, 64); e == nil && n <= math.MaxInt64/unit {
		return n * unit, nil
	}
	n, e := strconv.ParseFloat(digits, 64)
	n *= float64(unit)
	if e != nil || n >= math.MaxInt64 || (unit == 1 && n != math.Trunc(n)) {
		return 0, err
	}
	return int64(n), nil
}

// unitBytes is what a lower-case unit of size stands for, in bytes.
func unitBytes(unit string) (int64, bool) {
	step := int64(1024)
	switch {
	case unit == "" || unit == "b":
		return 1, true
	case len(unit) == 2 && unit[1] == 'b':
		step = 1000
	case len(unit) == 3 && unit[1:] == "ib", len(unit) == 1:
	default:
		return 0, false
	}
	power := strings.IndexByte("kmgt", unit[0])
	if power < 0 {
		return 0, false
	}
	n := step
	for range power {
		n *= step
	}
	return n, true
}

// parseRate reads bytes a second: a size, with or without "/s" behind it.
func parseRate(s string) (int64, error) {
	n, err := parseSize(strings.TrimSuffix(s, "/s"))
	if err != nil {
		return 0, errors.New("want bytes a second such as 500K, 2M or 1.5MiB")
	}
	return n, nil
}

// parseDuration reads a time in Go's notation (1m30s, 250ms) or in plain
// seconds.
func parseDuration(s string) (time.Duration, error) {
	err := errors.New("want a time such as 90, 90s or 1m30s")
	if strings.Trim(s, "0123456789.") == "" && s != "" {
		s += "s"
	}
	d, e := time.ParseDuration(s)
	if e != nil || d < 0 {
		return 0, err
	}
	return d, nil
}

// parseCount reads a whole number of at least least.
func parseCount(least int) func(string) (int, error) {
	return func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		if err != nil || n < least {
			return 0, errors.New("want a whole number from " + strconv.Itoa(least) + " on")
		}
		return n, nil
	}
}

// parseBool reads what a flag without a value may be given.
func parseBool(s string) (bool, error) {
	on, err := strconv.ParseBool(s)
	if err != nil {
		return false, errors.New("want true or false")
	}
	return on, nil
}

// parseRatio reads a number of at least 0.
func parseRatio(s string) (float64, error) {
	r, err := strconv.ParseFloat(s, 64)
	if err != nil || r < 0 || math.IsNaN(r) || math.IsInf(r, 0) {
		return 0, errors.New("want a number such as 1.5, or 0 for no limit")
	}
	return r, nil
}
