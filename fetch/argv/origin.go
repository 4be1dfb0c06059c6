package argv

// Layer is a place where a flag's value may come from.
type Layer string

// The layers, the strongest first.
const (
	FromFlag     Layer = "flag"     // the line
	FromVariable Layer = "variable" // SHOAL_<FLAG>
	FromFile     Layer = "file"     // the config file
	FromDefault  Layer = "default"
)

// Origin is where one flag's value came from.
type Origin struct {
	From  Layer
	Where string // such as --limit-up, SHOAL_LIMIT_UP or /home/me/.config/shoal/config.toml:3; empty for a default
}

// String names the place, such as "SHOAL_LIMIT_UP" or "default".
func (o Origin) String() string {
	if o.Where == "" {
		return string(FromDefault)
	}
	return o.Where
}

// Origins holds where the value of each flag of a verb came from, by the flag's
// full name without dashes.
type Origins map[string]Origin

// keep makes the origins part of the options of a verb that takes part in swarms.
func (s *Swarm) keep(o Origins) { s.Origins = o }

// meant tells whether there are credentials, all of them on the line: what comes
// from elsewhere was set for other runs, too.
func (h *HTTP) meant(o Origins) {
	given := map[string]bool{"header": len(h.Headers) > 0, "cert": h.Cert != "", "netrc": h.Netrc}
	for name, given := range given {
		if given && o[name].From != FromFlag {
			return
		}
	}
	h.Meant = given["header"] || given["cert"] || given["netrc"]
}
