package simnet_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim/simnet"
)

// fill writes the bytes of a stream from position at on.
func fill(p []byte, at int) {
	for i := range p {
		p[i] = byte((at + i) * 7 >> 3)
	}
}

// holds reports whether p is what fill wrote.
func holds(p []byte, at int) bool {
	for i := range p {
		if p[i] != byte((at+i)*7>>3) {
			return false
		}
	}
	return true
}

// TestReadBufferIsTheStream: whatever way bytes are written and read, they are
// the stream, and a buffer that was lent is not used again before it is given
// back.
func TestReadBufferIsTheStream(t *testing.T) {
	for seed := range uint64(40) {
		window := []int64{1000, 50_000, 1 << 20}[seed%3]
		w := newWorld(t, seed, simnet.Options{WindowBytes: window})
		const total = 3_000_000
		server := w.a.Start("server", func(e env.Env) {
			l, err := e.Listen("a:1")
			assert.NoError(t, err)
			c, err := l.Accept()
			assert.NoError(t, err)
			r := e.Rand("sizes", "server")
			for at := 0; at < total; {
				n := min(total-at, 1+int(r.Int64n(300_000)))
				switch r.Int64n(3) {
				case 0:
					p := make([]byte, n)
					fill(p, at)
					_, err = c.Write(p)
				case 1:
					p := make([]byte, n)
					fill(p, at)
					_, err = env.WriteBuffers(c, [][]byte{p[:n/2], p[n/2:]})
				case 2:
					p := env.Borrow(c, n)
					fill(p, at)
					_, err = env.WriteBorrowed(c, p)
				}
				assert.NoError(t, err)
				at += n
			}
			assert.NoError(t, c.Close())
		})
		client := w.b.Start("client", func(e env.Env) {
			c, err := e.Dial("a:1", time.Second)
			assert.NoError(t, err)
			r := e.Rand("sizes", "client")
			type held struct {
				at      int
				bytes   []byte
				release func()
			}
			var holding []held
			for at := 0; at < total; {
				n := min(total-at, 1+int(r.Int64n(200_000)))
				if r.Chance(1, 5) {
					p := make([]byte, n)
					n, err = c.Read(p)
					assert.NoError(t, err)
					assert.True(t, holds(p[:n], at))
				} else {
					b, release, err := c.(env.BufferReader).ReadBuffer(n)
					if !assert.NoError(t, err) || !assert.Len(t, b, n) {
						return
					}
					holding = append(holding, held{at, b, release})
				}
				at += n
				if len(holding) > 3 {
					h := holding[0]
					holding = holding[1:]
					assert.True(t, holds(h.bytes, h.at), "bytes %d to %d", h.at, h.at+len(h.bytes))
					if h.release != nil {
						h.release()
					}
				}
			}
			_, _, err = c.(env.BufferReader).ReadBuffer(1)
			assert.Error(t, err, "the end")
		})
		require.NoError(t, w.k.RunWhile(func() bool { return !client.Done() || !server.Done() }))
		require.Empty(t, w.k.Failures())
	}
}
