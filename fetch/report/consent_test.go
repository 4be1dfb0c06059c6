package report

import (
	"testing"
	"time"

	"github.com/shoal-dl/shoal/fetch/argv"
)

func TestConsent(t *testing.T) {
	usual := argv.Swarm{SeedTime: time.Minute, SeedRatio: 1}
	for _, test := range []struct {
		options     argv.Swarm
		discovery   []string
		stdout      bool
		text, event string
	}{
		{
			usual, []string{"dht"}, false,
			"would be shared: f with peers while it downloads and for up to 1m after, until 1.0 MiB are sent; --no-share turns it off\n",
			`"shared":true,"why":"f with peers while it downloads and for up to 1m after, until 1.0 MiB are sent; --no-share turns it off"`,
		},
		{
			usual, nil, false, "nothing would be shared: the publisher does not let it, by the manifest's discovery\n",
			`"shared":false,"why":"the publisher does not let it, by the manifest's discovery"`,
		},
		{
			usual, []string{"pigeon"}, false, "nothing would be shared: the publisher does not let it, by the manifest's discovery\n",
			`"shared":false,"why":"the publisher does not let it, by the manifest's discovery"`,
		},
		{
			usual, []string{"dht"}, true, "nothing would be shared: what goes to stdout is not kept\n",
			`"shared":false,"why":"what goes to stdout is not kept"`,
		},
		{
			argv.Swarm{NoShare: true}, nil, false, "nothing would be shared: you do not let it, by --no-share\n",
			`"shared":false,"why":"you do not let it, by --no-share"`,
		},
		{
			argv.Swarm{HTTPOnly: true}, []string{"dht"}, false, "nothing would be shared: by --http-only, mirrors are all there is\n",
			`"shared":false,"why":"by --http-only, mirrors are all there is"`,
		},
	} {
		m := manifest(t, "f")
		m.Discovery = test.discovery
		say := func(d *download) { d.Consent(m, test.options, !test.stdout) }
		stdout, _ := play(t, Options{}, say)
		equal(t, "for people", stdout, test.text)
		stdout, _ = play(t, Options{JSON: true}, say)
		equal(t, "for programs", stdout,
			`{"schema":1,"time":"2000-01-01T00:00:00.125Z","event":"consent","id":"`+m.ID().String()+`",`+test.event+"}\n")
	}
}

func TestShares(t *testing.T) {
	const evening, month = 22 * 60, 20 << 30
	for _, test := range []struct {
		options argv.Swarm
		stay    bool
		text    string
	}{
		{argv.Swarm{SeedTime: -1}, true, "sharing f with peers until it is stopped; Ctrl-C ends it\n"},
		{argv.Swarm{SeedTime: time.Hour}, true, "sharing f with peers for up to 1h; Ctrl-C ends it\n"},
		{
			argv.Swarm{SeedTime: -1, SeedIdle: time.Minute}, true,
			"sharing f with peers until it is stopped, until nobody has asked for 1m; Ctrl-C ends it\n",
		},
		{argv.Swarm{SeedRatio: 1}, false, ""}, // the publisher does not let it
		{argv.Swarm{NoShare: true}, true, ""},
		{
			argv.Swarm{SeedTime: -1, MaxUpload: 1 << 20, MonthlyUpload: month, QuietHours: [][2]int{{evening, 6 * 60}}}, true,
			"sharing f with peers until it is stopped, and never more than 1.0 MiB, at most 20.0 GiB a month over the Internet, " +
				"not from 22:00 to 6:00; Ctrl-C ends it\n",
		},
	} {
		_, stderr := play(t, Options{}, func(d *download) { d.Shares(manifest(t, "f"), test.options, test.stay) })
		equal(t, "note", stderr, test.text)
	}
}
