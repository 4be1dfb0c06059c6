package fetch

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestRaceMixesNothing: of two sources that race for one piece each fills a
// buffer of its own, so that who lies is banned and who does not is not, whoever
// comes first. The store looks at the bytes.
func TestRaceMixesNothing(t *testing.T) {
	const piece, slow, fast = 256 << 10, 32 << 10, 1 << 20
	for _, tt := range []struct {
		name         string
		first, thief *fake // the first is given piece 0, the thief races it for that
		banned       bool  // the thief
	}{
		{"the thief lies",
			&fake{name: "http://a/", rate: slow}, &fake{name: "http://b/", rate: fast, wrong: []int{0}}, true},
		{"the loser would have lied",
			&fake{name: "http://a/", rate: slow, wrong: []int{0}}, &fake{name: "http://b/", rate: fast}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := play(t, 4*piece, piece, tt.first, tt.thief).run(t.Context())
				if s.err != nil || !s.store.got.All() {
					t.Fatalf("%v, %d pieces; %q", s.err, s.store.got.Count(), s.diary.lines)
				}
				if alone := s.took >= piece/slow*time.Second; alone != tt.banned {
					t.Errorf("piece 0 came after %v: there was no race, or the wrong one won", s.took)
				}
				if s.diary.has("http://b/ banned") != tt.banned || slices.Contains(s.diary.lines, "http://b/ bad piece") != tt.banned {
					t.Errorf("the thief: %q", s.diary.lines)
				}
				if s.diary.has("http://a/ banned") || s.diary.has("http://a/ bad piece") {
					t.Errorf("the first was blamed: %q", s.diary.lines)
				}
			})
		})
	}
}
