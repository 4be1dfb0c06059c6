package fetch

import "testing"

func TestParseNetrc(t *testing.T) {
	n := parseNetrc(`
# a comment with machine nobody in it
machine one.example login ann password "two words \"quoted\""
machine TWO.example
	login bob   # goes on
	account x
	password #1

macdef init
machine macro.example login evil
echo

machine one.example login second password ignored
machine three.example
machine
`)
	tests := map[string]login{
		"one.example":   {"ann", `two words "quoted"`},
		"ONE.EXAMPLE":   {"ann", `two words "quoted"`},
		"two.example":   {"bob", "#1"},
		"three.example": {},
		"macro.example": {},
		"nobody":        {},
	}
	for host, want := range tests {
		if got, ok := n.find(host); got != want || ok != (want != login{}) {
			t.Errorf("%s: got %v, %v, wanted %v", host, got, ok, want)
		}
	}
	n = parseNetrc("default login anonymous password me@ machine late.example login x password y")
	if got, _ := n.find("anything"); got != (login{"anonymous", "me@"}) {
		t.Errorf("default: got %v", got)
	}
	if got, _ := n.find("late.example"); got != (login{"x", "y"}) {
		t.Errorf("after default: got %v", got)
	}
	if _, ok := netrc(nil).find("x"); ok {
		t.Error("an empty netrc has a log-in")
	}
}

func FuzzParseNetrc(f *testing.F) {
	f.Add("machine a login b password \"c\\\"")
	f.Fuzz(func(_ *testing.T, text string) { parseNetrc(text) })
}
