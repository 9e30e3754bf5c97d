package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	fileBytes = 100_000_000
	lineBytes = 1000
)

// realCluster is weir broker processes that serve on loopback.
type realCluster struct {
	t     *testing.T
	weir  string
	addrs []string
	args  [][]string // of each process
	procs []*exec.Cmd
	logs  []string
}

// weirProgram finds the weir that TestMain puts in the path: a copy of this
// test, which is weir if called so.
func weirProgram(t *testing.T) string {
	t.Helper()
	file, err := exec.LookPath("weir")
	require.NoError(t, err)
	return file
}

func loopbackPorts(t *testing.T, n int) []string {
	t.Helper()
	var addrs []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer func() { require.NoError(t, l.Close()) }()
		addrs = append(addrs, l.Addr().String())
	}
	return addrs
}

// consecutivePorts finds the first three of six free ports in a row, which is
// what one process with three brokers and their controllers listens on.
func consecutivePorts(t *testing.T) []string {
	t.Helper()
	for range 100 {
		base := 20000 + rand.IntN(20000)
		var addrs []string
		for i := range 6 {
			addr := fmt.Sprintf("127.0.0.1:%d", base+i)
			l, err := net.Listen("tcp", addr)
			if err != nil {
				break
			}
			defer func() { _ = l.Close() }()
			addrs = append(addrs, addr)
		}
		if len(addrs) == 6 {
			return addrs[:3]
		}
	}
	require.Fail(t, "no six free ports in a row")
	return nil
}

// shortSessions lets a broker that was killed come back sooner: it is let in
// again once the session of the process before it has ended.
var shortSessions = []string{"--set", "broker.session.timeout.ms=2000", "--set", "broker.heartbeat.interval.ms=500"}

// oneProcess is three brokers in one process.
func oneProcess(t *testing.T, weir string) *realCluster {
	c := &realCluster{t: t, weir: weir, addrs: consecutivePorts(t)}
	c.args = [][]string{append([]string{"broker", "--nodes", "3", "--data", t.TempDir(), "--listen", c.addrs[0]}, shortSessions...)}
	return c.launch()
}

// threeProcesses is a broker in each of three processes.
func threeProcesses(t *testing.T, weir string) *realCluster {
	ports := loopbackPorts(t, 6)
	c := &realCluster{t: t, weir: weir, addrs: ports[:3]}
	var voters []string
	for i, addr := range ports[3:] {
		voters = append(voters, fmt.Sprintf("%d@%s", i+1, addr))
	}
	for i, addr := range c.addrs {
		c.args = append(c.args, append([]string{"broker", "--node-id", fmt.Sprint(i + 1), "--listen", addr,
			"--voters", strings.Join(voters, ","), "--data", t.TempDir()}, shortSessions...))
	}
	return c.launch()
}

func (c *realCluster) launch() *realCluster {
	c.procs = make([]*exec.Cmd, len(c.args))
	for i := range c.args {
		c.logs = append(c.logs, filepath.Join(c.t.TempDir(), fmt.Sprintf("process-%d.log", i)))
		c.start(i)
	}
	c.t.Cleanup(func() {
		for i, p := range c.procs {
			if p != nil {
				_ = p.Process.Kill()
				_ = p.Wait()
			}
			if c.t.Failed() {
				c.t.Logf("process %d:\n%s", i, c.log(i))
			}
		}
	})
	return c
}

func (c *realCluster) start(i int) {
	c.t.Helper()
	log, err := os.OpenFile(c.logs[i], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	require.NoError(c.t, err)
	defer func() { _ = log.Close() }()
	p := exec.Command(c.weir, c.args[i]...)
	p.Stdout, p.Stderr = log, log
	require.NoError(c.t, p.Start())
	c.procs[i] = p
}

func (c *realCluster) kill(i int) {
	c.t.Helper()
	require.NoError(c.t, c.procs[i].Process.Signal(syscall.SIGKILL))
	_ = c.procs[i].Wait()
	c.procs[i] = nil
}

func (c *realCluster) bootstrap() string { return strings.Join(c.addrs, ",") }

func (c *realCluster) client(opts ...kgo.Opt) *kgo.Client {
	c.t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(c.addrs...)}, opts...)...)
	require.NoError(c.t, err)
	c.t.Cleanup(cl.Close)
	return cl
}

func (c *realCluster) createTopic(ctx context.Context, name string) {
	c.t.Helper()
	c.createTopicOf(ctx, name, 3)
	c.awaitInSync(ctx, name)
}

func (c *realCluster) createTopicOf(ctx context.Context, name string, replicas int16) {
	c.t.Helper()
	adm := kadm.NewClient(c.client())
	configs := map[string]*string{"min.insync.replicas": kadm.StringPtr("2")}
	var err error
	require.Eventually(c.t, func() bool {
		_, err = adm.CreateTopic(ctx, 1, replicas, configs, name)
		return err == nil || errors.Is(err, kerr.TopicAlreadyExists)
	}, 30*time.Second, 100*time.Millisecond, "create %s", name)
}

// log is what a process has printed.
func (c *realCluster) log(i int) string {
	c.t.Helper()
	text, err := os.ReadFile(c.logs[i])
	require.NoError(c.t, err)
	return string(text)
}

// awaitInSync waits until three brokers live and hold the topic in sync.
func (c *realCluster) awaitInSync(ctx context.Context, topic string) {
	c.t.Helper()
	adm := kadm.NewClient(c.client())
	last := "no answer"
	require.Eventually(c.t, func() bool {
		m, err := adm.Metadata(ctx, topic)
		if err != nil {
			last = err.Error()
			return false
		}
		p := m.Topics[topic].Partitions[0]
		last = fmt.Sprintf("brokers %v, isr %v", m.Brokers.NodeIDs(), p.ISR)
		return len(m.Brokers) == 3 && len(p.ISR) == 3
	}, 60*time.Second, 50*time.Millisecond, "%s", topic)
	c.t.Logf("in sync: %s", last)
}

// hardships are what happens to the cluster as a file passes through: one of
// them before each further part of the file. While one of three processes is
// dead the file goes on; a client cannot get on without any, so a process that
// holds all brokers is started again at once.
func (c *realCluster) hardships(ctx context.Context, topic string) []func() {
	var acts []func()
	if len(c.procs) == 1 {
		return []func(){func() {
			c.t.Log("SIGKILL all brokers")
			c.kill(0)
			c.start(0)
		}, func() { c.awaitInSync(ctx, topic) }}
	}
	for i := range c.procs {
		acts = append(acts,
			func() { c.t.Logf("SIGKILL process %d", i); c.kill(i) },
			func() { c.start(i); c.awaitInSync(ctx, topic) })
	}
	return acts
}

// feed copies the file to w in equal parts with one act between each two.
func feed(t *testing.T, w io.Writer, file []byte, acts []func()) {
	t.Helper()
	part := len(file)/(len(acts)+1) + 1
	for i := 0; len(file) > 0; i++ {
		n := min(part, len(file))
		_, err := w.Write(file[:n])
		require.NoError(t, err)
		file = file[n:]
		if i < len(acts) {
			acts[i]()
		}
	}
}

// textFile is a file of printable lines, for kcat, which delimits by newline.
func textFile() []byte {
	r := rand.NewChaCha8([32]byte{'w', 'e', 'i', 'r'})
	raw := make([]byte, (lineBytes-1)/4*3)
	file := make([]byte, 0, fileBytes+lineBytes)
	for len(file) < fileBytes {
		_, _ = r.Read(raw)
		file = append(base64.StdEncoding.AppendEncode(file, raw), '\n')
	}
	return file
}

func kcatRoundTrip(ctx context.Context, t *testing.T, c *realCluster, topic string, file []byte, acts []func()) {
	producer := exec.CommandContext(ctx, "kcat", "-P", "-E", "-b", c.bootstrap(), "-t", topic, "-p", "0",
		"-X", "acks=all", "-X", "enable.idempotence=true", "-X", "message.timeout.ms=180000",
		"-X", "queue.buffering.max.messages=4000", "-X", "linger.ms=5")
	stdin, err := producer.StdinPipe()
	require.NoError(t, err)
	var said bytes.Buffer
	producer.Stdout, producer.Stderr = &said, &said
	require.NoError(t, producer.Start())
	defer func() {
		if t.Failed() {
			t.Logf("kcat -P: %s", said.String())
		}
	}()
	feed(t, stdin, file, acts)
	require.NoError(t, stdin.Close())
	require.NoError(t, producer.Wait(), "%s", said.String())

	consumer := exec.CommandContext(ctx, "kcat", "-C", "-b", c.bootstrap(), "-t", topic, "-p", "0", "-o", "beginning", "-e", "-q")
	out, err := consumer.StdoutPipe()
	require.NoError(t, err)
	said.Reset()
	consumer.Stderr = &said
	require.NoError(t, consumer.Start())
	requireSameBytes(t, file, out)
	require.NoError(t, consumer.Wait(), "%s", said.String())
}

// chunks hands each write to a producer as one record.
type chunks struct {
	ctx context.Context
	t   *testing.T
	cl  *kgo.Client
}

func (w chunks) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		n := min(16_000, len(rest))
		w.cl.Produce(w.ctx, kgo.SliceRecord(bytes.Clone(rest[:n])), func(_ *kgo.Record, err error) {
			if err != nil {
				w.t.Errorf("produce: %v", err)
			}
		})
		rest = rest[n:]
	}
	return len(p), w.ctx.Err()
}

func franzRoundTrip(ctx context.Context, t *testing.T, c *realCluster, topic string, file []byte, acts []func()) {
	producer := c.client(kgo.DefaultProduceTopic(topic), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.MaxBufferedRecords(500))
	feed(t, chunks{ctx, t, producer}, file, acts)
	require.NoError(t, producer.Flush(ctx))

	consumer := c.client(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	pr, pw := io.Pipe()
	go func() {
		for got := 0; got < len(file) && ctx.Err() == nil; {
			fetches := consumer.PollFetches(ctx)
			fetches.EachRecord(func(r *kgo.Record) {
				_, _ = pw.Write(r.Value)
				got += len(r.Value)
			})
		}
		_ = pw.CloseWithError(ctx.Err())
	}()
	requireSameBytes(t, file, pr)
}

func requireSameBytes(t *testing.T, want []byte, got io.Reader) {
	t.Helper()
	sum := sha256.New()
	n, err := io.Copy(sum, bufio.NewReaderSize(got, 1<<20))
	require.NoError(t, err)
	require.Equal(t, int64(len(want)), n, "bytes read back")
	expected := sha256.Sum256(want)
	require.Equal(t, expected[:], sum.Sum(nil), "SHA-256 of what was read back")
}

// TestRealClients writes a file of 100 MB through real clients to real broker
// processes with acks=all, SIGKILLs and restarts every process meanwhile, one
// after the other, and reads the file back byte for byte.
func TestRealClients(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out the 100 MB round trips through real processes")
	}
	weir := weirProgram(t)
	text := textFile()
	binary := make([]byte, fileBytes)
	_, _ = rand.NewChaCha8([32]byte{'b', 'i', 'n'}).Read(binary)

	for name, start := range map[string]func(*testing.T, string) *realCluster{
		"one process":     oneProcess,
		"three processes": threeProcesses,
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
			defer cancel()
			c := start(t, weir)
			t.Run("kcat", func(t *testing.T) {
				if _, err := exec.LookPath("kcat"); err != nil {
					t.Skip("kcat is not installed (Debian package kcat): its round trip was not tested")
				}
				c.t = t
				c.createTopic(ctx, "text")
				kcatRoundTrip(ctx, t, c, "text", text, c.hardships(ctx, "text"))
			})
			t.Run("franz-go", func(t *testing.T) {
				c.t = t
				c.createTopic(ctx, "binary")
				franzRoundTrip(ctx, t, c, "binary", binary, c.hardships(ctx, "binary"))
			})
			c.t = t
		})
	}
}
