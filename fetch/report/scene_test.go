package report

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-dl/shoal/fetch"
	"github.com/shoal-dl/shoal/verify"
)

// source is a fetch.Source that nobody asks for pieces.
type source struct {
	name string
	kind fetch.Kind
}

func (s source) Name() string     { return s.name }
func (s source) Kind() fetch.Kind { return s.kind }
func (s source) Pieces(context.Context, fetch.Lease) iter.Seq2[fetch.Raw, error] {
	return func(func(fetch.Raw, error) bool) {}
}

// mirror returns a mirror by its letter.
func mirror(letter string) source {
	return source{"https://" + letter + ".example/debian.iso", fetch.KindMirror}
}

// manifest returns one of 1 MiB in 4 pieces with the name.
func manifest(t *testing.T, name string) *verify.Manifest {
	t.Helper()
	quoted, err := json.Marshal(name)
	if err != nil {
		t.Fatal(err)
	}
	encoded := fmt.Appendf(nil, `{"shoal":1,"name":%s,"piece_size":262144,"files":[
		{"path":%s,"size":1048576,"blake3":"%064d","pieces":%q}]}`,
		quoted, quoted, 0, base64.StdEncoding.EncodeToString(make([]byte, 4*32)))
	m, err := verify.Parse(encoded)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// download is a transfer under way, and what it wrote.
type download struct {
	*Reporter
	*Transfer
	fetch.Gauges
	stdout, stderr bytes.Buffer
}

// play runs a scene with a reporter and a transfer of "debian.iso" in fake
// time, which begins just after the year 2000, and returns what was written.
func play(t *testing.T, o Options, scene func(d *download)) (stdout, stderr string) {
	m := manifest(t, "debian.iso")
	d := &download{}
	synctest.Test(t, func(t *testing.T) {
		o.Stdout, o.Stderr = &d.stdout, &d.stderr
		d.Reporter = New(o)
		d.Transfer = d.Reporter.Transfer(m)
		defer func() {
			if err := d.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}()
		time.Sleep(time.Second / 8) // no step of a scene falls on a tick
		scene(d)
	})
	return d.stdout.String(), d.stderr.String()
}

// golden compares text with a file in testdata, which it writes instead when
// the environment has UPDATE_GOLDEN.
func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("%s:\n%s\nwant\n%s", name, text, want)
	}
}

func equal(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n%q\nwant\n%q", what, got, want)
	}
}

// bring runs the transfer for seconds in which so many bytes come each second,
// a quarter of a second after it.
func (d *download) bring(seconds int, bytes int64) {
	for range seconds {
		time.Sleep(time.Second / 4)
		d.Received.Add(bytes)
		d.FromMirrors.Add(bytes)
		time.Sleep(time.Second * 3 / 4)
	}
}

func fetchWell(d *download) {
	d.Start(262144, 2, &d.Gauges)
	d.SourceChanged(mirror("a"), fetch.StateJoined, "")
	d.Connections.Store(2)
	d.bring(2, 262144)
	d.SourceChanged(source{"192.0.2.7:7411", fetch.KindLAN}, fetch.StateJoined, "")
	d.Peers.Store(1)
	d.Received.Add(262144)
	d.FromPeers.Add(262144)
	d.Wasted.Add(1000)
	d.Uploaded.Add(5)
	d.Connections.Store(0)
	time.Sleep(123456 * time.Microsecond)
	d.Complete("/srv/debian.iso")
	d.Transfer.Exit(nil, Verdict{0, "", false})
}

func fetchBadly(d *download) {
	d.Start(0, 2, &d.Gauges)
	d.SourceChanged(mirror("a"), fetch.StateJoined, "")
	d.BadPiece(mirror("a"), 3)
	d.SourceChanged(mirror("a"), fetch.StateBanned, "sent wrong bytes for piece 3")
	d.SourceChanged(mirror("b"), fetch.StateLeft, "404 <Not Found> & \x1b[31mgone")
	d.bring(1, 0)
	d.Transfer.Exit(errors.New("no source has the right content"), Verdict{3, "try another mirror", true})
}
