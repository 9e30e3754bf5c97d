package simnet_test

import (
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/simnet"
)

// long is a link of 50 ms each way.
func long(bytesPerSecond int64) simnet.LinkOptions {
	way := sim.Constant(50 * time.Millisecond)
	return simnet.LinkOptions{Latency: &way, BytesPerSecond: bytesPerSecond, SegmentBytes: 1460}
}

// received counts what arrives at b, and when the latest came.
func (w *world) received() (n *int, at *time.Duration) {
	n, at = new(int), new(time.Duration)
	w.serve(func(e env.Env, c net.Conn) {
		buf := make([]byte, 1<<20)
		for {
			got, err := c.Read(buf)
			*n += got
			if err != nil {
				return
			}
			*at = e.Now()
		}
	})
	return n, at
}

func TestBytesThatHaveNotLeftDieWithTheirSender(t *testing.T) {
	w := newWorld(t, 1, simnet.Options{})
	w.net.SetLink("a", "b", simnet.LinkOptions{BytesPerSecond: 1_000_000})
	got, _ := w.received()
	w.a.Start("sender", func(e env.Env) {
		c := w.dial(e)
		_, err := c.Write(make([]byte, 900_000))
		require.NoError(t, err, "the send buffer takes it")
		_ = c.Close()
	})
	w.k.At(300*time.Millisecond, "off", w.a.PowerOff)
	w.run(time.Hour)
	require.InDelta(t, 300_000, *got, 10_000)
	require.EqualValues(t, 900_000-*got, w.net.Stats().CutOffBytes)
}

func TestACrashedProcessLeavesItsBytesToTheKernel(t *testing.T) {
	w := newWorld(t, 1, simnet.Options{})
	w.net.SetLink("a", "b", simnet.LinkOptions{BytesPerSecond: 1_000_000})
	got, _ := w.received()
	w.a.Start("sender", func(e env.Env) {
		c := w.dial(e)
		_, _ = c.Write(make([]byte, 900_000))
		e.NewSignal().Wait(env.Forever)
	})
	w.k.At(300*time.Millisecond, "crash", w.a.Crash)
	w.run(time.Hour)
	require.Equal(t, 900_000, *got)
}

func TestALostPacketIsNotSentAgainByADeadSender(t *testing.T) {
	w := newWorld(t, 1, simnet.Options{})
	got, _ := w.received()
	w.a.Start("sender", func(e env.Env) {
		c := w.dial(e)
		w.net.SetLink("a", "b", simnet.LinkOptions{LossPPM: 1_000_000})
		_, _ = c.Write([]byte("lost"))
	})
	w.k.At(100*time.Millisecond, "off", w.a.PowerOff) // before the timeout of 200 ms
	w.run(time.Hour)
	require.Zero(t, *got)
}

func TestStreamsTearAnywhere(t *testing.T) {
	sizes := map[int]bool{}
	whole := 0
	w := newWorld(t, 1, simnet.Options{})
	w.serve(func(e env.Env, c net.Conn) {
		buf := make([]byte, 1000)
		for {
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			sizes[n] = true
			if n == 100 {
				whole++
			}
		}
	})
	w.a.Start("client", func(e env.Env) {
		c := w.dial(e)
		for range 5000 {
			_, err := c.Write(make([]byte, 100))
			require.NoError(t, err)
			e.Sleep(10 * time.Millisecond)
		}
	})
	w.run(time.Hour)
	for n := 1; n < 100; n++ {
		require.True(t, sizes[n], "no frame was torn after %d bytes", n)
	}
	require.Greater(t, whole, 4500)
	require.InDelta(t, 5000/16, w.net.Stats().Torn, 60)
}

// A long way is filled by slow start and growing buffers, not by a fixed
// window: 1 MiB a round trip would be 10 MB/s.
func TestALongWayIsFilledStepByStep(t *testing.T) {
	w := newWorld(t, 1, simnet.Options{})
	w.net.SetLink("a", "b", long(125_000_000))
	w.net.SetLink("b", "a", long(125_000_000))
	got, _ := w.received()
	w.a.Start("client", func(e env.Env) {
		c := w.dial(e)
		part := make([]byte, 1<<20)
		for {
			if _, err := c.Write(part); err != nil {
				return
			}
		}
	})
	at := map[time.Duration]int{}
	for _, s := range []time.Duration{300, 600, 5000, 15_000} {
		w.k.At(s*time.Millisecond, "look", func() { at[s] = *got })
	}
	w.run(15 * time.Second)
	require.Less(t, at[300], 60_000, "SYN, then windows of 14.6 and 29.2 kB")
	require.Less(t, at[600], 500_000)
	rate := (at[15_000] - at[5000]) / 10
	require.InDelta(t, 62_900_000, rate, 5_000_000, "6 MiB a round trip")
}

// Duplicate acknowledgements tell of a loss in a long flight after a round
// trip, and halve nothing but the window.
func TestLossInALongFlightCostsARoundTrip(t *testing.T) {
	took := func(bytes int) time.Duration {
		w := newWorld(t, 1, simnet.Options{TearOneIn: -1})
		_, at := w.received()
		var start time.Duration
		w.a.Start("client", func(e env.Env) {
			c := w.dial(e)
			start = e.Now()
			o := w.net.Link("a", "b")
			o.LossPPM = 1_000_000
			w.net.SetLink("a", "b", o)
			_, _ = c.Write(make([]byte, bytes))
		})
		w.run(time.Minute)
		return *at - start
	}
	require.Less(t, took(50_000), 5*time.Millisecond, "fast retransmit")
	require.Greater(t, took(100), 200*time.Millisecond, "the timer")
}

// While acknowledgements cannot come a sender waits: it neither sends on nor looks
// for them all the time.
func TestTheQueueWaitsWhileAcknowledgementsAreCut(t *testing.T) {
	for name, tc := range map[string]struct {
		cut time.Duration
		err error
	}{"short": {10 * time.Second, nil}, "too long": {time.Hour, syscall.ETIMEDOUT}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1, simnet.Options{RetransmitTimeout: time.Minute})
			w.net.SetLink("a", "b", long(10_000_000))
			w.net.SetLink("b", "a", long(10_000_000))
			got, at := w.received()
			var err error
			w.a.Start("sender", func(e env.Env) {
				c := w.dial(e)
				_, err = c.Write(make([]byte, 1_000_000))
				require.NoError(t, err, "the send buffer takes it")
				_, err = c.Read(make([]byte, 1))
			})
			w.k.At(350*time.Millisecond, "cut", func() { w.net.PartitionFate([]string{"b"}, []string{"a"}, true, simnet.FateResume) })
			w.run(350*time.Millisecond + tc.cut - 1)
			require.Less(t, *got, 1_000_000)
			require.Less(t, w.k.Stats().Events, uint64(10_000))
			require.Equal(t, tc.err == nil, err == nil)
			w.net.HealAll()
			w.run(time.Minute)
			if tc.err != nil {
				require.ErrorIs(t, err, tc.err)
				return
			}
			require.Equal(t, 1_000_000, *got)
			require.Greater(t, *at, tc.cut)
		})
	}
}

func TestKeepAliveNoticesAPeerThatVanished(t *testing.T) {
	probes := env.KeepAlive{Idle: 10 * time.Second, Interval: 2 * time.Second, Count: 3}
	for name, tc := range map[string]struct {
		vanish func(w *world)
		err    error
		at     time.Duration
	}{
		"power":     {func(w *world) { w.b.PowerOff() }, syscall.ETIMEDOUT, 30*time.Second + 6*time.Second},
		"partition": {func(w *world) { w.net.Partition([]string{"a"}, []string{"b"}, false) }, syscall.ETIMEDOUT, 36 * time.Second},
		"one way":   {func(w *world) { w.net.Partition([]string{"b"}, []string{"a"}, true) }, syscall.ETIMEDOUT, 36 * time.Second},
		"reboot": {func(w *world) {
			w.b.PowerOff()
			w.k.After(3*time.Second, "on", w.b.PowerOn)
		}, syscall.ECONNRESET, 30 * time.Second},
		"short cut": {func(w *world) {
			w.net.PartitionFate([]string{"a"}, []string{"b"}, false, simnet.FateResume)
			w.k.After(8*time.Second, "heal", w.net.HealAll)
		}, nil, 0},
		"forgotten": {func(w *world) {
			w.net.PartitionFate([]string{"a"}, []string{"b"}, false, simnet.FateForget)
			w.k.After(3*time.Second, "heal", w.net.HealAll)
		}, syscall.ECONNRESET, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1, simnet.Options{})
			w.serve(func(e env.Env, c net.Conn) { _, _ = io.Copy(io.Discard, c) })
			var got error
			var at time.Duration
			w.a.Start("reader", func(e env.Env) {
				c := w.dial(e)
				require.NoError(t, env.SetKeepAlive(c, probes))
				_, got = c.Read(make([]byte, 1))
				at = e.Now()
			})
			w.k.At(25*time.Second, "vanish", func() { tc.vanish(w) })
			w.run(time.Hour)
			if tc.err == nil {
				require.NoError(t, got)
				require.Zero(t, at, "answered probes change nothing")
				return
			}
			require.ErrorIs(t, got, tc.err)
			require.InDelta(t, tc.at.Seconds(), at.Seconds(), 0.1)
		})
	}
}
