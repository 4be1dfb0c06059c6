package verify

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"aead.dev/minisign"
)

// newKey returns a new key pair, the secret one as an unencrypted key file.
func newKey(t *testing.T) (public string, secret []byte) {
	t.Helper()
	pub, key, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	if secret, err = key.MarshalText(); err != nil {
		t.Fatal(err)
	}
	return pub.String(), secret
}

// noPassword fails the test when it is asked.
func noPassword(t *testing.T) func() (string, error) {
	return func() (string, error) {
		t.Error("a password was asked for")
		return "", errors.New("there is none")
	}
}

func TestSign(t *testing.T) {
	public, secret := newKey(t)
	stranger, _ := newKey(t)
	message := []byte("the bytes of a manifest\n")
	sig, err := Sign(secret, message, noPassword(t), "file:x.shoal")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{public, " " + public + "\n", "untrusted comment: a key\n" + public + "\n", "untrusted comment: a key\r\n" + public + "\r\n"} {
		if err := CheckSignature(key, message, sig); err != nil {
			t.Errorf("with the key %q: %v", key, err)
		}
	}

	edited := strings.Replace(string(sig), "file:x.shoal", "file:y.shoal", 1)
	tests := map[string]struct {
		key     string
		message string
		sig     string
		reason  string
	}{
		"other bytes":            {public, "other bytes", string(sig), "of other bytes than these"},
		"edited trusted comment": {public, string(message), edited, "of other bytes than these"},
		"another key":            {stranger, string(message), string(sig), "made with key"},
		"no signature":           {public, string(message), "", "invalid signature"},
		"cut signature":          {public, string(message), string(sig[:len(sig)/2]), "invalid signature"},
		"a web page":             {public, string(message), "<html>\n\n\n\n</html>", "invalid signature"},
	}
	for name, test := range tests {
		err := CheckSignature(test.key, []byte(test.message), []byte(test.sig))
		wantError(t, err, test.reason, name)
		if !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v does not wrap ErrSignature", name, err)
		}
	}

	err = CheckSignature("no key", message, sig)
	wantError(t, err, `read public key "no key"`, "no key")
	if errors.Is(err, ErrSignature) {
		t.Error("a bad public key is blamed on the signature")
	}
}

func TestSignRefuses(t *testing.T) {
	_, secret := newKey(t)
	_, err := Sign(secret, nil, noPassword(t), "two\nlines")
	wantError(t, err, "is not one line", "trusted comment")
	_, err = Sign([]byte("rubbish"), nil, noPassword(t), "")
	wantError(t, err, "read secret key", "rubbish")
	_, err = Sign(nil, nil, noPassword(t), "")
	wantError(t, err, "read secret key", "an empty file")
}

// minisignFolder returns a folder with keys made by the minisign program, and a
// function that runs it there.
func minisignFolder(t *testing.T) (dir string, run func(stdin string, args ...string)) {
	t.Helper()
	program, err := exec.LookPath("minisign")
	if err != nil {
		t.Skip("there is no minisign program here")
	}
	dir = t.TempDir()
	run = func(stdin string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Dir = dir
		cmd.Stdin = strings.NewReader(stdin)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("minisign %v: %v\n%s", args, err, out)
		}
	}
	return dir, run
}

// readFile returns a file of a test's folder.
func readFile(t *testing.T, dir, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// writeFile writes a file into a test's folder.
func writeFile(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestMinisignReadsOurs(t *testing.T) {
	dir, run := minisignFolder(t)
	run("", "-G", "-W", "-p", "key.pub", "-s", "key.sec")
	message := pattern(100_000)
	sig, err := Sign(readFile(t, dir, "key.sec"), message, noPassword(t), "timestamp:1\tfile:m.shoal")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, dir, "m.shoal", message)
	writeFile(t, dir, "m.shoal"+SignatureExtension, sig)
	run("", "-V", "-m", "m.shoal", "-p", "key.pub")
	run("", "-V", "-H", "-m", "m.shoal", "-p", "key.pub") // accepts prehashed ones alone
}

func TestWeReadMinisigns(t *testing.T) {
	dir, run := minisignFolder(t)
	run("", "-G", "-W", "-p", "key.pub", "-s", "key.sec")
	message := pattern(100_000)
	writeFile(t, dir, "m.shoal", message)
	for name, flag := range map[string]string{"prehashed": "-H", "legacy": "-l"} {
		run("", "-S", flag, "-m", "m.shoal", "-s", "key.sec", "-x", name)
		sig := readFile(t, dir, name)
		if err := CheckSignature(string(readFile(t, dir, "key.pub")), message, sig); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		err := CheckSignature(string(readFile(t, dir, "key.pub")), message[1:], sig)
		if !errors.Is(err, ErrSignature) {
			t.Errorf("%s, other bytes: %v", name, err)
		}
	}
}

// TestEncryptedKey takes seconds and 1 GiB of memory, as each use of such a
// key does.
func TestEncryptedKey(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	dir, run := minisignFolder(t)
	run("secret\nsecret\n", "-G", "-p", "key.pub", "-s", "key.sec")
	key := readFile(t, dir, "key.sec")
	sig, err := Sign(key, []byte("m"), func() (string, error) { return "secret", nil }, "c")
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckSignature(string(readFile(t, dir, "key.pub")), []byte("m"), sig); err != nil {
		t.Error(err)
	}
	_, err = Sign(key, []byte("m"), func() (string, error) { return "wrong", nil }, "c")
	wantError(t, err, "wrong password", "a wrong password")
	gone := errors.New("no terminal")
	if _, err = Sign(key, []byte("m"), func() (string, error) { return "", gone }, "c"); !errors.Is(err, gone) {
		t.Errorf("no password: %v", err)
	}
}
