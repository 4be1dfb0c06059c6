package argv

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// limiting is the flags that hold something back.
func limiting() []string {
	return strings.Fields(`limit-down limit-up max-upload monthly-upload quiet-hours share-anyway background connections
		retries timeout deadline seed-time seed-idle seed-ratio prefer listen no-share no-dht no-lan http-only dht-private insecure`)
}

// texts is the limiting flags of the line that have a value, as they would be
// typed.
func texts(c *cli.Context) (typed []string) {
	for _, f := range c.Command.Flags {
		name := f.Names()[0]
		if !slices.Contains(limiting(), name) {
			continue
		}
		if !takesValue(f) {
			if c.Bool(name) {
				typed = append(typed, name)
			}
		} else if v, ok := c.Generic(name).(cli.Generic); ok && v.String() != "" {
			typed = append(typed, name+" "+v.String())
		}
	}
	return typed
}

// keep adds to each setting in force where it came from.
func (o *Doctor) keep(origins Origins) {
	o.Swarm.keep(origins)
	for i, text := range o.InForce {
		name, _, _ := strings.Cut(text, " ")
		o.InForce[i] = text + " (" + origins[name].String() + ")"
	}
}
