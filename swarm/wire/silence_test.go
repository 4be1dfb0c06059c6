package wire

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flynn/noise"
)

// clientHello is how a TLS 1.3 connection begins.
const clientHello = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"

// TestSilence has all sorts of strangers knock. None may get a byte back, and all
// must be let go at the same time.
func TestSilence(t *testing.T) {
	for _, test := range []struct {
		name  string
		knock func(t *testing.T, e *Endpoint, nc net.Conn)
	}{
		{"wrong key", func(t *testing.T, e *Endpoint, nc net.Conn) {
			send(nc, first(t, e, Content{PSK: [32]byte{1}}, 0))
		}},
		{"minute past", func(t *testing.T, e *Endpoint, nc net.Conn) { send(nc, first(t, e, testContent, -3)) }},
		{"minute to come", func(t *testing.T, e *Endpoint, nc net.Conn) { send(nc, first(t, e, testContent, 3)) }},
		{"replay", func(t *testing.T, e *Endpoint, nc net.Conn) {
			message := first(t, e, testContent, 0)
			if _, _, err := e.answer(message, []Content{testContent}); err != nil {
				t.Errorf("first time: %v", err)
			}
			send(nc, message)
		}},
		{"changed on the way", func(t *testing.T, e *Endpoint, nc net.Conn) {
			message := first(t, e, testContent, 0)
			message[31] ^= 0x80 // a bit that X25519 itself ignores
			send(nc, message)
		}},
		{"key of low order", func(t *testing.T, e *Endpoint, nc net.Conn) { send(nc, lowOrder(t, e)) }},
		{"BitTorrent", func(_ *testing.T, _ *Endpoint, nc net.Conn) {
			send(nc, []byte("\x13BitTorrent protocol\x00\x00\x00\x00\x00\x10\x00\x05"+strings.Repeat("i", 20)+strings.Repeat("p", 20)))
		}},
		{"TLS", func(_ *testing.T, _ *Endpoint, nc net.Conn) {
			send(nc, []byte(clientHello+strings.Repeat("\x42", 508)))
		}},
		{"HTTP", func(_ *testing.T, _ *Endpoint, nc net.Conn) {
			send(nc, []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
		}},
		{"garbage", func(_ *testing.T, _ *Endpoint, nc net.Conn) { send(nc, random(1<<20)) }},
		{"nothing", func(*testing.T, *Endpoint, net.Conn) {}},
		{"slow drip", func(_ *testing.T, _ *Endpoint, nc net.Conn) {
			for _, b := range random(messageSize) {
				send(nc, []byte{b})
				time.Sleep(100 * time.Millisecond)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := testEndpoint(t, 1)
				nc1, nc2 := pipe(t)
				heard := make(chan []byte)
				go func() {
					b, _ := io.ReadAll(nc1)
					heard <- b
				}()
				var knocking sync.WaitGroup
				knocking.Go(func() { test.knock(t, e, nc1) })
				start := time.Now()
				_, err := e.Accept(nc2, []Content{{PSK: [32]byte{7}}, testContent})
				if !errors.Is(err, ErrStranger) {
					t.Errorf("accept: %v, want ErrStranger", err)
				}
				if took := time.Since(start); took != HandshakeTimeout {
					t.Errorf("let go after %v, want %v", took, HandshakeTimeout)
				}
				nc2.Close()
				knocking.Wait()
				if b := <-heard; len(b) > 0 {
					t.Errorf("wrote %d bytes to a stranger", len(b))
				}
			})
		})
	}
}

func TestStrangerHangsUp(t *testing.T) {
	for _, n := range []int{0, messageSize - 1, messageSize} {
		nc1, nc2 := pipe(t)
		go func() {
			send(nc1, random(n))
			nc1.Close()
		}()
		if _, err := testEndpoint(t, 1).Accept(nc2, []Content{testContent}); !errors.Is(err, ErrStranger) {
			t.Errorf("after %d bytes: %v, want ErrStranger", n, err)
		}
	}
}

// first makes the first message of a node whose clock is skew minutes off.
func first(t *testing.T, e *Endpoint, c Content, skew int) []byte {
	hs, err := e.handshake(c, true)
	if err != nil {
		t.Error(err)
		return nil
	}
	as := introduction{minVersion: 1, maxVersion: 1, minute: e.minute() + uint32(skew)}
	message, _, _, err := hs.WriteMessage(nil, as.encode())
	if err != nil {
		t.Error(err)
	}
	return message
}

// zeroKey is X25519 with a public key that makes every shared secret zero.
type zeroKey struct{ noise.DHFunc }

func (z zeroKey) GenerateKeypair(random io.Reader) (noise.DHKey, error) {
	key, err := z.DHFunc.GenerateKeypair(random)
	key.Public = make([]byte, keySize)
	return key, err
}

// lowOrder makes the first message of a member who means ill.
func lowOrder(t *testing.T, e *Endpoint) []byte {
	hs, err := noise.NewHandshakeState(noise.Config{
		CipherSuite:  noise.NewCipherSuite(zeroKey{noise.DH25519}, noise.CipherChaChaPoly, noise.HashSHA256),
		Pattern:      noise.HandshakeNN,
		Initiator:    true,
		Prologue:     []byte(prologue),
		PresharedKey: testContent.PSK[:],
	})
	if err != nil {
		t.Error(err)
		return nil
	}
	message, _, _, err := hs.WriteMessage(nil, e.introduce())
	if err != nil {
		t.Error(err)
	}
	return message
}

func TestClockSkewAccepted(t *testing.T) {
	e := testEndpoint(t, 1)
	for skew := -clockSkew; skew <= clockSkew; skew++ {
		if _, _, err := e.answer(first(t, e, testContent, skew), []Content{testContent}); err != nil {
			t.Errorf("%d minutes off: %v", skew, err)
		}
	}
}

// TestReplayWindow replays a message for as long as its minute is good, and beyond.
func TestReplayWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := testEndpoint(t, 1)
		message := first(t, e, testContent, clockSkew)
		contents := []Content{testContent}
		if _, _, err := e.answer(bytes.Clone(message), contents); err != nil {
			t.Fatalf("first time: %v", err)
		}
		for minute := range 3 * replayWindow {
			if _, _, err := e.answer(bytes.Clone(message), contents); err == nil {
				t.Fatalf("answered a replay after %d minutes", minute)
			}
			// Others come all the time, and make the memory turn.
			if _, _, err := e.answer(first(t, e, testContent, 0), contents); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
	})
}

func TestReplayMemoryBounded(t *testing.T) {
	var r replays
	var key [keySize]byte
	for i := range 4 * maxReplays {
		key[0], key[1], key[2] = byte(i), byte(i>>8), byte(i>>16)
		if !r.first(key, 1) {
			t.Fatalf("key %d taken for a replay", i)
		}
		if n := len(r.young) + len(r.old); n > maxReplays {
			t.Fatalf("remembers %d, more than %d", n, maxReplays)
		}
	}
	if r.first(key, 1) {
		t.Error("forgot the latest")
	}
}

func send(nc net.Conn, b []byte) { _, _ = nc.Write(b) }

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}
