package dht

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
)

const (
	cacheVersion = 1
	maxCache     = 64 << 10 // bytes of the file
	maxSaved     = 50       // nodes saved of each family
)

// saved is what the cache file holds: good nodes, and the addresses at which
// others saw us, of both families.
type saved struct {
	Version  int              `json:"version"`
	Nodes    []netip.AddrPort `json:"nodes"`
	External []netip.Addr     `json:"external,omitempty"`
}

// cacheFile is the file in the cache folder.
func cacheFile(folder string) string { return filepath.Join(folder, "dht.json") }

// load reads the cache. A file that cannot be read, or not understood, counts
// as empty: it only costs a slower start.
func load(path string) (s saved) {
	file, err := os.Open(path)
	if err != nil {
		return saved{}
	}
	defer file.Close()
	err = json.NewDecoder(io.LimitReader(file, maxCache)).Decode(&s)
	if err != nil || s.Version != cacheVersion {
		return saved{}
	}
	return s
}

// store writes the cache, whole or not at all.
func (s saved) store(path string) error {
	s.Version = cacheVersion
	data, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("save DHT nodes: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("save DHT nodes: %w", err)
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".dht-*")
	if err != nil {
		return fmt.Errorf("save DHT nodes: %w", err)
	}
	_, err = file.Write(data)
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("save DHT nodes: %w", err), os.Remove(file.Name()))
	}
	return nil
}

// save writes the nodes that answered to the cache, newest first, then those
// it held before, as far as there is room.
func (d *DHT) save() {
	if d.cache == "" {
		return
	}
	var s saved
	for _, f := range d.families {
		nodes := f.good()
		for _, addr := range d.saved.Nodes {
			if f.usable(addr) && !slices.Contains(nodes, addr) {
				nodes = append(nodes, addr)
			}
		}
		s.Nodes = append(s.Nodes, nodes[:min(len(nodes), maxSaved)]...)
	}
	s.External = d.External()
	if len(s.Nodes) == 0 {
		return
	}
	if err := s.store(d.cache); err != nil {
		d.verbose("dht: %v", err)
	}
}
