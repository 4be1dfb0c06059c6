package guard

import (
	"bytes"
	"errors"
	"fmt"
	"math"
)

// ErrMalformed is wrapped by every error of Check.
var ErrMalformed = errors.New("malformed KRPC message")

// maxDepth is how deep dictionaries and lists may nest.
const maxDepth = 12

// maxToken bounds the transaction ids and write tokens we echo or store.
const (
	maxTransaction = 32
	maxToken       = 128
)

// Kind is what a KRPC message is.
type Kind byte

// The kinds of message, by the value of their key "y" (BEP 5).
const (
	Query    Kind = 'q'
	Response Kind = 'r'
	Error    Kind = 'e'
)

// Check tells what kind of message datagram is, or why no DHT library should
// see it: it must be one whole dictionary of canonical bencode (BEP 3: keys
// ascending, no key twice, no leading zeros), nested at most 12 deep, in which
// every key that BEP 5, 32, 33, 43, 44 and 51 define has the type and size
// they say, and every query the arguments its method needs.
//
// It allocates nothing unless it refuses, and runs in time linear in the
// datagram's length.
func Check(datagram []byte) (Kind, error) {
	w := walk{rest: datagram}
	err := w.dict(inMessage, 0)
	if err == nil && len(w.rest) > 0 {
		err = errTrailing
	}
	if err == nil {
		err = w.complete()
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return w.kind, nil
}

// What Check finds wrong. They are made once, so that refusing a flood of
// garbage costs little.
var (
	errTrailing = errors.New("bytes after its end")
	errSyntax   = errors.New("not canonical bencode")
	errDepth    = errors.New("nested too deep")
	errType     = errors.New("a value of another type or size than its key calls for")
	errMissing  = errors.New("lacks a key it needs")
	errMethod   = errors.New("a query we do not answer")
)

// walk is the datagram from the next unread byte on, and what the message
// was found to hold so far.
type walk struct {
	rest []byte

	kind       Kind
	method     method
	has        has // the top-level dictionary's own keys
	args, body has // the keys of "a" and of "r"
}

// has is the set of keys seen that some message needs.
type has uint16

const (
	hasA has = 1 << iota
	hasE
	hasR
	hasT
	hasID
	hasInfoHash
	hasTarget
	hasToken
	hasPort
	hasImpliedPort
)

// method is a query's name, as far as it is one we answer.
type method uint8

const (
	noMethod method = iota
	ping
	findNode
	getPeers
	announcePeer
	get
)

// needs is the arguments each query must carry.
func (m method) needs() has {
	switch m {
	case findNode, get:
		return hasID | hasTarget
	case getPeers:
		return hasID | hasInfoHash
	case announcePeer:
		return hasID | hasInfoHash | hasToken
	default:
		return hasID
	}
}

// methodOf names the queries that are let through. BEP 44's put is not: its
// store would grow with what strangers send, and answers are not owed to it.
func methodOf(name []byte) (method, error) {
	switch string(name) {
	case "ping":
		return ping, nil
	case "find_node":
		return findNode, nil
	case "get_peers":
		return getPeers, nil
	case "announce_peer":
		return announcePeer, nil
	case "get":
		return get, nil
	}
	return noMethod, errMethod
}

// complete tells whether the message has all that its kind needs.
func (w *walk) complete() error {
	ok := false
	switch w.kind {
	case Query:
		needs := w.method.needs()
		ok = w.has&(hasA|hasT) == hasA|hasT && w.method != noMethod && w.args&needs == needs &&
			(w.method != announcePeer || w.args&(hasPort|hasImpliedPort) != 0)
	case Response:
		ok = w.has&(hasR|hasT) == hasR|hasT && w.body&hasID != 0
	case Error:
		ok = w.has&(hasE|hasT) == hasE|hasT
	}
	if !ok {
		return errMissing
	}
	return nil
}

// place is the dictionary or list in which a value stands, which tells what
// the value must be.
type place uint8

const (
	inMessage   place = iota // the top-level dictionary
	inArguments              // a query's "a"
	inResult                 // a response's "r"
	inError                  // an error's "e"
	inValues                 // a list of compact addresses
	inWant                   // a list of address families (BEP 32)
	inUnknown                // whatever we know nothing of
)

// dict reads a dictionary at that depth.
func (w *walk) dict(p place, depth int) error {
	if depth >= maxDepth {
		return errDepth
	}
	if !w.skip('d') {
		return errType
	}
	var last []byte
	for first := true; !w.skip('e'); first = false {
		key, err := w.text()
		if err != nil {
			return err
		}
		if !first && bytes.Compare(last, key) >= 0 {
			return errSyntax
		}
		if err := w.entry(p, key, depth+1); err != nil {
			return err
		}
		last = key
	}
	return nil
}

// entry reads the value of a dictionary's key.
func (w *walk) entry(p place, key []byte, depth int) error {
	switch p {
	case inMessage:
		return w.field(key, depth)
	case inArguments:
		return w.argument(key, depth)
	case inResult:
		return w.result(key, depth)
	}
	return w.value(depth)
}

// list reads a list at that depth and returns how many elements it has.
func (w *walk) list(p place, depth int) (n int, err error) {
	if depth >= maxDepth {
		return 0, errDepth
	}
	if !w.skip('l') {
		return 0, errType
	}
	for ; !w.skip('e'); n++ {
		if err := w.element(p, n, depth+1); err != nil {
			return n, err
		}
	}
	return n, nil
}

// element reads the i-th element of a list.
func (w *walk) element(p place, i, depth int) error {
	switch {
	case p == inValues:
		return w.address()
	case p == inWant:
		return w.sized(0, 8)
	case p == inError && i == 0:
		return w.number(math.MinInt32, math.MaxInt32)
	case p == inError:
		return w.sized(0, math.MaxUint16)
	}
	return w.value(depth)
}

// field reads the value of a key of the top-level dictionary.
func (w *walk) field(key []byte, depth int) error {
	switch string(key) {
	case "a":
		w.has |= hasA
		return w.dict(inArguments, depth)
	case "r":
		w.has |= hasR
		return w.dict(inResult, depth)
	case "e":
		w.has |= hasE
		n, err := w.list(inError, depth)
		if err == nil && n != 2 {
			err = errType
		}
		return err
	case "t":
		w.has |= hasT
		return w.sized(0, maxTransaction)
	case "ip":
		return w.address()
	case "q":
		name, err := w.text()
		if err != nil {
			return err
		}
		w.method, err = methodOf(name)
		return err
	case "y":
		y, err := w.text()
		if err != nil || len(y) != 1 {
			return errType
		}
		w.kind = Kind(y[0])
		return nil
	case "ro":
		return w.number(math.MinInt64, math.MaxInt64)
	case "v":
		return w.sized(0, math.MaxUint16)
	}
	return w.value(depth)
}

// argument reads the value of a key of a query's "a".
func (w *walk) argument(key []byte, depth int) error {
	switch string(key) {
	case "id":
		w.args |= hasID
		return w.sized(20, 20)
	case "info_hash":
		w.args |= hasInfoHash
		return w.sized(20, 20)
	case "target":
		w.args |= hasTarget
		return w.sized(20, 20)
	case "token":
		w.args |= hasToken
		return w.sized(0, maxToken)
	case "port":
		w.args |= hasPort
		return w.number(0, math.MaxUint16)
	case "implied_port":
		w.args |= hasImpliedPort
		return w.number(0, 1)
	case "want":
		_, err := w.list(inWant, depth)
		return err
	case "noseed", "scrape":
		return w.number(math.MinInt32, math.MaxInt32)
	case "seq", "cas":
		return w.number(math.MinInt64, math.MaxInt64)
	case "k":
		return w.sized(32, 32)
	case "sig":
		return w.sized(64, 64)
	case "salt":
		return w.sized(0, 64)
	}
	return w.value(depth)
}

// result reads the value of a key of a response's "r".
func (w *walk) result(key []byte, depth int) error {
	switch string(key) {
	case "id":
		w.body |= hasID
		return w.sized(20, 20)
	case "nodes":
		return w.multiple(26)
	case "nodes6":
		return w.multiple(38)
	case "values":
		_, err := w.list(inValues, depth)
		return err
	case "token":
		return w.sized(0, maxToken)
	case "samples":
		return w.multiple(20)
	case "interval", "num", "seq":
		return w.number(math.MinInt64, math.MaxInt64)
	case "BFsd", "BFpe":
		return w.sized(256, 256)
	case "k":
		return w.sized(32, 32)
	case "sig":
		return w.sized(64, 64)
	}
	return w.value(depth)
}

// value reads any value.
func (w *walk) value(depth int) error {
	if len(w.rest) == 0 {
		return errSyntax
	}
	switch w.rest[0] {
	case 'd':
		return w.dict(inUnknown, depth)
	case 'l':
		_, err := w.list(inUnknown, depth)
		return err
	case 'i':
		return w.number(math.MinInt64, math.MaxInt64)
	}
	return w.sized(0, math.MaxUint16)
}
