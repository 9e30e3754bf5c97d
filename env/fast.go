package env

import (
	"io"
	"net"
	"time"
)

// KeepAlive is how a connection finds out that a silent peer has vanished: after
// Idle without a sign of it probes go out, one every Interval, and when Count of
// them were not answered the connection fails with syscall.ETIMEDOUT. A peer
// that lives but no longer knows the connection resets it.
type KeepAlive struct {
	Idle, Interval time.Duration
	Count          int
}

// DefaultKeepAlive is what every connection begins with.
func DefaultKeepAlive() KeepAlive {
	return KeepAlive{Idle: 15 * time.Second, Interval: 15 * time.Second, Count: 9}
}

// KeepAliver is a connection that can be told when to give up a silent peer.
type KeepAliver interface {
	// SetKeepAlive changes it. A Count of 0 sends no probes. On the operating
	// system times are whole seconds, rounded up.
	SetKeepAlive(k KeepAlive) error
}

// SetKeepAlive tells c when to give up a silent peer, if c can be told.
func SetKeepAlive(c net.Conn, k KeepAlive) error {
	if a, ok := c.(KeepAliver); ok {
		return a.SetKeepAlive(k)
	}
	return nil
}

// BufferWriter is a connection that can take several buffers as one write.
type BufferWriter interface {
	// WriteBuffers writes bufs in order. The connection may keep the slices:
	// the caller must never change their bytes again.
	WriteBuffers(bufs [][]byte) (int64, error)
}

// BufferLender is a connection that lends memory for what is to be written,
// and so saves both a copy and new memory for every write.
type BufferLender interface {
	// Borrow returns n bytes of memory, with anything in them.
	Borrow(n int) []byte

	// WriteBorrowed writes b, the beginning of what Borrow returned, and takes
	// the memory back whether it succeeds or not.
	WriteBorrowed(b []byte) (int, error)
}

// BufferReader is a connection that can hand over what has arrived without
// copying it.
type BufferReader interface {
	// ReadBuffer reads exactly n bytes. Nobody may change them. release, which
	// may be nil, gives the memory back when they are not needed any more;
	// calling it is not required. Errors are those of Read; what was read
	// before one is lost.
	ReadBuffer(n int) (b []byte, release func(), err error)
}

// Borrow returns n bytes of memory to be written to c with [WriteBorrowed].
func Borrow(c net.Conn, n int) []byte {
	if l, ok := c.(BufferLender); ok {
		return l.Borrow(n)
	}
	return make([]byte, n)
}

// WriteBorrowed writes to c what [Borrow] returned for it, or any other bytes
// that will never change again.
func WriteBorrowed(c net.Conn, b []byte) (int, error) {
	if l, ok := c.(BufferLender); ok {
		return l.WriteBorrowed(b)
	}
	return c.Write(b)
}

// FileSender is a connection that can send part of a file without the bytes
// passing through the program (sendfile).
type FileSender interface {
	// SendFile sends n bytes of f from offset off. It returns
	// io.ErrUnexpectedEOF if the file ends first.
	SendFile(f File, off, n int64) (int64, error)
}

// WriteBuffers writes bufs to c as one write where c can, one by one
// otherwise. The bytes must never change afterwards.
func WriteBuffers(c net.Conn, bufs [][]byte) (int64, error) {
	if w, ok := c.(BufferWriter); ok {
		return w.WriteBuffers(bufs)
	}
	var total int64
	for _, b := range bufs {
		n, err := c.Write(b)
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// SendFile sends n bytes of f from offset off to c, by sendfile where c can,
// by copying otherwise.
func SendFile(c net.Conn, f File, off, n int64) (int64, error) {
	if s, ok := c.(FileSender); ok {
		return s.SendFile(f, off, n)
	}
	var total int64
	buf := make([]byte, min(n, 256<<10))
	for total < n {
		chunk := buf[:min(n-total, int64(len(buf)))]
		got, err := f.ReadAt(chunk, off+total)
		sent, werr := c.Write(chunk[:got])
		total += int64(sent)
		if werr != nil {
			return total, werr
		}
		if err == io.EOF && total < n {
			return total, io.ErrUnexpectedEOF
		}
		if err != nil && err != io.EOF {
			return total, err
		}
	}
	return total, nil
}
