package wire

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"
	"time"
)

// FuzzFirstMessage hands the responder whatever a stranger may send.
func FuzzFirstMessage(f *testing.F) {
	f.Add(bytes.Repeat([]byte("GET "), messageSize/4))
	f.Add(make([]byte, messageSize))
	e := testEndpoint(f, 1)
	f.Fuzz(func(t *testing.T, message []byte) {
		if len(message) < messageSize {
			return // Accept waits for more
		}
		if reply, _, err := e.answer(message[:messageSize], []Content{testContent}); err == nil {
			t.Fatalf("answered %x with %x", message, reply)
		}
	})
}

// FuzzIntroduction hands both ends whatever a member of the swarm may introduce
// himself with.
func FuzzIntroduction(f *testing.F) {
	f.Add(testEndpoint(f, 2).introduce())
	f.Add(make([]byte, introductionSize))
	e := testEndpoint(f, 1)
	e.now = func() time.Time { return time.Unix(1_800_000_000, 0) }
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) != introductionSize {
			return // the size of the messages fixes it
		}
		got := parseIntroduction(payload)
		if again := parseIntroduction(got.encode()); again != got {
			t.Fatalf("%+v becomes %+v", got, again)
		}
		hs, err := e.handshake(testContent, true)
		if err != nil {
			t.Fatal(err)
		}
		message, _, _, err := hs.WriteMessage(nil, payload)
		if err != nil {
			t.Fatal(err)
		}
		_, s, err := e.answer(message, []Content{testContent})
		skew := int64(got.minute) - 1_800_000_000/60
		if welcome := -clockSkew <= skew && skew <= clockSkew; welcome != (err == nil) {
			t.Fatalf("%d minutes off: %v", skew, err)
		}
		if err == nil && s.peer != got {
			t.Fatalf("%+v arrives as %+v", got, s.peer)
		}
	})
}

// FuzzRecords hands the receiver a stream that someone between the two ends has made
// of a true one: all that comes out is what went in.
func FuzzRecords(f *testing.F) {
	plain := [][]byte{[]byte("one"), bytes.Repeat([]byte("two"), 3000), []byte("three")}
	whole := sealed(f, plain...)
	f.Add(whole)
	f.Add(whole[:100])
	f.Add([]byte{0xff, 0xff, 1, 2, 3})
	want := bytes.Join(plain, nil)
	f.Fuzz(func(t *testing.T, stream []byte) {
		got, err := drain(newTestReader(bytes.NewReader(stream), true))
		if !bytes.HasPrefix(want, got) {
			t.Fatalf("%d bytes came out that nobody sealed", len(got))
		}
		if errors.Is(err, io.EOF) && !bytes.HasPrefix(whole, stream) {
			t.Fatal("a changed stream ended well")
		}
	})
}

// FuzzFrames decodes whatever a member of the swarm may send, from the beginning and
// midway, and encodes again what came of it.
func FuzzFrames(f *testing.F) {
	var all []byte
	for _, frame := range frames() {
		f.Add(frame.Append(nil))
		all = frame.Append(all)
	}
	f.Add(all)
	f.Add(Ping{}.Append(append(Data{ID: 1, Size: 3}.append(nil, 3), "abc"...)))
	f.Fuzz(func(t *testing.T, stream []byte) {
		checkFrames(t, &frameReader{src: bytes.NewReader(stream), pieces: testContent.Pieces})
		checkFrames(t, midway(bytes.NewReader(stream)))
	})
}

func checkFrames(t *testing.T, r *frameReader) {
	for {
		frame, err := r.next()
		if err != nil {
			return
		}
		if d, ok := frame.(*Data); ok {
			checkData(t, *d, r.block)
			continue
		}
		again, err := decodeOne(frame.(appender).Append(nil))
		if pex, ok := frame.(*PEX); ok && len(pex.Addrs) == 0 {
			again, err = frame, nil // nil and empty differ to DeepEqual
		}
		if err != nil || !reflect.DeepEqual(again, frame) {
			t.Fatalf("%+v becomes %+v, %v", frame, again, err)
		}
	}
}

func checkData(t *testing.T, d Data, n int) {
	if d.Size < 1 || d.Size > MaxBlock || d.Offset < 0 || n < 1 || n > d.Size || d.Zstd == (n == d.Size) {
		t.Fatalf("DATA %+v with %d bytes", d, n)
	}
}

// FuzzExpand expands whatever a member of the swarm may call compressed.
func FuzzExpand(f *testing.F) {
	e := testEndpoint(f, 1)
	packed, _ := e.CompressBlock(nil, bytes.Repeat([]byte("text"), 1000))
	f.Add(packed, uint16(4000))
	f.Add(packed, uint16(3999))
	bomb, _ := e.CompressBlock(nil, make([]byte, 1<<20))
	f.Add(bomb, uint16(65535))
	f.Fuzz(func(t *testing.T, packed []byte, size uint16) {
		room := bytes.Repeat([]byte{0xee}, int(size)+16)
		_ = e.zstd.expand(room[:size], packed)
		if !bytes.Equal(room[size:], bytes.Repeat([]byte{0xee}, 16)) {
			t.Fatal("wrote beyond the block")
		}
	})
}
