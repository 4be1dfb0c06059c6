package argv

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/shoal-dl/shoal/verify"
)

// verbs is the table of everything shoal does, in the order help shows it. The
// verb that is chosen puts its options into got.
func verbs(got *Command, getenv func(string) string) []*cli.Command {
	return []*cli.Command{
		fetchVerb(got), resumeVerb(got), verifyVerb(got), seedVerb(got), createVerb(got, getenv), showVerb(got),
		statusVerb(got),
		orderVerb(got, "stop", "end a running transfer as Ctrl-C does"),
		orderVerb(got, "pause", "let a running transfer neither take nor give"),
		orderVerb(got, "continue", "let a paused transfer go on"),
		setVerb(got), doctorVerb(got), demoVerb(got),
		{
			Name: "man", Usage: "show the manual page",
			Action: operands(0, 0, func([]string) error { *got = &Man{}; return nil }),
		},
		{
			Name: "completion", Usage: "print the completions for a shell", ArgsUsage: "bash|zsh|fish",
			Action: operands(1, 1, func(args []string) error {
				*got = &Completion{Shell: args[0]}
				_, err := oneOf("bash", "zsh", "fish")(args[0])
				return refuse(err != nil, fmt.Sprintf("no completions for %q", args[0]), "bash, zsh and fish have some")
			}),
		},
		{
			Name: "version", Usage: "say which shoal this is",
			Action: operands(0, 0, func([]string) error { *got = &Version{}; return nil }),
		},
	}
}

func fetchVerb(got *Command) *cli.Command {
	o := &Fetch{}
	return &cli.Command{
		Name: "fetch", Aliases: []string{"get"}, ArgsUsage: "MANIFEST...",
		Usage: "download what a manifest (URL, path or -) describes, verify it and put it in place",
		Flags: slices.Concat([]cli.Flag{
			output(&o.Output, "write to `PATH`: a file, an existing folder, or - for stdout"),
			overwrite(&o.Overwrite), recheck(&o.Recheck),
			&cli.BoolFlag{Name: "no-resume", Usage: "start over, whatever an earlier run has left", Destination: &o.NoResume},
			onComplete(&o.OnComplete),
			&cli.BoolFlag{Name: "explain", Usage: "only say who would be contacted and why", Destination: &o.Explain},
		}, o.Trust.flags(), o.transfer(), o.Swarm.flags(), o.Look.flags()),
		Action: operands(1, -1, func(args []string) error {
			o.Manifests = args
			*got = o
			return firstError(o.checkHTTP(), o.check())
		}),
	}
}

func resumeVerb(got *Command) *cli.Command {
	o := &Resume{}
	return &cli.Command{
		Name: "resume", Usage: "go on with interrupted downloads, those in the current folder if none is named", ArgsUsage: "[PATH...]",
		Flags: slices.Concat([]cli.Flag{
			&cli.BoolFlag{Name: "list", Usage: "only list them", Destination: &o.List},
			overwrite(&o.Overwrite), recheck(&o.Recheck), onComplete(&o.OnComplete),
		}, o.transfer(), o.Swarm.flags(), o.Look.flags()),
		Action: operands(0, -1, func(args []string) error {
			o.Paths = args
			*got = o
			return o.checkHTTP()
		}),
	}
}

func verifyVerb(got *Command) *cli.Command {
	o := &Verify{}
	return &cli.Command{
		Name: "verify", Usage: "check files against a manifest and name each bad range", ArgsUsage: "MANIFEST [PATH]",
		Flags: slices.Concat([]cli.Flag{
			&cli.BoolFlag{Name: "repair", Usage: "fetch just the bad pieces", Destination: &o.Repair},
		}, o.Trust.flags(), o.transfer(), o.Swarm.flags(), o.Look.flags()),
		Action: operands(1, 2, func(args []string) error {
			o.Manifest = args[0]
			if len(args) == 2 {
				o.Path = args[1]
			}
			*got = o
			return o.checkHTTP()
		}),
	}
}

func seedVerb(got *Command) *cli.Command {
	o := &Seed{}
	return &cli.Command{
		Name: "seed", Usage: "serve content that is already here", ArgsUsage: "MANIFEST... [PATH]",
		Flags: slices.Concat([]cli.Flag{
			&cli.BoolFlag{Name: "trust", Usage: "offer what is there without hashing it first", Destination: &o.Trusted},
			&cli.BoolFlag{Name: "recheck", Usage: "hash it even if it has been proven and looks untouched", Destination: &o.Recheck},
			listOf("peer", &o.Peers, isHostPort, "tell the peer at `HOST:PORT` of us"),
			flagOf("metrics", &o.Metrics, parseListen, "", "serve metrics for Prometheus at `HOST:PORT`, on loopback if no host is given"),
		}, o.serving("", "", ""), o.Trust.flags(), o.server(), o.Look.flags()),
		Action: operands(1, -1, func(args []string) error {
			o.Manifests = args
			if last := args[len(args)-1]; len(args) > 1 && !namesManifest(last) {
				o.Manifests, o.Path = args[:len(args)-1], last
			}
			if o.SeedTime == 0 {
				o.SeedTime = -1
			}
			*got = o
			return firstError(o.checkHTTP(), o.check(),
				refuse(o.Trusted && o.Recheck, "--trust hashes nothing, --recheck all", "choose one"))
		}),
	}
}

func createVerb(got *Command, getenv func(string) string) *cli.Command {
	o := &Create{}
	var mirrors []string
	return &cli.Command{
		Name: "create", Usage: "write a manifest for a file or a folder and print its content id", ArgsUsage: "PATH",
		Flags: slices.Concat([]cli.Flag{
			output(&o.Output, "write the manifest to `PATH`: a file, an existing folder, or - for stdout"),
			overwrite(&o.Overwrite),
			listOf("mirror", &mirrors, isPublished, "the content lies at `URL`, or will"),
			listOf("peer", &o.Peers, isHostPort, "a first contact at `HOST:PORT`"),
			listOf("bootstrap", &o.Bootstrap, isHostPort, "a node of a private DHT at `HOST:PORT`"),
			flagOf("discovery", &o.Discovery, parseDiscovery, "none", "let others find peers by `HOW`: dht, lan, dht,lan or none"),
			&cli.StringFlag{Name: "name", Usage: "call the content `NAME`", Destination: &o.Name},
			&cli.StringFlag{Name: "comment", Usage: "say `TEXT` in the manifest", Destination: &o.Comment},
			flagOf("piece-size", &o.PieceSize, parsePieceSize, "", "use pieces of `SIZE`, a power of two from 64K to 64M"),
			flagOf("salt", &o.Salt, parseSalt, "", "make a swarm of its own of `HEX`, or of random bytes"),
			&cli.BoolFlag{Name: "modified", Usage: "record the files' modification times", Destination: &o.Modified},
			&cli.BoolFlag{Name: "zstd", Usage: "compress the manifest", Destination: &o.Zstd},
			file("sign", &o.Sign, "sign with the minisign secret key in `KEYFILE`"),
		}, o.flags()),
		Action: operands(1, 1, func(args []string) error {
			o.Path = args[0]
			for _, u := range mirrors {
				o.Mirrors = append(o.Mirrors, verify.Mirror{URL: u})
			}
			var err error
			o.Created, err = creation(getenv("SOURCE_DATE_EPOCH"))
			*got = o
			return firstError(err, o.check())
		}),
	}
}

func showVerb(got *Command) *cli.Command {
	o := &Show{}
	return &cli.Command{
		Name: "show", Usage: "say what a manifest says", ArgsUsage: "MANIFEST",
		Flags: slices.Concat(o.Trust.flags(), o.server(), o.Look.flags()),
		Action: operands(1, 1, func(args []string) error {
			o.Manifest = args[0]
			*got = o
			return o.checkHTTP()
		}),
	}
}

func statusVerb(got *Command) *cli.Command {
	o := &Status{}
	return &cli.Command{
		Name: "status", Usage: "show your running transfers: what each takes from and gives to whom", ArgsUsage: "[ID]",
		Flags: slices.Concat([]cli.Flag{
			&cli.BoolFlag{Name: "watch", Usage: "show them again every second until Ctrl-C", Destination: &o.Watch},
		}, o.flags()),
		Action: operands(0, 1, func(args []string) error {
			*got = o
			return takeTarget(&o.Target, args)
		}),
	}
}

// orderVerb is a verb that tells a running shoal something in one word.
func orderVerb(got *Command, name, usage string) *cli.Command {
	o := &Order{Verb: name}
	return &cli.Command{
		Name: name, Usage: usage, ArgsUsage: "[ID]",
		Flags: append([]cli.Flag{&cli.BoolFlag{Name: "all", Usage: "all of them", Destination: &o.All}}, o.flags()...),
		Action: operands(0, 1, func(args []string) error {
			*got = o
			return firstError(takeTarget(&o.Target, args), o.check())
		}),
	}
}

func setVerb(got *Command) *cli.Command {
	o := &Order{Verb: "set"}
	return &cli.Command{
		Name: "set", Usage: "change limits of a running transfer", ArgsUsage: "[ID] KEY=VALUE...",
		Flags: append([]cli.Flag{&cli.BoolFlag{Name: "all", Usage: "of all of them", Destination: &o.All}}, o.flags()...),
		Action: operands(1, -1, func(args []string) error {
			*got = o
			if !strings.Contains(args[0], "=") {
				if err := takeTarget(&o.Target, args[:1]); err != nil {
					return err
				}
				args = args[1:]
			}
			for _, word := range args {
				s, err := parseSetting(word)
				if err != nil {
					return err
				}
				o.Settings = append(o.Settings, s)
			}
			var l Live
			return firstError(refuse(len(args) == 0, "shoal set wants KEY=VALUE", "the keys are "+strings.Join(l.Keys(), ", ")), o.check())
		}),
	}
}

// takeTarget reads the target, if there is one.
func takeTarget(to *string, args []string) error {
	for _, word := range args {
		target, err := parseTarget(word)
		if err != nil {
			return &UsageError{Text: fmt.Sprintf("%q is no ID: %v", word, err), Hint: "shoal status lists them"}
		}
		*to = target
	}
	return nil
}

func doctorVerb(got *Command) *cli.Command {
	o := &Doctor{}
	return &cli.Command{
		Name: "doctor", Usage: "say whether this machine, and the mirrors of a manifest, are up to it", ArgsUsage: "[MANIFEST]",
		Flags: slices.Concat([]cli.Flag{
			output(&o.Output, "try the disk on which `PATH` is"),
		}, o.Trust.flags(), o.transfer(), o.Swarm.flags(), o.Look.flags()),
		Action: func(c *cli.Context) error {
			return operands(0, 1, func(args []string) error {
				if len(args) == 1 {
					o.Manifest = args[0]
				}
				o.InForce = texts(c)
				*got = o
				return firstError(o.checkHTTP(),
					refuse(o.Output == "-", "the content is not fetched, so that nothing goes to stdout", "leave -o away"))
			})(c)
		},
	}
}

func demoVerb(got *Command) *cli.Command {
	o := &Demo{}
	return &cli.Command{
		Name: "demo", Usage: "play the whole story on loopback: peers, a lying mirror, a kill and a resume",
		Flags:  o.flags(),
		Action: operands(0, 0, func([]string) error { *got = o; return nil }),
	}
}

// operands is an Action that wants from least to most operands (-1: any
// number) and hands them on.
func operands(least, most int, take func([]string) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		n := c.NArg()
		switch {
		case n < least:
			return &UsageError{Text: fmt.Sprintf("shoal %s wants %s", c.Command.Name, c.Command.ArgsUsage)}
		case most >= 0 && n > most:
			return &UsageError{Text: fmt.Sprintf("shoal %s: one operand too many: %q", c.Command.Name, c.Args().Get(most))}
		}
		if slices.Contains(c.Args().Slice(), "") {
			return &UsageError{Text: fmt.Sprintf("shoal %s: an operand is empty", c.Command.Name), Hint: "is a variable not set?"}
		}
		return take(c.Args().Slice())
	}
}
