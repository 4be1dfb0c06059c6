package wire

import "encoding/binary"

// The versions of the frames that this code speaks.
const (
	minVersion = 1
	maxVersion = 1
)

const (
	introductionSize = 32
	clockSkew        = 2 // minutes that two clocks may differ

	introducesAES = 1 << 0 // bit of the flags
)

// introduction is the payload of both handshake messages.
type introduction struct {
	minVersion, maxVersion uint8
	aes                    bool   // AES-GCM runs in hardware
	minute                 uint32 // since 1970, at the sender
	node                   Node
	port                   uint16 // where it listens, 0 if it does not
}

// introduce returns this endpoint's introduction, encoded.
func (e *Endpoint) introduce() []byte {
	return introduction{minVersion, maxVersion, e.aes, e.minute(), e.node, e.port}.encode()
}

// minute is the current time in minutes since 1970.
func (e *Endpoint) minute() uint32 { return uint32(e.now().Unix() / 60) }

func (i introduction) encode() []byte {
	b := make([]byte, introductionSize)
	b[0], b[1] = i.minVersion, i.maxVersion
	if i.aes {
		b[2] |= introducesAES
	}
	binary.BigEndian.PutUint32(b[4:], i.minute)
	copy(b[8:24], i.node[:])
	binary.BigEndian.PutUint16(b[24:], i.port)
	return b
}

// parseIntroduction reads a payload of introductionSize bytes, which the length
// of the messages has made sure of. What it does not know it ignores.
func parseIntroduction(b []byte) introduction {
	return introduction{
		minVersion: b[0],
		maxVersion: b[1],
		aes:        b[2]&introducesAES != 0,
		minute:     binary.BigEndian.Uint32(b[4:]),
		node:       Node(b[8:24]),
		port:       binary.BigEndian.Uint16(b[24:]),
	}
}

// common returns the highest version that i and we both speak.
func (i introduction) common() (version int, ok bool) {
	v := min(i.maxVersion, maxVersion)
	return int(v), v >= max(i.minVersion, minVersion)
}
