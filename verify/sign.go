package verify

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"aead.dev/minisign"
)

// SignatureExtension is appended to a manifest's name to give that of its
// signature.
const SignatureExtension = ".minisig"

// ErrSignature is wrapped by every error that says a signature is malformed,
// by another key, or not of this message.
var ErrSignature = errors.New("bad signature")

// untrustedComment is the first line of our signatures. Nothing protects it.
const untrustedComment = "signature from minisign secret key"

// Sign signs a message as minisign does by default, prehashed, and returns the
// text of the signature file. secretKeyFile is the text of a minisign secret
// key; password is called only when it is encrypted, and decrypting it then
// takes 1 GiB of memory and seconds of time, as minisign means it to. The
// trusted comment, one line, is signed as well.
func Sign(secretKeyFile, message []byte, password func() (string, error), trusted string) (sig []byte, err error) {
	if strings.ContainsAny(trusted, "\r\n") {
		return nil, fmt.Errorf("sign message: the trusted comment %s is not one line", quote(trusted))
	}
	key, err := secretKey(secretKeyFile, password)
	if err != nil {
		return nil, fmt.Errorf("sign message: %w", err)
	}
	r := minisign.NewReader(bytes.NewReader(message)) // hashes what passes through
	if _, err := io.Copy(io.Discard, r); err != nil {
		return nil, fmt.Errorf("sign message: %w", err)
	}
	return r.SignWithComments(key, trusted, untrustedComment), nil
}

// secretKey reads a secret key, asking for its password if it has one.
func secretKey(text []byte, password func() (string, error)) (key minisign.PrivateKey, err error) {
	if !minisign.IsEncrypted(text) {
		if err := key.UnmarshalText(text); err != nil {
			return key, fmt.Errorf("read secret key: %w", err)
		}
		return key, nil
	}
	word, err := password()
	if err != nil {
		return key, fmt.Errorf("ask for the password of the secret key: %w", err)
	}
	if key, err = minisign.DecryptKey(word, text); err != nil {
		return key, fmt.Errorf("decrypt secret key: wrong password, or a damaged key: %w", err)
	}
	return key, nil
}

// IsSignature tells whether text is that of a minisign signature file, of whatever
// message and by whatever key.
func IsSignature(text []byte) bool {
	var s minisign.Signature
	return s.UnmarshalText(text) == nil
}

// CheckSignature tells whether sig, the text of a minisign signature file,
// legacy or prehashed, is the signature of message by publicKey, which is the
// text of a minisign .pub file or the base64 line in it. If not, the error
// wraps ErrSignature; another error means that publicKey is none.
func CheckSignature(publicKey string, message, sig []byte) error {
	var key minisign.PublicKey
	if err := key.UnmarshalText([]byte(strings.TrimSpace(publicKey))); err != nil {
		return fmt.Errorf("read public key %s: %w", quote(publicKey), err)
	}
	var s minisign.Signature
	switch err := s.UnmarshalText(sig); {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrSignature, err)
	case s.KeyID != key.ID():
		return fmt.Errorf("%w: made with key %016X, not %016X", ErrSignature, s.KeyID, key.ID())
	case !minisign.Verify(key, message, sig):
		return fmt.Errorf("%w: of other bytes than these", ErrSignature)
	}
	return nil
}
