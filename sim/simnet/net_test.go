package simnet_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/simnet"
)

// world is two machines, "a" and "b", on one network.
type world struct {
	t    testing.TB
	k    *sim.Kernel
	net  *simnet.Network
	a, b *sim.Node
}

func newWorld(t testing.TB, seed uint64, opts simnet.Options) *world {
	k := sim.NewKernel(sim.Options{Seed: seed})
	t.Cleanup(func() { require.NoError(t, k.Close()) })
	w := &world{t: t, k: k, net: simnet.New(k, opts), a: k.NewNode("a"), b: k.NewNode("b")}
	w.net.Attach(w.a, "a")
	w.net.Attach(w.b, "b")
	return w
}

func (w *world) run(d time.Duration) {
	w.t.Helper()
	require.NoError(w.t, w.k.RunUntil(w.k.Now()+d))
	for _, f := range w.k.Failures() {
		w.t.Fatal(f)
	}
}

// serve accepts connections on b and hands each to a task.
func (w *world) serve(handle func(e env.Env, c net.Conn)) {
	w.b.Start("server", func(e env.Env) {
		l, err := e.Listen("b:1")
		require.NoError(w.t, err)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			e.Go("handler", func() { handle(e, c) })
		}
	})
}

func echo(e env.Env, c net.Conn) {
	defer func() { _ = c.Close() }()
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (w *world) dial(e env.Env) net.Conn {
	c, err := e.Dial("b:1", 5*time.Second)
	require.NoError(w.t, err)
	return c
}

func TestEchoAndAddresses(t *testing.T) {
	w := newWorld(t, 1, simnet.Options{})
	w.serve(echo)
	done := false
	w.a.Start("client", func(e env.Env) {
		c := w.dial(e)
		require.Equal(t, "b:1", c.RemoteAddr().String())
		require.Equal(t, "a:32768", c.LocalAddr().String())
		require.Equal(t, "tcp", c.LocalAddr().Network())
		start := e.Now()
		_, err := c.Write([]byte("hello"))
		require.NoError(t, err)
		got := make([]byte, 5)
		_, err = io.ReadFull(c, got)
		require.NoError(t, err)
		require.Equal(t, "hello", string(got))
		require.GreaterOrEqual(t, e.Now()-start, 56*time.Microsecond)
		n, err := c.Read(nil)
		require.NoError(t, err)
		require.Zero(t, n)
		require.NoError(t, c.Close())
		require.ErrorIs(t, c.Close(), net.ErrClosed)
		_, err = c.Read(got)
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = c.Write(got)
		require.ErrorIs(t, err, net.ErrClosed)
		require.ErrorIs(t, c.SetDeadline(time.Time{}), net.ErrClosed)
		done = true
	})
	w.run(time.Minute)
	require.True(t, done)
}

func TestBytesArriveInOrderWhateverTheLatency(t *testing.T) {
	for seed := range uint64(10) {
		w := newWorld(t, seed, simnet.Options{})
		wild := sim.MustQuantiles(sim.Quantile{PPM: 0, Value: 0}, sim.Quantile{PPM: 1_000_000, Value: time.Second})
		w.net.SetLink("a", "b", simnet.LinkOptions{Latency: &wild, LossPPM: 200_000})
		var sent, got bytes.Buffer
		w.serve(func(e env.Env, c net.Conn) { _, _ = io.Copy(&got, c) })
		w.a.Start("client", func(e env.Env) {
			c := w.dial(e)
			r := e.Rand("test", "")
			for range 200 {
				b := make([]byte, r.Intn(3000))
				_, _ = r.Read(b)
				sent.Write(b)
				if r.Chance(1, 2) {
					_, err := c.Write(b)
					require.NoError(t, err)
					clear(b) // a written slice is the caller's again
				} else {
					cut := r.Intn(len(b) + 1)
					_, err := env.WriteBuffers(c, [][]byte{b[:cut], b[cut:]})
					require.NoError(t, err)
				}
				e.Sleep(r.Between(0, 20*time.Millisecond))
			}
			require.NoError(t, c.Close())
		})
		w.run(time.Minute)
		require.True(t, bytes.Equal(sent.Bytes(), got.Bytes()))
		require.Positive(t, w.net.Stats().Lost)
	}
}

func TestListenErrors(t *testing.T) {
	w := newWorld(t, 1, simnet.Options{})
	w.a.Start("main", func(e env.Env) {
		l, err := e.Listen(":9092")
		require.NoError(t, err)
		require.Equal(t, "a:9092", l.Addr().String())
		_, err = e.Listen("a:9092")
		require.ErrorIs(t, err, syscall.EADDRINUSE)
		var failed *os.SyscallError
		require.ErrorAs(t, err, &failed)
		require.Equal(t, sim.Errno(syscall.EADDRINUSE), failed.Err, "its text is the same on every system")
		_, err = e.Listen("b:1")
		require.ErrorIs(t, err, syscall.EADDRNOTAVAIL)
		_, err = e.Listen("nonsense")
		require.ErrorContains(t, err, "missing port")
		_, err = e.Listen("a:99999")
		require.ErrorContains(t, err, "port must be")
		free, err := e.Listen("a:0")
		require.NoError(t, err)
		require.NotEqual(t, "a:0", free.Addr().String())
		e.Go("closer", func() { require.NoError(t, l.Close()) })
		_, err = l.Accept()
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = e.Listen(":9092")
		require.NoError(t, err)
		_, err = e.Dial("nowhere:1", time.Second)
		var dns *net.DNSError
		require.ErrorAs(t, err, &dns)
		_, err = e.Dial("b:1", time.Second)
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		require.Less(t, e.Now(), 10*time.Millisecond)
		require.EqualValues(t, 1, w.net.Stats().Refused)
		_, err = e.Dial("b:1", 0)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		w.b.PowerOff()
		_, err = e.Dial("b:1", time.Hour)
		require.ErrorIs(t, err, syscall.ETIMEDOUT)
	})
	w.run(time.Hour)
}

func TestAFullBacklogDropsSyns(t *testing.T) {
	w := newWorld(t, 1, simnet.Options{Backlog: 2})
	var l net.Listener
	w.b.Start("server", func(e env.Env) {
		var err error
		l, err = e.Listen("b:1")
		require.NoError(t, err)
		e.Sleep(2 * time.Second)
		for {
			if _, err := l.Accept(); err != nil {
				return
			}
		}
	})
	var took []time.Duration
	w.a.Start("client", func(e env.Env) {
		for range 3 {
			start := e.Now()
			_, err := e.Dial("b:1", 10*time.Second)
			require.NoError(t, err)
			took = append(took, e.Now()-start)
		}
		w.b.Pause()
		for range 2 {
			_ = w.dial(e)
		}
		_, err := e.Dial("b:1", 500*time.Millisecond)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		var timeout interface{ Timeout() bool }
		require.True(t, errors.As(err, &timeout) && timeout.Timeout())
	})
	w.run(time.Minute)
	require.Len(t, took, 3)
	require.Less(t, took[1], time.Millisecond)
	require.Greater(t, took[2], 3*time.Second, "SYNs go out at 0, 1 and 3 s, and b accepts from 2 s on")
	require.Less(t, took[2], 3100*time.Millisecond)
}

func TestBackPressure(t *testing.T) {
	w := newWorld(t, 1, simnet.Options{WindowBytes: 64 << 10})
	const total = 1 << 20
	var written, read int
	w.serve(func(e env.Env, c net.Conn) {
		e.Sleep(time.Second)
		buf := make([]byte, 10_000)
		for {
			n, err := c.Read(buf)
			read += n
			if err != nil {
				require.Equal(t, io.EOF, err)
				return
			}
			require.LessOrEqual(t, written-read, 64<<10)
			e.Sleep(time.Millisecond)
		}
	})
	w.a.Start("client", func(e env.Env) {
		c := w.dial(e)
		for written < total {
			n, err := c.Write(make([]byte, 8<<10))
			require.NoError(t, err)
			written += n
		}
		require.Greater(t, e.Now(), time.Second)
		require.NoError(t, c.Close())
	})
	w.k.At(time.Second/2, "look", func() { require.Equal(t, 64<<10, written) })
	w.run(time.Minute)
	require.Equal(t, total, read)
}

func TestDeadlines(t *testing.T) {
	w := newWorld(t, 1, simnet.Options{WindowBytes: 1000})
	w.serve(func(e env.Env, c net.Conn) { e.NewSignal().Wait(env.Forever) })
	w.a.Start("client", func(e env.Env) {
		c := w.dial(e)
		start := e.Now()
		require.NoError(t, c.SetReadDeadline(e.Deadline(time.Second)))
		_, err := c.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		var ne net.Error
		require.True(t, errors.As(err, &ne) && ne.Timeout())
		require.Equal(t, time.Second, e.Now()-start)

		require.NoError(t, c.SetWriteDeadline(e.Deadline(time.Second)))
		n, err := c.Write(make([]byte, 1500))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, 1000, n)
		require.Equal(t, 2*time.Second, e.Now()-start)

		require.NoError(t, c.SetDeadline(time.Unix(1, 0)))
		_, err = c.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)

		// A deadline set by another task reaches a read that already waits.
		require.NoError(t, c.SetDeadline(time.Time{}))
		e.AfterFunc(time.Second, "hurry", func() { _ = c.SetReadDeadline(e.Deadline(0)) })
		_, err = c.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, 3*time.Second, e.Now()-start)

		require.NoError(t, c.SetDeadline(time.Time{}))
		e.AfterFunc(time.Second, "close", func() { _ = c.Close() })
		_, err = c.Read(make([]byte, 1))
		require.ErrorIs(t, err, net.ErrClosed)
	})
	w.run(time.Minute)
}

func TestConcurrentWritesDoNotMix(t *testing.T) {
	w := newWorld(t, 4, simnet.Options{WindowBytes: 100})
	var got bytes.Buffer
	w.serve(func(e env.Env, c net.Conn) { _, _ = io.Copy(&got, c) })
	w.a.Start("client", func(e env.Env) {
		c := w.dial(e)
		var tasks []env.Task
		for i := range 5 {
			tasks = append(tasks, e.Go("w", func() {
				_, err := c.Write(bytes.Repeat([]byte{byte('a' + i)}, 1000))
				require.NoError(t, err)
			}))
		}
		for _, w := range tasks {
			w.Wait()
		}
		_ = c.Close()
	})
	w.run(time.Minute)
	require.Equal(t, 5000, got.Len())
	for i := 0; i < 5000; i += 1000 {
		require.Equal(t, bytes.Repeat(got.Bytes()[i:i+1], 1000), got.Bytes()[i:i+1000])
	}
}

func TestHalfCloseAndReset(t *testing.T) {
	w := newWorld(t, 1, simnet.Options{})
	w.serve(func(e env.Env, c net.Conn) {
		// Says goodbye at once and never reads.
		_, err := c.Write([]byte("bye"))
		require.NoError(t, err)
		require.NoError(t, c.Close())
	})
	w.a.Start("client", func(e env.Env) {
		c := w.dial(e)
		all, err := io.ReadAll(c)
		require.NoError(t, err)
		require.Equal(t, "bye", string(all))
		// The peer is closed: the first write gets away and is answered with RST.
		_, err = c.Write([]byte("x"))
		require.NoError(t, err)
		e.Sleep(time.Second)
		_, err = c.Write([]byte("x"))
		require.ErrorIs(t, err, syscall.EPIPE)
	})
	w.run(time.Minute)
}

func TestCloseWithUnreadBytesResets(t *testing.T) {
	w := newWorld(t, 1, simnet.Options{})
	w.serve(func(e env.Env, c net.Conn) {
		e.Sleep(time.Second)
		_ = c.Close()
	})
	w.a.Start("client", func(e env.Env) {
		c := w.dial(e)
		_, err := c.Write([]byte("unread"))
		require.NoError(t, err)
		_, err = c.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ECONNRESET)
		_, err = c.Write([]byte("x"))
		require.ErrorIs(t, err, syscall.EPIPE)
		require.NoError(t, c.Close())
	})
	w.run(time.Minute)
	require.EqualValues(t, 1, w.net.Stats().Resets)
}

func TestCloseOfAListenerResetsItsBacklog(t *testing.T) {
	w := newWorld(t, 1, simnet.Options{})
	w.b.Start("server", func(e env.Env) {
		l, err := e.Listen(":1")
		require.NoError(t, err)
		e.Sleep(time.Second)
		require.NoError(t, l.Close())
		require.ErrorIs(t, l.Close(), net.ErrClosed)
	})
	w.a.Start("client", func(e env.Env) {
		c := w.dial(e)
		_, err := c.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ECONNRESET)
	})
	w.run(time.Minute)
}

func TestAHostTalksToItself(t *testing.T) {
	w := newWorld(t, 1, simnet.Options{})
	w.serve(echo)
	ok := false
	w.b.Start("client", func(e env.Env) {
		e.Sleep(time.Second)
		c, err := e.Dial("localhost:1", time.Second)
		require.NoError(t, err)
		_, err = c.Write([]byte("hi"))
		require.NoError(t, err)
		got := make([]byte, 2)
		_, err = io.ReadFull(c, got)
		require.NoError(t, err)
		ok = string(got) == "hi"
	})
	w.run(time.Minute)
	require.True(t, ok)
}

func TestBandwidthDelays(t *testing.T) {
	w := newWorld(t, 1, simnet.Options{})
	w.net.SetLink("a", "b", simnet.LinkOptions{BytesPerSecond: 1_000_000})
	var at time.Duration
	w.serve(func(e env.Env, c net.Conn) { _, _ = io.Copy(io.Discard, c); at = e.Now() })
	w.a.Start("client", func(e env.Env) {
		c := w.dial(e)
		_, err := c.Write(make([]byte, 500_000))
		require.NoError(t, err)
		_ = c.Close()
	})
	w.run(time.Minute)
	require.Greater(t, at, 500*time.Millisecond)
	require.Less(t, at, 510*time.Millisecond)

	w.net.SetLink("a", "b", simnet.LinkOptions{ExtraDelay: time.Second})
	require.Equal(t, time.Second, w.net.Link("a", "b").ExtraDelay)
	w.net.SetNIC("a", simnet.NIC{EgressBytesPerSecond: 1_000_000})
	w.net.SetNIC("b", simnet.NIC{IngressBytesPerSecond: 500_000})
	start := w.k.Now()
	w.a.Start("client", func(e env.Env) {
		c := w.dial(e)
		_, err := c.Write(make([]byte, 500_000))
		require.NoError(t, err)
		_ = c.Close()
	})
	w.run(time.Minute)
	require.Greater(t, at-start, 5*time.Second, "SYN 1 s, three windows of 90, 180 and 230 kB with 1 s of delay each, and 1 s through b's card")
	require.Less(t, at-start, 8*time.Second)
	require.Positive(t, w.net.Stats().Slowed)
}

type memFile struct {
	env.File
	data []byte
}

func (f memFile) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(f.data).ReadAt(p, off)
}

func TestSendFile(t *testing.T) {
	w := newWorld(t, 1, simnet.Options{WindowBytes: 100_000})
	data := make([]byte, 700_000)
	_, _ = env.NewRand(1, "", "").Read(data)
	var got bytes.Buffer
	w.serve(func(e env.Env, c net.Conn) { _, _ = io.Copy(&got, c) })
	w.a.Start("client", func(e env.Env) {
		c := w.dial(e)
		n, err := env.SendFile(c, memFile{data: data}, 1000, 650_000)
		require.NoError(t, err)
		require.EqualValues(t, 650_000, n)
		n, err = env.SendFile(c, memFile{data: data}, 690_000, 20_000)
		require.Equal(t, io.ErrUnexpectedEOF, err)
		require.EqualValues(t, 10_000, n)
		_ = c.Close()
	})
	w.run(time.Minute)
	require.True(t, bytes.Equal(append(bytes.Clone(data[1000:651_000]), data[690_000:]...), got.Bytes()))
}

func TestALaggingReaderMakesNoQueueGrow(t *testing.T) {
	w := newWorld(t, 1, simnet.Options{WindowBytes: 10_000})
	var got, want bytes.Buffer
	w.serve(func(e env.Env, c net.Conn) {
		buf := make([]byte, 7)
		for {
			n, err := c.Read(buf)
			got.Write(buf[:n])
			if err != nil {
				return
			}
			e.Sleep(time.Microsecond)
		}
	})
	w.a.Start("client", func(e env.Env) {
		c := w.dial(e)
		for i := range 20_000 {
			b := fmt.Appendf(nil, "%07d", i)
			want.Write(b)
			_, err := c.Write(b)
			require.NoError(t, err)
		}
		_ = c.Close()
	})
	w.run(time.Minute)
	require.True(t, bytes.Equal(want.Bytes(), got.Bytes()))
}

func TestTracesOfANetworkAreDeterministic(t *testing.T) {
	run := func(seed uint64) func(*sim.Window) sim.Trace {
		return func(win *sim.Window) sim.Trace {
			k := sim.NewKernel(sim.Options{Seed: seed, Window: win})
			defer func() { _ = k.Close() }()
			n := simnet.New(k, simnet.Options{})
			for i := range 3 {
				name := fmt.Sprint("n", i)
				node := k.NewNode(name)
				n.Attach(node, name)
				node.Start("server", func(e env.Env) {
					l, _ := e.Listen(":1")
					for {
						c, err := l.Accept()
						if err != nil {
							return
						}
						e.Go("echo", func() { echo(e, c) })
					}
				})
				node.Start("client", func(e env.Env) {
					r := e.Rand("client", "")
					for {
						c, err := e.Dial(fmt.Sprint("n", r.Intn(3), ":1"), time.Second)
						if err != nil {
							e.Sleep(time.Millisecond)
							continue
						}
						buf := make([]byte, 100)
						_ = c.SetDeadline(e.Deadline(100 * time.Millisecond))
						for range r.Intn(20) {
							_, _ = r.Read(buf)
							_, _ = c.Write(buf)
							_, _ = io.ReadFull(c, buf)
						}
						_ = c.Close()
					}
				})
			}
			k.At(50*time.Millisecond, "cut", func() { n.Partition([]string{"n0"}, []string{"n1"}, false) })
			k.At(90*time.Millisecond, "heal", n.HealAll)
			k.At(100*time.Millisecond, "off", k.Node("n2").PowerOff)
			k.At(150*time.Millisecond, "on", k.Node("n2").PowerOn)
			if err := k.RunUntil(300 * time.Millisecond); err != nil {
				t.Fatal(err)
			}
			return k.Trace()
		}
	}
	for seed := range uint64(3) {
		if m := sim.CompareRuns(run(seed)); m != nil {
			t.Fatal(m)
		}
	}
	require.NotEqual(t, run(1)(nil).Hash, run(2)(nil).Hash)
}
