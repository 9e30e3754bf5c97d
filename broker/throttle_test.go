package broker_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/env"
)

// configure sets a setting of a topic, or of all brokers.
func (c *simCluster) configure(e env.Env, topic, name, value string) {
	c.t.Helper()
	kind := kmsg.ConfigResourceTypeTopic
	if topic == "" {
		kind = kmsg.ConfigResourceTypeBroker
	}
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.Version = 1
	req.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: kind, ResourceName: topic,
		Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: name, Value: kmsg.StringPtr(value)}}}}
	r := c.must(e, 0, req).(*kmsg.IncrementalAlterConfigsResponse).Resources[0]
	require.Zero(c.t, r.ErrorCode, "%v", r.ErrorMessage)
}

// A partition moves no faster than its throttle lets it, on either side, and
// arrives. Another topic of the same brokers, throttled too but in sync, is
// written as ever meanwhile, and stays in sync.
func TestAThrottledPartitionMovesByItsRate(t *testing.T) {
	const batch, batches, rate = 25_000, 40, 50_000
	for _, side := range []struct {
		name     string
		replicas string
		bytes    int // that the rate counts: the leader gives two followers everything
	}{
		{"leader", "0:1,0:2", 2 * batch * batches},
		{"follower", "0:3,0:4", batch * batches},
	} {
		t.Run(side.name, func(t *testing.T) {
			runSim(t, 4, func(cfg *broker.Config) {
				movingCluster(cfg)
				cfg.ReplicaFetchBytes = 1 // one batch of a partition in an answer
			}, func(c *simCluster, e env.Env) {
				c.ready(e)
				c.createOn(e, "t", 1, 2)
				c.createOn(e, "quiet", 1, 3)
				for range batches {
					produce(t, e, c, strings.Repeat("x", batch))
				}
				c.configure(e, "t", side.name+".replication.throttled.replicas", side.replicas)
				c.configure(e, "quiet", side.name+".replication.throttled.replicas", "*")
				c.configure(e, "", side.name+".replication.throttled.rate", fmt.Sprint(rate))
				began := e.Now()
				require.Zero(t, c.reassign(e, 1, "t", 3, 4))
				slowest := time.Duration(0)
				for c.reassigning(e, 1) > 0 {
					before := e.Now()
					require.Less(t, before-began, 5*time.Minute, "it arrives")
					require.Zero(t, c.must(e, 0, produceOne("quiet", -1, 5*time.Second)).(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode)
					slowest = max(slowest, e.Now()-before)
					require.Len(t, c.partition("quiet").ISR, 2)
					e.Sleep(50 * time.Millisecond)
				}
				took := e.Now() - began
				t.Logf("took %v, and a write at most %v", took, slowest)
				require.GreaterOrEqual(t, took, time.Duration(side.bytes-3*batch)*time.Second/rate, "but for what goes beyond the rate at once, a batch for each, and the last one")
				require.Less(t, slowest, 200*time.Millisecond)
				c.await(e, "1 and 2 have removed it", func() bool { return slices.Equal(c.holders(e, "t"), []int32{3, 4}) })
				require.EqualValues(t, batches, latestOffset(t, e, c, 2, c.partition("t").TP()))
			})
		})
	}
}

// A rate of zero lets a piece pass every window: nothing is stuck for good. Nobody
// asks again and again meanwhile, and once the throttle is taken away the follower
// goes on at once.
func TestAThrottleOfZeroIsSlowAndNotBusy(t *testing.T) {
	for _, side := range []string{"leader", "follower"} {
		t.Run(side, func(t *testing.T) {
			w := newWorld(t, 3, func(_ int, cfg *broker.Config) {
				cfg.ReplicaFetchBytes, cfg.ReplicaLagTimeMax = 1, 2*time.Second
			})
			w.run(func() {
				w.ready()
				must(w.tryCreate("t", 2, map[string]string{side + ".replication.throttled.replicas": "*"}))
				must(w.alter("", side+".replication.throttled.rate", "0"))
				w.mustProduce("t", w.batchOf(0, "x"))
				w.sleep(time.Second)
				follower, leader := w.crashFollower("t")
				for range 20 {
					w.mustProduce("t", w.batchOf(0, "a batch that a follower missed"))
				}
				w.start(follower)
				w.until("the replica is there", func() bool {
					return w.nodes[follower-1].b != nil && w.replica(follower, "t") != nil
				})
				has := func() int64 { return w.replica(follower, "t").EndOffset() }
				w.until("one has passed", func() bool { return has() > 1 })
				before := has()
				require.LessOrEqual(t, w.count("9092", "1", time.Minute), 200)
				require.GreaterOrEqual(t, has()-before, int64(4))
				require.LessOrEqual(t, has()-before, int64(6))
				must(w.alter("", side+".replication.throttled.rate", "1000000"))
				require.Less(t, w.took(func() bool { return has() == w.replica(leader, "t").EndOffset() }), 2*time.Second)
				w.until("it is in sync", func() bool { return len(w.partition("t").ISR) == 2 })
			})
		})
	}
}
