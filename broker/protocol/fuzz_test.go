package protocol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/env/osenv/osenvtest"
)

// FuzzRequestDecoder feeds arbitrary bytes to the request decoder: whatever they
// hold, the answer is a request or an error, never a panic, and what the schema
// refuses the codec would not have decoded.
func FuzzRequestDecoder(f *testing.F) {
	for key := int16(0); key <= int16(kmsg.MaxKey); key++ {
		if req := kmsg.RequestForKey(key); req != nil {
			for _, version := range []int16{0, req.MaxVersion()} {
				req.SetVersion(version)
				f.Add(kmsg.NewRequestFormatter(kmsg.FormatterClientID("weir")).AppendRequest(nil, req, 1)[4:])
			}
		}
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		h, body, err := ParseHeader(frame)
		if err != nil {
			return
		}
		kind := kmsg.RequestForKey(h.Key)
		if kind == nil || h.Version < 0 || h.Version > kind.MaxVersion() {
			return
		}
		s, err := schemaOf(h.Key)
		require.NoError(t, err)
		m, err := splitMessage(h, body, s)
		if err != nil {
			require.Contains(t, err.Error(), "protocol:")
			if m.body != nil {
				require.Error(t, m.req.ReadFrom(m.body), "refused though it decodes")
			}
			return
		}
		require.LessOrEqual(t, m.bytes, int64(decodedPerByte*(len(frame)+8)))
		req, err := m.decode()
		if err != nil {
			require.Contains(t, err.Error(), "protocol:")
			return
		}
		require.Equal(t, h.Version, req.GetVersion())
		_ = req.AppendTo(nil)
	})
}

// FuzzAnswerDecoder feeds arbitrary bytes to the decoder of answers that
// brokers use among themselves.
func FuzzAnswerDecoder(f *testing.F) {
	for key := int16(0); key <= int16(kmsg.MaxKey); key++ {
		if req := kmsg.RequestForKey(key); req != nil {
			req.SetVersion(req.MaxVersion())
			resp := req.ResponseKind()
			resp.SetVersion(req.MaxVersion())
			f.Add(key, req.MaxVersion(), AppendResponse(nil, 1, resp)[4:])
		}
	}
	f.Fuzz(func(t *testing.T, key, version int16, frame []byte) {
		req := kmsg.RequestForKey(key)
		if req == nil || version < 0 || version > req.MaxVersion() {
			return
		}
		req.SetVersion(version)
		resp, err := parseResponse(req, 1, frame)
		if err != nil {
			return
		}
		require.Equal(t, version, resp.GetVersion())
		_ = resp.AppendTo(nil)
	})
}

// FuzzFrames reads arbitrary bytes as frames, in memory that is used again, and
// compares them with what a plain reader finds.
func FuzzFrames(f *testing.F) {
	f.Add([]byte{0, 0, 0, 3, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 1, 9})
	f.Add([]byte{0, 1, 0, 0, 1})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	e := osenvtest.New(f, osenv.Options{Root: f.TempDir(), Node: "fuzz"})
	f.Fuzz(func(t *testing.T, stream []byte) {
		const limit = 1 << 17
		frames := frameReader{r: bytes.NewReader(stream), limitBytes: limit, pool: newPool(e)}
		for rest := stream; ; {
			frame, err := frames.next()
			if len(rest) < 4 {
				require.Error(t, err)
				return
			}
			size := int32(binary.BigEndian.Uint32(rest))
			rest = rest[4:]
			switch tooLarge := (*FrameTooLargeError)(nil); {
			case size < 0 || size > limit:
				require.True(t, errors.As(err, &tooLarge))
				return
			case int(size) > len(rest):
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
				return
			}
			require.NoError(t, err)
			require.True(t, bytes.Equal(rest[:size], frame))
			rest = rest[size:]
			frames.giveBack(frame)
		}
	})
}
