package verify

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Limits of names, in bytes.
const (
	maxElement = 255  // what common file systems take
	maxPath    = 4096 // what Linux opens; keeps look-ups cheap besides
)

// reservedEndings are the endings of the names we keep unfinished downloads
// under.
var reservedEndings = [...]string{".shoal-part", ".shoal-part.state"}

// checkName tells why name cannot be what a user's file or folder is called.
func checkName(name string) error {
	if strings.Contains(name, "/") {
		return fmt.Errorf("%s contains a slash", quote(name))
	}
	if err := checkPath(name); err != nil {
		return err
	}
	if strings.HasPrefix(name, ".") {
		return fmt.Errorf("%s begins with a dot", quote(name))
	}
	for _, ending := range reservedEndings {
		if strings.HasSuffix(strings.ToLower(name), ending) {
			return fmt.Errorf("%s ends in %s, which is for unfinished downloads", quote(name), ending)
		}
	}
	return nil
}

// checkPath tells why path cannot be that of a file of a manifest: it would
// lead out of its folder, or does not mean the same on every system.
func checkPath(path string) error {
	switch {
	case path == "":
		return errors.New("is empty")
	case len(path) > maxPath:
		return fmt.Errorf("%s is longer than %d bytes", quote(path), maxPath)
	case strings.HasPrefix(path, "/"):
		return fmt.Errorf("%s is absolute", quote(path))
	case !utf8.ValidString(path):
		return fmt.Errorf("%s is not UTF-8", quote(path))
	case !norm.NFC.IsNormalString(path):
		return fmt.Errorf("%s is not in Unicode's normal form NFC", quote(path))
	}
	for element := range strings.SplitSeq(path, "/") {
		if reason := elementFault(element); reason != "" {
			return fmt.Errorf("%s %s", quote(path), reason)
		}
	}
	return nil
}

// elementFault tells why element cannot be an element of a path, or "".
func elementFault(element string) string {
	switch {
	case element == "":
		return "has an empty element"
	case element == "." || element == "..":
		return "has the element " + element
	case len(element) > maxElement:
		return fmt.Sprintf("has an element longer than %d bytes", maxElement)
	case strings.ContainsFunc(element, unicode.IsControl):
		return "has a control character"
	case strings.ContainsAny(element, `\:<>"|?*`):
		return `has one of the characters \ : < > " | ? *`
	case strings.HasSuffix(element, ".") || strings.HasSuffix(element, " "):
		return "has an element that ends in a dot or a space"
	case reservedOnWindows(element):
		return "has an element that is a device on Windows"
	}
	return ""
}

// reservedOnWindows tells whether Windows takes element for a device, as it
// does whatever the extension: "nul.txt" is NUL. Source: Microsoft, "Naming
// Files, Paths, and Namespaces".
func reservedOnWindows(element string) bool {
	base, _, _ := strings.Cut(element, ".")
	base = strings.ToUpper(strings.TrimRight(base, " "))
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	port, isCOM := strings.CutPrefix(base, "COM")
	if !isCOM {
		var isLPT bool
		if port, isLPT = strings.CutPrefix(base, "LPT"); !isLPT {
			return false
		}
	}
	return utf8.RuneCountInString(port) == 1 && strings.Contains("123456789¹²³", port)
}

// checkCollisions tells which two files cannot both exist where the file
// system ignores case: their paths are the same, or one is a folder of the
// other.
func checkCollisions(files []File) error {
	type entry struct {
		key  string
		file int
	}
	fold := cases.Fold()
	entries := make([]entry, len(files))
	for i := range files {
		// With the slash below every other byte, what lies in a folder
		// sorts right behind the folder's own name.
		key := norm.NFC.String(fold.String(files[i].Path))
		entries[i] = entry{strings.ReplaceAll(key, "/", "\x00"), i}
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	for i := 1; i < len(entries); i++ {
		a, b := entries[i-1], entries[i]
		rest, found := strings.CutPrefix(b.key, a.key)
		if found && (rest == "" || rest[0] == 0) {
			return fmt.Errorf("the paths %s and %s collide where case is ignored",
				quote(files[a.file].Path), quote(files[b.file].Path))
		}
	}
	return nil
}

// quote returns s in quotes, escaped and shortened for a message.
func quote(s string) string {
	const enough = 80
	if len(s) > enough {
		return fmt.Sprintf("%q…", strings.ToValidUTF8(s[:enough], ""))
	}
	return fmt.Sprintf("%q", s)
}
