package argv

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"
)

// helpText is the help for a verb, or for shoal as a whole when verb is nil.
func helpText(app *cli.App, verb *cli.Command) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	if verb == nil {
		fmt.Fprintf(w, "shoal: %s\n\nusage: shoal COMMAND [FLAGS] [ARGUMENTS]\n       shoal MANIFEST    same as shoal fetch MANIFEST\n\ncommands:\n", app.Usage)
		for _, c := range app.Commands {
			fmt.Fprintf(w, "  %s\t%s\n", strings.Join(c.Names(), ", "), c.Usage)
		}
		fmt.Fprintf(w, "\nshoal COMMAND --help tells more, shoal man tells all.\n")
	} else {
		fmt.Fprintf(w, "shoal %s: %s\n\nusage: %s\n", verb.Name, verb.Usage,
			strings.TrimSpace("shoal "+verb.Name+" [FLAGS] "+verb.ArgsUsage))
		if len(verb.Flags) > 0 {
			fmt.Fprint(w, "\nflags:\n")
		}
		for _, f := range verb.Flags {
			flagHelp(w, f)
		}
		if len(verb.Flags) > 0 {
			fmt.Fprint(w, "\nEvery flag has a variable SHOAL_<FLAG> and a key in config.toml; see shoal man.\n")
		}
	}
	w.Flush()
	return b.String()
}

// flagHelp writes the line of one flag. What its usage puts in backquotes is
// the name of its value.
func flagHelp(w *tabwriter.Writer, f cli.Flag) {
	names := "    "
	for _, n := range f.Names()[1:] {
		names = "-" + n + ", "
	}
	doc := f.(cli.DocGenerationFlag)
	_, placeholder, _ := strings.Cut(doc.GetUsage(), "`")
	placeholder, _, _ = strings.Cut(placeholder, "`")
	names += strings.TrimSpace("--" + f.Names()[0] + " " + placeholder)
	usage := strings.ReplaceAll(doc.GetUsage(), "`", "")
	if def := doc.GetDefaultText(); takesValue(f) && strings.Trim(def, `"`) != "" {
		usage += " (" + def + ")"
	}
	fmt.Fprintf(w, "  %s\t%s\n", names, usage)
}
