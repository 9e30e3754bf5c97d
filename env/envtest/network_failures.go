package envtest

import (
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
)

var networkFailureChecks = []check{
	on01("ECONNREFUSED where nobody listens",
		func(p *P, addr string, b *Board) {
			l, err := p.Listen(addr)
			require.NoError(p, err)
			where := l.Addr().String()
			closeAll(p, l)
			_, err = p.Dial(where, long)
			require.ErrorIs(p, err, syscall.ECONNREFUSED)
			b.Post("address", where)
		},
		func(p *P, b *Board) {
			_, err := p.Dial(b.Await(p, "address"), long)
			require.ErrorIs(p, err, syscall.ECONNREFUSED)
			var op *net.OpError
			require.ErrorAs(p, err, &op)
			require.Equal(p, "dial", op.Op)
			require.Contains(p, err.Error(), b.Await(p, "address"), "the error names the address")
		}),
	on01("EADDRINUSE while another listens, and not after",
		func(p *P, addr string, _ *Board) {
			l, err := p.Listen(addr)
			require.NoError(p, err)
			_, err = p.Listen(l.Addr().String())
			require.ErrorIs(p, err, syscall.EADDRINUSE)
			closeAll(p, l)
			again, err := p.Listen(l.Addr().String())
			require.NoError(p, err)
			closeAll(p, again)
		}, func(*P, *Board) {}),
	on01("addresses that are none",
		func(p *P, _ string, _ *Board) {
			for _, addr := range []string{"", "no-port", "host:notanumber", "host:99999"} {
				_, err := p.Listen(addr)
				require.Error(p, err, "%q", addr)
				_, err = p.Dial(addr, time.Second)
				require.Error(p, err, "%q", addr)
			}
		}, func(*P, *Board) {}),
	on01("net.ErrClosed for a listener closed under Accept",
		func(p *P, addr string, _ *Board) {
			l, err := p.Listen(addr)
			require.NoError(p, err)
			acceptor := p.Go("acceptor", func() {
				_, err := l.Accept()
				require.ErrorIs(p, err, net.ErrClosed)
			})
			p.Sleep(short)
			closeAll(p, l)
			acceptor.Wait()
			_, err = l.Accept()
			require.ErrorIs(p, err, net.ErrClosed)
			require.ErrorIs(p, l.Close(), net.ErrClosed)
		}, func(*P, *Board) {}),
	onLoop("net.ErrClosed for a connection closed here", func(p *P, client, server net.Conn) {
		reader := p.Go("reader", func() {
			_, err := client.Read(make([]byte, 1))
			require.ErrorIs(p, err, net.ErrClosed)
		})
		p.Sleep(short)
		closeAll(p, client)
		reader.Wait()
		_, err := client.Read(make([]byte, 1))
		require.ErrorIs(p, err, net.ErrClosed)
		_, err = client.Write([]byte("x"))
		require.ErrorIs(p, err, net.ErrClosed)
		_, err = env.WriteBuffers(client, [][]byte{{1}, {2}})
		require.ErrorIs(p, err, net.ErrClosed)
		require.ErrorIs(p, client.SetDeadline(p.Deadline(long)), net.ErrClosed)
		require.ErrorIs(p, client.Close(), net.ErrClosed)
	}),
	onLoop("net.ErrClosed for a write that was waiting", func(p *P, client, _ net.Conn) {
		writer := p.Go("writer", func() {
			_, err := client.Write(pattern(64 << 20))
			require.ErrorIs(p, err, net.ErrClosed)
		})
		p.Sleep(10 * short)
		closeAll(p, client)
		writer.Wait()
	}),
	onLoop("io.EOF again and again after an orderly end", func(p *P, client, server net.Conn) {
		_, err := server.Write([]byte("bye"))
		require.NoError(p, err)
		closeAll(p, server)
		got, err := io.ReadAll(client)
		require.NoError(p, err)
		require.Equal(p, "bye", string(got))
		for range 3 {
			_, err := client.Read(make([]byte, 1))
			require.Equal(p, io.EOF, err)
		}
	}),
	onLoop("closing with unread bytes resets the peer", func(p *P, client, server net.Conn) {
		_, err := client.Write([]byte("never read"))
		require.NoError(p, err)
		p.Sleep(short)
		closeAll(p, server)
		_, err = client.Read(make([]byte, 1))
		require.ErrorIs(p, err, syscall.ECONNRESET)
		_, err = client.Write([]byte("x"))
		require.ErrorIs(p, err, syscall.EPIPE)
	}),
	onLoop("a reset reaches a read under way", func(p *P, client, server net.Conn) {
		_, err := client.Write([]byte("never read"))
		require.NoError(p, err)
		reader := p.Go("reader", func() {
			_, err := client.Read(make([]byte, 1))
			require.ErrorIs(p, err, syscall.ECONNRESET)
		})
		p.Sleep(short)
		closeAll(p, server)
		reader.Wait()
	}),
	onLoop("writing to a peer that has gone breaks the pipe", func(p *P, client, server net.Conn) {
		closeAll(p, server)
		var err error
		for end := p.Now() + long; err == nil && p.Now() < end; p.Sleep(time.Millisecond) {
			_, err = client.Write([]byte("anybody?"))
		}
		isOneOf(p, err, reset...)
		_, err = client.Write([]byte("x"))
		require.ErrorIs(p, err, syscall.EPIPE)
	}),
	onLoop("a write that waits fails when the peer goes", func(p *P, client, server net.Conn) {
		writer := p.Go("writer", func() {
			n, err := client.Write(pattern(64 << 20))
			isOneOf(p, err, reset...)
			require.Less(p, n, 64<<20)
		})
		p.Sleep(10 * short)
		closeAll(p, server)
		writer.Wait()
	}),
	on01("closing a listener resets those still in its backlog",
		func(p *P, addr string, b *Board) {
			l := listen(p, addr, b)
			b.Await(p, "connected")
			p.Sleep(short)
			closeAll(p, l)
		},
		func(p *P, b *Board) {
			c := dial(p, b)
			b.Post("connected", "")
			_, err := c.Read(make([]byte, 1))
			require.ErrorIs(p, err, syscall.ECONNRESET)
			closeAll(p, c)
		}),
	{"a Dial that nobody answers gives up", func(t *testing.T, w World) {
		silent := able[SilentAddresser](t, w).SilentAddress(t)
		w.Run(t, func(e env.Env) {
			start(t, e, func(p *P) {
				begin := p.Now()
				_, err := p.Dial(silent, 5*short)
				timedOut(p, err)
				require.GreaterOrEqual(p, p.Now()-begin, 5*short)
				require.Contains(p, err.Error(), silent)
			})
		})
	}},
}
