package wire

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

// bufferedConn returns a sender whose bytes wait for the receiver in memory, both
// beyond the greeting.
func bufferedConn(t *testing.T) (from, to *Conn) {
	t.Helper()
	e := testEndpoint(t, 1)
	var stream bytes.Buffer
	from = newConn(e, &stream, testContent, Peer{}, testKey(true), testKey(true))
	to = newConn(e, &stream, testContent, Peer{}, testKey(true), testKey(true))
	to.frames.greeted, to.frames.showed = true, true
	return from, to
}

// nextData returns the next frame, which is a DATA.
func nextData(t *testing.T, c *Conn) Data {
	t.Helper()
	f, err := c.Next()
	if err != nil {
		t.Fatal(err)
	}
	d, ok := f.(*Data)
	if !ok {
		t.Fatalf("got %v, want DATA", f.kind())
	}
	return *d
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestBlocks(t *testing.T) {
	for _, size := range []int{1, 1000, MaxBlock - 1, MaxBlock} {
		from, to := bufferedConn(t)
		var want [][]byte
		for i := range 5 {
			block := random(size)
			want = append(want, slices.Clone(block))
			must(t, from.Write(Ping{}.Append(nil)))
			must(t, from.WriteData(Data{ID: uint32(i), Offset: i, Size: size}, block))
			if !bytes.Equal(block, want[i]) {
				t.Fatalf("block %d of %d bytes was changed", i, size)
			}
		}
		must(t, from.Flush())
		for i, want := range want {
			if f, err := to.Next(); err != nil || f.kind() != kindPing {
				t.Fatalf("got %v, %v, want PING", f, err)
			}
			if got, want := nextData(t, to), (Data{ID: uint32(i), Offset: i, Size: size}); got != want {
				t.Fatalf("got %+v, want %+v", got, want)
			}
			got := make([]byte, size)
			must(t, to.ReadBlock(got))
			if !bytes.Equal(got, want) {
				t.Fatalf("block %d of %d bytes: other bytes came out", i, size)
			}
		}
	}
}

// TestBlockAmongFrames fills the record before a block to all sizes that matter.
func TestBlockAmongFrames(t *testing.T) {
	ping := Ping{Nonce: 5}.Append(nil)
	want := random(MaxBlock)
	for _, pings := range []int{0, 1, 300, maxRecord/len(ping) - 2, maxRecord/len(ping) - 1, maxRecord / len(ping), maxRecord/len(ping) + 1, 20000} {
		from, to := bufferedConn(t)
		must(t, from.Write(bytes.Repeat(ping, pings)))
		must(t, from.WriteData(Data{Size: len(want)}, want))
		must(t, from.Write(ping))
		must(t, from.Flush())
		for range pings {
			if f, err := to.Next(); err != nil || f.kind() != kindPing {
				t.Fatalf("%d pings: got %v, %v", pings, f, err)
			}
		}
		nextData(t, to)
		got := make([]byte, len(want))
		must(t, to.ReadBlock(got))
		if !bytes.Equal(got, want) {
			t.Fatalf("%d pings: other bytes came out", pings)
		}
		if f, err := to.Next(); err != nil || f.kind() != kindPing {
			t.Fatalf("%d pings: got %v, %v at the end", pings, f, err)
		}
	}
}

func TestBlockOfWrongSize(t *testing.T) {
	from, _ := bufferedConn(t)
	for _, n := range []int{0, MaxBlock + 1} {
		if err := from.WriteData(Data{Size: n}, make([]byte, n)); err == nil {
			t.Errorf("wrote a DATA of %d bytes", n)
		}
	}
}

func TestUnreadBlockSkipped(t *testing.T) {
	from, to := bufferedConn(t)
	for i := range 3 {
		must(t, from.WriteData(Data{ID: uint32(i), Size: MaxBlock}, random(MaxBlock)))
	}
	must(t, from.Write(Ping{}.Append(nil)))
	must(t, from.Flush())
	for i := range 3 {
		if d := nextData(t, to); d.ID != uint32(i) {
			t.Fatalf("got DATA %d, want %d", d.ID, i)
		}
	}
	if f, err := to.Next(); err != nil || f.kind() != kindPing {
		t.Errorf("got %v, %v, want PING", f, err)
	}
}

// TestAwaitBlock has a block come whole or in parts, and wants it not to be read before.
func TestAwaitBlock(t *testing.T) {
	want := random(1000)
	for name, tt := range map[string]struct {
		write func(c *Conn) error
		whole bool
	}{
		"in a record of its own": {func(c *Conn) error { return c.WriteData(Data{Size: 1000}, want) }, true},
		"with its head": {func(c *Conn) error {
			return c.Write(append(Data{Size: 1000}.append(nil, 1000), want...))
		}, true},
		"in two": {func(c *Conn) error {
			must(t, c.Write(append(Data{Size: 1000}.append(nil, 1000), want[:999]...)))
			must(t, c.out.seal())
			return c.Write(want[999:])
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := bufferedConn(t)
			must(t, tt.write(from))
			must(t, from.Flush())
			nextData(t, to)
			for range 2 {
				if whole, err := to.AwaitBlock(); whole != tt.whole || err != nil {
					t.Errorf("whole %v, %v", whole, err)
				}
			}
			got := make([]byte, 1000)
			if must(t, to.ReadBlock(got)); !bytes.Equal(got, want) {
				t.Error("other bytes came out")
			}
			for range 2 {
				if _, err := to.AwaitBlock(); !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("at the end: %v", err)
				}
			}
		})
	}
}

func TestReadBlockMisused(t *testing.T) {
	from, to := bufferedConn(t)
	must(t, from.WriteData(Data{Size: 10}, random(10)))
	must(t, from.WriteData(Data{Size: 10}, random(10)))
	must(t, from.Flush())
	b := make([]byte, 10)
	if err := to.ReadBlock(b); err == nil {
		t.Error("read a block before there was one")
	}
	nextData(t, to)
	if err := to.ReadBlock(b[:9]); err == nil {
		t.Error("read a block into too little room")
	}
	must(t, to.ReadBlock(b))
	if err := to.ReadBlock(b); err == nil {
		t.Error("read a block twice")
	}
	nextData(t, to)
}

func TestCompressedBlock(t *testing.T) {
	from, to := bufferedConn(t)
	want := []byte(strings.Repeat("a line of a text\n", 3000))
	packed, smaller := from.end.CompressBlock(nil, want)
	if !smaller {
		t.Fatalf("%d bytes of text became %d", len(want), len(packed))
	}
	must(t, from.WriteData(Data{Size: len(want), Zstd: true}, packed))
	must(t, from.Flush())
	if d := nextData(t, to); !d.Zstd || d.Size != len(want) {
		t.Fatalf("got %+v", d)
	}
	got := make([]byte, len(want))
	must(t, to.ReadBlock(got))
	if !bytes.Equal(got, want) {
		t.Error("other bytes came out")
	}
}

func TestCompressBlockDeclines(t *testing.T) {
	e := testEndpoint(t, 1)
	block := random(MaxBlock)
	if packed, smaller := e.CompressBlock(nil, block); smaller {
		t.Errorf("random bytes shrank to %d", len(packed))
	}
	before := []byte("before")
	packed, smaller := e.CompressBlock(before, make([]byte, MaxBlock))
	if !smaller || !bytes.HasPrefix(packed, before) {
		t.Errorf("zeros became %d bytes, %v", len(packed), smaller)
	}
}

// TestCompressedLies sends zstd that is not what its DATA says.
func TestCompressedLies(t *testing.T) {
	e := testEndpoint(t, 1)
	text := bytes.Repeat([]byte("text"), 10000)
	packed, _ := e.CompressBlock(nil, text)
	bomb, _ := e.CompressBlock(nil, make([]byte, 8<<20))
	for _, test := range []struct {
		name   string
		size   int
		packed []byte
	}{
		{"longer than said", len(text) - 1, packed},
		{"shorter than said", len(text) + 1, packed},
		{"cut", len(text), packed[:len(packed)-1]},
		{"garbage", len(text), random(100)},
		{"a bomb", MaxBlock, bomb},
	} {
		t.Run(test.name, func(t *testing.T) {
			from, to := bufferedConn(t)
			must(t, from.WriteData(Data{Size: test.size, Zstd: true}, test.packed))
			must(t, from.Flush())
			nextData(t, to)
			err := to.ReadBlock(make([]byte, test.size))
			if broken, ok := errors.AsType[*ProtocolError](err); !ok || broken.Bye != ByeProtocol {
				t.Errorf("got %v, want a ProtocolError", err)
			}
			if _, again := to.Next(); !errors.Is(again, err) {
				t.Errorf("then %v, want the same again", again)
			}
		})
	}
}

func TestErrorsAreFinal(t *testing.T) {
	from, to := bufferedConn(t)
	must(t, from.Write(appendHead(nil, 0x99, 0)))
	must(t, from.Write(Ping{}.Append(nil)))
	must(t, from.Flush())
	_, err := to.Next()
	if broken, ok := errors.AsType[*ProtocolError](err); !ok || broken.Bye != ByeUnsupported {
		t.Fatalf("got %v, want a ProtocolError", err)
	}
	if _, again := to.Next(); !errors.Is(again, err) {
		t.Errorf("then %v, want the same again", again)
	}
}

func TestConnectionCut(t *testing.T) {
	from, to := bufferedConn(t)
	must(t, from.WriteData(Data{Size: 1}, []byte{1}))
	must(t, from.Flush())
	nextData(t, to)
	must(t, to.ReadBlock(make([]byte, 1)))
	if _, err := to.Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want an unexpected EOF", err)
	}
}

func TestBuffered(t *testing.T) {
	from, _ := bufferedConn(t)
	if n := from.Buffered(); n != 0 {
		t.Errorf("%d bytes buffered at first", n)
	}
	ping := Ping{}.Append(nil)
	must(t, from.Write(ping))
	if n := from.Buffered(); n != len(ping) {
		t.Errorf("%d bytes buffered, want %d", n, len(ping))
	}
	must(t, from.Flush())
	if n := from.Buffered(); n != 0 {
		t.Errorf("%d bytes buffered after Flush", n)
	}
}

// TestBlocksReuseMemory streams blocks, which may allocate no more than the nonces
// that crypto/cipher takes by slice: two records, sealed and opened.
func TestBlocksReuseMemory(t *testing.T) {
	from, to := bufferedConn(t)
	block, got := random(MaxBlock), make([]byte, MaxBlock)
	stream := func() {
		must(t, from.WriteData(Data{Size: MaxBlock}, block))
		must(t, from.Flush())
		nextData(t, to)
		must(t, to.ReadBlock(got))
	}
	stream()
	if n := testing.AllocsPerRun(20, stream); n > 4 {
		t.Errorf("%v allocations a block", n)
	}
}
