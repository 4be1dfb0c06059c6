package argv

import (
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/shoal-dl/shoal/verify"
)

// line is a command line taken apart. The parsing library stops at the first
// operand, and takes what follows as operands too, so that flags after a URL
// would be lost without a word: here they are sorted out first.
type line struct {
	verb          *cli.Command // never nil unless help or version is asked for, or there is an error
	flags         []string     // "--name=value", full names, in the order typed
	operands      []string
	help, version bool
}

// typed is one flag as it stood on the line.
type typed struct {
	flag  cli.Flag
	value string
}

// splitter walks along the arguments of one line.
type splitter struct {
	known    map[string]cli.Flag // by every name, of all verbs
	rest     []string
	typed    []typed
	operands []string
	dashes   bool // a "--" has ended the flags before the first operand
	help     bool
	version  bool
	err      error // the first one; --help further on forgives it
}

// split takes a command line apart: flags stand anywhere, "--" ends them, "-"
// is an operand, short ones may be bundled, a value may stand in the same word
// or the next one.
func split(app *cli.App, args []string) (line, error) {
	s := splitter{known: flagsByName(app.Commands), rest: args}
	for len(s.rest) > 0 {
		s.word(s.shift())
	}
	return s.line(app)
}

// flagsByName finds every flag of every verb by each of its names. A name
// means the same kind of flag wherever it occurs (a test sees to it).
func flagsByName(verbs []*cli.Command) map[string]cli.Flag {
	known := make(map[string]cli.Flag)
	for _, verb := range verbs {
		for _, f := range verb.Flags {
			for _, name := range f.Names() {
				known[name] = f
			}
		}
	}
	return known
}

func (s *splitter) shift() string {
	w := s.rest[0]
	s.rest = s.rest[1:]
	return w
}

// word takes the next word of the line, and its value's if there is one.
func (s *splitter) word(w string) {
	switch {
	case w == "--":
		s.dashes = len(s.operands) == 0
		s.operands = append(s.operands, s.rest...)
		s.rest = nil
	case w == "--help" || w == "-h":
		s.help = true
	case w == "--version":
		s.version = true
	case strings.HasPrefix(w, "--"):
		s.long(w)
	case strings.HasPrefix(w, "-") && w != "-":
		s.bundle(w)
	default:
		s.operands = append(s.operands, w)
	}
}

// long takes --name, --name=value or --name value.
func (s *splitter) long(w string) {
	name, value, given := strings.Cut(w[2:], "=")
	f, ok := s.known[name]
	if !ok || len(name) == 1 {
		s.fail(unknownFlag("--"+name, nearest(name, s.known)))
		return
	}
	s.take(f, value, given)
}

// bundle takes -q, -qv, -qh, -o value, -ovalue and -qo=value, but not -output:
// that it meant "-o utput" is less likely than that a dash is missing.
func (s *splitter) bundle(w string) {
	if name, _, _ := strings.Cut(w[1:], "="); len(name) > 1 && s.known[name] != nil {
		s.fail(unknownFlag(w, name))
		return
	}
	help := false
	for i, letter := range w[1:] {
		f, ok := s.known[string(letter)]
		switch {
		case letter == 'h':
			help = true
		case !ok:
			s.fail(unknownFlag(w, s.longFor(w)))
			return
		case takesValue(f):
			value := w[1+i+1:]
			s.take(f, strings.TrimPrefix(value, "="), value != "")
			s.help = s.help || help
			return
		default:
			s.take(f, "", false)
		}
	}
	s.help = s.help || help // not sooner: a bundle with a mistake in it asks for nothing
}

// longFor finds the flag meant by a full name after a single dash.
func (s *splitter) longFor(w string) string {
	name, _, _ := strings.Cut(w[1:], "=")
	return nearest(name, s.known)
}

// take notes a flag, with the value given in its word or the next word's.
func (s *splitter) take(f cli.Flag, value string, given bool) {
	switch {
	case given:
	case !takesValue(f):
		value = "true"
	case len(s.rest) == 0:
		s.fail(&UsageError{Text: fmt.Sprintf("--%s needs a value", f.Names()[0])})
		return
	default:
		value = s.shift()
	}
	s.typed = append(s.typed, typed{f, value})
}

func (s *splitter) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// line gives the verdict once every word has been seen.
func (s *splitter) line(app *cli.App) (line, error) {
	var l line
	for _, t := range s.typed {
		l.flags = append(l.flags, "--"+t.flag.Names()[0]+"="+t.value)
	}
	verb, operands, err := s.verb(app)
	l.verb, l.operands = verb, operands
	if s.err != nil && !s.help {
		err = s.err
	}
	if err != nil {
		return l, err
	}
	l.help, l.version = s.help, s.version
	if l.help || l.version {
		return l, nil
	}
	return l, belong(s.typed, l.verb, app.Commands)
}

// verb finds the verb and its operands: the first operand when it is one,
// else fetch when it may be a manifest. A call for help needs none.
func (s *splitter) verb(app *cli.App) (*cli.Command, []string, error) {
	asking := s.help || s.version
	unheeded := s.help // so that a word that is no command does not matter
	operands := s.operands
	for len(operands) > 0 && operands[0] == "help" && !s.dashes {
		s.help, asking = true, true
		operands = operands[1:]
	}
	switch {
	case len(operands) == 0 && asking:
		return nil, nil, nil
	case len(operands) == 0:
		return nil, nil, &UsageError{Text: "no command given", Hint: "shoal fetch URL, or shoal --help"}
	case s.dashes:
		return app.Command("fetch"), operands, nil
	}
	if verb := app.Command(operands[0]); verb != nil {
		return verb, operands[1:], nil
	}
	if mayBeManifest(operands[0]) {
		return app.Command("fetch"), operands, nil
	}
	if unheeded {
		return nil, nil, nil
	}
	return nil, nil, unknownVerb(operands[0], app.Commands)
}

// namesManifest tells whether a word looks like a manifest without being there.
func namesManifest(word string) bool {
	return word == "-" || strings.Contains(word, "://") || strings.HasSuffix(word, verify.Extension)
}

// mayBeManifest tells whether `shoal WORD` can mean `shoal fetch WORD`.
func mayBeManifest(word string) bool {
	if namesManifest(word) {
		return true
	}
	info, err := os.Stat(word)
	return err == nil && !info.IsDir()
}

// belong refuses the first flag that some verb has, but not this one.
func belong(typed []typed, verb *cli.Command, all []*cli.Command) error {
	own := flagsByName([]*cli.Command{verb})
	for _, t := range typed {
		name := t.flag.Names()[0]
		if own[name] != nil {
			continue
		}
		for _, other := range all {
			if flagsByName([]*cli.Command{other})[name] != nil {
				return &UsageError{
					Text: fmt.Sprintf("shoal %s takes no --%s", verb.Name, name),
					Hint: fmt.Sprintf("shoal %s does; see shoal %s --help", other.Name, verb.Name),
				}
			}
		}
	}
	return nil
}

// takesValue tells whether a flag wants a value after it.
func takesValue(f cli.Flag) bool {
	_, isBool := f.(*cli.BoolFlag)
	return !isBool
}
