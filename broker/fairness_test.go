package broker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
)

func produceOne(topic string, acks int16, timeout time.Duration) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis = 9, acks, int32(timeout.Milliseconds())
	part := kmsg.NewProduceRequestTopicPartition()
	part.Records = storage.BuildBatch(nil, storage.NoProducer(), []storage.Record{{TimestampMillis: 1, Value: []byte("v")}})
	req.Topics = []kmsg.ProduceRequestTopic{{Topic: topic, Partitions: []kmsg.ProduceRequestTopicPartition{part}}}
	return req
}

// Two partitions are written faster than their follower can copy them. That is
// no reason for a third to leave the ISR.
func TestBusyPartitionsKeepNoQuietOneOutOfTheISR(t *testing.T) {
	const lagMax = 500 * time.Millisecond
	runSim(t, 2, func(cfg *broker.Config) {
		cfg.ReplicaFetchAnswerBytes, cfg.ReplicaLagTimeMax = 1, lagMax // one batch in an answer
	}, func(c *simCluster, e env.Env) {
		c.ready(e)
		create := kmsg.NewPtrCreateTopicsRequest()
		create.Version = 7
		for _, name := range []string{"a-busy", "b-busy", "c-quiet"} {
			rt := kmsg.NewCreateTopicsRequestTopic()
			rt.Topic, rt.NumPartitions, rt.ReplicationFactor = name, -1, -1
			rt.ReplicaAssignment = []kmsg.CreateTopicsRequestTopicReplicaAssignment{{Replicas: []int32{1, 2}}}
			rt.Configs = []kmsg.CreateTopicsRequestTopicConfig{{Name: "min.insync.replicas", Value: kmsg.StringPtr("1")}}
			create.Topics = append(create.Topics, rt)
		}
		for _, topic := range c.must(e, 0, create).(*kmsg.CreateTopicsResponse).Topics {
			require.Zero(t, topic.ErrorCode)
		}
		stop := e.NewSignal()
		var writers []env.Task
		for i := range 6 {
			topic := []string{"a-busy", "b-busy"}[i%2]
			writers = append(writers, e.Go("writer", func() {
				cl, err := protocol.Dial(e, c.cfgs[0].Listen, "writer", time.Second)
				require.NoError(t, err)
				defer cl.Close()
				for !stop.IsSet() {
					_, err := cl.Request(produceOne(topic, 1, time.Second), time.Second)
					require.NoError(t, err)
				}
			}))
		}
		quiet := c.partition("c-quiet").PartitionEpoch
		for range 20 {
			resp := c.must(e, 0, produceOne("c-quiet", -1, lagMax)).(*kmsg.ProduceResponse)
			require.Zero(t, resp.Topics[0].Partitions[0].ErrorCode)
			e.Sleep(100 * time.Millisecond)
		}
		require.Equal(t, []int32{1}, c.partition("a-busy").ISR, "the load is too small to tell anything")
		require.Equal(t, []int32{1, 2}, c.partition("c-quiet").ISR)
		require.Equal(t, quiet, c.partition("c-quiet").PartitionEpoch, "it left the ISR meanwhile")
		stop.Set()
		for _, w := range writers {
			w.Wait()
		}
	})
}
