package fetch_test

import (
	"bytes"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bits-and-blooms/bitset"

	"github.com/shoal-dl/shoal/fetch"
	"github.com/shoal-dl/shoal/verify"
)

// counting counts the bytes of the bodies it sends.
type counting struct {
	http.ResponseWriter
	sent *atomic.Int64
}

func (c counting) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.sent.Add(int64(n))
	return n, err
}

// slowly is a writer that takes 16 MiB a second and notes how far its source was
// ahead of it at most.
type slowly struct {
	bytes.Buffer
	sent  *atomic.Int64
	ahead int64
}

func (s *slowly) Write(p []byte) (int, error) {
	<-time.After(time.Duration(len(p)) * time.Second / (16 << 20))
	s.ahead = max(s.ahead, s.sent.Load()-int64(s.Len()))
	return s.Buffer.Write(p)
}

// deaf is an observer that hears nothing.
type deaf struct{}

func (deaf) SourceChanged(fetch.Source, fetch.SourceState, string) {}
func (deaf) Brought(fetch.Source, int)                             {}
func (deaf) BadPiece(fetch.Source, int)                            {}

// TestStreamWithoutRange reads a file once from a server that ignores Range, however
// much longer it is than what a stream holds back, and no faster than it is taken.
func TestStreamWithoutRange(t *testing.T) {
	const size = 64 << 20
	m, content := oneFile(t, size)
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int64
		mirror := memoryMirror(t, m, func(w http.ResponseWriter, r *http.Request) {
			serveWhole(content)(counting{w, &sent}, r)
		}, fetch.ClientOptions{})
		out := &slowly{sent: &sent}
		stream(t, m, mirror, out)
		if !bytes.Equal(out.Bytes(), content) {
			t.Error("the content came out wrong")
		}
		t.Logf("%d KiB were sent, at most %d KiB ahead", sent.Load()>>10, out.ahead>>10)
		if n := sent.Load(); n > size+1<<20 {
			t.Errorf("%d bytes were sent of a file of %d", n, size)
		}
		if out.ahead > 13<<20 {
			t.Errorf("%d bytes were read ahead", out.ahead)
		}
	})
}

// stream brings the content of m into out.
func stream(t *testing.T, m *verify.Manifest, s fetch.Source, out *slowly) {
	t.Helper()
	store := fetch.NewStream(m, out)
	defer store.Close()
	job := fetch.Job{
		Manifest: m, Store: store, Have: bitset.New(0), Sources: []fetch.Source{s},
		Observer: deaf{}, Gauges: new(fetch.Gauges), Connections: 4, Retries: 5,
	}
	if err := job.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := store.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
}
