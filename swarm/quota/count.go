package quota

import (
	"fmt"
	"hash/crc32"
	"time"
)

// month is a month of the calendar: twelve times the year, and the months since
// January.
type month int

// unknown stands for all months before the first in which anything was counted:
// the clock of a machine that has just started may not have been set.
const unknown = month(2026*12 + 9)

func monthOf(t time.Time) month {
	y, m, _ := t.Date()
	return max(month(y*12+int(m)-1), unknown)
}

// count is how many bytes were uploaded in a month.
type count struct {
	month month
	bytes int64
	seq   uint32 // counts the changes of the file
}

// at is the count as it stands in the month of now. Who sets the clock back by
// a little does not get the bytes of a month twice: the later month goes on. One
// still later was the mistake of a clock; its bytes are taken for those of now. In
// an unknown month any month goes on.
func (c count) at(now month) count {
	switch {
	case c.month < now:
		return count{month: now, seq: c.seq}
	case c.month > now+1 && now != unknown:
		c.month = now
	}
	return c
}

// slotSize is the size of one encoded count. The file has two, written in turns,
// so that a write that is cut short leaves the one before.
const slotSize = 64

// encode writes a count as a line of slotSize bytes, the last of which are a
// checksum.
func (c count) encode() []byte {
	line := fmt.Appendf(nil, "shoal uploads 1 %04d-%02d %019d %010d ", c.month/12, c.month%12+1, c.bytes, c.seq)
	return fmt.Appendf(line, "%08x\n", crc32.ChecksumIEEE(line))
}

// decode reads a file, of which anything may have become. It returns the latest
// count and the slot that holds it: the zero count if there is none.
func decode(file []byte) (c count, slot int) {
	slot = -1
	for i := range 2 {
		if len(file) < (i+1)*slotSize {
			break
		}
		if found, ok := decodeSlot(string(file[i*slotSize : (i+1)*slotSize])); ok && (slot < 0 || int32(found.seq-c.seq) > 0) {
			c, slot = found, i
		}
	}
	return c, slot
}

// decodeSlot reads one count, and takes nothing but what encode writes.
func decodeSlot(line string) (count, bool) {
	var year, m int
	var c count
	if _, err := fmt.Sscanf(line, "shoal uploads 1 %d-%d %d %d ", &year, &m, &c.bytes, &c.seq); err != nil {
		return count{}, false
	}
	if year < 0 || year > 9999 || m < 1 || m > 12 || c.bytes < 0 {
		return count{}, false
	}
	c.month = month(year*12 + m - 1)
	return c, string(c.encode()) == line
}
