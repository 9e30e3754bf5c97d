package simnet_test

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/simnet"
)

// TestStreamsStayPrefixesUnderFaults sends numbered bytes through a world in
// which everything goes wrong. Whatever happens to a connection, its receiver
// sees a prefix of what was written to it, and when the faults end new
// connections work and old sockets are gone.
func TestStreamsStayPrefixesUnderFaults(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { prefixes(t, seed) })
	}
}

func prefixes(t *testing.T, seed uint64) {
	k := newKernel(t, seed)
	w := simnet.New(k, simnet.Options{WindowBytes: 5000, Backlog: 4, RetransmitTimeout: 4 * time.Second})
	names := []string{"a", "b", "c"}
	var hosts []*simnet.Host
	faulty := true
	received, late := 0, 0

	server := func(e env.Env) {
		l, err := e.Listen(":1")
		require.NoError(t, err)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			e.Go("receiver", func() {
				defer func() { _ = c.Close() }()
				var next uint32
				buf := make([]byte, 777)
				for {
					_ = c.SetReadDeadline(e.Deadline(5 * time.Second))
					n, err := c.Read(buf)
					for _, b := range buf[:n] {
						if b != patternAt(next) {
							t.Fatalf("byte %d of a stream is %d, want %d", next, b, patternAt(next))
						}
						next++
					}
					received += n
					if err != nil {
						return
					}
					if next%5 == 0 {
						e.Sleep(time.Millisecond)
					}
				}
			})
		}
	}
	client := func(e env.Env) {
		r := e.Rand("client", "")
		for {
			c, err := e.Dial(names[r.Intn(len(names))]+":1", 3*time.Second)
			if err != nil {
				e.Sleep(r.Between(0, 100*time.Millisecond))
				continue
			}
			sendPattern(e, c, r)
			_ = c.Close()
			if !faulty {
				late++
				return
			}
		}
	}
	start := func(n *sim.Node) {
		n.Start("server", server)
		n.Start("client", func(e env.Env) {
			for i := range 3 {
				e.Go(fmt.Sprint("client-", i), func() { client(e) })
			}
		})
	}
	for _, name := range names {
		n := k.NewNode(name)
		hosts = append(hosts, w.Attach(n, name))
		start(n)
	}

	r := env.NewRand(seed, "faults", "")
	for at := time.Second; at < 40*time.Second; at += r.Between(0, 2*time.Second) {
		n := k.Nodes()[r.Intn(3)]
		lasts := r.Between(0, 6*time.Second)
		switch r.Intn(5) {
		case 0:
			k.At(at, "crash", n.Crash)
			k.At(at+lasts, "restart", func() {
				if !n.Alive() {
					start(n)
				}
			})
		case 1:
			k.At(at, "off", n.PowerOff)
			k.At(at+lasts, "restart", func() {
				if !n.Alive() {
					start(n)
				}
			})
		case 2:
			k.At(at, "pause", n.Pause)
			k.At(at+lasts, "resume", n.Resume)
		default:
			other, oneWay := k.Nodes()[r.Intn(3)], r.Chance(1, 2)
			k.At(at, "cut", func() {
				cut := w.Partition([]string{n.Name()}, []string{other.Name()}, oneWay)
				k.After(lasts, "heal", cut.Heal)
			})
		}
	}
	require.NoError(t, k.RunUntil(50*time.Second))
	faulty = false
	require.NoError(t, k.RunUntil(100*time.Second))
	for _, f := range k.Failures() {
		t.Fatal(f)
	}
	require.Positive(t, received)
	require.Equal(t, 9, late, "every client gets through in the end")
	for _, h := range hosts {
		require.Zero(t, h.Conns(), "sockets open on %s", h.Name())
	}
	require.Positive(t, w.Stats().Held)
}

func newKernel(t *testing.T, seed uint64) *sim.Kernel {
	k := sim.NewKernel(sim.Options{Seed: seed, PreemptOneIn: 20})
	t.Cleanup(func() { require.NoError(t, k.Close()) })
	return k
}

// patternAt is byte i of every stream; its period is no power of two.
func patternAt(i uint32) byte { return byte(i % 251) }

func sendPattern(e env.Env, c net.Conn, r *env.Rand) {
	var next uint32
	for range r.Intn(30) {
		_ = c.SetWriteDeadline(e.Deadline(5 * time.Second))
		b := make([]byte, r.Intn(2000))
		for i := range b {
			b[i] = patternAt(next)
			next++
		}
		if _, err := env.WriteBuffers(c, [][]byte{b[:len(b)/3], b[len(b)/3:]}); err != nil {
			return
		}
		e.Sleep(r.Between(0, 200*time.Millisecond))
	}
}
