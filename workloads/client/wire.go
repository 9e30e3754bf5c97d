package client

import (
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

var errUnsupported error = kerr.UnsupportedVersion

// errorFor is the error of a Kafka error code with the broker's message, nil
// for code 0. It answers to errors.Is with the kerr error.
func errorFor(code int16, message *string) error {
	if code == 0 {
		return nil
	}
	err := kerr.ErrorForCode(code)
	if message != nil && *message != "" {
		return fmt.Errorf("%w (%s)", err, *message)
	}
	return err
}

// appendHeader appends a request header with room for the frame size, which
// send fills in along with the correlation id.
func appendHeader(dst []byte, key, version int16, flexible bool, clientID string) []byte {
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(key))
	dst = binary.BigEndian.AppendUint16(dst, uint16(version))
	dst = append(dst, 0, 0, 0, 0)
	dst = appendString(dst, clientID)
	if flexible {
		dst = append(dst, 0)
	}
	return dst
}

func appendString(dst []byte, s string) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(s)))
	return append(dst, s...)
}

func appendCompactString(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s))+1)
	return append(dst, s...)
}

// decoder reads Kafka's primitive types off the front of b. After a read past
// the end, bad is set and everything reads as zero.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) take(n int) []byte {
	if n < 0 || n > len(d.b) {
		d.bad = true
		d.b = nil
		return nil
	}
	p := d.b[:n]
	d.b = d.b[n:]
	return p
}

func (d *decoder) int16() int16 {
	if p := d.take(2); p != nil {
		return int16(binary.BigEndian.Uint16(p))
	}
	return 0
}

func (d *decoder) int32() int32 {
	if p := d.take(4); p != nil {
		return int32(binary.BigEndian.Uint32(p))
	}
	return 0
}

func (d *decoder) int64() int64 {
	if p := d.take(8); p != nil {
		return int64(binary.BigEndian.Uint64(p))
	}
	return 0
}

// uvarint reads an unsigned varint of at most 32 bits.
func (d *decoder) uvarint() uint32 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || v > 1<<32-1 {
		d.bad = true
		d.b = nil
		return 0
	}
	d.b = d.b[n:]
	return uint32(v)
}

// varint reads a zigzag varint.
func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.bad = true
		d.b = nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

// varintBytes reads bytes whose length is a zigzag varint; -1 is nil.
func (d *decoder) varintBytes() []byte {
	n := d.varint()
	if n == -1 || d.bad {
		return nil
	}
	if n < 0 || n > int64(len(d.b)) {
		d.bad = true
		d.b = nil
		return nil
	}
	return d.take(int(n))
}

// arrayLen reads the length of an array whose elements take at least one byte.
func (d *decoder) arrayLen(compact bool) int {
	n := d.length(compact)
	if n > len(d.b) {
		d.bad = true
		d.b = nil
		return 0
	}
	return max(n, 0)
}

// length reads the length of an array; -1 is null.
func (d *decoder) length(compact bool) int {
	if compact {
		return int(int64(d.uvarint()) - 1)
	}
	return int(d.int32())
}

// stringBytes reads a string without copying it; null reads as nil.
func (d *decoder) stringBytes(compact bool) []byte {
	var n int
	if compact {
		n = int(int64(d.uvarint()) - 1)
	} else {
		n = int(d.int16())
	}
	if n == -1 || d.bad {
		return nil
	}
	return d.take(n)
}

// tags skips tagged fields.
func (d *decoder) tags() {
	for n := d.uvarint(); n > 0 && !d.bad; n-- {
		d.uvarint()
		d.take(int(min(d.uvarint(), 1<<31-1)))
	}
}
