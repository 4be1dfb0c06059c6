package wire

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/flynn/noise"
)

// recordWriter seals what is written to it into records, in the memory where it
// lies, and sends many of them at once.
type recordWriter struct {
	dst  io.Writer
	key  *noise.CipherState
	pool *bufferPool
	err  error // of the first write that failed; final

	buf  *[bufferSize]byte // borrowed while anything is pending
	open int               // where the record being filled begins, with its length
	end  int               // where its plaintext ends
}

// borrow makes buf usable.
func (w *recordWriter) borrow() {
	if w.buf == nil {
		w.buf = w.pool.get()
		w.open, w.end = 0, lengthSize
	}
}

// plain returns how many bytes the record being filled has.
func (w *recordWriter) plain() int { return w.end - w.open - lengthSize }

// pending returns how many bytes a flush would send, tags not counted.
func (w *recordWriter) pending() int {
	if w.buf == nil {
		return 0
	}
	return w.open + w.plain()
}

// Write implements io.Writer. It sends only what finds no room.
func (w *recordWriter) Write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		w.borrow()
		room := min(maxRecord-w.plain(), bufferSize-tagSize-w.end)
		if room <= 0 {
			if err := w.flush(); err != nil {
				return written, err
			}
			continue
		}
		n := copy(w.buf[w.end:w.end+room], p[written:])
		w.end += n
		written += n
	}
	return written, w.err
}

// makeRoom sends what there is unless a record of n bytes has room behind it, and ahead
// bytes that are written before it.
func (w *recordWriter) makeRoom(ahead, n int) error {
	w.borrow()
	if w.plain()+ahead > maxRecord || w.end+ahead+overhead+n+tagSize > bufferSize {
		return w.flush()
	}
	return w.err
}

// writeRecord makes a record of p alone, for which makeRoom has made room. It is sealed
// from where it lies: blocks are not copied.
func (w *recordWriter) writeRecord(p []byte) error {
	if err := w.seal(); err != nil {
		return err
	}
	return w.sealed(p)
}

// seal ends the record being filled, if it has anything, and begins the next.
func (w *recordWriter) seal() error {
	if w.err != nil || w.plain() == 0 {
		return w.err
	}
	return w.sealed(w.buf[w.open+lengthSize : w.end])
}

// sealed makes the record being filled one of p, and begins the next.
func (w *recordWriter) sealed(p []byte) error {
	length := w.buf[w.open : w.open+lengthSize]
	binary.BigEndian.PutUint16(length, uint16(len(p)-1))
	record, err := w.key.Encrypt(w.buf[:w.open+lengthSize], length, p)
	if err != nil {
		w.err = fmt.Errorf("seal record: %w", err)
		return w.err
	}
	rekey(w.key)
	w.open = len(record)
	w.end = w.open + lengthSize
	return nil
}

// flush sends all there is, and gives the buffer back.
func (w *recordWriter) flush() error {
	if w.buf == nil {
		return w.err
	}
	if err := w.seal(); err != nil {
		return err
	}
	if w.open > 0 {
		if _, err := w.dst.Write(w.buf[:w.open]); err != nil {
			w.err = fmt.Errorf("write records: %w", err)
		}
	}
	w.pool.put(w.buf)
	w.buf = nil
	return w.err
}
