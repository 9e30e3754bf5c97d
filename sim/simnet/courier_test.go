package simnet_test

import (
	"bytes"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim/simnet"
)

// slowpoke keeps flights that hold a word, or resets who sends them.
type slowpoke struct {
	word string
	keep time.Duration
	snap bool
}

func (s slowpoke) Carry(pieces [][]byte) (time.Duration, bool) {
	if bytes.Contains(bytes.Join(pieces, nil), []byte(s.word)) {
		return s.keep, s.snap
	}
	return 0, false
}

// arrivals is what reached the server and when, over all connections.
type arrivals struct {
	text []string
	at   []time.Duration
}

func (a *arrivals) serve(w *world) {
	w.serve(func(e env.Env, c net.Conn) {
		buf := make([]byte, 100)
		for {
			n, err := c.Read(buf)
			if n > 0 {
				a.text, a.at = append(a.text, string(buf[:n])), append(a.at, e.Now())
			}
			if err != nil {
				return
			}
		}
	})
}

// What a courier keeps keeps what is behind it on its connection, and nothing
// on another; it arrives although its connection was closed, its process died,
// or its machine lost power.
func TestWhatACourierKeeps(t *testing.T) {
	for name, end := range map[string]func(*world, net.Conn){
		"closed":     func(_ *world, c net.Conn) { _ = c.Close() },
		"crash":      func(w *world, _ net.Conn) { w.k.After(0, "crash", w.a.Crash) },
		"power loss": func(w *world, _ net.Conn) { w.k.After(0, "off", w.a.PowerOff) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1, simnet.Options{TearOneIn: -1})
			w.net.SetCouriers(func(_ string, from, _ simnet.Addr) simnet.Courier {
				if from.Host != "a" {
					return nil
				}
				return slowpoke{word: "late", keep: 3 * time.Second}
			})
			var got arrivals
			got.serve(w)
			w.a.Start("client", func(e env.Env) {
				first, second := w.dial(e), w.dial(e)
				for _, text := range []string{"early ", "late ", "behind "} {
					_, err := first.Write([]byte(text))
					require.NoError(t, err)
					e.Sleep(time.Millisecond)
				}
				_, err := second.Write([]byte("beside "))
				require.NoError(t, err)
				e.Sleep(time.Millisecond)
				end(w, first)
				e.Sleep(time.Hour)
			})
			w.run(time.Minute)
			require.Equal(t, "early beside late behind ", strings.Join(got.text, ""))
			require.Less(t, got.at[1], time.Second)
			require.Greater(t, got.at[2], 3*time.Second)
			require.EqualValues(t, 1, w.net.Stats().Kept)
		})
	}
}

// A reset in the network ends both ends; what was on its way is gone, what had
// arrived is not.
func TestTheNetworkResetsConnections(t *testing.T) {
	w := newWorld(t, 1, simnet.Options{TearOneIn: -1})
	w.net.SetCouriers(func(string, simnet.Addr, simnet.Addr) simnet.Courier { return slowpoke{word: "bad", snap: true} })
	var served []string
	var seen error
	w.serve(func(e env.Env, c net.Conn) {
		text, err := io.ReadAll(c)
		served, seen = append(served, string(text)), err
	})
	w.a.Start("client", func(e env.Env) {
		c := w.dial(e)
		_, err := c.Write([]byte("good"))
		require.NoError(t, err)
		e.Sleep(time.Second)
		_, err = c.Write([]byte("bad"))
		require.NoError(t, err)
		_, err = c.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ECONNRESET)

		c = w.dial(e)
		w.k.After(time.Second, "snap", func() {
			require.EqualValues(t, 1, w.net.Snap([]string{"b"}, []string{"a", "b"}))
		})
		_, err = c.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ECONNRESET)
	})
	w.run(time.Minute)
	require.Equal(t, []string{"good", ""}, served)
	require.ErrorIs(t, seen, syscall.ECONNRESET)
	require.EqualValues(t, 2, w.net.Stats().Broken)
}
