package linearizability

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"hash/fnv"
)

// MinPayload is the least size of a payload in bytes, MinTimedPayload that of
// one which carries the time at which it was to be sent.
const (
	MinPayload      = 16
	MinTimedPayload = 24
)

// Layout: magic (4 bytes), value (8), filler that depends on the value, CRC-32C
// of everything before (4). All big endian.
const (
	payloadMagic   = 0x57656972 // "Weir"
	payloadHeader  = 12
	payloadTrailer = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// AppendPayload appends to dst a record value of exactly size bytes that
// identifies itself as value: read back anywhere, [ParsePayload] recovers it
// and notices any changed byte. The filler does not compress. It panics if
// size is below [MinPayload] or value is negative.
func AppendPayload(dst []byte, value int64, size int) []byte {
	if size < MinPayload || value < 0 {
		panic(fmt.Sprintf("linearizability: payload of %d bytes for value %d: need at least %d bytes and a value that is not negative", size, value, MinPayload))
	}
	start := len(dst)
	dst = binary.BigEndian.AppendUint32(dst, payloadMagic)
	dst = binary.BigEndian.AppendUint64(dst, uint64(value))
	x := uint64(value)*0x9e3779b97f4a7c15 + 1
	for left := size - payloadHeader - payloadTrailer; left > 0; {
		// xorshift64: one word of filler a round.
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		if left >= 8 {
			dst = binary.BigEndian.AppendUint64(dst, x)
			left -= 8
			continue
		}
		for w := x; left > 0; left-- {
			dst = append(dst, byte(w))
			w >>= 8
		}
	}
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// ParsePayload returns the value inside a record, timed or not, or false if the
// bytes are not a payload or were changed.
func ParsePayload(b []byte) (int64, bool) {
	if len(b) >= MinTimedPayload && binary.BigEndian.Uint32(b) == timedMagic {
		v, _, ok := ParseTimedPayload(b)
		return v, ok
	}
	if len(b) < MinPayload || binary.BigEndian.Uint32(b) != payloadMagic {
		return None, false
	}
	body, sum := b[:len(b)-payloadTrailer], b[len(b)-payloadTrailer:]
	if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(sum) {
		return None, false
	}
	v := int64(binary.BigEndian.Uint64(b[4:]))
	return v, v >= 0
}

// HashRecord stands for the value of a record that no workload wrote, such as
// one of an internal topic: equal records have equal hashes. It is not negative
// and below 2^53.
func HashRecord(key, value []byte, timestampMillis int64) int64 {
	h := fnv.New64a()
	var b [8]byte
	for _, part := range [][]byte{key, value} {
		binary.BigEndian.PutUint64(b[:], uint64(len(part)))
		_, _ = h.Write(b[:])
		_, _ = h.Write(part)
	}
	binary.BigEndian.PutUint64(b[:], uint64(timestampMillis))
	_, _ = h.Write(b[:])
	return int64(h.Sum64() & (1<<53 - 1))
}
