package report

import (
	"testing"
	"time"
)

func TestSharing(t *testing.T) {
	evening := time.Date(2000, 1, 1, 18, 5, 0, 0, time.UTC)
	for _, test := range []struct {
		rule        Rule
		text, event string
	}{
		{Rule{}, "uploading again\n", `"state":"on","reason":"","until":null`},
		{
			Rule{Reason: "quiet-hours", LAN: true, Until: evening}, "not uploading until 18:05: these are quiet hours; --quiet-hours none lifts them\n",
			`"state":"off","reason":"quiet-hours","until":"2000-01-01T18:05:00.000Z"`,
		},
		{
			Rule{Reason: "quiet-hours", LAN: true}, "not uploading: these are quiet hours; --quiet-hours none lifts them\n",
			`"state":"off","reason":"quiet-hours","until":null`,
		},
		{
			Rule{Reason: "battery", LAN: true}, "not uploading: this machine runs on its battery; mains or --share-anyway turns it on\n",
			`"state":"off","reason":"battery","until":null`,
		},
		{
			Rule{Reason: "metered"}, "not uploading to the Internet: the connection is metered; another one or --share-anyway turns it on\n",
			`"state":"lan","reason":"metered","until":null`,
		},
		{
			Rule{Reason: "monthly-upload", Until: time.Date(2000, 2, 1, 0, 0, 0, 0, time.UTC)},
			"not uploading to the Internet until February 1: the month's 20.0 GiB are used up; --monthly-upload allows more\n",
			`"state":"lan","reason":"monthly-upload","until":"2000-02-01T00:00:00.000Z"`,
		},
	} {
		say := func(d *download) { d.Sharing(test.rule, 20<<30) }
		_, stderr := play(t, Options{}, say)
		equal(t, "for people", stderr, test.text)
		stdout, _ := play(t, Options{JSON: true}, say)
		equal(t, "for programs", stdout, `{"schema":1,"time":"2000-01-01T00:00:00.125Z","event":"sharing","id":"",`+test.event+"}\n")
		_, stderr = play(t, Options{Quiet: true}, say)
		equal(t, "with -q", stderr, "")
	}
}

func TestHoursInWords(t *testing.T) {
	equal(t, "hours", hours([][2]int{{540, 1080}, {1350, 365}, {0, 1440}}), "from 9:00 to 18:00 and from 22:30 to 6:05 and from 0:00 to 24:00")
}
