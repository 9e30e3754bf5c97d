package program_test

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/envtest"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/simdisk"
	"github.com/weirlab/weir/sim/simnet"
	"github.com/weirlab/weir/workloads/client"
	"github.com/weirlab/weir/workloads/program"
)

// cluster is three of Weir's own brokers in simulation.
type cluster struct {
	t     *testing.T
	k     *sim.Kernel
	net   *simnet.Network
	addrs []string
	nodes []*sim.Node
	lives []*broker.Broker // of the present processes
	cfgs  []broker.Config
}

func newCluster(t *testing.T, seed uint64) *cluster {
	t.Helper()
	envtest.NoRaces(t, "a simulated cluster")
	c := &cluster{t: t, k: sim.NewKernel(sim.Options{Seed: seed})}
	t.Cleanup(func() { require.NoError(t, c.k.Close()) })
	c.net = simnet.New(c.k, simnet.Options{})
	var voters []broker.Voter
	for i := range 3 {
		host := fmt.Sprintf("broker-%d", i+1)
		voters = append(voters, broker.Voter{ID: int32(i + 1), Host: host, Port: 9093})
		c.addrs = append(c.addrs, net.JoinHostPort(host, "9092"))
	}
	for i, v := range voters {
		n := c.machine(v.Host)
		n.SetFS(simdisk.New(c.k, n, simdisk.GP3()))
		cfg := broker.DefaultConfig()
		cfg.NodeID, cfg.Listen, cfg.Voters = v.ID, c.addrs[i], voters
		cfg.MinInsyncReplicas = 2
		cfg.OffsetsPartitions = 2
		cfg.GroupInitialRebalanceDelay = 100 * time.Millisecond
		c.nodes = append(c.nodes, n)
		c.cfgs = append(c.cfgs, cfg)
		c.lives = append(c.lives, nil)
		c.boot(i)
	}
	return c
}

func (c *cluster) machine(name string) *sim.Node {
	n := c.k.NewNode(name)
	c.net.Attach(n, name)
	return n
}

func (c *cluster) boot(i int) {
	c.nodes[i].Start("broker", func(e env.Env) {
		b, err := broker.Start(e, c.cfgs[i])
		if err != nil {
			panic(err)
		}
		c.lives[i] = b
	})
}

// end stops all brokers. Nothing of the world runs on.
func (c *cluster) end() {
	for i, n := range c.nodes {
		n.Start("stop", func(env.Env) { require.NoError(c.t, c.lives[i].Stop()) })
	}
	require.NoError(c.t, c.k.RunOut(time.Minute))
	require.Empty(c.t, c.k.Failures())
}

// TestGroupThroughFailures has a group read while brokers crash and one of its
// members dies: every acknowledged record is read all the same.
func TestGroupThroughFailures(t *testing.T) {
	seeds := uint64(8)
	if testing.Short() {
		seeds = 2
	}
	for seed := range seeds {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			c := newCluster(t, seed)
			log := linearizability.NewLog(nil)
			w, err := program.New(program.Config{
				Client: client.Config{Bootstrap: c.addrs, RequestTimeout: 5 * time.Second, DialTimeout: 2 * time.Second},
				Topics: []program.Topic{{Name: "t", Partitions: 6, ReplicationFactor: 3, Configs: []client.TopicConfig{{Name: "min.insync.replicas", Value: "2"}}}},
				Programs: []program.Program{
					&program.Produce{Topic: "t", Producers: 2, RatePerSecond: 100, RecordBytes: 64, Producer: client.DefaultProducerConfig()},
					&program.Consume{Topic: "t", Consumers: 3, Group: "readers", ListOffsetsEvery: time.Second, Consumer: client.ConsumerConfig{
						OffsetReset: client.ResetEarliest, SessionTimeout: 6 * time.Second, HeartbeatInterval: time.Second,
					}},
					&program.Register{Topic: "t", Registers: 1},
				},
				Duration: 40 * time.Second, Drain: time.Minute,
			}, log, nil)
			require.NoError(t, err)
			log.Begin(w.Manifest())
			log.AddTopic(linearizability.Topic{Name: "t", Partitions: 6, ReplicationFactor: 3, MinISR: 2, ELR: true})

			crash := func(i int, down time.Duration) {
				log.AddFault(linearizability.Fault{Kind: linearizability.Crash, Brokers: []int32{int32(i + 1)}, Start: c.k.Now(), End: c.k.Now() + down})
				c.nodes[i].Crash()
				c.k.After(down, "restart", func() { c.boot(i) })
			}
			done := false
			var scans []linearizability.Scan
			c.machine("director").Start("director", func(e env.Env) {
				require.NoError(t, w.CreateTopics(e, time.Minute))
				w.Begin(e.Now())
				var tasks []env.Task
				for _, p := range w.Clients() {
					n := c.machine(p.Name)
					task := n.Start(p.Name, func(e env.Env) { require.NoError(t, p.Run(e)) })
					if p.Name == "consumer-0" {
						c.k.After(20*time.Second, "the member dies", n.Crash)
						continue
					}
					tasks = append(tasks, task)
				}
				c.k.After(8*time.Second, "crash", func() { crash(int(seed)%3, 4*time.Second) })
				c.k.After(25*time.Second, "crash", func() { crash(int(seed+1)%3, 2*time.Second) })
				for _, task := range tasks {
					task.Wait()
				}
				var err error
				scans, err = w.Scan(e, time.Minute)
				require.NoError(t, err)
				done = true
			})
			require.NoError(t, c.k.RunWhile(func() bool { return !done && c.k.Now() < 5*time.Minute }))
			require.Empty(t, c.k.Failures())
			require.True(t, done, "not done after 5 min: %+v", w.Progress())
			c.end()

			read := map[int64]bool{}
			for _, s := range scans {
				log.AddScan(s)
			}
			log.End(linearizability.End{})
			h := log.History()
			for _, p := range h.Polls {
				for _, r := range p.Records {
					read[r.Value] = true
				}
			}
			acked := 0
			for _, s := range h.Sends {
				if s.Outcome == linearizability.OK {
					acked++
					require.True(t, read[s.Value], "value %d of %v was acknowledged at offset %d and never read", s.Value, s.TP, s.Offset)
				}
			}
			require.Greater(t, acked, 3900)
			verdict := linearizability.Judge(context.Background(), h, linearizability.Options{})
			require.Empty(t, verdict.Findings)
			require.Equal(t, linearizability.Pass, verdict.Status)
		})
	}
}
