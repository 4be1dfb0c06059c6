package wire

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/flynn/noise"
)

// HandshakeTimeout is how long a handshake may take from its first byte to its
// last, and how long an unwelcome connection is kept waiting in silence.
const HandshakeTimeout = 5 * time.Second

const (
	// prologue binds both ends to this form of handshake. It changes only if
	// the handshake itself does; later versions of the frames are negotiated.
	prologue = "shoal wire handshake 1"

	keySize     = 32
	messageSize = keySize + introductionSize + tagSize // both messages
)

var (
	// ErrStranger is wrapped by what Accept returns about someone who did not
	// prove to be of one of our swarms. Not one byte was written to him.
	ErrStranger = errors.New("not a peer of ours")
	// ErrSelf tells that the other end is this very process.
	ErrSelf = errors.New("connected to myself")
	// ErrVersion is wrapped when two ends have no version in common.
	ErrVersion = errors.New("no common protocol version")
)

// handshakeSuite is what the handshake runs on. ChaCha20-Poly1305 is constant
// time on every processor, and SHA-256 is the fastest of Noise's hashes where the
// processor has it, which is what refusing a stranger costs: about 10 µs.
func handshakeSuite() noise.CipherSuite {
	return noise.NewCipherSuite(noise.DH25519, noise.CipherChaChaPoly, noise.HashSHA256)
}

// session is a finished handshake, not yet a connection.
type session struct {
	content       Content
	peer          introduction
	send, receive *noise.CipherState
	hash          []byte // Noise's handshake hash, which names the connection
}

// Initiate shakes hands with the peer at the other end of nc, which it must not
// have used before, within HandshakeTimeout. Silence, as a stranger gets it, comes
// back as a time-out (os.ErrDeadlineExceeded); ErrSelf and ErrVersion are told apart.
// Closing nc ends it sooner; after an error that is left to the caller.
func (e *Endpoint) Initiate(nc net.Conn, to Content) (*Conn, error) {
	if err := nc.SetDeadline(time.Now().Add(HandshakeTimeout)); err != nil {
		return nil, fmt.Errorf("shake hands: %w", err)
	}
	s, err := e.initiate(nc, to)
	if err != nil {
		return nil, fmt.Errorf("shake hands: %w", err)
	}
	return e.connect(nc, s)
}

func (e *Endpoint) initiate(rw io.ReadWriter, to Content) (session, error) {
	hs, err := e.handshake(to, true)
	if err != nil {
		return session{}, err
	}
	message, _, _, err := hs.WriteMessage(nil, e.introduce())
	if err != nil {
		return session{}, err
	}
	if _, err := rw.Write(message); err != nil {
		return session{}, err
	}
	if _, err := io.ReadFull(rw, message); err != nil {
		return session{}, err
	}
	payload, send, receive, err := hs.ReadMessage(nil, message)
	if err != nil {
		return session{}, err
	}
	return session{to, parseIntroduction(payload), send, receive, hs.ChannelBinding()}, nil
}

// Accept answers whoever connected through nc, if he knows the key of one of the
// contents; Conn.Content tells which. Each content costs a stranger's message about
// 10 µs more, and no Diffie-Hellman.
//
// Anyone else gets silence: nothing is written, what he sends is read and thrown
// away, and after HandshakeTimeout, whatever he did, Accept returns an ErrStranger
// for the caller to close nc. It ends sooner if either end closes.
func (e *Endpoint) Accept(nc net.Conn, contents []Content) (*Conn, error) {
	if err := nc.SetDeadline(time.Now().Add(HandshakeTimeout)); err != nil {
		return nil, fmt.Errorf("accept peer: %w", err)
	}
	first := make([]byte, messageSize)
	if _, err := io.ReadFull(nc, first); err != nil {
		return nil, fmt.Errorf("accept peer: %w: %w", ErrStranger, err)
	}
	reply, s, err := e.answer(first, contents)
	if err != nil {
		// Closing at once, or with bytes unread, would tell what we are.
		_, _ = io.Copy(io.Discard, nc)
		return nil, fmt.Errorf("accept peer: %w: %w", ErrStranger, err)
	}
	if _, err := nc.Write(reply); err != nil {
		return nil, fmt.Errorf("accept peer: %w", err)
	}
	return e.connect(nc, s)
}

// answer makes the second message, if the first one deserves it.
func (e *Endpoint) answer(first []byte, contents []Content) ([]byte, session, error) {
	for _, c := range contents {
		hs, err := e.handshake(c, false)
		if err != nil {
			return nil, session{}, err
		}
		payload, _, _, err := hs.ReadMessage(nil, first)
		if err != nil {
			continue // not this key
		}
		peer := parseIntroduction(payload)
		if err := e.fresh(first, peer); err != nil {
			return nil, session{}, err
		}
		// Fails on a public key of low order.
		reply, receive, send, err := hs.WriteMessage(nil, e.introduce())
		return reply, session{c, peer, send, receive, hs.ChannelBinding()}, err
	}
	return nil, session{}, errors.New("knows none of the keys")
}

// fresh refuses a first message of another time, or of the second time.
func (e *Endpoint) fresh(first []byte, peer introduction) error {
	now := e.minute()
	if late := int64(now) - int64(peer.minute); late < -clockSkew || late > clockSkew {
		return fmt.Errorf("first message is %d minutes off", late)
	}
	// Another message with the same key and the same content would have failed
	// its tag, so the key stands for the message.
	if !e.seen.first([keySize]byte(first), int64(now)) {
		return errors.New("first message is a replay")
	}
	return nil
}

func (e *Endpoint) handshake(c Content, initiator bool) (*noise.HandshakeState, error) {
	return noise.NewHandshakeState(noise.Config{
		CipherSuite:  handshakeSuite(),
		Random:       e.random,
		Pattern:      noise.HandshakeNN,
		Initiator:    initiator,
		Prologue:     []byte(prologue),
		PresharedKey: c.PSK[:],
	})
}

// connect makes the connection that both ends now agree on.
func (e *Endpoint) connect(nc net.Conn, s session) (*Conn, error) {
	if s.peer.node == e.node {
		return nil, fmt.Errorf("shake hands: %w", ErrSelf)
	}
	version, ok := s.peer.common()
	if !ok {
		return nil, fmt.Errorf("shake hands: %w: the peer speaks %d to %d, we %d to %d",
			ErrVersion, s.peer.minVersion, s.peer.maxVersion, minVersion, maxVersion)
	}
	if err := nc.SetDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("shake hands: %w", err)
	}
	aes := e.aes && s.peer.aes
	peer := Peer{Node: s.peer.node, Port: s.peer.port, Version: version, AES: aes}
	c := newConn(e, nc, s.content, peer, recordCipher(s.send, aes), recordCipher(s.receive, aes))
	c.hash = s.hash
	return c, nil
}

// recordCipher turns a key of the handshake into that of the records.
func recordCipher(split *noise.CipherState, aes bool) *noise.CipherState {
	if !aes {
		return split
	}
	suite := noise.NewCipherSuite(noise.DH25519, noise.CipherAESGCM, noise.HashSHA256)
	return noise.UnsafeNewCipherState(suite, split.UnsafeKey(), 0)
}
