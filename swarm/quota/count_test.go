package quota

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

const november, december = month(2026*12 + 10), month(2026*12 + 11)

func TestCountEncoding(t *testing.T) {
	const golden = "shoal uploads 1 2026-11 0000000021474836480 0000000007 058c7fe8\n"
	c := count{month: november, bytes: 20 << 30, seq: 7}
	line := c.encode()
	if len(line) != slotSize || len(golden) != slotSize || string(line) != golden {
		t.Errorf("%q, want %q", line, golden)
	}
	if got, ok := decodeSlot(string(line)); !ok || got != c {
		t.Errorf("%+v, want %+v", got, c)
	}
	for i := range line {
		bad := bytes.Clone(line)
		bad[i] ^= 1
		if got, ok := decodeSlot(string(bad)); ok {
			t.Errorf("with byte %d changed it is %+v", i, got)
		}
	}
}

func TestDecode(t *testing.T) {
	old, latest := count{november, 1, 7}, count{november, 2, 8}
	wrapped := count{november, 3, 0}
	last := count{november, 2, 1<<32 - 1}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	junk := bytes.Repeat([]byte{0}, slotSize)
	for _, test := range []struct {
		file []byte
		want count
		slot int
	}{
		{nil, count{}, -1},
		{[]byte("not ours"), count{}, -1},
		{join(junk, junk), count{}, -1},
		{old.encode(), old, 0},
		{join(junk, latest.encode()), latest, 1},
		{join(old.encode(), latest.encode()), latest, 1},
		{join(latest.encode(), old.encode()), latest, 0},
		{join(old.encode(), latest.encode()[:40]), old, 0},
		{join(old.encode(), latest.encode()[:40], junk[:24]), old, 0},
		{join(last.encode(), wrapped.encode()), wrapped, 1},
		{join(old.encode(), latest.encode(), []byte("more")), latest, 1},
	} {
		if c, slot := decode(test.file); c != test.want || slot != test.slot {
			t.Errorf("%q: %+v in slot %d, want %+v in %d", test.file, c, slot, test.want, test.slot)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add(append(count{november, 1, 1}.encode(), count{november, 2, 2}.encode()...))
	f.Add(append(count{0, 0, 0}.encode(), count{9999*12 + 11, 1<<63 - 1, 1<<32 - 1}.encode()...))
	f.Fuzz(func(t *testing.T, file []byte) {
		c, slot := decode(file)
		if slot < 0 {
			if c != (count{}) {
				t.Errorf("nothing is %+v", c)
			}
			return
		}
		if c.bytes < 0 || !bytes.Equal(c.encode(), file[slot*slotSize:(slot+1)*slotSize]) {
			t.Errorf("slot %d holds %+v", slot, c)
		}
	})
}

func TestCountAt(t *testing.T) {
	for _, test := range []struct {
		c    count
		now  month
		want count
	}{
		{count{}, november, count{month: november}},
		{count{november, 5, 1}, november, count{november, 5, 1}},
		{count{november, 5, 1}, december, count{december, 0, 1}},
		{count{december, 5, 1}, november, count{december, 5, 1}},     // the clock went back
		{count{december + 1, 5, 1}, november, count{november, 5, 1}}, // it was wrong before
		{count{december + 1, 5, 1}, unknown, count{december + 1, 5, 1}},
		{count{}, unknown, count{month: unknown}},
	} {
		if got := test.c.at(test.now); got != test.want {
			t.Errorf("%+v at %d: %+v, want %+v", test.c, test.now, got, test.want)
		}
	}
}

// TestTally takes a month's bytes in turns with another process.
func TestTally(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "uploads")
	const limit = 10 << 20
	a, b := newTally(path, limit), newTally(path, limit)
	var sent int64
	for x, y := true, true; x || y; {
		for _, c := range []struct {
			*tally
			more *bool
		}{{a, &x}, {b, &y}} {
			if *c.more = c.take(100<<10, november); *c.more {
				sent += 100 << 10
				c.giveBack(10 << 10) // it shrank
				sent -= 10 << 10
			}
		}
	}
	a.close(november)
	b.close(november)
	c := newTally(path, limit)
	c.refresh(november)
	if c.err != nil || c.used() != sent || sent > limit || sent < limit-2*batchLeast {
		t.Errorf("%d bytes were sent, %d are counted, %v", sent, c.used(), c.err)
	}
	if c.refresh(december); c.used() != 0 || c.spent() {
		t.Errorf("in a new month %d bytes are counted", c.used())
	}
}

// TestTallyTurns crosses a month with bytes in hand, and goes back.
func TestTallyTurns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "uploads")
	a := newTally(path, 1<<20)
	for a.take(1<<18, november) {
	}
	if a.used() != 1<<20 || !a.take(1<<18, december) || a.used() != 1<<18 {
		t.Errorf("after the turn %d bytes are counted", a.used())
	}
	a.take(1<<18, november) // the clock was set back: it is no new month
	if b := newTally(path, 1<<20); true {
		b.refresh(november)
		if got := b.used() - a.reserved; got != 1<<19 {
			t.Errorf("with the clock set back %d bytes are counted", got)
		}
	}
}

// TestTallyAlone goes on when the file cannot be had, is foreign or vanishes.
func TestTallyAlone(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "folder")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"", folder, filepath.Join(dir, "file", "uploads")} {
		if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		a := newTally(path, 1<<20)
		n := 0
		for a.take(1<<16, november) {
			n++
		}
		if n != 16 || a.err == nil || a.used() != 1<<20 {
			t.Errorf("%q: %d times, %d bytes, %v", path, n, a.used(), a.err)
		}
		a.close(november)
	}
	foreign := filepath.Join(dir, "foreign")
	for i := range 3 {
		if i < 2 {
			if err := os.WriteFile(foreign, bytes.Repeat([]byte("junk"), i*100), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		a := newTally(foreign, 1<<20)
		if a.refresh(november); a.err != nil || a.used() != int64(i/2)<<18 {
			t.Errorf("%d: %d bytes are counted, %v", i, a.used(), a.err)
		}
		if !a.take(1<<18, november) {
			t.Errorf("%d: there is nothing to take", i)
		}
		a.close(november)
	}
	// Somebody empties the cache while it runs: it starts anew.
	a := newTally(foreign, 10<<20)
	a.take(1<<18, november)
	if err := os.Remove(foreign); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		a.take(1<<18, november)
	}
	if a.err != nil || a.used() > 11<<18 {
		t.Errorf("%d bytes are counted, %v", a.used(), a.err)
	}
}

// TestTallyCut cuts a write short at every byte: the count before it stays.
func TestTallyCut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "uploads")
	for cut := range slotSize - 1 { // the last byte is the same in both
		before, after := count{november, 1, 7}.encode(), count{november, 2, 8}.encode()
		torn := append(bytes.Clone(after[:cut]), count{november, 0, 6}.encode()[cut:]...)
		if err := os.WriteFile(path, append(before, torn...), 0o600); err != nil {
			t.Fatal(err)
		}
		a := newTally(path, 1<<20)
		if a.refresh(november); a.used() != 1 {
			t.Fatalf("cut at %d: %d bytes are counted", cut, a.used())
		}
	}
}

// A process of TestProcesses takes from the file in the environment until there
// is no more, and says how much it got. It leaves like one that is killed if so
// told.
func TestMain(m *testing.M) {
	path := os.Getenv("QUOTA_TEST_FILE")
	if path == "" {
		os.Exit(m.Run())
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // until all of them are there
	a := newTally(path, processLimit)
	got := 0
	for a.take(64<<10, november) {
		got += 64 << 10
	}
	if a.err != nil {
		_, _ = os.Stderr.WriteString(a.err.Error())
		os.Exit(1)
	}
	if os.Getenv("QUOTA_TEST_KILLED") == "" {
		a.close(november)
	}
	_, _ = os.Stdout.WriteString(strconv.Itoa(got))
	os.Exit(0)
}

const processLimit = 64 << 20

// TestProcesses has several processes take from one month at once. Together they
// get no more than there is, and all of it but what those take away who are
// killed.
func TestProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "uploads")
	begin, ready, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var running [4]*exec.Cmd
	var got [len(running)]bytes.Buffer
	for i := range running {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "QUOTA_TEST_FILE="+path)
		if i == 0 {
			cmd.Env = append(cmd.Env, "QUOTA_TEST_KILLED=1")
		}
		cmd.Stdin, cmd.Stdout, cmd.Stderr = begin, &got[i], os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		running[i] = cmd
	}
	if err := errors.Join(begin.Close(), ready.Close()); err != nil {
		t.Fatal(err)
	}
	sum := 0
	for i, cmd := range running {
		err := cmd.Wait()
		n, e := strconv.Atoi(got[i].String())
		if err := errors.Join(err, e); err != nil {
			t.Errorf("%v", err)
		}
		sum += n
	}
	c := newTally(path, processLimit)
	c.refresh(november)
	if sum > processLimit || sum < processLimit-4*batchLeast || c.used() < int64(sum) || c.used() > int64(sum+batchLeast) {
		t.Errorf("%d bytes were taken and %d are counted, of %d", sum, c.used(), processLimit)
	}
}
