package dht

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/zeebo/blake3"
)

const (
	cacheVersion = 1
	maxCache     = 64 << 10 // bytes of the file
	maxSaved     = 50       // nodes saved of each family
	maxPrivate   = 32       // files of private DHTs, the newest
)

// saved is what the cache file holds: good nodes, and the addresses at which
// others saw us, of both families.
type saved struct {
	Version  int              `json:"version"`
	Nodes    []netip.AddrPort `json:"nodes"`
	External []netip.Addr     `json:"external,omitempty"`
}

// cacheFile is the file in the cache folder that keeps the nodes of the DHT
// which o is about. A private DHT has one of its own, by the nodes that lead
// into it: no node of it may get into the public DHT or into another private
// one, nor the other way round. One that no node leads into cannot be told from
// others, and has none.
func (o Options) cacheFile() string {
	if o.Cache == "" {
		return ""
	}
	if !o.Private {
		return filepath.Join(o.Cache, "dht.json")
	}
	entrances := slices.Compact(slices.Sorted(slices.Values(slices.Concat(o.Bootstrap, o.Routers))))
	if len(entrances) == 0 {
		return ""
	}
	sum := blake3.Sum256([]byte(strings.Join(entrances, "\n")))
	return filepath.Join(o.Cache, privatePrefix+hex.EncodeToString(sum[:8])+".json")
}

const privatePrefix = "dht-private-"

// Cached is the nodes that answered an earlier run, which New asks first.
func (o Options) Cached() []netip.AddrPort {
	path := o.cacheFile()
	if path == "" {
		return nil
	}
	return load(path).Nodes
}

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
	err := s.store(d.cache)
	if d.private {
		err = errors.Join(err, prune(filepath.Dir(d.cache)))
	}
	if err != nil {
		d.verbose("dht: %v", err)
	}
}

// prune removes the files of private DHTs that were written longest ago, as far
// as there are too many. Another process may be doing the same.
func prune(folder string) error {
	paths, err := filepath.Glob(filepath.Join(folder, privatePrefix+"*.json"))
	if err != nil || len(paths) <= maxPrivate {
		return err
	}
	age := map[string]time.Time{} // the zero time for what is gone
	for _, path := range paths {
		if fi, err := os.Stat(path); err == nil {
			age[path] = fi.ModTime()
		}
	}
	slices.SortFunc(paths, func(a, b string) int { return age[a].Compare(age[b]) })
	for _, path := range paths[:len(paths)-maxPrivate] {
		if e := os.Remove(path); !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}
