package protocol

import (
	"encoding/binary"
	"fmt"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/env"
)

// Client sends requests over one connection, one at a time: what brokers need
// among themselves. After any error the connection is closed and every later
// call fails, so that a caller never takes an old answer for a new one.
type Client struct {
	e         env.Env
	conn      net.Conn
	formatter *kmsg.RequestFormatter

	mu          env.Mutex
	correlation int32
	failed      error
	buf         []byte
	frames      frameReader
	lent        bool   // answers are valid until the next request only
	last        []byte // frame of the latest answer, if lent
}

// Dial connects to a server.
func Dial(e env.Env, addr, clientID string, timeout time.Duration) (*Client, error) {
	conn, err := e.Dial(addr, timeout)
	if err != nil {
		return nil, fmt.Errorf("protocol: connect to %s: %w", addr, err)
	}
	return &Client{e: e, conn: conn, formatter: kmsg.NewRequestFormatter(kmsg.FormatterClientID(clientID)), mu: e.NewMutex(),
		frames: frameReader{r: conn, limitBytes: DefaultMaxRequestBytes}}, nil
}

// LendAnswers makes the bytes in an answer valid only until the next request,
// which saves memory where answers are large and soon dealt with. Nobody may
// change them then.
func (c *Client) LendAnswers() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lent = true
	c.frames.keepLarge, c.frames.direct = true, true
}

// Request sends req, whose version must be set, and returns its answer. It
// waits for at most timeout.
func (c *Client) Request(req kmsg.Request, timeout time.Duration) (kmsg.Response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed != nil {
		return nil, c.failed
	}
	resp, err := c.exchange(req, timeout)
	if err != nil {
		c.failed = fmt.Errorf("protocol: %s to %s: %w", kmsg.NameForKey(req.Key()), c.conn.RemoteAddr(), err)
		_ = c.conn.Close()
		return nil, c.failed
	}
	return resp, nil
}

func (c *Client) exchange(req kmsg.Request, timeout time.Duration) (kmsg.Response, error) {
	if err := c.conn.SetDeadline(c.e.Deadline(timeout)); err != nil {
		return nil, err
	}
	c.correlation++
	c.buf = c.formatter.AppendRequest(c.buf[:0], req, c.correlation)
	if _, err := c.conn.Write(c.buf); err != nil {
		return nil, err
	}
	if c.last != nil {
		c.frames.giveBack(c.last)
		c.last = nil
	}
	frame, err := c.frames.next()
	if err != nil {
		return nil, err
	}
	c.e.Work("peer.request", int64(len(c.buf)+len(frame)))
	if c.lent {
		c.last = frame
	}
	return parseResponse(req, c.correlation, frame)
}

// Close ends the connection; a request in progress fails.
func (c *Client) Close() { _ = c.conn.Close() }

// parseResponse decodes the answer to req.
func parseResponse(req kmsg.Request, correlation int32, frame []byte) (kmsg.Response, error) {
	if len(frame) < 4 {
		return nil, fmt.Errorf("answer of %d bytes is shorter than its header", len(frame))
	}
	if got := int32(binary.BigEndian.Uint32(frame)); got != correlation {
		return nil, fmt.Errorf("answer carries correlation id %d, expected %d", got, correlation)
	}
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	body := frame[4:]
	if resp.IsFlexible() && resp.Key() != keyAPIVersions {
		var ok bool
		if body, ok = skipTags(body); !ok {
			return nil, fmt.Errorf("tagged fields of the answer's header end too early")
		}
	}
	if err := resp.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("answer does not decode: %w", err)
	}
	return resp, nil
}
