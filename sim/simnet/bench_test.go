package simnet_test

import (
	"io"
	"net"
	"testing"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim/simnet"
)

// BenchmarkRoundTrip is a 1 KB request and a short answer on one connection.
func BenchmarkRoundTrip(b *testing.B) {
	w := newWorld(b, 1, simnet.Options{})
	w.serve(func(e env.Env, c net.Conn) {
		req, answer := make([]byte, 1024), make([]byte, 64)
		for {
			if _, err := io.ReadFull(c, req); err != nil {
				return
			}
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	})
	done := false
	w.a.Start("client", func(e env.Env) {
		c := w.dial(e)
		req, answer := make([]byte, 1024), make([]byte, 64)
		for range b.N {
			if _, err := c.Write(req); err != nil {
				b.Error(err)
			}
			if _, err := io.ReadFull(c, answer); err != nil {
				b.Error(err)
			}
		}
		done = true
	})
	b.ReportAllocs()
	b.ResetTimer()
	if err := w.k.RunWhile(func() bool { return !done }); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "roundtrips/s")
}

// BenchmarkStream is a one-way stream of 16 KiB writes.
func BenchmarkStream(b *testing.B) {
	w := newWorld(b, 1, simnet.Options{})
	const size = 16 << 10
	done := false
	w.serve(func(e env.Env, c net.Conn) {
		_, _ = io.CopyBuffer(io.Discard, struct{ io.Reader }{c}, make([]byte, 64<<10))
		done = true
	})
	w.a.Start("client", func(e env.Env) {
		c := w.dial(e)
		data := make([]byte, size)
		for range b.N {
			if _, err := c.Write(data); err != nil {
				b.Error(err)
			}
		}
		_ = c.Close()
	})
	b.SetBytes(size)
	b.ReportAllocs()
	b.ResetTimer()
	if err := w.k.RunWhile(func() bool { return !done }); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkDial opens and closes a connection.
func BenchmarkDial(b *testing.B) {
	w := newWorld(b, 1, simnet.Options{})
	w.serve(echo)
	done := false
	w.a.Start("client", func(e env.Env) {
		for range b.N {
			_ = w.dial(e).Close()
		}
		done = true
	})
	b.ReportAllocs()
	b.ResetTimer()
	if err := w.k.RunWhile(func() bool { return !done }); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "dials/s")
}
