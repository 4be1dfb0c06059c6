package fetch

import (
	"maps"
	"net/http"
	"net/url"
	"time"
)

// Clocks tells how far the clock of each server that has answered is ahead of
// ours, to a second or two, by its host. A server that does not say is left out.
func (c *Client) Clocks() map[string]time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.clocks)
}

// compareClocks notes when a server says that it is. A reply out of a cache says
// when it was put there.
func (c *Client) compareClocks(server *url.URL, h http.Header) {
	there, err := http.ParseTime(h.Get("Date"))
	if err != nil || h.Get("Age") != "" {
		return
	}
	ahead := time.Until(there)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clocks[server.Host] = ahead
}
