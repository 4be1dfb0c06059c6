package lan

import (
	"bytes"
	"encoding/hex"
	"testing"
	"time"
)

func keyOf(c byte) (key [32]byte) {
	copy(key[:], bytes.Repeat([]byte{c}, len(key)))
	return key
}

func taggerOf(c byte) *tagger { return newTagger(keyOf(c)) }

func nonceOf(c byte) (n [nonceSize]byte) {
	copy(n[:], bytes.Repeat([]byte{c}, len(n)))
	return n
}

// TestGolden pins the format: other versions of shoal must understand it.
func TestGolden(t *testing.T) {
	m := seal(hello, taggerOf('k'), 7411, nonceOf('n'), time.Unix(1_800_000_000, 0))
	const want = "0101c9c3801cf36e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6ea0d35587cb9fc9efd575ac02bf171514"
	if got := hex.EncodeToString(m[:]); got != want {
		t.Errorf("message %s, want %s", got, want)
	}
}

func TestMessage(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	m := seal(reply, taggerOf('k'), 7411, nonceOf('n'), now)
	for _, test := range []struct {
		name   string
		change func(b []byte) []byte
		later  time.Duration
		parses bool
		ours   bool
	}{
		{"as sent", nil, 0, true, true},
		{"two minutes later", nil, 2 * time.Minute, true, true},
		{"two minutes earlier", nil, -2 * time.Minute, true, true},
		{"three minutes later", nil, 3 * time.Minute, false, false},
		{"three minutes earlier", nil, -3 * time.Minute, false, false},
		{"short", func(b []byte) []byte { return b[:len(b)-1] }, 0, false, false},
		{"long", func(b []byte) []byte { return append(b, 0) }, 0, false, false},
		{"unknown kind", func(b []byte) []byte { b[0] = 3; return b }, 0, false, false},
		{"another kind", func(b []byte) []byte { b[0] = 1; return b }, 0, true, false},
		{"another minute", func(b []byte) []byte { b[4]++; return b }, 0, true, false},
		{"another port", func(b []byte) []byte { b[6]++; return b }, 0, true, false},
		{"another nonce", func(b []byte) []byte { b[7]++; return b }, 0, true, false},
		{"another tag", func(b []byte) []byte { b[38]++; return b }, 0, true, false},
	} {
		b := bytes.Clone(m[:])
		if test.change != nil {
			b = test.change(b)
		}
		got, ok := parse(b, now.Add(test.later))
		if ok != test.parses || ok && got.of(taggerOf('k')) != test.ours || ok && got.of(taggerOf('x')) {
			t.Errorf("%s: parses %v, ours %v, another's %v", test.name, ok, got.of(taggerOf('k')), got.of(taggerOf('x')))
		}
	}
	if m.kind() != reply || m.port() != 7411 || m.nonce() != nonceOf('n') {
		t.Errorf("read back: %v %v %v", m.kind(), m.port(), m.nonce())
	}
}

// TestBlind checks that messages of one content and of two look the same to
// who has no key: only kind, minute and port repeat.
func TestBlind(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	a := seal(hello, taggerOf('k'), 7411, newNonce(), now)
	b := seal(hello, taggerOf('k'), 7411, newNonce(), now)
	if bytes.Equal(a[7:7+nonceSize], b[7:7+nonceSize]) || bytes.Equal(a[bodySize:], b[bodySize:]) {
		t.Errorf("messages repeat: %x, %x", a, b)
	}
}

func FuzzMessage(f *testing.F) {
	now := time.Unix(1_800_000_000, 0)
	m := seal(hello, taggerOf('k'), 7411, nonceOf('n'), now)
	f.Add(m[:])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, ok := parse(b, now)
		if ok && got.of(taggerOf('k')) != (got == seal(got.kind(), taggerOf('k'), got.port(), got.nonce(), minuteOf(b))) {
			t.Errorf("tag of %x", b)
		}
	})
}

// minuteOf is the time a message says it was made at.
func minuteOf(b []byte) time.Time {
	return time.Unix(60*(int64(b[1])<<24|int64(b[2])<<16|int64(b[3])<<8|int64(b[4])), 0)
}

func BenchmarkOf(b *testing.B) {
	m := seal(hello, taggerOf('k'), 7411, nonceOf('n'), time.Now())
	key := taggerOf('x')
	b.ReportAllocs()
	for b.Loop() {
		if m.of(key) {
			b.Fatal("of another content")
		}
	}
}
