package client

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/weirlab/weir/env"
)

// Errors of requests that got no answer. What such a request did is unknown,
// unless it was never written.
var (
	// ErrRequestTimeout: no response within the request's timeout. The
	// connection was closed.
	ErrRequestTimeout = errors.New("request timed out")

	// ErrDisconnected: the connection ended before the response came.
	ErrDisconnected = errors.New("disconnected")

	// ErrClosed: the client, producer or consumer was closed.
	ErrClosed = errors.New("client closed")
)

// errNotSent marks a failure before the first byte of a request was written,
// so that it certainly had no effect.
var errNotSent = errors.New("not sent")

// A responder takes the answer to one request: the response body after its
// header, or why there is none. It runs on the connection's reader task.
type responder interface {
	// response takes the body; it may keep it only if ownsBody.
	response(body []byte, err error)
	// ownsBody says whether the body must be memory of its own.
	ownsBody() bool
}

// call is a request under way.
type call struct {
	correlation int32
	flexible    bool // the response header has tags
	expires     time.Duration
	to          responder
}

// conn is one connection: requests are pipelined and answered in order.
type conn struct {
	c    *Client
	nc   net.Conn
	node int32
	addr string

	// versions[key] is the range the broker supports; max -1 if it does not.
	versions []versionRange

	wmu env.Mutex // serializes writes; taken before mu

	mu      env.Mutex // guards what follows
	pending []call    // oldest first, from head
	head    int
	next    int32         // correlation id of the next request
	armed   time.Duration // when the read deadline fires, 0 if it is not set
	dead    bool
	cause   error
}

type versionRange struct{ min, max int16 }

// dial opens a connection and learns the broker's API versions.
func (c *Client) dial(node int32, addr string) (*conn, error) {
	nc, err := c.e.Dial(addr, c.cfg.DialTimeout)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", addr, err)
	}
	k := &conn{c: c, nc: nc, node: node, addr: addr, wmu: c.e.NewMutex(), mu: c.e.NewMutex()}
	c.e.Go("client-read", k.readLoop)
	if err := k.handshake(); err != nil {
		k.kill(err)
		return nil, fmt.Errorf("agreeing on API versions with %s: %w", addr, err)
	}
	return k, nil
}

// alive reports whether requests can be sent.
func (k *conn) alive() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.dead
}

// kill closes the connection. The reader task then fails what is pending.
func (k *conn) kill(cause error) {
	k.mu.Lock()
	if !k.dead {
		k.dead = true
		k.cause = cause
	}
	k.mu.Unlock()
	_ = k.nc.Close() // an error here changes nothing: the connection is given up
}

// send writes one framed request. frame[0] starts with the request header,
// whose size and correlation id are filled in here; no byte of frame may
// change afterwards. flexible says that the response's header has tags. With
// to == nil no response is expected (acks=0).
//
// An error means that to will not be called. It wraps errNotSent if nothing
// was written.
func (k *conn) send(frame [][]byte, size int, flexible bool, timeout time.Duration, to responder) error {
	k.wmu.Lock()
	defer k.wmu.Unlock()

	k.mu.Lock()
	if k.dead {
		cause := k.cause
		k.mu.Unlock()
		return fmt.Errorf("%w: %w", errNotSent, cause)
	}
	correlation := k.next
	k.next++
	binary.BigEndian.PutUint32(frame[0], uint32(size-4))
	binary.BigEndian.PutUint32(frame[0][8:], uint32(correlation))
	if to != nil {
		now := k.c.e.Now()
		k.push(call{correlation, flexible, now + timeout, to})
		k.arm(now, now+timeout)
	}
	k.mu.Unlock()

	var err error
	if len(frame) == 1 {
		_, err = k.nc.Write(frame[0])
	} else {
		_, err = env.WriteBuffers(k.nc, frame)
	}
	if err != nil {
		k.kill(fmt.Errorf("%w: writing to %s: %w", ErrDisconnected, k.addr, err))
		if to == nil {
			return err
		}
	}
	return nil
}

// push appends to the pending calls. k.mu is held.
func (k *conn) push(c call) {
	if k.head > 0 && len(k.pending) == cap(k.pending) {
		n := copy(k.pending, k.pending[k.head:])
		clear(k.pending[n:])
		k.pending = k.pending[:n]
		k.head = 0
	}
	k.pending = append(k.pending, c)
}

// pop removes the oldest pending call. k.mu is held.
func (k *conn) pop() (call, bool) {
	if k.head == len(k.pending) {
		return call{}, false
	}
	c := k.pending[k.head]
	k.pending[k.head] = call{}
	k.head++
	if k.head == len(k.pending) {
		k.pending = k.pending[:0]
		k.head = 0
	}
	return c, true
}

// arm makes the read deadline fire by the instant at. Setting a deadline for
// each request would cost an event each; so a deadline once set stays until it
// fires, and expire then looks for the next. k.mu is held.
func (k *conn) arm(now, at time.Duration) {
	if k.armed != 0 && k.armed <= at {
		return
	}
	k.armed = at
	_ = k.nc.SetReadDeadline(k.c.e.Deadline(at - now)) // fails only if closed, which the reader sees
}

// expire is called when the read deadline has fired. It reports whether a
// request has really timed out, and sets the next deadline if not.
func (k *conn) expire() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.c.e.Now()
	var first time.Duration
	for i := k.head; i < len(k.pending); i++ {
		if at := k.pending[i].expires; first == 0 || at < first {
			first = at
		}
	}
	k.armed = 0
	switch {
	case first == 0:
		_ = k.nc.SetReadDeadline(time.Time{})
	case first <= now:
		return true
	default:
		k.arm(now, first)
	}
	return false
}

const readBufferBytes = 16 << 10

// reader fills a buffer from a connection.
type reader struct {
	k    *conn
	buf  []byte
	r, w int
}

// fill reads until n bytes are buffered.
func (r *reader) fill(n int) error {
	if r.w-r.r >= n {
		return nil
	}
	if n > len(r.buf) {
		buf := make([]byte, max(n, 2*len(r.buf)))
		r.w = copy(buf, r.buf[r.r:r.w])
		r.r = 0
		r.buf = buf
	} else if r.r+n > len(r.buf) {
		r.w = copy(r.buf, r.buf[r.r:r.w])
		r.r = 0
	}
	for r.w-r.r < n {
		got, err := r.k.read(r.buf[r.w:])
		r.w += got
		if err != nil {
			return err
		}
	}
	return nil
}

// read is one Read, over again if its deadline fired with nothing expired.
func (k *conn) read(p []byte) (int, error) {
	for {
		n, err := k.nc.Read(p)
		if n > 0 {
			return n, nil
		}
		if err == nil {
			continue
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, fmt.Errorf("%w: reading from %s: %w", ErrDisconnected, k.addr, err)
		}
		if k.expire() {
			return 0, fmt.Errorf("%w: no response from %s", ErrRequestTimeout, k.addr)
		}
	}
}

func (k *conn) readLoop() {
	r := &reader{k: k, buf: make([]byte, readBufferBytes)}
	err := k.readResponses(r)
	k.kill(err)
	k.mu.Lock()
	cause := k.cause
	k.mu.Unlock()
	for {
		k.mu.Lock()
		c, ok := k.pop()
		k.mu.Unlock()
		if !ok {
			return
		}
		c.to.response(nil, cause)
	}
}

func (k *conn) readResponses(r *reader) error {
	for {
		if err := r.fill(8); err != nil {
			return err
		}
		size := int32(binary.BigEndian.Uint32(r.buf[r.r:]))
		correlation := int32(binary.BigEndian.Uint32(r.buf[r.r+4:]))
		r.r += 8
		if size < 4 || size > k.c.cfg.MaxResponseBytes {
			return fmt.Errorf("%w: %s sent a response of %d bytes, allowed are 4 to %d", ErrDisconnected, k.addr, size, k.c.cfg.MaxResponseBytes)
		}
		k.mu.Lock()
		c, ok := k.pop()
		k.mu.Unlock()
		if !ok {
			return fmt.Errorf("%w: %s sent a response to no request", ErrDisconnected, k.addr)
		}
		if c.correlation != correlation {
			err := fmt.Errorf("%w: %s answered request %d with correlation id %d", ErrDisconnected, k.addr, c.correlation, correlation)
			k.kill(err)
			c.to.response(nil, err)
			return err
		}
		body, err := r.body(int(size)-4, c.to.ownsBody())
		if err == nil && c.flexible {
			body, err = skipTags(body)
		}
		if err != nil {
			// Later requests may not overtake this one in being told.
			k.kill(err)
			c.to.response(nil, err)
			return err
		}
		k.c.e.Work("client.receive", int64(size))
		c.to.response(body, nil)
	}
}

// trustedBodyBytes is how much memory is made on the word of an answer's header.
const trustedBodyBytes = 8 << 20

// body returns the next n bytes: of the buffer, valid until the next call, or
// if own is set in memory of their own.
func (r *reader) body(n int, own bool) ([]byte, error) {
	if !own {
		if err := r.fill(n); err != nil {
			return nil, err
		}
		r.r += n
		return r.buf[r.r-n : r.r], nil
	}
	// Beyond what answers usually have, memory grows with what has arrived, not
	// with what a header claims.
	p := make([]byte, 0, min(n, trustedBodyBytes))
	take := min(n, r.w-r.r)
	p = append(p, r.buf[r.r:r.r+take]...)
	r.r += take
	for len(p) < n {
		if len(p) == cap(p) {
			p = append(make([]byte, 0, min(n, 4*len(p))), p...)
		}
		got, err := r.k.read(p[len(p):cap(p)])
		p = p[:len(p)+got]
		if err != nil {
			return nil, err
		}
	}
	return p, nil
}

// skipTags drops the tagged fields of a response header.
func skipTags(b []byte) ([]byte, error) {
	d := decoder{b: b}
	d.tags()
	if d.bad {
		return nil, fmt.Errorf("%w: malformed response header", ErrDisconnected)
	}
	return d.b, nil
}

// syncCall waits for one response.
type syncCall struct {
	arrived env.Signal
	body    []byte
	err     error
}

func (s *syncCall) ownsBody() bool { return true }

func (s *syncCall) response(body []byte, err error) {
	s.body, s.err = body, err
	s.arrived.Set()
}

// roundTrip sends a request whose version is set and decodes the response.
func (k *conn) roundTrip(req kmsg.Request, timeout time.Duration) (kmsg.Response, error) {
	s := &syncCall{arrived: k.c.e.NewSignal()}
	frame := appendHeader(make([]byte, 0, 256), req.Key(), req.GetVersion(), req.IsFlexible(), k.c.cfg.ClientID)
	frame = req.AppendTo(frame)
	resp := req.ResponseKind()
	// The header of an ApiVersions response never has tags, so that a client
	// can read it whatever version the broker answers in (KIP-511).
	flexible := resp.IsFlexible() && req.Key() != int16(kmsg.ApiVersions)
	k.c.e.Work("client.send", int64(len(frame)))
	if err := k.send([][]byte{frame}, len(frame), flexible, timeout, s); err != nil {
		return nil, err
	}
	// The connection's own deadline ends the wait.
	s.arrived.Wait(env.Forever)
	if s.err != nil {
		return nil, s.err
	}
	if req.Key() == int16(kmsg.ApiVersions) && len(s.body) >= 2 && binary.BigEndian.Uint16(s.body) == unsupportedVersion {
		resp.SetVersion(0)
	}
	if err := resp.ReadFrom(s.body); err != nil {
		err = fmt.Errorf("%w: malformed %s response from %s: %w", ErrDisconnected, kmsg.NameForKey(req.Key()), k.addr, err)
		k.kill(err)
		return nil, err
	}
	return resp, nil
}

const unsupportedVersion = 35

// handshake asks for the broker's API versions, newest form first.
func (k *conn) handshake() error {
	for _, version := range []int16{3, 0} {
		req := kmsg.NewPtrApiVersionsRequest()
		req.Version = version
		req.ClientSoftwareName = "weir"
		req.ClientSoftwareVersion = "1"
		resp, err := k.roundTrip(req, k.c.cfg.RequestTimeout)
		if err != nil {
			return err
		}
		versions := resp.(*kmsg.ApiVersionsResponse)
		if versions.ErrorCode == unsupportedVersion && version > 0 {
			continue
		}
		if err := errorFor(versions.ErrorCode, nil); err != nil {
			return err
		}
		for _, key := range versions.ApiKeys {
			if key.ApiKey < 0 || key.ApiKey > kmsg.MaxKey {
				continue
			}
			for int(key.ApiKey) >= len(k.versions) {
				k.versions = append(k.versions, versionRange{0, -1})
			}
			k.versions[key.ApiKey] = versionRange{key.MinVersion, key.MaxVersion}
		}
		k.c.learnFeatures(versions)
		return nil
	}
	return errors.New("broker supports no version of ApiVersions")
}

// version picks the newest version of an API that both sides speak and that
// is at most highest.
func (k *conn) version(key, highest int16) (int16, error) {
	if int(key) < len(k.versions) {
		if r := k.versions[key]; r.max >= 0 && r.min <= highest {
			return min(r.max, highest), nil
		}
	}
	return 0, fmt.Errorf("%s supports no version of %s up to %d: %w", k.addr, kmsg.NameForKey(key), highest, errUnsupported)
}
