package argv

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/BurntSushi/toml"
	"github.com/urfave/cli/v2"
)

// layers are the places a flag may come from when it is not on the line.
type layers struct {
	getenv  func(string) string
	config  string
	origins Origins // filled for the verb that runs
}

// fill sets every flag of the verb that the line leaves out: from its
// variable, else from its key in the config file. A verb without flags looks
// at neither.
func (l layers) fill(ctx *cli.Context, all []*cli.Command) error {
	if len(ctx.Command.Flags) == 0 {
		return nil
	}
	file, err := readConfig(l.config, flagsByName(all))
	if err != nil {
		return err
	}
	for _, f := range ctx.Command.Flags {
		name := f.Names()[0]
		if ctx.IsSet(name) {
			l.origins[name] = Origin{FromFlag, "--" + name}
			continue
		}
		if err := l.fillOne(ctx, f, file); err != nil {
			return err
		}
	}
	return nil
}

// fillOne sets one flag from the first layer that has it.
func (l layers) fillOne(ctx *cli.Context, f cli.Flag, file settings) error {
	name := f.Names()[0]
	l.origins[name] = file.origin(name)
	if text := l.getenv(variable(name)); text != "" {
		l.origins[name] = Origin{FromVariable, variable(name)}
		texts := []string{text}
		if repeated := asList(f); repeated != nil {
			texts = repeated.split(text)
		}
		return setAll(ctx, name, texts, func(err error) error {
			return &UsageError{Text: fmt.Sprintf("%s=%q: %s", variable(name), text, cause(f, err))}
		})
	}
	return setAll(ctx, name, file.texts[name], func(err error) error {
		return file.errorf(name, "%s", cause(f, err))
	})
}

// cause is what is wrong with a value; that of a boolean comes from the parsing
// library as "parse error", which helps nobody.
func cause(f cli.Flag, err error) string {
	if !takesValue(f) {
		return "want true or false"
	}
	return err.Error()
}

func setAll(ctx *cli.Context, name string, texts []string, describe func(error) error) error {
	for _, text := range texts {
		if err := ctx.Set(name, text); err != nil {
			return describe(err)
		}
	}
	return nil
}

// variable is the environment variable of a flag.
func variable(flag string) string {
	return "SHOAL_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// asList is the value of a flag that may be repeated, or nil.
func asList(f cli.Flag) *list {
	g, ok := f.(*cli.GenericFlag)
	if !ok {
		return nil
	}
	l, _ := g.Value.(*list)
	return l
}

// settings is what the config file says.
type settings struct {
	path  string
	data  string
	texts map[string][]string // by flag: as it would be typed, one for each time
}

// readConfig reads the config file, which need not exist. Every key must be
// the full name of a flag and have a value of its sort.
func readConfig(path string, known map[string]cli.Flag) (settings, error) {
	s := settings{path: path, texts: make(map[string][]string)}
	data, err := os.ReadFile(path)
	if path == "" || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return s, nil
	}
	if err != nil {
		return s, &UsageError{
			Text: fmt.Sprintf("read config file: %v", err),
			Hint: "make it readable, or let XDG_CONFIG_HOME name another folder",
		}
	}
	s.data = string(data)
	var keys map[string]any
	meta, err := toml.Decode(s.data, &keys)
	if bad, ok := errors.AsType[toml.ParseError](err); ok {
		return s, &UsageError{Text: fmt.Sprintf("%s:%d: %s", path, bad.Position.Line, bad.Message)}
	} else if err != nil {
		return s, &UsageError{Text: fmt.Sprintf("%s: %v", path, err)}
	}
	for _, key := range meta.Keys() {
		if err := s.add(key.String(), known, keys); err != nil {
			return s, err
		}
	}
	return s, nil
}

// add takes one key of the file.
func (s *settings) add(key string, known map[string]cli.Flag, keys map[string]any) error {
	f, ok := known[key]
	if !ok || len(key) == 1 {
		err := s.errorf(key, "no such setting")
		if near := nearest(key, known); near != "" {
			err.Hint = "did you mean " + near + "?"
		}
		return err
	}
	texts, want := typedLike(f, keys[key])
	if want != "" {
		return s.errorf(key, "want %s", want)
	}
	s.texts[key] = texts
	return nil
}

// origin is that of a flag which neither the line nor a variable sets.
func (s *settings) origin(name string) Origin {
	if s.texts[name] == nil {
		return Origin{From: FromDefault}
	}
	return Origin{FromFile, fmt.Sprintf("%s:%d", s.path, s.line(name))}
}

// errorf is an error about a key, with the file and line it stands on.
func (s *settings) errorf(key, format string, args ...any) *UsageError {
	return &UsageError{Text: fmt.Sprintf("%s:%d: %s: %s", s.path, s.line(key), key, fmt.Sprintf(format, args...))}
}

// line finds the line on which a key is set, which the TOML library does not
// tell; keys are plain words at the start of a line, for there are no tables.
func (s *settings) line(key string) int {
	first, _, _ := strings.Cut(key, ".")
	n := 0
	for text := range strings.Lines(s.data) {
		n++
		word, _, _ := strings.Cut(text, "=")
		if strings.Trim(word, " \t[]\"'\r\n") == first {
			return n
		}
	}
	return 1
}

// typedLike is a TOML value as it would be typed on the line, or what the flag
// wants instead.
func typedLike(f cli.Flag, v any) (texts []string, want string) {
	_, generic := f.(*cli.GenericFlag)
	list := asList(f) != nil
	switch v := v.(type) {
	case bool:
		if !takesValue(f) {
			return []string{strconv.FormatBool(v)}, ""
		}
	case string:
		if takesValue(f) {
			return []string{v}, ""
		}
	case int64, float64:
		if generic && !list {
			return []string{fmt.Sprint(v)}, ""
		}
	case []any:
		if list {
			return stringsOf(v)
		}
	}
	switch {
	case !takesValue(f):
		return nil, "true or false"
	case list:
		return nil, "a string or a list of strings"
	case generic:
		return nil, "a string or a number"
	}
	return nil, "a string"
}

func stringsOf(elements []any) (texts []string, want string) {
	for _, e := range elements {
		text, ok := e.(string)
		if !ok {
			return nil, "a list of strings"
		}
		texts = append(texts, text)
	}
	return texts, ""
}
