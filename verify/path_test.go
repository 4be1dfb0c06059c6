package verify

import (
	"strings"
	"testing"
)

func TestCheckPath(t *testing.T) {
	for _, path := range []string{
		"a",
		"a/b/c.txt",
		".hidden/..hidden/...x",
		"grüße/naïve 日本語.txt",
		"a b/(1) & ~$%+,;=@[]{}!'`#^",
		"COM0", "COM10", "LPT", "console", "auxiliary", "nul1", "com¹²",
		strings.Repeat("x", 255),
		strings.Repeat("d/", 2047) + "x",
	} {
		if err := checkPath(path); err != nil {
			t.Errorf("checkPath(%q) = %v", path, err)
		}
	}

	for path, reason := range map[string]string{
		"":                               "is empty",
		"/etc/passwd":                    "is absolute",
		"a//b":                           "has an empty element",
		"a/":                             "has an empty element",
		".":                              "has the element .",
		"a/./b":                          "has the element .",
		"../a":                           "has the element ..",
		"a/../../b":                      "has the element ..",
		"a\x00b":                         "has a control character",
		"a\nb":                           "has a control character",
		"a\x7fb":                         "has a control character",
		"a\u009bb":                       "has a control character", // CSI, which terminals obey
		`a\b`:                            "has one of the characters",
		"C:/windows":                     "has one of the characters",
		"file:stream":                    "has one of the characters",
		"a<b":                            "has one of the characters",
		"a?":                             "has one of the characters",
		"a*":                             "has one of the characters",
		"a|b":                            "has one of the characters",
		`a"b`:                            "has one of the characters",
		"dir./a":                         "ends in a dot or a space",
		"a ":                             "ends in a dot or a space",
		"CON":                            "is a device on Windows",
		"a/nul.txt":                      "is a device on Windows",
		"Aux.tar.gz":                     "is a device on Windows",
		"prn .txt":                       "is a device on Windows",
		"com1":                           "is a device on Windows",
		"LPT9.x":                         "is a device on Windows",
		"com²":                           "is a device on Windows",
		"conin$":                         "is a device on Windows",
		"CONOUT$.log":                    "is a device on Windows",
		"cafe\u0301":                     "normal form NFC",
		"a\xffb":                         "is not UTF-8",
		strings.Repeat("x", 256):         "longer than 255 bytes",
		strings.Repeat("d/", 2048) + "x": "longer than 4096 bytes",
	} {
		wantError(t, checkPath(path), reason, path)
	}
}

func TestCheckName(t *testing.T) {
	for _, name := range []string{"debian-12.iso", "a.shoal", "shoal-part", "x.shoal-part.txt"} {
		if err := checkName(name); err != nil {
			t.Errorf("checkName(%q) = %v", name, err)
		}
	}
	for name, reason := range map[string]string{
		"a/b":                     "contains a slash",
		".bashrc":                 "begins with a dot",
		"x.shoal-part":            "ends in .shoal-part",
		"x.SHOAL-PART":            "ends in .shoal-part",
		"x.shoal-part.state":      "ends in .shoal-part.state",
		"":                        "is empty",
		"NUL.iso":                 "is a device on Windows",
		"ok\u202e\x1b[2Jhere.iso": "has a control character",
	} {
		wantError(t, checkName(name), reason, name)
	}
}

func TestCheckCollisions(t *testing.T) {
	tests := []struct {
		name   string
		paths  string // separated by spaces
		reason string // empty when they can live together
	}{
		{"different", "a b a.b a-b ab/a ab/b abc", ""},
		{"folder beside files of alike names", "a/b a.txt a!b a-/b", ""},
		{"same", "a b a", `"a" and "a"`},
		{"same but for case", "readme README", `"readme" and "README"`},
		{"same but for case beyond ASCII", "straße STRASSE", "collide"},
		{"file and folder", "a a!b a/b", `"a" and "a/b"`},
		{"file and folder but for case", "x/A/b x/a", `"x/a" and "x/A/b"`},
		{"file and deep folder", "a a.b a0 a/b/c/d", `"a" and "a/b/c/d"`},
		{"folders but for case", "x/a X/b", ""}, // one folder where case is ignored, and that is fine
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var files []File
			for path := range strings.FieldsSeq(test.paths) {
				files = append(files, File{Path: path})
			}
			err := checkCollisions(files)
			if test.reason == "" && err != nil {
				t.Errorf("checkCollisions(%s) = %v", test.paths, err)
			}
			if test.reason != "" {
				wantError(t, err, test.reason, test.paths)
			}
		})
	}
}

func TestQuoteShortens(t *testing.T) {
	if got := quote(strings.Repeat("é", 1000)); len(got) > 100 || !strings.HasSuffix(got, `"…`) {
		t.Errorf("quote of a long string = %s", got)
	}
	if got, want := quote("a\x1b[2J"), `"a\x1b[2J"`; got != want {
		t.Errorf("quote = %s, want %s", got, want)
	}
}
