package envtest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
)

// listen listens on addr and posts where.
func listen(p *P, addr string, b *Board) net.Listener {
	l, err := p.Listen(addr)
	require.NoError(p, err)
	b.Post("address", l.Addr().String())
	return l
}

// accept takes one connection, which fails by itself if a test hangs.
func accept(p *P, l net.Listener) net.Conn {
	c, err := l.Accept()
	require.NoError(p, err)
	require.NoError(p, c.SetDeadline(p.Deadline(long)))
	return c
}

// serve accepts one connection on addr and closes the listener after it.
func serve(p *P, addr string, b *Board) net.Conn {
	l := listen(p, addr, b)
	c := accept(p, l)
	require.NoError(p, l.Close())
	return c
}

// dial connects to the posted address.
func dial(p *P, b *Board) net.Conn {
	c, err := p.Dial(b.Await(p, "address"), long)
	require.NoError(p, err)
	require.NoError(p, c.SetDeadline(p.Deadline(long)))
	return c
}

// loop is a connection of a machine with itself.
func loop(p *P, addr string) (client, server net.Conn) {
	var b Board
	accepted := p.Go("acceptor", func() { server = serve(p, addr, &b) })
	client = dial(p, &b)
	accepted.Wait()
	require.NotNil(p, server)
	return client, server
}

// pattern is n bytes that differ from place to place.
func pattern(n int) []byte {
	b := make([]byte, n)
	_, _ = env.NewRand(1, "pattern", "").Read(b)
	return b
}

func closeAll(p *P, closers ...io.Closer) {
	for _, c := range closers {
		require.NoError(p, c.Close())
	}
}

// onLoop makes a check of one program with a connection of machine 0 with
// itself, where both ends can be looked at in turn.
func onLoop(name string, program func(p *P, client, server net.Conn)) check {
	return on01(name, func(p *P, addr string, _ *Board) {
		client, server := loop(p, addr)
		program(p, client, server)
		_ = client.Close()
		_ = server.Close()
	}, func(*P, *Board) {})
}

var networkChecks = []check{
	on01("bytes arrive in order, both ways, and then the end",
		func(p *P, addr string, b *Board) {
			c := serve(p, addr, b)
			got, err := io.ReadAll(io.LimitReader(c, 5))
			require.NoError(p, err)
			require.Equal(p, "hello", string(got))
			_, err = c.Write([]byte("world"))
			require.NoError(p, err)
			n, err := c.Read(make([]byte, 1))
			require.Zero(p, n)
			require.Equal(p, io.EOF, err)
			closeAll(p, c)
		},
		func(p *P, b *Board) {
			c := dial(p, b)
			for _, part := range []string{"he", "", "llo"} {
				n, err := c.Write([]byte(part))
				require.NoError(p, err)
				require.Equal(p, len(part), n)
			}
			got := make([]byte, 5)
			_, err := io.ReadFull(c, got)
			require.NoError(p, err)
			require.Equal(p, "world", string(got))
			closeAll(p, c)
		}),
	on01("megabytes cross in both directions at once",
		func(p *P, addr string, b *Board) { exchange(p, serve(p, addr, b)) },
		func(p *P, b *Board) { exchange(p, dial(p, b)) }),
	on01("what was written before Close still arrives",
		func(p *P, addr string, b *Board) {
			c := serve(p, addr, b)
			p.Sleep(short)
			got, err := io.ReadAll(c)
			require.NoError(p, err)
			require.Equal(p, pattern(50_000), got)
			closeAll(p, c)
		},
		func(p *P, b *Board) {
			c := dial(p, b)
			_, err := c.Write(pattern(50_000))
			require.NoError(p, err)
			closeAll(p, c)
		}),
	on01("WriteBuffers is one stream",
		func(p *P, addr string, b *Board) {
			c := serve(p, addr, b)
			got, err := io.ReadAll(c)
			require.NoError(p, err)
			require.Equal(p, pattern(3_000_000), got)
			closeAll(p, c)
		},
		func(p *P, b *Board) {
			c := dial(p, b)
			all := pattern(3_000_000)
			bufs := [][]byte{all[:1], all[1:1], all[1:2_000_000], all[2_000_000:]}
			n, err := env.WriteBuffers(c, bufs)
			require.NoError(p, err)
			require.EqualValues(p, len(all), n)
			require.Len(p, bufs[3], 1_000_000, "the caller's slices are left alone")
			n, err = env.WriteBuffers(c, nil)
			require.NoError(p, err)
			require.Zero(p, n)
			closeAll(p, c)
		}),
	on01("SendFile sends a range and reports the end of the file",
		func(p *P, addr string, b *Board) {
			c := serve(p, addr, b)
			got, err := io.ReadAll(c)
			require.NoError(p, err)
			all := pattern(700_000)
			require.True(p, bytes.Equal(append(all[1000:600_000:600_000], all[699_990:]...), got))
			closeAll(p, c)
		},
		func(p *P, b *Board) {
			f, err := p.FS().Create("source")
			require.NoError(p, err)
			_, err = f.WriteAt(pattern(700_000), 0)
			require.NoError(p, err)
			c := dial(p, b)
			n, err := env.SendFile(c, f, 1000, 599_000)
			require.NoError(p, err)
			require.EqualValues(p, 599_000, n)
			n, err = env.SendFile(c, f, 699_990, 20)
			require.ErrorIs(p, err, io.ErrUnexpectedEOF)
			require.EqualValues(p, 10, n)
			closeAll(p, f, c)
		}),
	on01("bytes sent from a file are those it held when it was sent",
		func(p *P, addr string, b *Board) {
			c := serve(p, addr, b)
			got, err := io.ReadAll(c)
			require.NoError(p, err)
			require.Equal(p, append(pattern(1000), pattern(5000)...), got)
			closeAll(p, c)
		},
		func(p *P, b *Board) {
			f, err := p.FS().Create("source")
			require.NoError(p, err)
			_, err = f.WriteAt(pattern(1000), 0)
			require.NoError(p, err)
			c := dial(p, b)
			_, err = env.SendFile(c, f, 0, 1000)
			require.NoError(p, err)
			_, err = f.WriteAt(pattern(5000)[1000:], 1000)
			require.NoError(p, err)
			_, err = env.SendFile(c, f, 0, 5000)
			require.NoError(p, err)
			closeAll(p, f, c)
		}),
	on01("addresses name both ends",
		func(p *P, addr string, b *Board) {
			l := listen(p, addr, b)
			c := accept(p, l)
			require.Equal(p, l.Addr().String(), c.LocalAddr().String())
			b.Post("client", c.RemoteAddr().String())
			closeAll(p, c, l)
		},
		func(p *P, b *Board) {
			c := dial(p, b)
			require.Equal(p, b.Await(p, "address"), c.RemoteAddr().String())
			require.Equal(p, b.Await(p, "client"), c.LocalAddr().String())
			require.Equal(p, "tcp", c.LocalAddr().Network())
			closeAll(p, c)
		}),
	on01("connections wait in the backlog, with what was sent on them",
		func(p *P, addr string, b *Board) {
			l := listen(p, addr, b)
			b.Await(p, "sent")
			for range 10 {
				c := accept(p, l)
				got, err := io.ReadAll(c)
				require.NoError(p, err)
				require.Equal(p, "early", string(got))
				closeAll(p, c)
			}
			closeAll(p, l)
		},
		func(p *P, b *Board) {
			for range 10 {
				c := dial(p, b)
				_, err := c.Write([]byte("early"))
				require.NoError(p, err)
				closeAll(p, c)
			}
			b.Post("sent", "")
		}),
	on01("a stream tears: the beginning of a write may come alone",
		func(p *P, addr string, b *Board) {
			l, err := p.Listen(addr)
			require.NoError(p, err)
			b.Post("address", l.Addr().String())
			c, err := l.Accept()
			require.NoError(p, err)
			const total = 32 << 20
			buf := make([]byte, total)
			read, reads := 0, 0
			for read < total {
				n, err := c.Read(buf[read:])
				require.NoError(p, err)
				read += n
				reads++
			}
			require.Greater(p, reads, 1, "32 MiB in one piece")
			closeAll(p, c, l)
		},
		func(p *P, b *Board) {
			c, err := p.Dial(b.Await(p, "address"), long)
			require.NoError(p, err)
			n, err := c.Write(make([]byte, 32<<20))
			require.NoError(p, err)
			require.Equal(p, 32<<20, n)
			_, err = c.Read(make([]byte, 1))
			require.Equal(p, io.EOF, err)
			closeAll(p, c)
		}),
	on01("a writer waits for a reader that does not read",
		func(p *P, addr string, b *Board) {
			c := serve(p, addr, b)
			n, err := strconv.Atoi(b.Await(p, "written"))
			require.NoError(p, err)
			got, err := io.ReadAll(c)
			require.NoError(p, err)
			require.Equal(p, n, len(got), "every byte that Write counted arrives")
			require.True(p, bytes.Equal(pattern(64 << 20)[:n], got))
			closeAll(p, c)
		},
		func(p *P, b *Board) {
			c := dial(p, b)
			require.NoError(p, c.SetWriteDeadline(p.Deadline(10*short)))
			n, err := c.Write(pattern(64 << 20))
			require.ErrorIs(p, err, os.ErrDeadlineExceeded)
			require.Less(p, n, 64<<20)
			b.Post("written", strconv.Itoa(n))
			closeAll(p, c)
		}),
	onLoop("a read waits for its deadline, which can be moved", func(p *P, client, server net.Conn) {
		require.NoError(p, client.SetReadDeadline(p.Deadline(short)))
		begin := p.Now()
		_, err := client.Read(make([]byte, 1))
		timedOut(p, err)
		require.GreaterOrEqual(p, p.Now()-begin, short/2)
		_, err = client.Read(make([]byte, 1))
		timedOut(p, err)

		require.NoError(p, client.SetReadDeadline(p.Deadline(long)))
		_, err = server.Write([]byte("x"))
		require.NoError(p, err)
		n, err := client.Read(make([]byte, 10))
		require.NoError(p, err)
		require.Equal(p, 1, n)
	}),
	onLoop("a passed deadline ends a read under way and fails writes", func(p *P, client, _ net.Conn) {
		reader := p.Go("reader", func() {
			_, err := client.Read(make([]byte, 1))
			timedOut(p, err)
		})
		p.Sleep(short)
		require.NoError(p, client.SetDeadline(p.Deadline(-time.Second)))
		reader.Wait()
		_, err := client.Write([]byte("x"))
		timedOut(p, err)
		require.NoError(p, client.SetDeadline(time.Time{}))
		_, err = client.Write([]byte("x"))
		require.NoError(p, err, "no deadline any more")
	}),
	onLoop("a read of nothing returns at once", func(p *P, client, _ net.Conn) {
		n, err := client.Read(nil)
		require.NoError(p, err)
		require.Zero(p, n)
	}),
	onLoop("one task may read while another writes", func(p *P, client, server net.Conn) {
		echo := p.Go("echo", func() {
			_, err := io.CopyBuffer(struct{ io.Writer }{server}, struct{ io.Reader }{server}, make([]byte, 512))
			require.NoError(p, err)
			closeAll(p, server)
		})
		p.Go("writer", func() {
			for i := range 100 {
				_, err := client.Write(pattern(1 + 37*i))
				require.NoError(p, err)
			}
		})
		for i := range 100 {
			got := make([]byte, 1+37*i)
			_, err := io.ReadFull(client, got)
			require.NoError(p, err)
			require.Equal(p, pattern(len(got)), got)
		}
		closeAll(p, client)
		echo.Wait()
	}),
}

func exchange(p *P, c net.Conn) {
	const size = 4 << 20
	all := pattern(size)
	writer := p.Go("writer", func() {
		for rest := all; len(rest) > 0; {
			n, err := c.Write(rest[:min(len(rest), 300_001)])
			require.NoError(p, err)
			rest = rest[n:]
		}
	})
	got := make([]byte, size)
	_, err := io.ReadFull(c, got)
	require.NoError(p, err)
	require.True(p, bytes.Equal(all, got))
	writer.Wait()
	closeAll(p, c)
}

// timedOut holds for the error of an operation whose deadline has passed.
func timedOut(p *P, err error) {
	p.Helper()
	require.ErrorIs(p, err, os.ErrDeadlineExceeded)
	var ne net.Error
	require.ErrorAs(p, err, &ne)
	require.True(p, ne.Timeout())
}

// isOneOf holds for an error that is one of several.
func isOneOf(p *P, err error, targets ...error) {
	p.Helper()
	for _, target := range targets {
		if errors.Is(err, target) {
			return
		}
	}
	require.Failf(p, "unexpected error", "%v (%T) is none of %v", err, err, targets)
}

// reset is what a broken connection says: the first call learns of the reset,
// later writes find the pipe broken.
var reset = []error{syscall.ECONNRESET, syscall.EPIPE}
