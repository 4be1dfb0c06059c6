package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net/netip"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/bits-and-blooms/bitset"
)

// appender is a frame that can be encoded.
type appender interface {
	Frame
	Append(dst []byte) []byte
}

// some returns a bitset of the test content with the given pieces.
func some(pieces ...uint) *bitset.BitSet {
	b := bitset.New(uint(testContent.Pieces))
	for _, p := range pieces {
		b.Set(p)
	}
	return b
}

// frames returns one frame of each kind and shape but DATA.
func frames() []appender {
	return []appender{
		&Hello{Window: 4 << 20, Serves: true, Client: "shoal 1.0"},
		&Hello{},
		&Bitfield{Have: some(0, 9, 99)},
		&Bitfield{Have: some()},
		&Bitfield{Have: some().SetAll()},
		&Have{Pieces: []int{0, 99}},
		&Fetching{Pieces: []int{7}},
		&Unfetching{Pieces: []int{7, 8}},
		&Request{ID: 1<<32 - 1, Piece: 99, Offset: 64<<20 - MaxBlock, Length: MaxBlock},
		&Reject{ID: 3, Reason: RejectBusy},
		&Cancel{ID: 4},
		&PEX{Addrs: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:7411"), netip.MustParseAddrPort("[2001:db8::1]:65535")}},
		&Ping{Nonce: 0x0123456789abcdef},
		&Pong{Nonce: 1},
		&Ready{},
		&Withdraw{Piece: 99},
		&Bye{Reason: ByeFull},
	}
}

// midway returns a reader of frames that come after the first two.
func midway(src io.Reader) *frameReader {
	return &frameReader{src: src, pieces: testContent.Pieces, greeted: true, showed: true}
}

// decodeOne decodes a single frame, wherever it may stand.
func decodeOne(encoded []byte) (Frame, error) {
	r := midway(bytes.NewReader(encoded))
	switch kind(encoded[0]) {
	case kindHello:
		r.greeted = false
	case kindBitfield, kindHaveAll, kindHaveNone:
		r.showed = false
	}
	return r.next()
}

func TestFramesRoundTrip(t *testing.T) {
	for _, f := range frames() {
		got, err := decodeOne(f.Append(nil))
		if err != nil {
			t.Errorf("%v: %v", f.kind(), err)
			continue
		}
		if !reflect.DeepEqual(got, Frame(f)) {
			t.Errorf("%v: got %+v, want %+v", f.kind(), got, f)
		}
	}
}

func TestAppendAppends(t *testing.T) {
	for _, f := range frames() {
		if got := f.Append([]byte("before")); !bytes.Equal(got, append([]byte("before"), f.Append(nil)...)) {
			t.Errorf("%v: got %x", f.kind(), got)
		}
	}
}

func TestBatchesSplit(t *testing.T) {
	pieces := make([]int, 2*MaxBatch+1)
	r := midway(bytes.NewReader(Have{Pieces: pieces}.Append(nil)))
	for _, want := range []int{MaxBatch, MaxBatch, 1} {
		f, err := r.next()
		if err != nil {
			t.Fatal(err)
		}
		if got := len(f.(*Have).Pieces); got != want {
			t.Errorf("HAVE of %d pieces, want %d", got, want)
		}
	}
	if len(Have{}.Append(nil)) > 0 {
		t.Error("a HAVE of nothing is sent")
	}
}

func TestPEXLeavesOut(t *testing.T) {
	good := netip.MustParseAddrPort("192.0.2.1:1")
	addrs := []netip.AddrPort{{}, netip.MustParseAddrPort("192.0.2.1:0"), netip.MustParseAddrPort("[::ffff:192.0.2.1]:1")}
	for range 2 * MaxPEX {
		addrs = append(addrs, good)
	}
	f, err := decodeOne(PEX{Addrs: addrs}.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	got := f.(*PEX).Addrs
	if len(got) != MaxPEX-2 {
		t.Errorf("%d addresses, want %d", len(got), MaxPEX-2)
	}
	for _, a := range got {
		if a != good {
			t.Errorf("address %v, want %v", a, good)
		}
	}
}

func TestHelloCutsClient(t *testing.T) {
	f, err := decodeOne(Hello{Client: strings.Repeat("x", maxClient-1) + "…"}.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	if got := f.(*Hello).Client; got != strings.Repeat("x", maxClient-1) {
		t.Errorf("client is %q", got)
	}
}

func TestHelloOfLaterVersion(t *testing.T) {
	encoded := Hello{Window: 1, Client: "x"}.Append(nil)
	encoded = append(encoded, "more"...)
	binary.BigEndian.PutUint32(encoded[1:], uint32(len(encoded)-headSize))
	encoded[headSize+4] = 0xff // flags of which we know none
	f, err := decodeOne(encoded)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := *f.(*Hello), (Hello{Window: 1, Client: "x"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestViolations feeds frames that break a rule, written in hex: kind, length, body.
func TestViolations(t *testing.T) {
	for _, test := range []struct {
		name, frame, text string
		bye               ByeReason
	}{
		{"HELLO too short", "01 00000008 0000000000000000", "8 bytes long, not 9 to 256", ByeProtocol},
		{"HELLO too long", "01 00000101", "257 bytes long", ByeProtocol},
		{"HELLO name beyond", "01 00000009 0000000000000000 05", "client name of 5 bytes", ByeProtocol},
		{"HELLO name too long", "01 0000004a 0000000000000000 41" + strings.Repeat("61", 65), "client name of 65 bytes", ByeProtocol},
		{"HELLO escape", "01 0000000a 0000000000000000 01 1b", "cannot be shown", ByeProtocol},
		{"HELLO not UTF-8", "01 0000000a 0000000000000000 01 ff", "cannot be shown", ByeProtocol},
		{"BITFIELD of 96", "02 0000000c", "12 bytes long, not 13 to 13", ByeProtocol},
		{"BITFIELD of 112", "02 0000000e", "14 bytes long, not 13 to 13", ByeProtocol},
		{"BITFIELD spare bit", "02 0000000d 000000000000000000000000 10", "bits beyond piece 99", ByeProtocol},
		{"HAVE_ALL with body", "03 00000001 00", "1 bytes long", ByeProtocol},
		{"HAVE_NONE with body", "04 00000001 00", "1 bytes long", ByeProtocol},
		{"HAVE of none", "05 00000000", "0 bytes long, not 4 to 4096", ByeProtocol},
		{"HAVE too long", "05 00001004", "4100 bytes long", ByeProtocol},
		{"HAVE odd", "05 00000005 0000000000", "not a multiple of 4", ByeProtocol},
		{"HAVE beyond", "05 00000004 00000064", "piece 100 of 100", ByeProtocol},
		{"FETCHING beyond", "06 00000004 ffffffff", "piece 4294967295 of 100", ByeProtocol},
		{"UNFETCHING beyond", "07 00000004 00000064", "piece 100 of 100", ByeProtocol},
		{"REQUEST beyond", "08 00000010 00000001 00000064 00000000 00010000", "piece 100 of 100", ByeProtocol},
		{"REQUEST of nothing", "08 00000010 00000001 00000000 00000000 00000000", "0 bytes at 0", ByeProtocol},
		{"REQUEST too long", "08 00000010 00000001 00000000 00000000 00010001", "65537 bytes at 0", ByeProtocol},
		{"REQUEST too far", "08 00000010 00000001 00000000 03ff0001 00010000", "65536 bytes at 67043329", ByeProtocol},
		{"REQUEST wrapping", "08 00000010 00000001 00000000 ffffffff 00000002", "2 bytes at 4294967295", ByeProtocol},
		{"DATA of nothing", "09 0000000d 00000001 00000000 00000000 00", "13 bytes long", ByeProtocol},
		{"DATA too long", "09 0001000e", "65550 bytes long", ByeProtocol},
		{"DATA shorter than said", "09 0000000e 00000001 00000000 00000002 00 aa", "1 bytes that should be 2", ByeProtocol},
		{"DATA larger than a block", "09 0000000e 00000001 00000000 00010001 01 aa", "65537 bytes at 0", ByeProtocol},
		{"DATA not shrunk", "09 0000000e 00000001 00000000 00000001 01 aa", "1 bytes compressed to 1", ByeProtocol},
		{"DATA unknown flag", "09 0000000e 00000001 00000000 00000001 02 aa", "unknown flags 0x02", ByeProtocol},
		{"REJECT too short", "0a 00000004 00000001", "4 bytes long", ByeProtocol},
		{"CANCEL too long", "0b 00000005 0000000100", "5 bytes long", ByeProtocol},
		{"PEX too long", "0c 000003b7", "951 bytes long", ByeProtocol},
		{"PEX of 51", "0c 00000165" + strings.Repeat("04 c0000201 1cf3", 51), "7 bytes too many", ByeProtocol},
		{"PEX cut", "0c 00000006 04 c0000201 1c", "6 bytes too many", ByeProtocol},
		{"PEX unknown family", "0c 00000007 05 c0000201 1cf3", "address family 5", ByeProtocol},
		{"PEX no port", "0c 00000007 04 c0000201 0000", "port 0", ByeProtocol},
		{"PEX mapped", "0c 00000013 06 00000000000000000000ffffc0000201 1cf3", "::ffff:192.0.2.1", ByeProtocol},
		{"PING too short", "0d 00000007 00000000000000", "7 bytes long", ByeProtocol},
		{"PONG too long", "0e 7fffffff", "2147483647 bytes long", ByeProtocol},
		{"BYE too long", "0f ffffffff", "4294967295 bytes long", ByeProtocol},
		{"READY with body", "10 00000001 00", "1 bytes long, not 0 to 0", ByeProtocol},
		{"WITHDRAW too short", "11 00000003 000000", "3 bytes long, not 4 to 4", ByeProtocol},
		{"WITHDRAW beyond", "11 00000004 00000064", "piece 100 of 100", ByeProtocol},
		{"unknown too long", "55 00010001", "65537 bytes long", ByeProtocol},
		{"must be known", "80 00000000", "this version does not know it", ByeUnsupported},
		{"must be known, long", "ff ffffffff", "this version does not know it", ByeUnsupported},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, err := decodeOne(unhex(t, test.frame))
			broken, ok := errors.AsType[*ProtocolError](err)
			if !ok {
				t.Fatalf("got %v, %v, want a ProtocolError", f, err)
			}
			if broken.Bye != test.bye || !strings.Contains(err.Error(), test.text) {
				t.Errorf("got %v: %v, want %v: … %s …", broken.Bye, err, test.bye, test.text)
			}
		})
	}
}

func TestOrder(t *testing.T) {
	hello, none := Hello{}.Append(nil), Bitfield{Have: some()}.Append(nil)
	bits, ping := Bitfield{Have: some(1)}.Append(nil), Ping{}.Append(nil)
	unknown := appendHead(nil, 0x55, 3)
	unknown = append(unknown, "???"...)
	bye := Bye{}.Append(nil)
	for _, test := range []struct {
		name   string
		stream [][]byte
		kinds  string // of the frames that come
		err    string
	}{
		{"as it should be", [][]byte{hello, bits, ping, bye}, "HELLO BITFIELD PING BYE", "EOF"},
		{"bye at once", [][]byte{bye, ping}, "BYE", "EOF"},
		{"bye after hello", [][]byte{hello, bye}, "HELLO BYE", "EOF"},
		{"unknown anywhere", [][]byte{unknown, hello, unknown, none, unknown, ping, unknown, bye}, "HELLO BITFIELD PING BYE", "EOF"},
		{"no hello", [][]byte{none}, "", "read HAVE_NONE: not right after HELLO"},
		{"no bitfield", [][]byte{hello, ping}, "HELLO", "read PING: before HELLO and BITFIELD"},
		{"two hellos", [][]byte{hello, none, hello}, "HELLO BITFIELD", "read HELLO: came twice"},
		{"two bitfields", [][]byte{hello, none, bits}, "HELLO BITFIELD", "read BITFIELD: not right after HELLO"},
		{"cut without bye", [][]byte{hello, none}, "HELLO BITFIELD", "read frame: unexpected EOF"},
		{"cut in a frame", [][]byte{hello, none, ping[:7]}, "HELLO BITFIELD", "read frame: unexpected EOF"},
		{"cut in an unknown frame", [][]byte{unknown[:7]}, "", "read frame: unexpected EOF"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &frameReader{src: bytes.NewReader(bytes.Join(test.stream, nil)), pieces: testContent.Pieces}
			var kinds []string
			f, err := r.next()
			for ; err == nil; f, err = r.next() {
				kinds = append(kinds, f.kind().String())
			}
			if got := strings.Join(kinds, " "); got != test.kinds {
				t.Errorf("frames are %s, want %s", got, test.kinds)
			}
			if err.Error() != test.err {
				t.Errorf("error is %v, want %s", err, test.err)
			}
		})
	}
}

// TestHostileLengths checks that what a header claims costs nothing: the bodies do
// not come.
func TestHostileLengths(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for k := range 256 {
		for _, size := range []uint32{1 << 16, 1 << 20, 1<<32 - 1} {
			head := binary.BigEndian.AppendUint32([]byte{byte(k)}, size)
			if f, err := decodeOne(head); err == nil {
				t.Fatalf("%v of %d bytes: got %v", kind(k), size, f)
			}
		}
	}
	runtime.ReadMemStats(&after)
	if spent := after.TotalAlloc - before.TotalAlloc; spent > 4<<20 {
		t.Errorf("%d headers cost %d bytes of memory", 256*3, spent)
	}
}

// TestSkippedFramesCostNothing checks that frames of kinds to come are not kept.
func TestSkippedFramesCostNothing(t *testing.T) {
	skipped := append(appendHead(nil, 0x7f, maxUnknown), make([]byte, maxUnknown)...)
	r := midway(bytes.NewReader(Ping{Nonce: 3}.Append(bytes.Repeat(skipped, 20))))
	f, err := r.next()
	if err != nil || *f.(*Ping) != (Ping{3}) {
		t.Fatalf("got %v, %v, want PING", f, err)
	}
	if cap(r.body) > 2*smallBuffer {
		t.Errorf("keeps a buffer of %d bytes", cap(r.body))
	}
}

// TestFramesDoNotAllocate reads the frames of a busy connection.
func TestFramesDoNotAllocate(t *testing.T) {
	var stream []byte
	busy := frames()[5 : len(frames())-1]
	for _, f := range busy {
		stream = f.Append(stream)
	}
	src := bytes.NewReader(stream)
	r := midway(src)
	read := func() {
		src.Reset(stream)
		for range busy {
			if _, err := r.next(); err != nil {
				t.Error(err)
			}
		}
	}
	if n := testing.AllocsPerRun(10, read); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// unhex decodes hex with spaces in it.
func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}
