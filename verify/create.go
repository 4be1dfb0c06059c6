package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// CreateOptions are what a publisher says about content beside its bytes. The
// zero value is a manifest without a source.
type CreateOptions struct {
	Name      string    // default: the base name of the path
	Comment   string    // free text, at most 64 KiB
	PieceSize int64     // bytes; default: DefaultPieceSize
	Mirrors   []Mirror  // http or https, or relative to the manifest's URL
	Peers     []string  // host:port
	Bootstrap []string  // host:port
	Discovery []string  // see DiscoveryDHT
	Salt      []byte    // at most 64 bytes
	Created   time.Time // zero is not written
	Modified  bool      // record the files' modification times
	Except    []string  // files that are no content though they lie in the folder

	// Total, unless nil, is called once with the bytes of all files, before
	// the first of them is read.
	Total func(bytes int64)

	// Progress, unless nil, is told of n more bytes read. Several goroutines
	// call it at once.
	Progress func(n int64)
}

// ErrName is wrapped by what Create says of a name that Parse would refuse.
var ErrName = errors.New("not a name for content")

// Create makes the manifest of the file or folder at path. It reads each byte
// once, hashes with all processors, and gives the same manifest for the same
// content and options.
//
// In a folder, a symbolic link counts as the file it leads to; one that leads
// out of the folder or to a folder is an error, and so are special files,
// names that Parse would refuse, and files that change while they are read.
// The error wraps ErrManifest if Parse would refuse the options or a name.
func Create(ctx context.Context, path string, o CreateOptions) (*Manifest, error) {
	path, err := filepath.Abs(path) // so that "." has a name
	if err != nil {
		return nil, fmt.Errorf("create manifest: %w", err)
	}
	t, files, err := scan(ctx, path, o.Except)
	if err != nil {
		return nil, fmt.Errorf("create manifest of %s: %w", path, err)
	}
	defer func() { _ = t.Close() }() // only read from
	if t.root != nil {
		o.Mirrors = bases(o.Mirrors)
	}
	m, err := draft(path, files, o)
	if err != nil {
		return nil, fmt.Errorf("create manifest of %s: %w: %w", path, ErrManifest, err)
	}
	if err := m.hashFiles(ctx, t, files, o.Progress); err != nil {
		return nil, fmt.Errorf("create manifest of %s: %w", path, err)
	}
	m.index()
	return m, nil
}

// draft returns the manifest but for its digests, having checked all that
// Parse will check, so that nothing is hashed in vain.
func draft(path string, files []scanned, o CreateOptions) (*Manifest, error) {
	m := &Manifest{
		Name:      o.Name,
		PieceSize: o.PieceSize,
		Files:     make([]File, 0, len(files)),
		Mirrors:   o.Mirrors,
		Peers:     o.Peers,
		Bootstrap: o.Bootstrap,
		Discovery: o.Discovery,
		Salt:      o.Salt,
		Created:   o.Created.UTC().Truncate(time.Second),
		Comment:   o.Comment,
	}
	var total int64
	for _, f := range files {
		m.Files = append(m.Files, newFile(f, o.Modified))
		total += f.info.Size()
	}
	if m.Name == "" {
		m.Name = defaultName(path, m.Files)
	}
	if m.PieceSize == 0 {
		m.PieceSize = DefaultPieceSize(total)
	}
	if err := checkName(m.Name); err != nil {
		return nil, fmt.Errorf("name: %w: %w", err, ErrName)
	}
	if err := m.checkEntries(); err != nil {
		return nil, err
	}
	if err := m.checkDigestRoom(); err != nil {
		return nil, err
	}
	if o.Total != nil {
		o.Total(total)
	}
	return m, nil
}

// bases returns the mirrors of a folder, be there one file in it or several, with
// the slash without which nothing can be appended to their URLs; one with a query,
// or that will be refused, is left as it is.
func bases(mirrors []Mirror) []Mirror {
	mirrors = slices.Clone(mirrors)
	for i, m := range mirrors {
		if checkPublished(m) == nil && !strings.HasSuffix(m.URL, "/") && !strings.ContainsAny(m.URL, "?#") {
			mirrors[i].URL += "/"
		}
	}
	return mirrors
}

// newFile returns the entry of a file but for its digests.
func newFile(f scanned, modified bool) File {
	file := File{
		Path:       f.path,
		Size:       f.info.Size(),
		Executable: f.info.Mode()&0o111 != 0,
	}
	if modified {
		file.Modified = f.info.ModTime().UTC().Truncate(time.Second)
	}
	return file
}

// defaultName returns what content from path is called: a folder of one file
// is published as that file.
func defaultName(path string, files []File) string {
	if len(files) == 1 {
		path = filepath.FromSlash(files[0].Path)
	}
	return filepath.Base(path)
}

// checkDigestRoom refuses pieces so small that their digests, which nothing
// compresses, alone exceed the largest manifest.
func (m *Manifest) checkDigestRoom() error {
	var pieces int64
	for i := range m.Files {
		pieces += numPieces(m.Files[i].Size, m.PieceSize)
	}
	if pieces > MaxEncoded/int64(len(Digest{})) {
		return fmt.Errorf("pieces of %d bytes make a manifest larger than %d MiB: use a larger piece size",
			m.PieceSize, MaxEncoded>>20)
	}
	return nil
}

// checkEntries checks all that Parse checks as it reads, and besides what only
// a publisher can get wrong.
func (m *Manifest) checkEntries() error {
	if err := m.checkWords(); err != nil {
		return err
	}
	if err := checkCount(len(m.Mirrors)); err != nil {
		return fmt.Errorf("mirrors: %w", err)
	}
	for _, mirror := range m.Mirrors {
		if err := checkPublished(mirror); err != nil {
			return fmt.Errorf("mirror: %w", err)
		}
	}
	for i := range m.Files {
		if err := checkPath(m.Files[i].Path); err != nil {
			return fmt.Errorf("path: %w", err)
		}
		if err := checkTime(m.Files[i].Modified); err != nil {
			return fmt.Errorf("modification time of %s: %w", m.Files[i].Path, err)
		}
	}
	return checkCollisions(m.Files)
}

// checkWords checks the entries that are not lists of objects.
func (m *Manifest) checkWords() error {
	for _, c := range []struct {
		what string
		err  error
	}{
		{"piece size", checkPieceSize(m.PieceSize)},
		{"peer", checkAll(m.Peers, checkAddress)},
		{"bootstrap", checkAll(m.Bootstrap, checkAddress)},
		{"discovery", checkAll(m.Discovery, checkDiscovery)},
		{"salt", checkSalt(m.Salt)},
		{"created", checkTime(m.Created)},
		{"comment", checkComment(m.Comment)},
	} {
		if c.err != nil {
			return fmt.Errorf("%s: %w", c.what, c.err)
		}
	}
	return nil
}

// checkPublished tells why mirror cannot be published: what Parse lets through
// for later versions can only be a mistake in a manifest of this one.
func checkPublished(mirror Mirror) error {
	if err := checkMirror(mirror.URL); err != nil {
		return err
	}
	u, err := url.Parse(mirror.URL)
	if err != nil {
		return err
	}
	switch u.Scheme {
	case "http", "https":
		if u.Host == "" {
			return fmt.Errorf("%s has no host", quote(mirror.URL))
		}
	case "":
	default:
		return fmt.Errorf("%s is neither http nor https", quote(mirror.URL))
	}
	return checkPriority(int64(mirror.Priority))
}

// checkUnchanged tells that a file is not what it was when it was scanned.
func checkUnchanged(f scanned, now fs.FileInfo) error {
	if now.Size() != f.info.Size() || !now.ModTime().Equal(f.info.ModTime()) {
		return fmt.Errorf("read %s: it changed meanwhile", f.path)
	}
	return nil
}
