package argv

import (
	"cmp"
	"os"
	"path/filepath"
	"time"

	"github.com/shoal-dl/shoal/fetch"
	"github.com/shoal-dl/shoal/verify"
)

// Command is what the user wants done: one verb's options.
type Command interface {
	Shown() Look // how the user wants to be told
}

// Look is how things are shown.
type Look struct {
	Quiet, Verbose, JSON, NoProgress bool
	Color                            string // auto, always or never
}

// Shown implements Command.
func (l Look) Shown() Look { return l }

// Trust is what a manifest must show before it is believed.
type Trust struct {
	ID     *verify.ID // the content id it must have; nil = any
	Pubkey string     // base64 minisign public key that must have signed it; empty = none
}

// HTTP is how servers are spoken to.
type HTTP struct {
	fetch.ClientOptions
	Background  bool          // make way for the user's other traffic
	LimitDown   int64         // bytes a second over all connections; 0 = none
	Connections int           // most connections to one mirror host
	Retries     int           // tries in a row without progress
	Deadline    time.Duration // for the whole command; 0 = none
	Mirrors     []string      // more mirrors than the manifest names
}

// Swarm is what the user wants of peers.
type Swarm struct {
	Peers                           []string // HOST:PORT
	Prefer                          fetch.Preference
	NoShare, NoDHT, NoLAN, HTTPOnly bool
	SeedTime, SeedIdle              time.Duration
	SeedRatio                       float64
	LimitUp                         int64    // bytes a second; 0 = none
	MaxUpload                       int64    // bytes; 0 = none
	MonthlyUpload                   int64    // bytes to the Internet in a calendar month, over all runs; 0 = no limit
	QuietHours                      [][2]int // spans without uploads, in minutes since midnight; the second may be before the first
	ShareAnyway                     bool     // on battery and on a metered connection
	Listen                          string
	Bootstrap                       []string // HOST:PORT of first DHT nodes
	DHTPrivate                      bool
	Metrics                         string  // HOST:PORT to serve metrics at; empty = nowhere
	Origins                         Origins // of all flags of the verb
}

// Fetch is `shoal fetch MANIFEST…`.
type Fetch struct {
	Look
	Trust
	HTTP
	Swarm
	Manifests                    []string // URLs, paths or "-"
	Output                       string   // a file, a folder, "-" or empty
	Overwrite, Recheck, NoResume bool
	OnComplete                   string // a shell command; empty = none
	Explain                      bool   // only say who would be contacted
}

// Doctor is `shoal doctor [MANIFEST]`.
type Doctor struct {
	Look
	Trust
	HTTP
	Swarm
	Manifest string   // empty = only what concerns this machine
	Output   string   // where the content would go; empty = the current folder
	InForce  []string // the limits and switches that hold, each with its value and where that came from
}

// Seed is `shoal seed MANIFEST… [PATH]`.
type Seed struct {
	Look
	Trust
	HTTP
	Swarm
	Manifests []string
	Path      string // of the content, or of the folder it lies in; empty = the current folder
	Trusted   bool   // offer what is there without hashing it first
	Recheck   bool   // hash it even if it has been proven and looks untouched
}

// PathOf is the path at which the content of a manifest lies.
func (o *Seed) PathOf(m *verify.Manifest) string {
	return pathOf(m, o.Path, len(o.Manifests) > 1)
}

// pathOf is where content lies that the user has at path, or, if it is a file or
// one of several contents, in the folder there.
func pathOf(m *verify.Manifest, path string, several bool) string {
	switch {
	case path == "":
		return m.Name
	case isFolder(path) && (several || !m.Folder()):
		return within(m, path)
	case !m.Folder() && os.IsPathSeparator(path[len(path)-1]):
		return filepath.Join(path, m.Name)
	}
	return path
}

// within is where content lies in a folder: under its name, or, if that is nowhere
// and it was published as the only file of the folder, where that file was in it.
func within(m *verify.Manifest, folder string) string {
	named := filepath.Join(folder, m.Name)
	if _, err := os.Lstat(named); err == nil || m.Folder() {
		return named
	}
	root, err := os.OpenRoot(folder) // out of which no link leads
	if err != nil {
		return named
	}
	defer func() { _ = root.Close() }() // only looked at
	only := filepath.FromSlash(m.Files[0].Path)
	if _, err := root.Lstat(only); err != nil {
		return named
	}
	return filepath.Join(folder, only)
}

// Resume is `shoal resume [PATH…]`.
type Resume struct {
	Look
	HTTP
	Swarm
	Paths              []string // what to go on with; none = all in the current folder
	List               bool     // only list them
	Overwrite, Recheck bool
	OnComplete         string
}

// Verify is `shoal verify MANIFEST [PATH]`.
type Verify struct {
	Look
	Trust
	HTTP
	Swarm
	Manifest string
	Path     string // empty = the manifest's name in the current folder
	Repair   bool
}

// PathOf is the path at which the content of a manifest lies.
func (o *Verify) PathOf(m *verify.Manifest) string { return pathOf(m, o.Path, false) }

// Status is `shoal status [ID]`.
type Status struct {
	Look
	Target string // see Order; empty = all
	Watch  bool   // again every second
}

// Order is `shoal stop`, `pause`, `continue` or `set`: what a running shoal is to
// do.
type Order struct {
	Look
	Verb     string
	Target   string    // a content id, the beginning of one, or the number of a process; empty = the only one
	All      bool      // every transfer there is
	Settings []Setting // of set
}

// Create is `shoal create PATH`.
type Create struct {
	Look
	verify.CreateOptions
	Path      string
	Output    string // empty = the base name of Path, with .shoal
	Overwrite bool   // replace whatever file lies there, see Replaces
	Zstd      bool   // write the manifest compressed
	Sign      string // minisign secret key file; empty = do not sign
}

// Target is the path that the manifest is written to, or "-".
func (o *Create) Target() (string, error) {
	path, err := filepath.Abs(o.Path) // so that "." has a name
	if err != nil {
		return "", err
	}
	name := filepath.Base(path) + verify.Extension
	if isFolder(o.Output) {
		return filepath.Join(o.Output, name), nil
	}
	return cmp.Or(o.Output, name), nil
}

// Replaces tells whether what lies at path, which is Target or the signature
// beside it, may be replaced. An older manifest that was named is the user's to
// replace, with its signature, as a build does that runs again; a file that happens
// to have the default name is not, nor is anything else that the name leads to.
func (o *Create) Replaces(path string) bool {
	if o.Overwrite || o.Output == "" || isFolder(o.Output) {
		return o.Overwrite
	}
	if path == o.Output {
		return isManifest(path)
	}
	return isManifest(o.Output) && isSignature(path)
}

// Show is `shoal show MANIFEST`.
type Show struct {
	Look
	Trust
	HTTP
	Manifest string
}

// Demo is `shoal demo`.
type Demo struct{ Look }

// Man is `shoal man`.
type Man struct{ Look }

// Completion is `shoal completion SHELL`.
type Completion struct {
	Look
	Shell string // bash, zsh or fish
}

// Version is `shoal version`.
type Version struct{ Look }

// Help is a call for help, answered.
type Help struct {
	Look
	Text string // to be printed as it is
}
