package fetch_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/shoal-dl/shoal/fetch"
	"github.com/shoal-dl/shoal/fetch/sourcetest"
	"github.com/shoal-dl/shoal/verify"
)

func TestMirrorIsASource(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T, m *verify.Manifest, content []byte) fetch.Source {
		return memoryMirror(t, m, serveContent(m, content), fetch.ClientOptions{})
	})
}

// TestMirrorWithoutRangeIsASource runs the contract for a server that ignores
// Range, once it was found out.
func TestMirrorWithoutRangeIsASource(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T, m *verify.Manifest, content []byte) fetch.Source {
		whole := serveContent(m, content)
		s := memoryMirror(t, m, func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("Range")
			whole(w, r)
		}, fetch.ClientOptions{})
		if _, err := bring(t.Context(), s, m, 1, 2); kindOf(err) != fetch.FaultNoRange {
			t.Fatalf("got %v, wanted FaultNoRange", err)
		}
		return s
	})
}

// TestMirrorAtALimitIsASource runs the contract under a rate limit.
func TestMirrorAtALimitIsASource(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T, m *verify.Manifest, content []byte) fetch.Source {
		return memoryMirror(t, m, serveContent(m, content), fetch.ClientOptions{Limit: fetch.NewLimit(1 << 20)})
	})
}

// serveContent serves the files of m by the ends of their paths.
func serveContent(m *verify.Manifest, content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		at := int64(0)
		for _, f := range m.Files {
			if strings.HasSuffix(r.URL.Path, "/"+f.Path) {
				serveBytes(w, r, content[at:at+f.Size])
				return
			}
			at += f.Size
		}
		http.NotFound(w, r)
	}
}
