package broker_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/env/osenv/osenvtest"
)

func (c *simCluster) clusterID(e env.Env, i int) string {
	id := c.must(e, i, &kmsg.DescribeClusterRequest{Version: 1, EndpointType: 1}).(*kmsg.DescribeClusterResponse).ClusterID
	meta := c.must(e, i, &kmsg.MetadataRequest{Version: 9, Topics: []kmsg.MetadataRequestTopic{}}).(*kmsg.MetadataResponse).ClusterID
	require.Equal(c.t, id, *meta)
	return id
}

// Nobody names the cluster: its members agree on a random id and keep it.
func TestClustersHaveARandomIDOfTheirOwn(t *testing.T) {
	for _, brokers := range []int{1, 3} {
		runSim(t, brokers, func(cfg *broker.Config) { cfg.ClusterID = "" }, agreeOnAnID)
	}
}

func agreeOnAnID(c *simCluster, e env.Env) {
	t := c.t
	c.ready(e)
	id := c.clusterID(e, 0)
	var raw metadata.TopicID
	require.NoError(t, raw.UnmarshalText([]byte(id)))
	require.False(t, raw.IsZero())
	for i := range c.lives {
		require.Equal(t, id, c.clusterID(e, i))
	}
	for i := range c.lives {
		c.nodes[i].PowerOff()
		c.nodes[i].PowerOn()
		c.boot(i)
	}
	c.ready(e)
	for i := range c.lives {
		require.Equal(t, id, c.clusterID(e, i))
	}
}

func TestAConfiguredClusterIDIsKept(t *testing.T) {
	runSim(t, 1, nil, func(c *simCluster, e env.Env) {
		c.ready(e)
		require.Equal(t, "simulated", c.clusterID(e, 0))
	})
}

// A directory that is another node's or another cluster's is not opened.
func TestDirectoriesBelongToOneNodeOfOneCluster(t *testing.T) {
	root := t.TempDir()
	start := func(change func(*broker.Config)) error {
		e := osenvtest.New(t, osenv.Options{Root: root, Node: "b"})
		cfg := broker.DefaultConfig()
		cfg.ClusterID, cfg.Listen = "one", "127.0.0.1:0"
		cfg.Voters = []broker.Voter{{ID: 1, Host: "127.0.0.1", Port: freePorts(t, 1)[0]}}
		change(&cfg)
		b, err := broker.Start(e, cfg)
		if err == nil {
			require.NoError(t, b.Stop())
		}
		return err
	}
	require.NoError(t, start(func(*broker.Config) {}))
	require.NoError(t, start(func(cfg *broker.Config) { cfg.ClusterID = "" }))
	require.ErrorContains(t, start(func(cfg *broker.Config) { cfg.ClusterID = "two" }), "cluster one")
	require.ErrorContains(t, start(func(cfg *broker.Config) { cfg.NodeID = 2 }), "node.id=1")
}

// The replicas of a broker are where its directory is; another directory is
// another disk, whatever the broker says of what it holds.
func TestReplicasKnowTheirDirectories(t *testing.T) {
	runSim(t, 3, nil, func(c *simCluster, e env.Env) {
		c.ready(e)
		c.createTopic(e, 0, "t", nil)
		directories := func() string {
			p := c.partition("t")
			img, _ := c.lives[c.controller()].Metadata()
			text := ""
			for i, id := range p.Replicas {
				require.Len(t, img.Broker(id).Directories, 1)
				require.Equal(t, img.Broker(id).Directories[0], p.Directories[i])
				text += fmt.Sprintf("%d=%v ", id, p.Directories[i])
			}
			return text
		}
		before := directories()
		stopped := (c.controller() + 1) % 3
		c.nodes[stopped].Crash()
		c.boot(stopped)
		e.Sleep(15 * time.Second)
		c.ready(e)
		require.Equal(t, before, directories())
	})
}
