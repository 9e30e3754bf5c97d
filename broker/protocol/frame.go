package protocol

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/env"
)

// trustedFrameBytes is how much of a frame is allocated on the sender's word
// alone. Beyond it the buffer grows as bytes arrive, so that a hostile length
// costs nothing.
const trustedFrameBytes = 1 << 20

// FrameTooLargeError reports a frame longer than the receiver accepts.
type FrameTooLargeError struct {
	SizeBytes  int32
	LimitBytes int32
}

func (e *FrameTooLargeError) Error() string {
	return fmt.Sprintf("protocol: frame of %d bytes: lengths must be from 0 to %d (socket.request.max.bytes)", e.SizeBytes, e.LimitBytes)
}

// ReadFrame reads one length-prefixed frame of at most limitBytes. The slice
// returned is the caller's.
func ReadFrame(r io.Reader, limitBytes int32) ([]byte, error) {
	f := frameReader{r: r, limitBytes: limitBytes}
	return f.next()
}

// keepFrameBytes is up to where frames are read into and written from memory of
// the program. Larger ones may be in memory of the connection, without a copy.
const keepFrameBytes = 256 << 10

// frameReader reads a connection's frames, into memory it has been given back
// where that is large enough.
type frameReader struct {
	r          io.Reader
	limitBytes int32
	prefix     [4]byte
	spare      []byte
	pool       *pool          // for frames beyond freeBytes; may be nil
	keepLarge  bool           // has few connections, whose frames are large: their memory is kept here
	begun      func(size int) // if set, told of every frame beyond freeBytes before it is read

	direct   bool   // large frames are wanted as the connection has them, without a copy
	borrowed bool   // the latest frame is the connection's
	release  func() // gives it back; may be nil
}

// next reads one frame. The slice returned is the caller's.
func (f *frameReader) next() ([]byte, error) {
	if _, err := io.ReadFull(f.r, f.prefix[:]); err != nil {
		return nil, err
	}
	size := int32(binary.BigEndian.Uint32(f.prefix[:]))
	if size < 0 || size > f.limitBytes {
		return nil, &FrameTooLargeError{SizeBytes: size, LimitBytes: f.limitBytes}
	}
	if f.begun != nil && size > freeBytes {
		f.begun(int(size))
	}
	if b, ok := f.r.(env.BufferReader); ok && f.direct && size > keepFrameBytes {
		frame, release, err := b.ReadBuffer(int(size))
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		f.borrowed, f.release = true, release
		return frame, err
	}
	frame := f.take(int(size))
	filled := 0
	for {
		n, err := io.ReadFull(f.r, frame[filled:])
		filled += n
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if filled == int(size) {
			return frame, nil
		}
		grown := make([]byte, min(int(size), 2*len(frame)))
		copy(grown, frame)
		frame = grown
	}
}

// take finds memory for the beginning of a frame of n bytes.
func (f *frameReader) take(n int) []byte {
	spare := f.spare
	f.spare = nil
	switch {
	case n <= cap(spare):
		return spare[:n]
	case n > freeBytes && f.pool != nil:
		if spare != nil {
			f.spare = spare
		}
		if kept := f.pool.find(n); kept != nil {
			return kept
		}
		if n <= trustedFrameBytes {
			return f.pool.get(n)
		}
	case spare != nil && n <= keepFrameBytes:
		// Frames are given back here, and have become longer.
		return make([]byte, n, max(n, min(2*cap(spare), keepFrameBytes)))
	}
	return make([]byte, min(n, trustedFrameBytes))
}

// giveBack lets the next frame have the memory of one that nobody needs any
// more.
func (f *frameReader) giveBack(frame []byte) {
	switch {
	case f.borrowed:
		if f.release != nil {
			f.release()
		}
		f.borrowed, f.release = false, nil
	case cap(frame) <= freeBytes || f.keepLarge || f.pool == nil && cap(frame) <= keepFrameBytes:
		f.spare = frame[:0]
	case f.pool != nil:
		f.pool.put(frame)
	}
}

// Header is the header of a request.
type Header struct {
	Key           int16
	Version       int16
	CorrelationID int32
	ClientID      string
}

// keyControlledShutdown v0 is the one request without a client id in its header.
const keyControlledShutdown = 7

// ParseHeader splits a request frame into its header and the bytes after it.
// For a flexible request the header's tagged fields still lead those bytes:
// whether a request is flexible is known to its message, not to the header.
func ParseHeader(frame []byte) (Header, []byte, error) { return parseHeader(frame, "") }

// parseHeader is ParseHeader, of a request whose client id is most often known.
func parseHeader(frame []byte, known string) (Header, []byte, error) {
	b := kbin.Reader{Src: frame}
	h := Header{Key: b.Int16(), Version: b.Int16(), CorrelationID: b.Int32()}
	if h.Key != keyControlledShutdown || h.Version != 0 {
		h.ClientID = known
		if id := b.Span(max(0, int(b.Int16()))); string(id) != known {
			h.ClientID = string(id)
		}
	}
	if !b.Ok() {
		return h, nil, fmt.Errorf("protocol: request header of %d bytes ends too early", len(frame))
	}
	return h, b.Src, nil
}

// ParseRequest decodes the message that follows header h. The version must
// already have been checked against a [Table].
func ParseRequest(h Header, body []byte) (kmsg.Request, error) {
	s, err := schemaOf(h.Key)
	if err != nil {
		return nil, err
	}
	m, err := splitMessage(h, body, s)
	if err != nil {
		return nil, err
	}
	return m.decode()
}

// message is a request that can be decoded.
type message struct {
	req   kmsg.Request
	body  []byte
	bytes int64 // an upper bound of what it decodes to
}

// splitMessage finds out what decoding the message after header h will take,
// and refuses what does not decode before any memory is taken for it.
func splitMessage(h Header, body []byte, s *schema) (message, error) {
	m := message{req: kmsg.RequestForKey(h.Key)}
	m.req.SetVersion(h.Version)
	if m.req.IsFlexible() {
		var ok bool
		if body, ok = skipTags(body); !ok {
			return m, fmt.Errorf("protocol: %s v%d: tagged fields of the header end too early", kmsg.NameForKey(h.Key), h.Version)
		}
	}
	m.body = body
	var err error
	if m.bytes, err = s.decodedBytes(h.Version, body); err != nil {
		return m, undecodable(h.Key, h.Version, body, err)
	}
	return m, nil
}

// skipTags returns what follows the tagged fields at the front of b. It reports
// false if they end too early.
func skipTags(b []byte) ([]byte, bool) {
	if len(b) > 0 && b[0] == 0 { // none, as nearly always
		return b[1:], true
	}
	r := kbin.Reader{Src: b}
	kmsg.SkipTags(&r)
	return r.Src, r.Ok()
}

func (m message) decode() (kmsg.Request, error) {
	if err := m.req.ReadFrom(m.body); err != nil {
		return nil, undecodable(m.req.Key(), m.req.GetVersion(), m.body, err)
	}
	return m.req, nil
}

func undecodable(key, version int16, body []byte, err error) error {
	return fmt.Errorf("protocol: %s v%d of %d bytes does not decode: %w", kmsg.NameForKey(key), version, len(body), err)
}

// AppendResponse appends the frame that answers a request with this
// correlation id.
func AppendResponse(dst []byte, correlationID int32, resp kmsg.Response) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(correlationID))
	// The ApiVersions answer keeps the old header in every version, because
	// its reader does not know yet what the server speaks (KIP-511).
	if resp.IsFlexible() && resp.Key() != keyAPIVersions {
		dst = append(dst, 0)
	}
	dst = resp.AppendTo(dst)
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst
}
