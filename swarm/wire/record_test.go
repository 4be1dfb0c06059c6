package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/flynn/noise"
)

// testKey returns a new state of a record key, the same each time.
func testKey(aes bool) *noise.CipherState {
	split := noise.UnsafeNewCipherState(handshakeSuite(), [32]byte{1, 2, 3}, 0)
	return recordCipher(split, aes)
}

func newTestReader(src io.Reader, aes bool) *recordReader {
	r := &recordReader{src: src, key: testKey(aes), pool: new(bufferPool)}
	r.buf = r.small[:]
	return r
}

// sealed returns records of the given plaintexts, one each.
func sealed(tb testing.TB, plain ...[]byte) []byte {
	tb.Helper()
	var out bytes.Buffer
	w := &recordWriter{dst: &out, key: testKey(true), pool: new(bufferPool)}
	for _, p := range plain {
		if _, err := w.Write(p); err != nil {
			tb.Fatal(err)
		}
		if err := w.flush(); err != nil {
			tb.Fatal(err)
		}
	}
	return out.Bytes()
}

func TestRecordsCarryStream(t *testing.T) {
	want := random(5*maxRecord + 12345)
	for _, aes := range []bool{true, false} {
		for _, step := range []int{1, 7, 4096, 60000, maxRecord, maxRecord + 1, len(want)} {
			var out bytes.Buffer
			w := &recordWriter{dst: &out, key: testKey(aes), pool: new(bufferPool)}
			for at := 0; at < len(want); at += step {
				if _, err := w.Write(want[at:min(at+step, len(want))]); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.flush(); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, len(want))
			r := newTestReader(&out, aes)
			for at := 0; at < len(got); at += step {
				if _, err := io.ReadFull(r, got[at:min(at+step, len(got))]); err != nil {
					t.Fatalf("aes %v, step %d: %v", aes, step, err)
				}
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("aes %v, step %d: other bytes came out", aes, step)
			}
			if _, err := r.Read(got); !errors.Is(err, io.EOF) {
				t.Fatalf("aes %v, step %d: %v at the end, want EOF", aes, step, err)
			}
		}
	}
}

func TestRecordsFromSlowSource(t *testing.T) {
	want := [][]byte{random(1), random(maxRecord), random(smallBuffer), random(30)}
	for name, slow := range map[string]func(io.Reader) io.Reader{
		"bytewise": iotest.OneByteReader, "halves": iotest.HalfReader, "data with error": iotest.DataErrReader,
	} {
		got, err := io.ReadAll(newTestReader(slow(bytes.NewReader(sealed(t, want...))), true))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.Equal(got, bytes.Join(want, nil)) {
			t.Errorf("%s: other bytes came out", name)
		}
	}
}

// TestRecordsAreNoise opens records with nothing but the Noise library, across a
// change of key.
func TestRecordsAreNoise(t *testing.T) {
	for _, aes := range []bool{true, false} {
		var out bytes.Buffer
		w := &recordWriter{dst: &out, key: testKey(aes), pool: new(bufferPool)}
		key := testKey(aes)
		w.key.SetNonce(rekeyAfter - 2)
		key.SetNonce(rekeyAfter - 2)
		for i := range byte(4) {
			if _, err := w.Write([]byte{i}); err != nil {
				t.Fatal(err)
			}
			if err := w.flush(); err != nil {
				t.Fatal(err)
			}
			record := out.Next(overhead + 1)
			got, err := key.Decrypt(nil, record[:2], record[2:])
			if err != nil || !bytes.Equal(got, []byte{i}) {
				t.Fatalf("aes %v, record %d: %v %v", aes, i, got, err)
			}
			if i == 1 {
				key.Rekey()
			}
		}
	}
}

func TestRekey(t *testing.T) {
	var out bytes.Buffer
	w := &recordWriter{dst: &out, key: testKey(true), pool: new(bufferPool)}
	r := newTestReader(&out, true)
	w.key.SetNonce(rekeyAfter - 1)
	r.key.SetNonce(rekeyAfter - 1)
	before := r.key.UnsafeKey()
	for i := range byte(3) {
		if _, err := w.Write([]byte{i}); err != nil {
			t.Fatal(err)
		}
		if err := w.flush(); err != nil {
			t.Fatal(err)
		}
		var b [1]byte
		if _, err := r.Read(b[:]); err != nil || b[0] != i {
			t.Fatalf("record %d: %v %v", i, b, err)
		}
	}
	if r.key.UnsafeKey() == before {
		t.Error("the key is still the first")
	}
}

// TestTampering changes sealed records in all the ways that someone between the two
// ends could. Nothing may come out but what was sealed, in its order.
func TestTampering(t *testing.T) {
	one, two, three := []byte("first"), []byte("second"), []byte("third")
	whole := sealed(t, one, two, three)
	a, b, c := whole[:len(one)+overhead], whole[len(one)+overhead:len(whole)-len(three)-overhead], whole[len(whole)-len(three)-overhead:]
	longer := bytes.Clone(whole)
	binary.BigEndian.PutUint16(longer, uint16(len(one)))
	for _, test := range []struct {
		name   string
		stream []byte
		want   string // what comes out before the error
		err    error  // nil for any
	}{
		{"untouched", whole, "firstsecondthird", io.EOF},
		{"swapped", bytes.Join([][]byte{a, c, b}, nil), "first", nil},
		{"dropped", bytes.Join([][]byte{a, c}, nil), "first", nil},
		{"repeated", bytes.Join([][]byte{a, a, b, c}, nil), "first", nil},
		{"cut between", a, "first", io.EOF},
		{"cut in a length", whole[:len(a)+1], "first", io.ErrUnexpectedEOF},
		{"cut in a record", whole[:len(a)+10], "first", io.ErrUnexpectedEOF},
		{"other length", longer, "", nil},
	} {
		got, err := drain(newTestReader(bytes.NewReader(test.stream), true))
		if string(got) != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
		if err == nil || test.err != nil && !errors.Is(err, test.err) || test.err == nil && errors.Is(err, io.EOF) {
			t.Errorf("%s: error %v, want %v", test.name, err, test.err)
		}
	}
	for bit := range 8 * len(whole) {
		changed := bytes.Clone(whole)
		changed[bit/8] ^= 1 << (bit % 8)
		got, err := drain(newTestReader(bytes.NewReader(changed), true))
		if !bytes.HasPrefix([]byte("firstsecond"), got) || err == nil || errors.Is(err, io.EOF) {
			t.Fatalf("bit %d flipped: got %q, %v", bit, got, err)
		}
	}
}

// drain reads r to its error.
func drain(r io.Reader) ([]byte, error) {
	var all []byte
	b := make([]byte, 100)
	for {
		n, err := r.Read(b)
		if err != nil {
			return all, err
		}
		all = append(all, b[:n]...)
	}
}

// TestBuffersReturned checks that a connection that has fallen silent holds no large
// buffer.
func TestBuffersReturned(t *testing.T) {
	var out bytes.Buffer
	w := &recordWriter{dst: &out, key: testKey(true), pool: new(bufferPool)}
	r := newTestReader(&out, true)
	for _, size := range []int{maxRecord, 10} {
		if _, err := w.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		if err := w.flush(); err != nil {
			t.Fatal(err)
		}
	}
	if w.buf != nil {
		t.Error("the writer keeps a buffer after a flush")
	}
	if _, err := io.ReadFull(r, make([]byte, maxRecord)); err != nil {
		t.Fatal(err)
	}
	if r.large == nil {
		t.Error("a block was read without a large buffer")
	}
	if got, err := drain(r); len(got) != 10 || !errors.Is(err, io.EOF) {
		t.Fatalf("got %d bytes, %v", len(got), err)
	}
	if r.large != nil {
		t.Error("the reader keeps a large buffer while it waits")
	}
}

func TestWriteErrorIsFinal(t *testing.T) {
	broken := errors.New("broken")
	w := &recordWriter{dst: failingWriter{broken}, key: testKey(true), pool: new(bufferPool)}
	if _, err := w.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := w.flush(); !errors.Is(err, broken) {
		t.Errorf("flush: %v", err)
	}
	if _, err := w.Write([]byte("x")); !errors.Is(err, broken) {
		t.Errorf("write: %v", err)
	}
	if err := w.makeRoom(0, 1); !errors.Is(err, broken) {
		t.Errorf("make room: %v", err)
	}
	if err := w.flush(); !errors.Is(err, broken) {
		t.Errorf("second flush: %v", err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }
