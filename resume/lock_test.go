package resume

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/shoal-dl/shoal/verify"
)

// childEnv makes the test binary a child process: it holds the folder with the
// content "content" and its manifest "content.shoal", and the final path "out".
const childEnv = "SHOAL_RESUME_TEST_CHILD"

func TestMain(m *testing.M) {
	dir := os.Getenv(childEnv)
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := child(dir); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

// child downloads as slowly and with as many batches as it can, saying what it
// has done.
func child(dir string) error {
	raw, err := os.ReadFile(filepath.Join(dir, "content.shoal"))
	if err != nil {
		return err
	}
	m, err := verify.Parse(raw)
	if err != nil {
		return err
	}
	c := contentOf(tb{}, m, filepath.Join(dir, "content"))
	f, err := Open(context.Background(), m, c.origin, filepath.Join(dir, "out"), Options{})
	if err != nil {
		return err
	}
	defer f.Close()
	fmt.Println("opened")
	have := f.Have()
	for _, i := range rand.Perm(m.NumPieces()) {
		if have.Test(uint(i)) {
			continue
		}
		c.put(tb{}, f, i)
		fmt.Println("put", i)
		if rand.IntN(3) == 0 {
			if err := f.flush(); err != nil {
				return err
			}
			fmt.Println("flushed")
		}
	}
	fmt.Println("finishing")
	return f.Finish()
}

// tb stands in for a testing.TB in the child: what fails ends it.
type tb struct{ testing.TB }

func (tb) Helper()           {}
func (tb) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

// startChild starts a child in dir, and returns it with what it says.
func startChild(t *testing.T, dir string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	exe, err := os.Executable()
	must(t, err)
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	return cmd, bufio.NewScanner(out)
}

// childDir makes a folder for a child, with the given files to download.
func childDir(t *testing.T, files map[string]fileSpec) (*content, string) {
	t.Helper()
	dir := t.TempDir()
	c := newContent(t, 1, files)
	for i := range c.Files {
		path := filepath.Join(dir, "content", filepath.FromSlash(c.Files[i].Path))
		first, end := c.Pieces(i)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, bytes.Join(c.data[first:end], nil), 0o644))
	}
	must(t, os.WriteFile(filepath.Join(dir, "content.shoal"), c.origin.Raw, 0o644))
	return c, dir
}

// TestKilledAtRandom kills one child after the other until one gets through.
// After each, what the record claims must be there.
func TestKilledAtRandom(t *testing.T) {
	for name, files := range map[string]map[string]fileSpec{
		"file":   {"content": {30*pieceSize + 1, 0o644}},
		"folder": someFiles,
	} {
		t.Run(name, func(t *testing.T) {
			c, dir := childDir(t, files)
			path := filepath.Join(dir, "out")
			for round := 0; !c.runAndKill(t, dir, rand.IntN(12)); round++ {
				if round == 200 {
					t.Fatal("no progress")
				}
				p, err := Load(path)
				if err != nil {
					continue // killed before the first record
				}
				f := c.open(t, path, Options{})
				if f.Complete() {
					break
				}
				if got := sizeOf(c.Manifest, f.Have()); got != p.Have {
					t.Errorf("has %d bytes where the record claims %d", got, p.Have)
				}
				c.claims(t, f.Have(), path+partSuffix)
				must(t, f.Close())
			}
			if f := c.open(t, path, Options{}); !f.Complete() {
				t.Error("not complete in the end")
			}
			c.inPlace(t, path)
		})
	}
}

// runAndKill runs a child and kills it once it has said some lines, unless it
// got through before.
func (c *content) runAndKill(t *testing.T, dir string, lines int) (done bool) {
	t.Helper()
	cmd, says := startChild(t, dir)
	for ; lines > 0 && says.Scan(); lines-- {
		if strings.HasPrefix(says.Text(), "error") {
			t.Error(says.Text())
		}
	}
	must(t, ignoreDone(cmd.Process.Kill()))
	for says.Scan() {
	}
	return cmd.Wait() == nil
}

func ignoreDone(err error) error {
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

func TestLockBetweenProcesses(t *testing.T) {
	c, dir := childDir(t, map[string]fileSpec{"content": {3 * pieceSize, 0o644}})
	path := filepath.Join(dir, "out")
	f := c.open(t, path, Options{})
	cmd, says := startChild(t, dir)
	var said []string
	for says.Scan() {
		said = append(said, says.Text())
	}
	if cmd.Wait() == nil || len(said) != 1 || !strings.Contains(said[0], ErrLocked.Error()) {
		t.Errorf("the child said %q", said)
	}
	c.put(t, f, 0)
	must(t, f.Close())
	if cmd, says := startChild(t, dir); true {
		for says.Scan() {
		}
		must(t, cmd.Wait())
	}
	c.inPlace(t, path)
}

func TestLockWithinProcess(t *testing.T) {
	c := oneFile(t, "a.iso", 1, 3*pieceSize)
	path := filepath.Join(t.TempDir(), "a.iso")
	f := c.open(t, path, Options{})
	for _, o := range []Options{{}, {Overwrite: true, NoResume: true, Recheck: true}} {
		_, err := Open(t.Context(), c.Manifest, c.origin, path, o)
		diskError(t, err, ErrLocked)
		if !strings.Contains(err.Error(), "a.iso.shoal-part:") {
			t.Errorf("%q does not name the part", err)
		}
	}
	c.put(t, f)
	must(t, f.Finish())
	must(t, f.Close())
	if f := c.open(t, path, Options{}); !f.Complete() {
		t.Error("not complete")
	}
}

// TestLockRace lets many jobs want the same path at once, over and over: each
// time one gets it, and the others are told so or find the content in place.
func TestLockRace(t *testing.T) {
	c := oneFile(t, "a.iso", 1, 3*pieceSize)
	for range 30 {
		path := filepath.Join(t.TempDir(), "a.iso")
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				f, err := Open(t.Context(), c.Manifest, c.origin, path, Options{})
				if errors.Is(err, ErrLocked) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				for i := range c.data {
					p, err := c.Prove(i, c.data[i])
					if err == nil && !f.Complete() {
						err = f.Put(p)
					}
					if err != nil {
						t.Error(err)
					}
				}
				if err := errors.Join(f.Finish(), f.Close()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		c.inPlace(t, path)
	}
}

// writeZeros makes a file of n zero bytes.
func writeZeros(path string, n int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(n), f.Close())
}
