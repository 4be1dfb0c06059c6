package argv

import "github.com/urfave/cli/v2"

// The groups of flags, each bound to the struct that holds what it says. Their
// names, defaults and meanings are a contract with scripts: they may be added
// to, never changed.

func (l *Look) flags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "say nothing but errors", Destination: &l.Quiet},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "name each host contacted, and say more", Destination: &l.Verbose},
		&cli.BoolFlag{Name: "json", Usage: "one JSON object a line on stdout", Destination: &l.JSON},
		&cli.BoolFlag{Name: "no-progress", Usage: "no bar and no progress lines", Destination: &l.NoProgress},
		flagOf("color", &l.Color, oneOf("auto", "always", "never"), "auto", "`WHEN` to use colour: auto, always or never"),
	}
}

func (t *Trust) flags() []cli.Flag {
	return []cli.Flag{
		flagOf("id", &t.ID, parseID, "", "take no other content than `b3:HEX`"),
		flagOf("pubkey", &t.Pubkey, parseKey, "", "demand a minisign signature by `KEY`, a key or its file"),
	}
}

// server is how to speak to a server, be it for a manifest or for content.
func (h *HTTP) server() []cli.Flag {
	return []cli.Flag{
		&cli.GenericFlag{Name: "header", Value: &list{to: &h.Headers, check: isHeader, lines: true},
			Usage: "send `K:V` to the hosts you named (repeatable)"},
		&cli.StringFlag{Name: "user-agent", Usage: "call yourself `NAME`", Destination: &h.UserAgent},
		&cli.BoolFlag{Name: "netrc", Usage: "take passwords from ~/.netrc, or from the file $NETRC", Destination: &h.Netrc},
		&cli.StringFlag{Name: "proxy", Usage: "go through the proxy at `URL`", Destination: &h.Proxy},
		file("cacert", &h.CACert, "trust the authorities in the PEM `FILE` alone"),
		file("cert", &h.Cert, "show the client certificate in the PEM `FILE`"),
		file("key", &h.Key, "the client certificate's key, a PEM `FILE`"),
		&cli.BoolFlag{Name: "insecure", Usage: "do not check the servers' certificates", Destination: &h.Insecure},
		flagOf("timeout", &h.Timeout, parseDuration, "15s", "a source that is silent for `DUR` is dead"),
	}
}

// transfer is how content is fetched.
func (h *HTTP) transfer() []cli.Flag {
	return append(h.server(),
		listOf("mirror", &h.Mirrors, isMirror, "fetch from `URL` too"),
		flagOf("connections", &h.Connections, parseCount(1), "4", "at most `N` connections to one mirror host"),
		flagOf("retries", &h.Retries, parseCount(0), "5", "try a mirror `N` times again in a row without progress, then drop it"),
		&cli.BoolFlag{Name: "background", Usage: "receive no more than other traffic leaves room for", Destination: &h.Background},
		flagOf("limit-down", &h.LimitDown, parseRate, "", "receive at most `RATE` bytes a second, such as 500K"),
		flagOf("deadline", &h.Deadline, parseDuration, "", "give up after `DUR`, to be resumed"),
	)
}

func (s *Swarm) flags() []cli.Flag {
	return append(s.serving("1m", "10s", "1.0"),
		listOf("peer", &s.Peers, isHostPort, "fetch from the peer at `HOST:PORT` too"),
		flagOf("prefer", &s.Prefer, parsePreference, "auto", "`WHOM` to fetch from: auto, speed or peers"),
		&cli.BoolFlag{Name: "no-share", Usage: "never upload or announce", Destination: &s.NoShare},
		&cli.BoolFlag{Name: "http-only", Usage: "use mirrors alone", Destination: &s.HTTPOnly},
	)
}

// serving is how others are served, with the limits that hold by default; a
// seed has none.
func (s *Swarm) serving(seconds, idle, ratio string) []cli.Flag {
	long := "serve for `DUR` after completion; 0 exits at once"
	if seconds == "" {
		long = "leave after `DUR`; 0 = stay until stopped"
	}
	return []cli.Flag{
		&cli.BoolFlag{Name: "no-dht", Usage: "do not use the DHT", Destination: &s.NoDHT},
		&cli.BoolFlag{Name: "no-lan", Usage: "do not look for peers in the local network", Destination: &s.NoLAN},
		flagOf("seed-time", &s.SeedTime, parseDuration, seconds, long),
		flagOf("seed-idle", &s.SeedIdle, parseDuration, idle, "leave earlier when nobody asked for `DUR`"),
		flagOf("seed-ratio", &s.SeedRatio, parseRatio, ratio, "leave earlier when `R` times the size is uploaded; 0 = no limit"),
		flagOf("limit-up", &s.LimitUp, parseRate, "", "send at most `RATE` bytes a second"),
		flagOf("max-upload", &s.MaxUpload, parseSize, "", "stop sharing past `SIZE` bytes"),
		flagOf("monthly-upload", &s.MonthlyUpload, parseSize, "20G", "send at most `SIZE` bytes to the Internet in a month; 0 = no limit"),
		flagOf("quiet-hours", &s.QuietHours, parseHours, "none", "upload nothing at these `HOURS`, such as 9-18"),
		&cli.BoolFlag{Name: "share-anyway", Usage: "upload on battery and on a metered connection, too", Destination: &s.ShareAnyway},
		flagOf("listen", &s.Listen, parseListen, ":0", "take peers at `HOST:PORT`"),
		listOf("dht-bootstrap", &s.Bootstrap, isHostPort, "enter the DHT at `HOST:PORT`"),
		&cli.BoolFlag{Name: "dht-private", Usage: "the DHT is one's own", Destination: &s.DHTPrivate},
	}
}

// file is a flag with the name of a file. An empty one is what a script makes of
// a variable that is not set, and no wish to go without.
func file(name string, to *string, usage string) *cli.StringFlag {
	return &cli.StringFlag{Name: name, Usage: usage, Destination: to, Action: func(_ *cli.Context, path string) error {
		return refuse(path == "", "invalid value \"\" for --"+name+": want the name of a file", "is a variable not set?")
	}}
}

// output is the flag that says where the result goes.
func output(to *string, usage string) cli.Flag {
	f := file("output", to, usage)
	f.Aliases = []string{"o"}
	return f
}

func overwrite(to *bool) cli.Flag {
	return &cli.BoolFlag{Name: "overwrite", Usage: "replace what lies there and differs", Destination: to}
}

func recheck(to *bool) cli.Flag {
	return &cli.BoolFlag{Name: "recheck", Usage: "hash again what an earlier run has left", Destination: to}
}

func onComplete(to *string) cli.Flag {
	return &cli.StringFlag{Name: "on-complete", Destination: to,
		Usage: "run the shell command `CMD` when the content is in place, with SHOAL_PATH and SHOAL_ID"}
}
