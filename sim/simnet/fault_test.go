package simnet_test

import (
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim/simnet"
)

func TestACrashClosesConnections(t *testing.T) {
	w := newWorld(t, 1, simnet.Options{})
	w.serve(func(e env.Env, c net.Conn) {
		defer func() {
			_, err := c.Write([]byte("last words"))
			require.ErrorIs(t, err, net.ErrClosed)
			require.ErrorIs(t, c.Close(), net.ErrClosed)
		}()
		buf := make([]byte, 1)
		_, err := c.Read(buf)
		require.NoError(t, err)
		if buf[0] == 'r' {
			_, _ = c.Read(buf)
		}
		e.NewSignal().Wait(env.Forever)
	})
	ended := 0
	client := func(first string, want error) {
		w.a.Start("client", func(e env.Env) {
			c := w.dial(e)
			_, err := c.Write([]byte(first))
			require.NoError(t, err)
			_, err = c.Read(make([]byte, 1))
			require.ErrorIs(t, err, want)
			ended++
		})
	}
	client("r", io.EOF)
	client("unread", syscall.ECONNRESET)
	w.k.At(time.Second, "crash", w.b.Crash)
	w.k.At(2*time.Second, "dial the dead", func() {
		w.a.Start("client", func(e env.Env) {
			_, err := e.Dial("b:1", time.Second)
			require.ErrorIs(t, err, syscall.ECONNREFUSED)
			ended++
		})
	})
	w.run(time.Minute)
	require.Equal(t, 3, ended)
}

func TestPowerLossLeavesPeersHalfOpen(t *testing.T) {
	w := newWorld(t, 1, simnet.Options{})
	w.serve(echo)
	var got []error
	w.a.Start("idle", func(e env.Env) {
		c := w.dial(e)
		require.NoError(t, env.SetKeepAlive(c, env.KeepAlive{}))
		_ = c.SetReadDeadline(e.Deadline(time.Hour))
		_, err := c.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded, "without probes nothing tells a peer that only reads")
		got = append(got, err)
	})
	w.a.Start("sender", func(e env.Env) {
		c := w.dial(e)
		e.Sleep(2 * time.Second)
		_, err := c.Write([]byte("into the void"))
		require.NoError(t, err)
		_, err = c.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ECONNRESET)
		require.Greater(t, e.Now(), 10*time.Second)
		require.Less(t, e.Now(), 16*time.Second)
		got = append(got, err)
	})
	w.a.Start("dialer", func(e env.Env) {
		e.Sleep(3 * time.Second)
		_, err := e.Dial("b:1", time.Second)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		got = append(got, err)
		c, err := e.Dial("b:1", time.Minute)
		require.ErrorIs(t, err, syscall.ECONNREFUSED, "the machine is back, the server is not: %v", c)
		require.Greater(t, e.Now(), 10*time.Second)
		got = append(got, err)
	})
	w.k.At(time.Second, "off", w.b.PowerOff)
	w.k.At(10*time.Second, "on", w.b.PowerOn)
	w.run(2 * time.Hour)
	require.Len(t, got, 4)
}

func TestRetransmissionGivesUp(t *testing.T) {
	w := newWorld(t, 1, simnet.Options{RetransmitTimeout: 30 * time.Second})
	w.serve(echo)
	ended := 0
	w.a.Start("sender", func(e env.Env) {
		c := w.dial(e)
		e.Sleep(2 * time.Second)
		_, err := c.Write([]byte("into the void"))
		require.NoError(t, err)
		_, err = c.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ETIMEDOUT)
		require.InDelta(t, float64(32*time.Second), float64(e.Now()), float64(time.Second))
		ended++
	})
	w.a.Start("blocked writer", func(e env.Env) {
		c := w.dial(e)
		e.Sleep(2 * time.Second)
		_, err := c.Write(make([]byte, 4<<20))
		require.ErrorIs(t, err, syscall.ETIMEDOUT)
		ended++
	})
	w.k.At(time.Second, "off", w.b.PowerOff)
	w.run(time.Hour)
	require.Equal(t, 2, ended)
	require.EqualValues(t, 2, w.net.Stats().TimedOut)
}

func TestABlockedWriterNoticesThatItsPeerRebooted(t *testing.T) {
	w := newWorld(t, 1, simnet.Options{})
	w.serve(func(e env.Env, c net.Conn) { e.NewSignal().Wait(env.Forever) })
	ended := false
	w.a.Start("writer", func(e env.Env) {
		c := w.dial(e)
		n, err := c.Write(make([]byte, 4<<20))
		require.ErrorIs(t, err, syscall.ECONNRESET)
		require.Equal(t, 1<<20, n)
		ended = true
	})
	w.k.At(100*time.Second, "off", w.b.PowerOff)
	w.k.At(110*time.Second, "on", w.b.PowerOn)
	w.run(time.Hour)
	require.True(t, ended)
}

func TestAPartitionHoldsBytesUntilItHeals(t *testing.T) {
	w := newWorld(t, 1, simnet.Options{TearOneIn: -1})
	var got []string
	var at []time.Duration
	w.serve(func(e env.Env, c net.Conn) {
		buf := make([]byte, 100)
		for {
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			got = append(got, string(buf[:n]))
			at = append(at, e.Now())
			e.Sleep(time.Millisecond)
		}
	})
	w.a.Start("client", func(e env.Env) {
		c := w.dial(e)
		for _, s := range []string{"one", "two", "three"} {
			_, err := c.Write([]byte(s))
			require.NoError(t, err)
			e.Sleep(2 * time.Second)
		}
	})
	var cut *simnet.Cut
	w.k.At(time.Second, "cut", func() {
		cut = w.net.PartitionFate([]string{"a"}, []string{"b"}, false, simnet.FateResume)
	})
	w.k.At(6*time.Second, "heal", func() { cut.Heal(); cut.Heal() })
	w.run(time.Minute)
	require.Equal(t, "one", got[0])
	require.Equal(t, []string{"one", "two", "three"}, got, "the last is sent when the one before it was acknowledged")
	require.Greater(t, at[1], 6*time.Second)
	require.Less(t, at[2], 11*time.Second)
	s := w.net.Stats()
	require.EqualValues(t, 1, s.Held)
	require.EqualValues(t, 1, s.Released)
	require.EqualValues(t, 3, s.HeldBytes)
	require.EqualValues(t, 1, s.Partitions)
}

func TestANetworkMayForgetAConnectionItCut(t *testing.T) {
	w := newWorld(t, 1, simnet.Options{})
	serverSaw := 0
	w.serve(func(e env.Env, c net.Conn) {
		_ = env.SetKeepAlive(c, env.KeepAlive{})
		for {
			n, err := c.Read(make([]byte, 100))
			if err != nil {
				t.Error("the receiving end must stay half-open, but saw", err)
				return
			}
			serverSaw += n
		}
	})
	ended := false
	w.a.Start("client", func(e env.Env) {
		c := w.dial(e)
		_, err := c.Write([]byte("one"))
		require.NoError(t, err)
		e.Sleep(2 * time.Second)
		_, err = c.Write([]byte("never arrives"))
		require.NoError(t, err)
		_, err = c.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ECONNRESET)
		ended = true
	})
	w.k.At(time.Second, "cut", func() {
		w.net.PartitionFate([]string{"a"}, []string{"b"}, false, simnet.FateForget)
	})
	w.k.At(6*time.Second, "heal", w.net.HealAll)
	w.run(time.Minute)
	require.True(t, ended)
	require.Equal(t, 3, serverSaw)
	require.EqualValues(t, 1, w.net.Stats().Forgotten)
}

func TestBothFatesAreDrawn(t *testing.T) {
	fates := map[bool]int{}
	for seed := range uint64(20) {
		w := newWorld(t, seed, simnet.Options{ForgetOneIn: 2})
		w.serve(echo)
		w.a.Start("client", func(e env.Env) {
			c := w.dial(e)
			e.Sleep(2 * time.Second)
			_, _ = c.Write([]byte("x"))
			_, err := c.Read(make([]byte, 1))
			fates[err == nil]++
		})
		w.k.At(time.Second, "cut", func() { w.net.Partition([]string{"a"}, []string{"b"}, false) })
		w.k.At(6*time.Second, "heal", w.net.HealAll)
		w.run(time.Minute)
	}
	require.Greater(t, fates[true], 3)
	require.Greater(t, fates[false], 3)
}

func TestAOneWayPartition(t *testing.T) {
	w := newWorld(t, 1, simnet.Options{RetransmitTimeout: 20 * time.Second})
	var serverGot string
	var serverErr error
	w.serve(func(e env.Env, c net.Conn) {
		buf := make([]byte, 100)
		n, _ := c.Read(buf)
		serverGot = string(buf[:n])
		_, _ = c.Write([]byte("answer"))
		_, serverErr = c.Read(buf)
	})
	var clientErr error
	w.a.Start("client", func(e env.Env) {
		c := w.dial(e)
		e.Sleep(2 * time.Second)
		_, err := c.Write([]byte("question"))
		require.NoError(t, err)
		_, clientErr = c.Read(make([]byte, 100))
		_, err = e.Dial("b:1", 3*time.Second)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	})
	w.k.At(time.Second, "cut", func() {
		w.net.PartitionFate([]string{"b"}, []string{"a"}, true, simnet.FateResume)
	})
	w.run(10 * time.Second)
	require.Equal(t, "question", serverGot, "the direction towards b is open")
	require.NoError(t, clientErr)
	w.run(time.Minute)
	require.ErrorIs(t, clientErr, syscall.ETIMEDOUT, "never acknowledged")
	require.ErrorIs(t, serverErr, syscall.ETIMEDOUT, "never delivered")
	require.Positive(t, w.net.Stats().SynsDropped)
}

func TestOverlappingPartitions(t *testing.T) {
	w := newWorld(t, 1, simnet.Options{})
	w.serve(echo)
	var dialed time.Duration
	first := w.net.Partition([]string{"a"}, []string{"b"}, false)
	second := w.net.Partition([]string{"a", "b"}, []string{"a", "b"}, true)
	w.a.Start("client", func(e env.Env) {
		_, err := e.Dial("b:1", time.Hour)
		require.NoError(t, err)
		dialed = e.Now()
	})
	w.k.At(10*time.Second, "heal one", first.Heal)
	w.k.At(20*time.Second, "heal the other", second.Heal)
	w.run(time.Hour)
	require.Greater(t, dialed, 20*time.Second)
}

func TestAPausedMachineStillReceives(t *testing.T) {
	w := newWorld(t, 1, simnet.Options{})
	w.serve(echo)
	var at time.Duration
	w.a.Start("client", func(e env.Env) {
		e.Sleep(2 * time.Second)
		c, err := e.Dial("b:1", time.Second)
		require.NoError(t, err, "the kernel of a paused program still accepts")
		_, err = c.Write([]byte("x"))
		require.NoError(t, err)
		_, err = c.Read(make([]byte, 1))
		require.NoError(t, err)
		at = e.Now()
	})
	w.k.At(time.Second, "pause", w.b.Pause)
	w.k.At(10*time.Second, "resume", w.b.Resume)
	w.run(time.Minute)
	require.Greater(t, at, 10*time.Second)
}

func TestADialerThatGaveUpResetsWhatWasAccepted(t *testing.T) {
	w := newWorld(t, 1, simnet.Options{})
	slow := simnet.SameZone()
	slow.ExtraDelay = 2 * time.Second
	w.net.SetLink("b", "a", slow)
	var serverErr error
	w.serve(func(e env.Env, c net.Conn) { _, serverErr = c.Read(make([]byte, 1)) })
	w.a.Start("client", func(e env.Env) {
		_, err := e.Dial("b:1", time.Second)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	})
	w.run(time.Minute)
	require.ErrorIs(t, serverErr, syscall.ECONNRESET)
}

func TestUnknownHostsPanic(t *testing.T) {
	w := newWorld(t, 1, simnet.Options{})
	require.PanicsWithValue(t, `simnet: no host named "c"; there are [a b]`, func() { w.net.Partition([]string{"a"}, []string{"c"}, false) })
	require.Panics(t, func() { w.net.Attach(w.a, "a") })
	require.Equal(t, []string{"a", "b"}, w.net.Hosts())
}

func TestNothingLeaksAfterManyConnections(t *testing.T) {
	w := newWorld(t, 1, simnet.Options{})
	w.serve(echo)
	w.a.Start("client", func(e env.Env) {
		for range 500 {
			c := w.dial(e)
			_, err := c.Write([]byte("x"))
			require.NoError(t, err)
			_, err = c.Read(make([]byte, 1))
			require.NoError(t, err)
			require.NoError(t, c.Close())
		}
	})
	w.run(time.Minute)
	require.EqualValues(t, 500, w.net.Stats().Connections)
	require.EqualValues(t, 1, w.k.Stats().TasksLive, "the accepting task")
}
