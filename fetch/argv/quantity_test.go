package argv

import (
	"testing"
	"time"
)

func TestParseSize(t *testing.T) {
	const bad = -1
	for s, want := range map[string]int64{
		"0": 0, "1": 1, "7b": 7, "500K": 500 << 10, "500k": 500 << 10, "2M": 2 << 20, "1.5MiB": 3 << 19, "1.5mib": 3 << 19,
		"10MB": 10e6, "1kB": 1000, "3G": 3 << 30, "2TB": 2e12, "0.5K": 512, "9223372036854775807": 1<<63 - 1,
		"": bad, "K": bad, "1.5": bad, "-1": bad, "+1": bad, "1e3": bad, "1,5M": bad, "5X": bad, "1 M": bad, "1Mi": bad,
		"1bb": bad, "1ib": bad, "1..2K": bad, "0x10": bad, "9223372036854775808": bad, "8388608T": bad, "nan": bad, "Inf": bad,
	} {
		got, err := parseSize(s)
		if want == bad && err == nil || want != bad && (err != nil || got != want) {
			t.Errorf("parseSize(%q) = %d, %v; want %d", s, got, err, want)
		}
	}
	if got, err := parseRate("1MiB/s"); err != nil || got != 1<<20 {
		t.Errorf("parseRate(1MiB/s) = %d, %v", got, err)
	}
}

func TestParseDuration(t *testing.T) {
	const bad = -1
	for s, want := range map[string]time.Duration{
		"0": 0, "90": 90 * time.Second, "1.5": 1500 * time.Millisecond, "90s": 90 * time.Second, "1m30s": 90 * time.Second,
		"250ms": 250 * time.Millisecond,
		"":      bad, ".": bad, "-1s": bad, "-1": bad, "soon": bad, "1d": bad, "99999999999999999999": bad,
	} {
		got, err := parseDuration(s)
		if want == bad && err == nil || want != bad && (err != nil || got != want) {
			t.Errorf("parseDuration(%q) = %v, %v; want %v", s, got, err, want)
		}
	}
}

func TestDuration(t *testing.T) {
	for limit, want := range map[time.Duration]string{
		time.Minute: "1m", 90 * time.Second: "1m30s", time.Hour: "1h", 70 * time.Minute: "1h10m", 10 * time.Second: "10s",
		300 * time.Millisecond: "300ms", time.Hour + time.Second: "1h0m1s",
	} {
		if got := Duration(limit); got != want {
			t.Errorf("Duration(%v) = %q, want %q", limit, got, want)
		}
	}
}
