package simnet_test

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim/simnet"
)

// observed keeps what it is told of.
type observed struct {
	written, arrived map[simnet.Flow]int64
	text             map[simnet.Flow]string
	at               map[simnet.Flow]time.Duration
}

func (o *observed) Written(f simnet.Flow, _ time.Duration, b []byte) {
	o.written[f] += int64(len(b))
	o.text[f] += string(b)
}

func (o *observed) Arrived(f simnet.Flow, at time.Duration, n int64) {
	o.arrived[f] += n
	o.at[f] = at
}

// Whoever observes learns what is written and when it arrives, and changes
// nothing.
func TestAnObserverSeesBothDirections(t *testing.T) {
	exchange := func(o simnet.Observer) (uint64, time.Duration) {
		w := newWorld(t, 3, simnet.Options{})
		w.net.Observe(o)
		w.serve(func(_ env.Env, c net.Conn) {
			b := make([]byte, 4)
			_, err := io.ReadFull(c, b)
			require.NoError(t, err)
			_, err = c.Write([]byte("pong!"))
			require.NoError(t, err)
		})
		var answered time.Duration
		w.a.Start("client", func(e env.Env) {
			e.Sleep(time.Millisecond)
			c, err := e.Dial("b:1", time.Second)
			require.NoError(t, err)
			_, err = c.Write([]byte("ping"))
			require.NoError(t, err)
			b := make([]byte, 5)
			_, err = io.ReadFull(c, b)
			require.NoError(t, err)
			answered = e.Now()
			_, err = c.Write([]byte("lost"))
			require.NoError(t, err)
			w.b.PowerOff()
		})
		w.run(time.Second)
		return w.k.TraceHash(), answered
	}
	o := &observed{map[simnet.Flow]int64{}, map[simnet.Flow]int64{}, map[simnet.Flow]string{}, map[simnet.Flow]time.Duration{}}
	plain, _ := exchange(nil)
	hash, answered := exchange(o)
	require.Equal(t, plain, hash)
	require.Len(t, o.written, 2)
	for f, text := range o.text {
		if f.Dialed() {
			require.Equal(t, "a", f.From.Host)
			require.Equal(t, "pinglost", text)
			require.Equal(t, int64(4), o.arrived[f], "what is on its way to a machine without power does not arrive")
			continue
		}
		require.Equal(t, simnet.Addr{Host: "b", Port: 1}, f.From)
		require.Equal(t, "pong!", text)
		require.Equal(t, int64(5), o.arrived[f])
		require.Equal(t, answered, o.at[f])
	}
}
