//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The long form of the tests below is "make hostile".
var hostile = flag.Bool("hostile", false, "send as much hostile input as the documentation speaks of")

// longOr is how many of something a test sends: long with -hostile.
func longOr(long, short int) int {
	if *hostile {
		return long
	}
	return short
}

// hostilePeakBytes bounds the memory of a broker under GOMEMLIMIT=256MiB,
// whatever strangers do. docs/operations.md says what it is made of.
const hostilePeakBytes = 512 << 20

// besieged is a broker process, and a client that behaves well.
type besieged struct {
	t    *testing.T
	c    *realCluster
	good *kgo.Client
}

// besiege starts a broker with a memory limit, and with that many descriptors
// if they are not 0.
func besiege(t *testing.T, descriptors int, set ...string) *besieged {
	b := &besieged{t: t, c: &realCluster{t: t, weir: weirProgram(t), addrs: loopbackPorts(t, 1)}}
	t.Setenv("GOMEMLIMIT", "256MiB")
	args := append([]string{"broker", "--data", t.TempDir(), "--listen", b.c.addrs[0]}, set...)
	if descriptors > 0 {
		args = append([]string{"-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, descriptors), b.c.weir}, args...)
		b.c.weir = "/bin/sh"
	}
	b.c.args = [][]string{args}
	b.c.launch()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	b.c.createTopicOf(ctx, "t", 1)
	b.good = b.c.client(kgo.DefaultProduceTopic("t"), kgo.ConsumeTopics("t"), kgo.FetchMaxWait(100*time.Millisecond), kgo.ProducerBatchCompression(kgo.NoCompression()))
	b.produce(1, 100)
	return b
}

// produce sends n records of so many bytes, one after the other, and returns
// how long each took, sorted.
func (b *besieged) produce(n, bytes int) []time.Duration {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	took := make([]time.Duration, 0, n)
	for range n {
		start := time.Now()
		require.NoError(b.t, b.good.ProduceSync(ctx, kgo.SliceRecord(make([]byte, bytes))).FirstErr(), "the broker says:\n%s", b.c.log(0))
		took = append(took, time.Since(start))
		time.Sleep(time.Millisecond)
	}
	slices.Sort(took)
	return took
}

func p99(sorted []time.Duration) time.Duration { return sorted[len(sorted)*99/100] }

// beside runs the attack and, until it ends, the good client; it reports the
// client's latency alone and beside it, and the broker's memory.
func (b *besieged) beside(name string, attack func()) {
	b.t.Helper()
	alone := b.produce(longOr(1000, 100), 100)
	var over atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		defer over.Store(true)
		attack()
	})
	var during []time.Duration
	for !over.Load() {
		during = append(during, b.produce(20, 100)...)
	}
	wg.Wait()
	slices.Sort(during)
	now, peak := b.memory()
	b.t.Logf("%s: p99 alone %v, beside it %v (%d records); memory now %d MiB, peak %d MiB", name, p99(alone), p99(during), len(during), now>>20, peak>>20)
	require.LessOrEqual(b.t, peak, int64(hostilePeakBytes))
	b.serves()
}

// serves has a new client come and be answered.
func (b *besieged) serves() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	fresh := b.c.client()
	require.NoError(b.t, fresh.Ping(ctx), "the broker says:\n%s", b.c.log(0))
	fresh.Close()
	require.Less(b.t, strings.Count(b.c.log(0), "\n"), 200, "strangers fill the log:\n%s", b.c.log(0))
}

// memory is the resident memory of the broker, now and at most so far.
func (b *besieged) memory() (now, peak int64) {
	b.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", b.c.procs[0].Process.Pid))
	require.NoError(b.t, err)
	for line := range strings.Lines(string(status)) {
		f := strings.Fields(line)
		switch f[0] {
		case "VmRSS:":
			now, _ = strconv.ParseInt(f[1], 10, 64)
		case "VmHWM:":
			peak, _ = strconv.ParseInt(f[1], 10, 64)
		}
	}
	return now << 10, peak << 10
}

// dial connects from one of many addresses of this machine, or its ports would
// run out.
func (b *besieged) dial(i int) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i%200))}, Timeout: time.Minute}
	return d.Dial("tcp", b.c.addrs[0])
}

// hostileFrame makes a request, length included, of which most are not what
// they seem.
func hostileFrame(r *rand.Rand) []byte {
	var req kmsg.Request
	for req == nil {
		req = kmsg.RequestForKey(int16(r.IntN(kmsg.MaxKey + 1)))
	}
	version := int16(r.IntN(int(req.MaxVersion()) + 1))
	req.SetVersion(version)
	frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID("stranger")).AppendRequest(nil, req, 1)
	header := len(frame) - len(req.AppendTo(nil))
	noise := func(n int) []byte {
		out := make([]byte, n)
		for i := range out {
			if r.IntN(3) > 0 {
				out[i] = byte(r.IntN(4))
			} else {
				out[i] = byte(r.Uint32())
			}
		}
		return out
	}
	size := []int{10, 1000, 1000, 64 << 10}[r.IntN(4)]
	if r.IntN(200) == 0 {
		size = 4 << 20
	}
	switch r.IntN(8) {
	case 0: // valid
		return frame
	case 1: // cut off
		frame = frame[:r.IntN(len(frame))+1]
	case 2: // a count, of any size, and much behind it
		count := binary.BigEndian.AppendUint32(nil, r.Uint32()>>r.IntN(32))
		if r.IntN(2) == 0 {
			count = binary.AppendUvarint(nil, uint64(r.Uint32()>>r.IntN(32)))
		}
		frame = append(append(frame[:header+r.IntN(len(frame)-header+1)], count...), noise(size)...)
	case 3: // as many elements of nothing as the bytes can hold
		if r.IntN(100) == 0 {
			size = 20 << 20
		}
		frame = append(frame[:header], binary.AppendUvarint(nil, uint64(size/2))...)
		frame = append(frame, make([]byte, size)...)
	case 4: // a version that is not spoken, or a key
		binary.BigEndian.PutUint16(frame[4+2*r.IntN(2):], uint16(r.Uint32()))
	case 5: // a length that is a lie
		if len(frame) >= 4 {
			binary.BigEndian.PutUint32(frame, r.Uint32()>>r.IntN(32))
		}
		return frame
	case 6: // noise
		frame = append(frame[:min(len(frame), 8)], noise(size)...)
	case 7: // changed somewhere
		for range 1 + r.IntN(4) {
			frame[4+r.IntN(len(frame)-4)] = byte(r.Uint32())
		}
	}
	if len(frame) >= 4 {
		binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	}
	return frame
}

func TestABrokerOutlivesHostileFrames(t *testing.T) {
	b := besiege(t, 0)
	frames := longOr(100_000, 4_000)
	b.beside(fmt.Sprintf("%d frames", frames), func() {
		var next atomic.Int64
		var wg sync.WaitGroup
		for worker := range 16 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(1, uint64(worker)))
				for i := int(next.Add(1)); i <= frames; i = int(next.Add(1)) {
					conn, err := b.dial(i)
					if err != nil {
						t.Errorf("frame %d: %v; the broker says:\n%s", i, err, b.c.log(0))
						return
					}
					_ = conn.SetDeadline(time.Now().Add(time.Minute))
					_, _ = conn.Write(hostileFrame(r)) // the broker may hang up before its end
					_ = conn.(*net.TCPConn).CloseWrite()
					_, _ = io.Copy(io.Discard, conn)
					_ = conn.Close()
				}
			})
		}
		wg.Wait()
	})
}

func TestABrokerOutlivesIdleConnections(t *testing.T) {
	n := longOr(10_000, 500)
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	if most := int(limit.Cur)/16*9 - 500; n > most {
		t.Logf("%d connections instead of %d: a process may open %d files", most, n, limit.Cur)
		n = most
	}
	b := besiege(t, 0)
	b.beside(fmt.Sprintf("%d idle connections", n), func() {
		var conns []net.Conn
		for i := range n {
			conn, err := b.dial(i)
			if err != nil {
				t.Errorf("connection %d: %v", i, err)
				break
			}
			conns = append(conns, conn)
		}
		time.Sleep(time.Second)
		for _, c := range conns {
			_ = c.Close()
		}
	})
}

func TestABrokerOutlivesTheEndOfDescriptors(t *testing.T) {
	b := besiege(t, 200, "--set", "log.segment.bytes=1048576")
	b.beside("260 connections at 200 descriptors", func() {
		var conns []net.Conn
		for i := range 260 {
			conn, err := b.dial(i)
			if err != nil {
				t.Errorf("connection %d: %v", i, err)
				break
			}
			conns = append(conns, conn)
		}
		b.produce(40, 100_000) // several segments: they need descriptors too
		for _, c := range conns {
			_ = c.Close()
		}
	})
}

func TestABrokerOutlivesSlowReaders(t *testing.T) {
	n := longOr(1000, 60)
	b := besiege(t, 0)
	b.produce(32, 900_000)
	fetch := kmsg.NewPtrFetchRequest()
	fetch.Version, fetch.ReplicaID, fetch.MaxBytes = 11, -1, 50<<20
	topic, part := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
	topic.Topic, part.PartitionMaxBytes, part.CurrentLeaderEpoch = "t", 50<<20, -1
	topic.Partitions = append(topic.Partitions, part)
	fetch.Topics = append(fetch.Topics, topic)
	ask := kmsg.NewRequestFormatter(kmsg.FormatterClientID("stranger")).AppendRequest(nil, fetch, 1)
	b.beside(fmt.Sprintf("%d readers that never read", n), func() {
		var conns []net.Conn
		for i := range n {
			conn, err := b.dial(i)
			if err != nil {
				t.Errorf("connection %d: %v", i, err)
				break
			}
			for range 3 {
				_, _ = conn.Write(ask)
			}
			conns = append(conns, conn)
		}
		time.Sleep(time.Duration(longOr(15, 1)) * time.Second)
		for _, c := range conns {
			_ = c.Close()
		}
	})
	consumed := 0
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for consumed < 33 {
		fetches := b.good.PollFetches(ctx)
		require.NoError(t, ctx.Err(), "%d records consumed; the broker says:\n%s", consumed, b.c.log(0))
		consumed += fetches.NumRecords()
	}
}
