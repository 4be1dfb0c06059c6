package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/shoal-dl/shoal/verify"
)

// Note says on stderr how things stand. -q silences it.
func (r *Reporter) Note(text string) {
	r.post(func() { r.console.note(text) })
}

// Step says that a story has come to the step of that name, in words: as a
// note, or as the event step.
func (r *Reporter) Step(name, text string) {
	e := newEvent("step", "", time.Now(), stepFields{name, text})
	r.post(func() { r.view.show(e) })
}

type stepFields struct {
	Step string `json:"step"`
	Text string `json:"text"`
}

// Failed says how one of several things ended that the command was to do,
// while it goes on: what Exit says, but as the event failed.
func (r *Reporter) Failed(err error, v Verdict) {
	r.failed("", err, v, func(time.Time) {})
}

// Failed says how the transfer failed while the command goes on with another:
// what Exit says, but as the event failed.
func (t *Transfer) Failed(err error, v Verdict) {
	t.r.failed(t.id, err, v, t.end)
}

func (r *Reporter) failed(id string, err error, v Verdict, before func(time.Time)) {
	now := time.Now()
	e := newEvent("failed", id, now, newExit(err, v))
	r.post(func() {
		before(now)
		r.console.fail(err.Error(), v.Hint)
		r.view.show(e)
	})
}

// Pending answers with an interrupted download: its final path, where its
// manifest came from and how many bytes of it are there.
func (r *Reporter) Pending(path, origin string, have int64, m *verify.Manifest) {
	r.Result(fmt.Sprintf("%s: %s, from %s", Safe(path), ratio(have, m.Size()), Safe(origin)))
	r.Event("pending", m.ID(), struct {
		Path     string `json:"path"`
		Manifest string `json:"manifest"`
		Name     string `json:"name"`
		Size     int64  `json:"size"` // bytes
		Have     int64  `json:"have"` // bytes
	}{path, origin, m.Name, m.Size(), have})
}

// Damage says which ranges are damaged, to people as the command's answer or
// else as a detail, and returns all of it in a word or two; "" means that there
// is none.
func (r *Reporter) Damage(m *verify.Manifest, damage []verify.Damage, answer bool) string {
	tell := r.Result
	if !answer {
		tell = func(line string) { r.Verbosef("%s", line) }
	}
	var bytes int64
	for _, d := range damage {
		bytes += d.Length
		tell(fmt.Sprintf("%s\t%s\t%d-%d\t(%s)", d.Kind, Safe(d.Path), d.Offset, d.Offset+d.Length, Bytes(d.Length)))
		r.Event("damage", m.ID(), struct {
			Path   string            `json:"path"`
			Offset int64             `json:"offset"` // bytes
			Length int64             `json:"length"` // bytes
			Kind   verify.DamageKind `json:"kind"`
		}{d.Path, d.Offset, d.Length, d.Kind})
	}
	if len(damage) == 0 {
		return ""
	}
	return fmt.Sprintf("%s in %s", Bytes(bytes), count(len(damage), "range"))
}

// Created answers with the id of a manifest that was written to path.
func (r *Reporter) Created(path string, m *verify.Manifest) {
	r.Result(m.ID().String())
	r.Event("created", m.ID(), struct {
		Manifest  string `json:"manifest"`
		Name      string `json:"name"`
		Size      int64  `json:"size"` // bytes
		Pieces    int    `json:"pieces"`
		PieceSize int64  `json:"piece_size"` // bytes
	}{path, m.Name, m.Size(), m.NumPieces(), m.PieceSize})
}

// shownFiles is how many files of a manifest people are shown.
const shownFiles = 20

// Manifest answers with what a manifest says: for people in words, for
// programs as the event manifest and an event file for each file.
func (r *Reporter) Manifest(m *verify.Manifest) {
	r.manifestText(m)
	r.Event("manifest", m.ID(), newManifestFields(m))
	for i := range m.Files {
		f := &m.Files[i]
		r.Event("file", m.ID(), struct {
			Path       string        `json:"path"`
			Size       int64         `json:"size"` // bytes
			Executable bool          `json:"executable"`
			Modified   string        `json:"modified"` // RFC 3339; "" when not said
			BLAKE3     verify.Digest `json:"blake3"`
		}{f.Path, f.Size, f.Executable, stamp(f.Modified), f.Digest})
	}
}

type manifestFields struct {
	Name      string   `json:"name"`
	Size      int64    `json:"size"` // bytes
	Files     int      `json:"files"`
	PieceSize int64    `json:"piece_size"` // bytes
	Pieces    int      `json:"pieces"`
	Mirrors   []string `json:"mirrors"`
	Peers     []string `json:"peers"`
	Bootstrap []string `json:"bootstrap"`
	Discovery []string `json:"discovery"`
	Salted    bool     `json:"salted"`
	Created   string   `json:"created"` // RFC 3339; "" when not said
	Comment   string   `json:"comment"`
}

func newManifestFields(m *verify.Manifest) manifestFields {
	list := func(l []string) []string { return append([]string{}, l...) } // never null
	fields := manifestFields{
		Name: m.Name, Size: m.Size(), Files: len(m.Files), PieceSize: m.PieceSize, Pieces: m.NumPieces(),
		Mirrors: []string{}, Peers: list(m.Peers), Bootstrap: list(m.Bootstrap), Discovery: list(m.Discovery),
		Salted: len(m.Salt) > 0, Created: stamp(m.Created), Comment: m.Comment,
	}
	for _, mirror := range m.Mirrors {
		fields.Mirrors = append(fields.Mirrors, mirror.URL)
	}
	return fields
}

// manifestText leaves out what the manifest does not say.
func (r *Reporter) manifestText(m *verify.Manifest) {
	f := newManifestFields(m)
	pieces := fmt.Sprintf("%d of %s", f.Pieces, Bytes(f.PieceSize))
	salted := ""
	if f.Salted {
		salted = "a swarm of its own, which only those who have this manifest can join"
	}
	for _, line := range [][]string{
		{"name:", f.Name}, {"id:", m.ID().String()}, {"size:", fmt.Sprintf("%s (%d bytes)", Bytes(f.Size), f.Size)},
		{"pieces:", pieces}, append([]string{"mirrors:"}, f.Mirrors...), append([]string{"peers:"}, f.Peers...),
		append([]string{"bootstrap:"}, f.Bootstrap...), {"discovery:", strings.Join(f.Discovery, ", ")},
		{"salted:", salted},
		{"created:", f.Created}, {"comment:", f.Comment},
	} {
		label := line[0]
		for _, text := range line[1:] {
			if text != "" {
				r.Result(fmt.Sprintf("%-11s%s", label, Safe(text)))
			}
			label = ""
		}
	}
	label := "files:"
	for i := range m.Files[:min(len(m.Files), shownFiles)] {
		r.Result(fmt.Sprintf("%-11s%10s  %s", label, Bytes(m.Files[i].Size), Safe(m.Files[i].Path)))
		label = ""
	}
	if more := len(m.Files) - shownFiles; more > 0 {
		r.Result(fmt.Sprintf("%-11sand %s; --json lists all", "", count(more, "more file")))
	}
}

// stamp writes a time as manifests do; the zero time is "".
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}
