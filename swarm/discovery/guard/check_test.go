package guard

import (
	"errors"
	"strings"
	"testing"
)

const (
	id    = "2:id20:aaaaaaaaaaaaaaaaaaaa"
	hash  = "9:info_hash20:bbbbbbbbbbbbbbbbbbbb"
	to    = "6:target20:cccccccccccccccccccc"
	tail  = "1:t2:xx1:y1:q" + "e"
	rtail = "1:t2:xx1:y1:r" + "e"
)

// wellFormed is datagrams of every kind, as nodes in the wild send them.
func wellFormed() map[string]string {
	return map[string]string{
		"ping":           "d1:ad" + id + "e1:q4:ping" + tail,
		"find_node":      "d1:ad" + id + to + "4:wantl2:n42:n6ee1:q9:find_node" + tail,
		"get_peers":      "d1:ad" + id + hash + "6:noseedi1e6:scrapei0ee1:q9:get_peers" + tail,
		"announce":       "d1:ad" + id + "12:implied_porti1e" + hash + "4:porti0e5:token4:abcde1:q13:announce_peer" + tail,
		"get":            "d1:ad" + id + "3:seqi7e" + to + "e1:q3:get" + tail,
		"read-only":      "d1:ad" + id + "e1:q4:ping2:roi1e1:t2:xx1:v4:UT011:y1:qe",
		"pong":           "d2:ip6:123456" + "1:rd" + id + "e" + rtail,
		"nodes":          "d1:rd" + id + "5:nodes26:" + strings.Repeat("n", 26) + "6:nodes638:" + strings.Repeat("m", 38) + "5:token4:abcde" + rtail,
		"no nodes":       "d1:rd" + id + "5:nodes0:e" + rtail,
		"values":         "d1:rd" + id + "5:token1:x6:valuesl6:12345618:123456789012345678ee" + rtail,
		"bep 44 value":   "d1:rd" + id + "1:k32:" + strings.Repeat("k", 32) + "3:seqi1e3:sig64:" + strings.Repeat("s", 64) + "1:vd1:ali1ei-2eeee" + rtail,
		"scrape":         "d1:rd4:BFpe256:" + strings.Repeat("f", 256) + "4:BFsd256:" + strings.Repeat("f", 256) + id + "e" + rtail,
		"error":          "d1:eli203e5:wronge1:t2:xx1:y1:ee",
		"unknown keys":   "d1:ad1:Ade" + id + "e1:q4:ping1:t2:xx1:xd1:ai-9223372036854775807e1:blee1:y1:qe",
		"deepest":        "d1:ad" + id + "e1:q4:ping1:t2:xx1:x" + strings.Repeat("l", 11) + strings.Repeat("e", 11) + "1:y1:qe",
		"no transaction": "d1:ad" + id + "e1:q4:ping1:t0:1:y1:qe",
	}
}

// killers are datagrams that each end a process whose DHT library sees them.
func killers() map[string]string {
	return map[string]string{
		"ip of 1 byte in a response": "d2:ip1:a1:rd" + id + "e1:t1:x1:y1:re",
		"ip of 0 bytes in a query":   "d2:ip0:1:t1:x1:y1:qe",
		"values entry of 1 byte":     "d1:rd" + id + "6:valuesl1:aee1:t1:x1:y1:re",
		"announce_peer without a":    "d1:q13:announce_peer1:t1:x1:y1:qe",
		"put without a":              "d1:q3:put1:t1:x1:y1:qe",
		"128 MiB transaction id":     "d1:t134217726:",
	}
}

// malformed is datagrams that break one rule each.
func malformed() map[string]string {
	return map[string]string{
		"nothing":             "",
		"not bencode":         "GET / HTTP/1.1\r\n\r\n",
		"a list":              "le",
		"trailing byte":       "d1:ad" + id + "e1:q4:ping" + tail + "x",
		"cut short":           "d1:ad" + id + "e1:q4:ping1:t2:xx1:y1:q",
		"keys descend":        "d1:q4:ping1:ad" + id + "e" + tail,
		"key twice":           "d1:ad" + id + "e1:ad" + id + "e1:q4:ping" + tail,
		"key is a number":     "di1e1:ae",
		"leading zero length": "d1:ad" + id + "e1:q04:ping" + tail,
		"leading zero number": "d1:ad" + id + "4:porti01ee1:q4:ping" + tail,
		"minus zero":          "d1:ad" + id + "3:casi-0ee1:q4:ping" + tail,
		"length of 20 digits": "d1:t18446744073709551617:xe",
		"number too large":    "d1:ad" + id + "e1:q4:ping1:t2:xx1:xi9223372036854775808e1:y1:qe",
		"too deep":            "d1:ad" + id + "e1:q4:ping1:t2:xx1:x" + strings.Repeat("l", 12) + strings.Repeat("e", 12) + "1:y1:qe",
		"no kind":             "d1:ad" + id + "e1:q4:ping1:t2:xxe",
		"unknown kind":        "d1:ad" + id + "e1:q4:ping1:t2:xx1:y1:ze",
		"no transaction id":   "d1:ad" + id + "e1:q4:ping1:y1:qe",
		"long transaction id": "d1:ad" + id + "e1:q4:ping1:t33:" + strings.Repeat("t", 33) + "1:y1:qe",
		"unknown method":      "d1:ad" + id + "e1:q4:vote" + tail,
		"put":                 "d1:ad" + id + "5:token1:x1:v1:ve1:q3:put" + tail,
		"query without id":    "d1:ad" + hash + "e1:q9:get_peers" + tail,
		"short id":            "d1:ad2:id19:aaaaaaaaaaaaaaaaaaae1:q4:ping" + tail,
		"no info_hash":        "d1:ad" + id + "e1:q9:get_peers" + tail,
		"no target":           "d1:ad" + id + "e1:q9:find_node" + tail,
		"no token":            "d1:ad" + id + hash + "4:porti1ee1:q13:announce_peer" + tail,
		"no port":             "d1:ad" + id + hash + "5:token1:xe1:q13:announce_peer" + tail,
		"port too large":      "d1:ad" + id + "4:porti65536ee1:q4:ping" + tail,
		"port negative":       "d1:ad" + id + "4:porti-1ee1:q4:ping" + tail,
		"a is a list":         "d1:ald" + id + "ee1:q4:ping" + tail,
		"response without r":  "d" + rtail,
		"response without id": "d1:rde" + rtail,
		"half a node":         "d1:rd" + id + "5:nodes27:" + strings.Repeat("n", 27) + "e" + rtail,
		"half a node6":        "d1:rd" + id + "6:nodes626:" + strings.Repeat("n", 26) + "e" + rtail,
		"values of numbers":   "d1:rd" + id + "6:valuesli1eee" + rtail,
		"error without e":     "d1:t2:xx1:y1:ee",
		"error of one part":   "d1:eli203ee1:t2:xx1:y1:ee",
		"error of a text":     "d1:e5:wrong1:t2:xx1:y1:ee",
	}
}

func TestCheck(t *testing.T) {
	for name, datagram := range wellFormed() {
		if kind, err := Check([]byte(datagram)); err != nil {
			t.Errorf("%s: refused: %v", name, err)
		} else if y := datagram[len(datagram)-2]; kind != Kind(y) {
			t.Errorf("%s: kind %q, want %q", name, kind, y)
		}
	}
	for _, bad := range []map[string]string{killers(), malformed()} {
		for name, datagram := range bad {
			if _, err := Check([]byte(datagram)); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s: error %v, want ErrMalformed", name, err)
			}
		}
	}
}

// TestCheckCut checks that no part of a well-formed datagram passes for one.
func TestCheckCut(t *testing.T) {
	for name, datagram := range wellFormed() {
		for n := range len(datagram) {
			if _, err := Check([]byte(datagram[:n])); err == nil {
				t.Errorf("%s: its first %d bytes were let through", name, n)
			}
		}
	}
}

func TestCheckAllocatesNothing(t *testing.T) {
	for name, datagram := range wellFormed() {
		b := []byte(datagram)
		if n := testing.AllocsPerRun(10, func() { Check(b) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	for _, name := range []string{"get_peers", "nodes", "values"} {
		datagram := []byte(wellFormed()[name])
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Check(datagram); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
