package wire

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/flynn/noise"
)

const (
	// smallBuffer is what a connection without blocks on the way reads into.
	smallBuffer = 4 << 10
	// lookahead is how much is read beyond the record that is waited for: the
	// small ones that follow it, but not so much that blocks are moved about.
	lookahead = smallBuffer
)

// awaiter is a connection that can be told for how many bytes it is worth
// waking up.
type awaiter interface{ Await(n int) }

// recordReader opens records and reads as the stream of bytes they carry. A whole
// record that fits is opened straight into the caller's memory.
type recordReader struct {
	src   io.Reader
	key   *noise.CipherState
	pool  *bufferPool
	small [smallBuffer]byte
	large *[bufferSize]byte // borrowed while there are records beyond small

	buf   []byte // small or large
	begin int    // buf[begin:end] is read and not yet opened
	end   int
	plain []byte // opened and not yet handed out, in buf
	last  int    // size of the last record, sealed
}

// Read implements io.Reader. It returns io.EOF only between two records, and no
// byte that was not authenticated. An error is final.
func (r *recordReader) Read(p []byte) (int, error) {
	if len(r.plain) == 0 {
		record, err := r.next()
		if err != nil {
			return 0, err
		}
		if size := len(record) - overhead; size <= len(p) {
			_, err := r.open(p[:0], record)
			return size, err
		}
		if r.plain, err = r.open(record[lengthSize:lengthSize], record); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.plain)
	r.plain = r.plain[n:]
	return n, nil
}

// open appends the plaintext of record to dst.
func (r *recordReader) open(dst, record []byte) ([]byte, error) {
	plain, err := r.key.Decrypt(dst, record[:lengthSize], record[lengthSize:])
	if err != nil {
		return nil, fmt.Errorf("open record: %w", err)
	}
	rekey(r.key)
	return plain, nil
}

// next returns the next record, sealed, with its length.
func (r *recordReader) next() ([]byte, error) {
	size, err := r.awaitRecord()
	if err != nil {
		return nil, err
	}
	record := r.buf[r.begin : r.begin+size]
	r.begin += size
	r.last = size
	return record, nil
}

// awaitRecord waits until the next record has come, and returns its size, sealed.
func (r *recordReader) awaitRecord() (int, error) {
	if err := r.fill(lengthSize); err != nil {
		return 0, err
	}
	size := int(binary.BigEndian.Uint16(r.buf[r.begin:])) + 1 + overhead
	return size, r.fill(size)
}

// await waits until there is something to read, and returns how many bytes can be read
// then without waiting.
func (r *recordReader) await() (int, error) {
	if len(r.plain) > 0 {
		return len(r.plain), nil
	}
	size, err := r.awaitRecord()
	return size - overhead, err
}

// fill reads until there are need bytes of the next record.
func (r *recordReader) fill(need int) error {
	have := r.end - r.begin
	if have >= need {
		return nil
	}
	r.makeRoom(need)
	if a, ok := r.src.(awaiter); ok {
		a.Await(need - have)
	}
	most := min(len(r.buf), r.end+need-have+lookahead)
	n, err := io.ReadAtLeast(r.src, r.buf[r.end:most], need-have)
	r.end += n
	switch {
	case err == io.EOF && have > 0:
		return fmt.Errorf("read record: %w", io.ErrUnexpectedEOF)
	case err != nil && err != io.EOF:
		return fmt.Errorf("read record: %w", err)
	}
	return err
}

// makeRoom sees to it that need bytes fit behind begin.
func (r *recordReader) makeRoom(need int) {
	rest := r.buf[r.begin:r.end]
	switch {
	case r.large == nil && need > smallBuffer:
		r.large = r.pool.get()
		r.buf = r.large[:]
	case r.large != nil && len(rest) == 0 && r.last <= smallBuffer:
		// No block came lately, and there may be long silence now.
		r.pool.put(r.large)
		r.large = nil
		r.buf = r.small[:]
	case len(rest) > 0 && r.begin+need <= len(r.buf):
		return
	}
	r.begin, r.end = 0, copy(r.buf, rest)
}
