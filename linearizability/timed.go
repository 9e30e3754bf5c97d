package linearizability

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"
)

// A timed payload costs a copy of memory to write and a comparison to read,
// where a plain one costs a CRC and a random filler: at hundreds of thousands
// of records a second that is most of what a client does. Its filler is the
// same in all records, so a simulator can hold many of them in little memory.
//
// Layout: magic (4 bytes), value (8), intended time (8), check (4) of these and
// the size, filler. All big endian.
const (
	timedMagic = 0x57656974 // "Weit"
	timedCheck = 20
)

// filler does not compress by itself. Longer payloads repeat it.
var filler = func() []byte {
	b := make([]byte, 0, 4096)
	x := uint64(0x9e3779b97f4a7c15)
	for len(b) < cap(b) {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b = binary.BigEndian.AppendUint64(b, x)
	}
	return b
}()

func timedSum(value uint64, intended uint64, size int) uint32 {
	x := value*0x9e3779b97f4a7c15 ^ intended*0xbf58476d1ce4e5b9 ^ uint64(size)
	x ^= x >> 29
	x *= 0x94d049bb133111eb
	return uint32(x >> 32)
}

// AppendTimedPayload is [AppendPayload] for a record that carries the time at
// which it was to be sent. size is at least [MinTimedPayload]. Any changed byte
// is noticed with it too.
func AppendTimedPayload(dst []byte, value int64, intended time.Duration, size int) []byte {
	if size < MinTimedPayload || value < 0 {
		panic(fmt.Sprintf("linearizability: timed payload of %d bytes for value %d: need at least %d bytes and a value that is not negative", size, value, MinTimedPayload))
	}
	var head [MinTimedPayload]byte
	binary.BigEndian.PutUint32(head[:], timedMagic)
	binary.BigEndian.PutUint64(head[4:], uint64(value))
	binary.BigEndian.PutUint64(head[12:], uint64(intended))
	binary.BigEndian.PutUint32(head[timedCheck:], timedSum(uint64(value), uint64(intended), size))
	dst = append(dst, head[:]...)
	for left := size - MinTimedPayload; left > 0; {
		n := min(left, len(filler))
		dst = append(dst, filler[:n]...)
		left -= n
	}
	return dst
}

// ParseTimedPayload returns the value and the time in a timed payload, or
// false if the bytes are not one or were changed.
func ParseTimedPayload(b []byte) (value int64, intended time.Duration, ok bool) {
	if len(b) < MinTimedPayload || binary.BigEndian.Uint32(b) != timedMagic {
		return None, 0, false
	}
	v, at := binary.BigEndian.Uint64(b[4:]), binary.BigEndian.Uint64(b[12:])
	if binary.BigEndian.Uint32(b[timedCheck:]) != timedSum(v, at, len(b)) || int64(v) < 0 {
		return None, 0, false
	}
	for rest := b[MinTimedPayload:]; len(rest) > 0; {
		n := min(len(rest), len(filler))
		if !bytes.Equal(rest[:n], filler[:n]) {
			return None, 0, false
		}
		rest = rest[n:]
	}
	return int64(v), time.Duration(at), true
}
