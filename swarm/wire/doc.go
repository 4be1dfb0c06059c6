// Package wire is the protocol that two peers speak over a TCP connection: the
// handshake, the sealed records, the frames in them. It decides nothing.
//
// This is its specification, version 1. Numbers are unsigned and big-endian. "Peers"
// hold the manifest, and so its 32-byte wire key (the PSK) and its number of pieces.
// "n: x" is a field of n bytes.
//
// # Handshake
//
// Noise_NNpsk0_25519_ChaChaPoly_SHA256 (Noise revision 34), with the prologue "shoal
// wire handshake 1" and the PSK of the content. The initiator, who opened the TCP
// connection, sends one message, the responder answers with the other. Both are 80
// bytes, without a length before them:
//
//	32: ephemeral public key    32: payload, encrypted    16: tag
//
// and both payloads are:
//
//	1: lowest version of the frames that the sender speaks    1: the highest
//	1: flags, bit 0: AES-GCM runs in hardware    1: zero
//	4: minutes since 1970    16: node, random, one for the life of a process
//	2: TCP port where the sender accepts peers, 0 if it does not    6: zero
//
// Flags and zeros that are not known are ignored. The version spoken is the lower of
// the two highest; if it is below one of the lowest, both ends close. Both close too
// when they see their own node. The next revision of the handshake itself will have
// another prologue, and so look like a stranger to this one.
//
// A responder with several contents tries the PSK of each. It answers if one fits, the
// minute is at most 2 from its own, and it has not seen the message's public key in the
// time that leaves. Otherwise it is silent: it writes nothing, reads on, and closes 5
// seconds after the connection was made, whatever came, or when the other end does, or
// to make room when too many wait. So who lacks the manifest learns nothing by asking.
// He may still guess by looking: a public key is a point of the curve, which only half
// of all random strings are, so many first messages together can be told from noise;
// and the two sizes are always the same.
//
// A handshake proves that the other end holds the manifest, not which holder it is. A
// holder who can divert the connection can sit in its middle; pieces are proven by
// their digests all the same.
//
// # Records
//
// All that follows travels in records, each way with its own key, that of Noise's
// Split. If both ends have set the flag the cipher is Noise's AESGCM with that 32-byte
// key, else ChaChaPoly:
//
//	2: length of the plaintext less one    1 to 65536: ciphertext    16: tag
//
// The length is in the clear and is the associated data. The nonce is the number of
// the record, from 0, so that records lost, repeated, swapped or changed fail the tag,
// which ends the connection. After each 2^20 records of a direction its key is replaced
// by Noise's Rekey, and the numbers go on.
//
// The plaintexts of one direction, end to end, are a stream of frames. A frame may
// begin and end anywhere in a record. Senders should begin a record with the bytes of
// a DATA, and end it with them, so that receivers can open it where the piece is put
// together.
//
// # Frames
//
//	1: kind    4: length of the body    length: body
//
//	0x01 HELLO       4: window    4: flags, bit 0: serves    1: n, at most 64    n: client
//	0x02 BITFIELD    a bit for each piece; piece i is bit i%8 (1<<i%8) of byte i/8
//	0x03 HAVE_ALL    empty
//	0x04 HAVE_NONE   empty
//	0x05 HAVE        4 each: 1 to 1024 pieces
//	0x06 FETCHING    4 each: 1 to 1024 pieces
//	0x07 UNFETCHING  4 each: 1 to 1024 pieces
//	0x08 REQUEST     4: id    4: piece    4: offset in it    4: length, 1 to 65536
//	0x09 DATA        4: id    4: offset in the piece    4: size, 1 to 65536
//	                 1: flags, bit 0: zstd    bytes
//	0x0a REJECT      4: id    1: reason
//	0x0b CANCEL      4: id
//	0x0c PEX         at most 50 times: 1: family, 4 or 6    4 or 16: address    2: port
//	0x0d PING        8: nonce
//	0x0e PONG        8: nonce
//	0x0f BYE         1: reason
//	0x10 READY       empty
//	0x11 WITHDRAW    4: piece
//
// Bodies have exactly the length that this gives, and a receiver checks it against the
// kind before it reads or allocates. Only HELLO may be longer, up to 256 bytes; what
// follows the client is of a later version and ignored, as are its unknown flags.
//
// Both ends speak at once, without waiting for the other: HELLO, then one of BITFIELD,
// HAVE_ALL and HAVE_NONE, each exactly once, then all others in any order. BYE may come
// at any time and is the last frame. A connection that ends without it was cut.
//
//   - HELLO: window is how many bytes of unanswered requests the sender keeps waiting
//     before it rejects; client is printable UTF-8. Without "serves" every request will
//     be rejected, until a HAVE is sent.
//   - BITFIELD, HAVE: the pieces that the sender has proven. Spare bits are zero. Who
//     rejected a request because it shares nothing, and does again, says HAVE anew for
//     all that it has.
//   - FETCHING: the pieces that it is getting from a mirror. HAVE ends that, and so does
//     UNFETCHING, for pieces that did not come.
//   - REQUEST: asks for a block inside one piece. Its sender chooses an id that is not
//     in use. It is ended by DATA frames that together bring the range from its front to
//     its end without gap or overlap, or by one REJECT, also after part of the DATA. A
//     slow sender does well to send many small ones, and other frames between them.
//   - DATA: size bytes of the piece. With the zstd flag they are one frame of RFC 8878,
//     shorter than size, without dictionary, window at most 64 KiB, that expands to
//     exactly size. All other flags are zero.
//   - REJECT, BYE: the reasons are those of RejectReason and ByeReason. Unknown reasons
//     mean no more than the frame does.
//   - CANCEL: the answer is not wanted any more. The request ends as it would without
//     it, or sooner, by REJECT. A CANCEL of an id not in use is ignored: the two crossed.
//   - PEX: addresses where peers of this content listen. An IPv4 address is never
//     written as an IPv6 one, a port never 0.
//   - PING: is answered by a PONG with the same nonce. Who owes blocks and answers
//     nothing for long may be taken for dead.
//   - READY: its sender, who has pieces that the receiver lacks, would serve the receiver
//     at once if asked. It need not be said, and need not be heeded. He says it to few at
//     a time, to nobody while two more ask than he serves at once, and ever more seldom to
//     one who does not ask.
//   - WITHDRAW: the blocks asked for of that piece are wanted no more if none of them is
//     on its way. All of these requests are ended by REJECT, with the reason "cancelled",
//     or none is because of this: if DATA of any of them has been sent, or the receiver
//     will not. So they can be taken to somebody who is ready, and no block comes twice.
//     A WITHDRAW of a piece of which nothing is asked is ignored: the two crossed.
//
// Two nodes need one connection. Of two that they opened to each other at once the one
// stays that the node with the lower id opened; else the older one, provided that it
// answers a PING. The other is ended by BYE, with the reason "duplicate". But nothing
// proves a node: every holder learns those of his peers, and may give one as his own. So
// a receiver does this only to connections with one address, or one /64 of public IPv6
// addresses. With the same node at another address it keeps both, for one of them may be
// an impostor's, or lead through somebody, or be much slower. A node that we dial by two
// of its addresses sees ours alone, and ends one of the two itself: that address need not
// be dialled while the other lasts.
//
// In the local network, however, each node is soon found by IPv4 and by IPv6, and one
// connection will do if both are to the same. Who has two there to what seems to be one
// node sends a PING on the older. Its nonce is the first 8 bytes of the SHA-256 of
//
//	"shoal wire kinship 1", the sender's node, the newer one's handshake hash, the older's
//
// and so shows that he is at the end of both. By handshake hash Noise means the h with
// which a handshake ends: the two ends have it, and who overhears them and holds the
// manifest. An impostor is at the end of one of the two at most, and nothing he is sent
// is of use to him. Who gets such a PING, and has both in the local network too, ends one:
// if the handshakes were within 5 seconds that with the higher hash, else the newer.
//
// A kind that is not in the table is skipped if it is below 0x80 and at most 65536
// bytes long; from 0x80 on it must be understood, and who does not says BYE and closes.
// Who gets a frame that breaks a rule says BYE and closes too.
package wire
