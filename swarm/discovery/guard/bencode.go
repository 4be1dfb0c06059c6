package guard

import "math"

// address reads a compact address: 4 or 16 bytes and a port.
func (w *walk) address() error {
	s, err := w.text()
	if err == nil && len(s) != 6 && len(s) != 18 {
		err = errType
	}
	return err
}

// sized reads a string of shortest to longest bytes.
func (w *walk) sized(shortest, longest int) error {
	s, err := w.text()
	if err == nil && (len(s) < shortest || len(s) > longest) {
		err = errType
	}
	return err
}

// multiple reads a string of any number of elements of that size.
func (w *walk) multiple(size int) error {
	s, err := w.text()
	if err == nil && len(s)%size != 0 {
		err = errType
	}
	return err
}

// text reads a string, whatever is in it.
func (w *walk) text() ([]byte, error) {
	n, ok := w.digits(':')
	if !ok || n > uint64(len(w.rest)) {
		return nil, errSyntax
	}
	s := w.rest[:n]
	w.rest = w.rest[n:]
	return s, nil
}

// number reads an integer from lowest to highest.
func (w *walk) number(lowest, highest int64) error {
	if !w.skip('i') {
		return errType
	}
	negative := w.skip('-')
	n, ok := w.digits('e')
	switch {
	case !ok || negative && n == 0:
		return errSyntax
	case n > math.MaxInt64:
		return errType
	}
	v := int64(n)
	if negative {
		v = -v
	}
	if v < lowest || v > highest {
		return errType
	}
	return nil
}

// digits reads a decimal number and the byte that ends it. It fails on a
// leading zero and on numbers of more than 19 digits, which fit a uint64.
func (w *walk) digits(end byte) (n uint64, ok bool) {
	for i, c := range w.rest {
		switch {
		case c == end && i > 0:
			w.rest = w.rest[i+1:]
			return n, true
		case c < '0' || c > '9' || i == 19 || i == 1 && n == 0:
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return 0, false
}

// skip reads one byte if it is the one given.
func (w *walk) skip(c byte) bool {
	if len(w.rest) == 0 || w.rest[0] != c {
		return false
	}
	w.rest = w.rest[1:]
	return true
}
