package wire

import "github.com/flynn/noise"

const (
	maxRecord  = 64 << 10 // plaintext bytes; a whole block
	lengthSize = 2
	tagSize    = 16
	overhead   = lengthSize + tagSize

	// rekeyAfter records, 64 GiB at most, the key is replaced: AES-GCM stays
	// below an advantage of 2^-60 for whoever tells it from random.
	rekeyAfter = 1 << 20
)

// rekey replaces the key when its time has come, which both ends tell by
// counting records.
func rekey(key *noise.CipherState) {
	if key.Nonce()%rekeyAfter == 0 {
		key.Rekey()
	}
}
