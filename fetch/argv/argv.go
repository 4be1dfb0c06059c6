// Package argv reads what the user typed: flags from the line, the environment
// and the config file, into one options struct for each verb.
//
// A flag on the line beats its variable SHOAL_<FLAG>, which beats its key in
// the config file. Nothing here acts: nonsense is refused as a *UsageError
// before anything is touched.
package argv

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
)

// Input is where the options come from.
type Input struct {
	Args   []string            // the line, without the program's name
	Getenv func(string) string // the environment; an empty variable counts as unset
	Config string              // path of config.toml, which need not exist
}

// UsageError is a line, a variable or a config file that cannot be obeyed. Its
// text is one line; Hint says what to do, and Parse leaves none without.
type UsageError struct {
	Text   string
	Hint   string
	JSON   bool // --json is asked for, so a parent waits for an exit event
	Stdout bool // stdout is for the content alone, by -o -
}

func (e *UsageError) Error() string { return e.Text }

// Parse reads the options. The Command is one of *Fetch, *Resume, *Verify,
// *Seed, *Status, *Order, *Create, *Show, *Doctor, *Demo, *Man, *Completion,
// *Version and *Help. Every error is a *UsageError.
func Parse(in Input) (Command, error) {
	var got Command
	app := newApp(&got, in.Getenv)
	origins := make(Origins)
	l, err := split(app, in.Args)
	if err == nil && !l.help && !l.version {
		err = run(app, in, l, origins)
	}
	switch {
	case err != nil:
		return nil, asUsage(err).answer(in, app, l)
	case l.help:
		return &Help{Text: helpText(app, l.verb)}, nil
	case l.version:
		return &Version{}, nil
	}
	if o, ok := got.(interface{ keep(Origins) }); ok {
		o.keep(origins)
	}
	if o, ok := got.(interface{ meant(Origins) }); ok {
		o.meant(origins)
	}
	return got, nil
}

// run hands the sorted line to the verb, whose Action leaves its options, and
// notes where they came from.
func run(app *cli.App, in Input, l line, origins Origins) error {
	layer := layers{getenv: in.Getenv, config: in.Config, origins: origins}
	for _, c := range app.Commands {
		c.Before = func(ctx *cli.Context) error { return layer.fill(ctx, app.Commands) }
	}
	args := append([]string{app.Name, l.verb.Name}, l.flags...)
	return app.Run(append(append(args, "--"), l.operands...))
}

// answer adds to an error what is known of the line: how its reader wants to be
// told, and where he finds help.
func (e *UsageError) answer(in Input, app *cli.App, l line) *UsageError {
	fetches := l.verb != nil && l.verb.Name == "fetch"
	e.JSON, _ = strconv.ParseBool(in.wish(app, l, "json"))
	e.Stdout = fetches && in.wish(app, l, "output") == "-"
	switch {
	case e.Hint != "":
	case l.verb == nil:
		e.Hint = "see shoal --help"
	default:
		e.Hint = "see shoal " + l.verb.Name + " --help"
	}
	return e
}

// wish is what the strongest layer wants of a flag, "" if none wants anything,
// for a line that cannot be obeyed.
func (in Input) wish(app *cli.App, l line, name string) string {
	for _, flag := range slices.Backward(l.flags) {
		if value, ok := strings.CutPrefix(flag, "--"+name+"="); ok {
			return value
		}
	}
	if text := in.Getenv(variable(name)); text != "" {
		return text
	}
	file, _ := readConfig(in.Config, flagsByName(app.Commands))
	return strings.Join(file.texts[name], " ")
}

// asUsage makes any error of the parsing library a usage error.
func asUsage(err error) *UsageError {
	if usage, ok := errors.AsType[*UsageError](err); ok {
		return usage
	}
	return &UsageError{Text: err.Error()}
}

// newApp is the table of verbs in the parsing library's form, with every one
// of its ways to print or to exit by itself closed. The verb that runs puts
// its options into got.
func newApp(got *Command, getenv func(string) string) *cli.App {
	badValue := func(_ *cli.Context, err error, _ bool) error {
		// The flag package names flags with one dash, ours have two; and that a
		// boolean is bad it has said once.
		r := strings.NewReplacer(" for flag -", " for --", " for -", " for --")
		return &UsageError{Text: r.Replace(strings.TrimSuffix(err.Error(), ": parse error"))}
	}
	app := &cli.App{
		Name:                      "shoal",
		Usage:                     "download large files fast and verified, from mirrors and peers",
		Commands:                  verbs(got, getenv),
		HideHelp:                  true,
		HideVersion:               true,
		DisableSliceFlagSeparator: true,
		OnUsageError:              badValue,
		Writer:                    new(bytes.Buffer),
		ErrWriter:                 new(bytes.Buffer),
		ExitErrHandler:            func(*cli.Context, error) {},
	}
	for _, c := range app.Commands {
		c.HideHelp, c.OnUsageError = true, badValue
	}
	return app
}
