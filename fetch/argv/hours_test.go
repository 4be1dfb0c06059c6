package argv

import (
	"slices"
	"strings"
	"testing"
)

func TestParseHours(t *testing.T) {
	for text, want := range map[string][][2]int{
		"none":            nil,
		"9-18":            {{540, 1080}},
		"09:30-18:05":     {{570, 1085}},
		"22-6, 12:15-13":  {{1320, 360}, {735, 780}},
		"0-24":            {{0, 1440}},
		"22-0":            {{1320, 0}},
		"23:59-24:00,0-1": {{1439, 1440}, {0, 60}},
	} {
		if got, err := parseHours(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "-", "9", "9-", "-18", "9-9", "24-6", "9-25", "9-24:01", "9:60-18", "9:5-18", "9:-18", "009-18", "9-18,", "9-18-20", "+9-18", "9.5-18",
		"9-18;20-22", "９-18", strings.Repeat("9-18,", hoursMost) + "9-18",
	} {
		if got, err := parseHours(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}
