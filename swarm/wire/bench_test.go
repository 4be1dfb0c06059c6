package wire

import (
	"net"
	"testing"
)

// BenchmarkConn moves blocks from one end of a loopback TCP connection to the other,
// both in this process, encrypted.
func BenchmarkConn(b *testing.B) {
	b.Run("aes", func(b *testing.B) { benchmarkConn(b, true) })
	b.Run("chacha", func(b *testing.B) { benchmarkConn(b, false) })
}

func benchmarkConn(b *testing.B, aes bool) {
	if aes && !hasAES() {
		b.Skip("no AES in hardware")
	}
	nc1, nc2 := tcpPair(b)
	from, to := testEndpoint(b, 1), testEndpoint(b, 2)
	from.aes, to.aes = aes, aes
	sender, receiver := connectOver(b, from, to, nc1, nc2)
	b.SetBytes(MaxBlock)
	b.ReportAllocs()
	b.ResetTimer()
	sent := make(chan error, 1)
	go func() { sent <- sendBlocks(sender, b.N) }()
	if err := receiveBlocks(receiver, b.N); err != nil {
		b.Fatal(err)
	}
	if err := <-sent; err != nil {
		b.Fatal(err)
	}
}

func sendBlocks(c *Conn, n int) error {
	if err := c.Write(greeting()); err != nil {
		return err
	}
	block := make([]byte, MaxBlock)
	for i := range n {
		if err := c.WriteData(Data{ID: uint32(i), Size: MaxBlock}, block); err != nil {
			return err
		}
	}
	return c.Flush()
}

func receiveBlocks(c *Conn, n int) error {
	block := make([]byte, MaxBlock)
	for n > 0 {
		f, err := c.Next()
		if err != nil {
			return err
		}
		if _, ok := f.(*Data); !ok {
			continue
		}
		n--
		if err := c.ReadBlock(block); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkStranger is what it costs to refuse a first message made with a key that
// is not ours.
func BenchmarkStranger(b *testing.B) {
	e := testEndpoint(b, 1)
	hs, err := e.handshake(Content{PSK: [32]byte{1}}, true)
	if err != nil {
		b.Fatal(err)
	}
	first, _, _, err := hs.WriteMessage(nil, e.introduce())
	if err != nil {
		b.Fatal(err)
	}
	ours := []Content{{PSK: [32]byte{2}}}
	for b.Loop() {
		if _, _, err := e.answer(first, ours); err == nil {
			b.Fatal("a stranger got an answer")
		}
	}
}

func tcpPair(tb testing.TB) (a, b net.Conn) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	a, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	b, err = l.Accept()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}
