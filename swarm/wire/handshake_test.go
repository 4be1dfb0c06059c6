package wire

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func TestHandshake(t *testing.T) {
	for _, test := range []struct {
		name             string
		aes1, aes2, want bool
	}{
		{"both have AES", true, true, true},
		{"only the initiator has", true, false, false},
		{"only the responder has", false, true, false},
		{"none has", false, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			e1, e2 := testEndpoint(t, 1), testEndpoint(t, 2)
			e1.aes, e2.aes = test.aes1, test.aes2
			c1, c2 := connect(t, e1, e2)
			if want := (Peer{Node: e2.Node(), Port: 7402, Version: 1, AES: test.want}); c1.Peer() != want {
				t.Errorf("initiator's peer is %+v, want %+v", c1.Peer(), want)
			}
			if want := (Peer{Node: e1.Node(), Port: 7401, Version: 1, AES: test.want}); c2.Peer() != want {
				t.Errorf("responder's peer is %+v, want %+v", c2.Peer(), want)
			}
			exchange(t, c1, c2)
			exchange(t, c2, c1)
		})
	}
}

// TestKinship shows of two connections that both ends are at the ends of both, to each
// other and to nobody else.
func TestKinship(t *testing.T) {
	e1, e2 := testEndpoint(t, 1), testEndpoint(t, 2)
	old1, old2 := connect(t, e1, e2)
	new1, new2 := connect(t, e1, e2)
	shown := new1.Kinship(e1.Node(), old1)
	if seen := new2.Kinship(e1.Node(), old2); seen != shown {
		t.Errorf("one end shows %x, the other expects %x", shown, seen)
	}
	if old1.Below(new1) != old2.Below(new2) || old1.Below(new1) == new1.Below(old1) {
		t.Error("the ends do not agree which connection is the lower")
	}
	other1, _ := connect(t, e1, e2)
	for name, nonce := range map[string]uint64{
		"sent back":             new1.Kinship(e2.Node(), old1),
		"of another connection": new1.Kinship(e1.Node(), other1),
		"sent on another one":   other1.Kinship(e1.Node(), old1),
		"of the two in turn":    old1.Kinship(e1.Node(), new1),
	} {
		if nonce == shown {
			t.Errorf("%s, it is the same", name)
		}
	}
}

func TestAcceptFindsContent(t *testing.T) {
	e1, e2 := testEndpoint(t, 1), testEndpoint(t, 2)
	nc1, nc2 := pipe(t)
	first := make(chan error, 1)
	go func() {
		_, err := e1.Initiate(nc1, testContent)
		first <- err
	}()
	c, err := e2.Accept(nc2, []Content{{PSK: [32]byte{1}, Pieces: 1}, testContent, {PSK: [32]byte{2}, Pieces: 2}})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	if c.Content() != testContent {
		t.Errorf("content is %v, want %v", c.Content(), testContent)
	}
}

// TestHandshakeRefused checks the ends of a handshake between two who both know the
// key: each of them is told.
func TestHandshakeRefused(t *testing.T) {
	for _, test := range []struct {
		name string
		peer introduction // of the initiator
		want error
	}{
		{"myself", introduction{minVersion: 1, maxVersion: 1, node: Node{15: 2}}, ErrSelf},
		{"only later versions", introduction{minVersion: 2, maxVersion: 9}, ErrVersion},
		{"only earlier versions", introduction{minVersion: 0, maxVersion: 0}, ErrVersion},
		{"no version", introduction{minVersion: 9, maxVersion: 1}, ErrVersion},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := testEndpoint(t, 0)
			e.node = Node{15: 2}
			test.peer.minute = e.minute()
			nc1, nc2 := pipe(t)
			go firstMessage(t, e, test.peer, nc1)
			if _, err := e.Accept(nc2, []Content{testContent}); !errors.Is(err, test.want) {
				t.Errorf("accept: %v, want %v", err, test.want)
			}
		})
	}
}

// firstMessage plays an initiator that introduces itself as it likes, and wants an
// answer.
func firstMessage(t *testing.T, e *Endpoint, as introduction, nc net.Conn) {
	hs, err := e.handshake(testContent, true)
	if err != nil {
		t.Error(err)
		return
	}
	message, _, _, err := hs.WriteMessage(nil, as.encode())
	if err != nil {
		t.Error(err)
		return
	}
	if _, err := nc.Write(message); err != nil {
		t.Error(err)
	}
	if _, err := io.ReadFull(nc, message); err != nil {
		t.Errorf("read answer: %v", err)
	}
}

func TestInitiateToSelf(t *testing.T) {
	e := testEndpoint(t, 1)
	nc1, nc2 := pipe(t)
	accepted := make(chan error, 1)
	go func() {
		_, err := e.Accept(nc2, []Content{testContent})
		accepted <- err
	}()
	if _, err := e.Initiate(nc1, testContent); !errors.Is(err, ErrSelf) {
		t.Errorf("initiate: %v, want ErrSelf", err)
	}
	if err := <-accepted; !errors.Is(err, ErrSelf) {
		t.Errorf("accept: %v, want ErrSelf", err)
	}
}

func TestFutureVersionFallsBack(t *testing.T) {
	for _, test := range []struct {
		lowest, highest uint8
		version         int
		ok              bool
	}{
		{1, 1, 1, true},
		{1, 7, 1, true},
		{0, 1, 1, true},
		{2, 7, 1, false},
		{0, 0, 0, false},
	} {
		version, ok := introduction{minVersion: test.lowest, maxVersion: test.highest}.common()
		if version != test.version || ok != test.ok {
			t.Errorf("%d to %d: %d %v, want %d %v", test.lowest, test.highest, version, ok, test.version, test.ok)
		}
	}
}

func TestInitiateMeetsSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc1, nc2 := pipe(t)
		go func() { _, _ = io.Copy(io.Discard, nc2) }()
		start := time.Now()
		_, err := testEndpoint(t, 1).Initiate(nc1, testContent)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("initiate: %v, want a time-out", err)
		}
		if took := time.Since(start); took != HandshakeTimeout {
			t.Errorf("gave up after %v, want %v", took, HandshakeTimeout)
		}
	})
}

func TestInitiateMeetsGarbage(t *testing.T) {
	nc1, nc2 := pipe(t)
	go func() {
		_, _ = io.CopyN(nc2, nc2, messageSize) // an echo
	}()
	if _, err := testEndpoint(t, 1).Initiate(nc1, testContent); err == nil {
		t.Error("shook hands with an echo")
	}
}
