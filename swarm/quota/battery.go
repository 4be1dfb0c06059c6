package quota

import (
	"io/fs"
	"strings"
)

// onBattery tells whether a machine runs on its battery, from what Linux shows
// in /sys/class/power_supply: one of its batteries is being drained, and no
// mains are on. The battery of a mouse has the scope "Device".
func onBattery(supplies fs.FS) bool {
	entries, err := fs.ReadDir(supplies, ".")
	if err != nil {
		return false
	}
	drained := false
	for _, e := range entries {
		says := func(key string) string {
			text, _ := fs.ReadFile(supplies, e.Name()+"/"+key) // not all have all
			return strings.TrimSpace(string(text))
		}
		switch says("type") {
		case "Mains":
			if says("online") == "1" {
				return false
			}
		case "Battery":
			drained = drained || says("scope") != "Device" && says("status") == "Discharging"
		}
	}
	return drained
}

// drawsFromBattery reads what `pmset -g batt` says on macOS.
func drawsFromBattery(said string) bool {
	first, _, _ := strings.Cut(said, "\n")
	return strings.Contains(first, "'Battery Power'")
}

// offMains reads the two fields of Windows' SYSTEM_POWER_STATUS that tell it: the
// mains are off, and there is a battery.
func offMains(line, battery byte) bool {
	const off, noBattery, unknown = 0, 1 << 7, 255
	return line == off && battery != unknown && battery&noBattery == 0
}
