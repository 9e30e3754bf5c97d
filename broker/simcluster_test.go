package broker_test

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/envtest"
	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/simdisk"
	"github.com/weirlab/weir/sim/simnet"
)

// simCluster is brokers on simulated machines. A test is one task on a machine
// of its own, which does things to them in virtual time.
type simCluster struct {
	t     *testing.T
	k     *sim.Kernel
	net   *simnet.Network
	cfgs  []broker.Config
	nodes []*sim.Node
	lives []*broker.Broker // of the present processes
}

func runSim(t *testing.T, brokers int, change func(*broker.Config), test func(*simCluster, env.Env)) {
	t.Helper()
	envtest.NoRaces(t, "a simulated cluster")
	c := &simCluster{t: t, k: sim.NewKernel(sim.Options{Seed: 1})}
	t.Cleanup(func() { require.NoError(t, c.k.Close()) })
	c.net = simnet.New(c.k, simnet.Options{})
	var voters []broker.Voter
	for i := range brokers {
		voters = append(voters, broker.Voter{ID: int32(i + 1), Host: fmt.Sprintf("broker-%d", i+1), Port: 9093})
	}
	for i, v := range voters {
		cfg := broker.DefaultConfig()
		cfg.NodeID, cfg.Voters, cfg.Listen = v.ID, voters, net.JoinHostPort(v.Host, "9092")
		cfg.ClusterID = "simulated"
		cfg.DefaultReplicationFactor, cfg.MinInsyncReplicas = int16(brokers), int32(brokers/2+1)
		if change != nil {
			change(&cfg)
		}
		n := c.k.NewNode(v.Host)
		c.net.Attach(n, v.Host)
		n.SetFS(simdisk.New(c.k, n, simdisk.GP3()))
		c.cfgs, c.nodes, c.lives = append(c.cfgs, cfg), append(c.nodes, n), append(c.lives, nil)
		c.boot(i)
	}
	tester := c.k.NewNode("tester")
	c.net.Attach(tester, "tester")
	done := false
	tester.Start("test", func(e env.Env) {
		test(c, e)
		done = true
	})
	require.NoError(t, c.k.RunWhile(func() bool { return !done && c.k.Now() < 10*time.Minute }))
	require.True(t, done, "the test did not end within 10 minutes of virtual time")
	require.Empty(t, c.k.Failures())
}

func (c *simCluster) boot(i int) {
	c.lives[i] = nil
	c.nodes[i].Start("broker", func(e env.Env) {
		b, err := broker.Start(e, c.cfgs[i])
		if err != nil {
			panic(err)
		}
		c.lives[i] = b
	})
}

// ask sends one request to a broker over a connection of its own.
func (c *simCluster) ask(e env.Env, i int, req kmsg.Request, timeout time.Duration) (kmsg.Response, error) {
	return c.askAt(e, c.cfgs[i].Listen, req, timeout)
}

func (c *simCluster) askAt(e env.Env, addr string, req kmsg.Request, timeout time.Duration) (kmsg.Response, error) {
	cl, err := protocol.Dial(e, addr, "tester", timeout)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	return cl.Request(req, timeout)
}

func (c *simCluster) must(e env.Env, i int, req kmsg.Request) kmsg.Response {
	c.t.Helper()
	resp, err := c.ask(e, i, req, 30*time.Second)
	require.NoError(c.t, err)
	return resp
}

// await waits for something to become true, for at most a minute.
func (c *simCluster) await(e env.Env, what string, ok func() bool) {
	c.t.Helper()
	for range 6000 {
		if ok() {
			return
		}
		e.Sleep(10 * time.Millisecond)
	}
	require.Fail(c.t, "never came about", what)
}

// controller is the index of the broker that is the active controller, -1 if
// none is, among those whose machines run.
func (c *simCluster) controller() int {
	for i, b := range c.lives {
		if b == nil || !c.nodes[i].Alive() || c.nodes[i].Paused() {
			continue
		}
		if _, v := b.Metadata(); v.Active {
			return i
		}
	}
	return -1
}

// ready waits until all brokers are active, in the eyes of all.
func (c *simCluster) ready(e env.Env) {
	c.t.Helper()
	c.await(e, "all brokers active", func() bool {
		for i, b := range c.lives {
			if !c.nodes[i].Alive() || c.nodes[i].Paused() {
				continue
			}
			if b == nil {
				return false
			}
			img, _ := b.Metadata()
			active := 0
			for _, other := range img.Brokers() {
				if other.Active() {
					active++
				}
			}
			if active < len(c.lives) {
				return false
			}
		}
		return c.controller() >= 0
	})
}

func (c *simCluster) createTopic(e env.Env, i int, name string, configs map[string]string) {
	c.t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version = 7
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = name, 1, -1
	for _, k := range env.SortedKeys(configs) {
		rt.Configs = append(rt.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: k, Value: kmsg.StringPtr(configs[k])})
	}
	req.Topics = append(req.Topics, rt)
	require.Zero(c.t, c.must(e, i, req).(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode)
}

// partition is partition 0 of a topic as the controller has it.
func (c *simCluster) partition(topic string) *metadata.Partition {
	if at := c.controller(); at >= 0 {
		img, _ := c.lives[at].Metadata()
		return img.Partition(metadata.TopicPartition{Topic: topic})
	}
	return nil
}
