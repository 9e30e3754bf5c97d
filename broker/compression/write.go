package compression

import (
	"encoding/binary"
	"errors"
	"io"
)

// NewWriter compresses what is written to it, until it is closed. What it holds
// and writes is the same on every machine, as far as its codec is not written in
// assembly.
func (c Codec) NewWriter(to io.Writer) (io.WriteCloser, error) {
	switch c {
	case None:
		return plain{to}, nil
	case Gzip:
		return borrowWriter(&gzipWriters, to, newGzipWriter) //weir:allow cannot be told from a new one
	case Snappy:
		return &snappyWriter{to: to}, nil
	case Lz4:
		return borrowWriter(&lz4Writers, to, newLz4Writer) //weir:allow cannot be told from a new one
	case Zstd:
		return borrowWriter(&zstdWriters, to, newZstdWriter) //weir:allow cannot be told from a new one
	}
	return nil, errors.New("no such codec")
}

type plain struct{ io.Writer }

func (plain) Close() error { return nil }

// snappyWriter frames snappy blocks as the Java client does and reads them.
type snappyWriter struct {
	to      io.Writer
	pending []byte
	begun   bool
}

const snappyBlockBytes = 32 << 10

func (w *snappyWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		room := min(snappyBlockBytes-len(w.pending), len(p))
		w.pending = append(w.pending, p[:room]...)
		p = p[room:]
		if len(w.pending) == snappyBlockBytes {
			if err := w.flush(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

func (w *snappyWriter) flush() error {
	var frame []byte
	if !w.begun {
		w.begun = true
		frame = append(append(frame, xerialMagic...), 0, 0, 0, 1, 0, 0, 0, 1) // version and the oldest compatible one
	}
	if len(w.pending) > 0 {
		block := appendSnappy(nil, w.pending)
		frame = append(binary.BigEndian.AppendUint32(frame, uint32(len(block))), block...)
		w.pending = w.pending[:0]
	}
	_, err := w.to.Write(frame)
	return err
}

func (w *snappyWriter) Close() error { return w.flush() }

// appendSnappy appends src, at most snappyBlockBytes, as one snappy block. The
// encoders of libraries are written in assembly for some machines and give other
// bytes there, by which simulated runs would differ.
func appendSnappy(dst, src []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(src)))
	const hashBits = 12
	var seen [1 << hashBits]uint16 // by the hash of four bytes, one more than where they were last
	literal := 0
	for i := 0; i+4 <= len(src); {
		four := binary.LittleEndian.Uint32(src[i:])
		h := four * 0x9e3779b1 >> (32 - hashBits)
		at := int(seen[h]) - 1
		seen[h] = uint16(i + 1)
		if at < 0 || binary.LittleEndian.Uint32(src[at:]) != four {
			i++
			continue
		}
		n := 4
		for i+n < len(src) && src[at+n] == src[i+n] {
			n++
		}
		dst = appendSnappyLiteral(dst, src[literal:i])
		for left := n; left > 0; left -= 64 {
			dst = append(dst, byte(min(left, 64)-1)<<2|2, byte(i-at), byte((i-at)>>8))
		}
		i += n
		literal = i
	}
	return appendSnappyLiteral(dst, src[literal:])
}

func appendSnappyLiteral(dst, literal []byte) []byte {
	switch n := len(literal) - 1; {
	case n < 0:
		return dst
	case n < 60:
		dst = append(dst, byte(n)<<2)
	case n < 1<<8:
		dst = append(dst, 60<<2, byte(n))
	default:
		dst = append(dst, 61<<2, byte(n), byte(n>>8))
	}
	return append(dst, literal...)
}
