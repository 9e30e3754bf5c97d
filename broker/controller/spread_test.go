package controller

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/env"
)

func TestCreatorsAreAnsweredWhenEveryBrokerHasApplied(t *testing.T) {
	q := newTestQuorum(t, 1)
	n := q.controller()
	epochs := map[int32]int64{1: join(t, n.Node, 1), 2: join(t, n.Node, 2)}
	beat := func(id int32, offset int64) {
		req := kmsg.NewPtrBrokerHeartbeatRequest()
		req.BrokerID, req.BrokerEpoch, req.CurrentMetadataOffset = id, epochs[id], offset
		require.Zero(t, n.Handle(req).(*kmsg.BrokerHeartbeatResponse).ErrorCode)
	}
	create := kmsg.NewPtrCreateTopicsRequest()
	create.Version, create.TimeoutMillis = 7, int32(2*time.Hour/time.Millisecond)
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "orders", 1, 2
	create.Topics = append(create.Topics, topic)
	answered := make(chan *kmsg.CreateTopicsResponse)
	go func() { answered <- n.Handle(create).(*kmsg.CreateTopicsResponse) }()
	require.Eventually(t, func() bool { return n.Image().Topic("orders") != nil }, 10*time.Second, time.Millisecond)

	end := n.Image().Offset()
	beat(1, end)
	beat(2, end-1)
	beat(1, end) // after which the second has surely been seen
	select {
	case <-answered:
		t.Fatal("broker 2 has not applied the topic")
	default:
	}
	beat(2, end)
	require.Zero(t, (<-answered).Topics[0].ErrorCode)
}

func TestCreatorsDoNotWaitForSilentBrokers(t *testing.T) {
	f := newFixture(t, 2, 1)
	f.topic("t", 1, 2)
	end := f.img.Offset()
	half := f.m.cfg.BrokerSessionTimeout / 2
	require.Equal(t, f.now+half, f.m.awaitsBrokers(f.now, f.img, end), "nobody has told yet")
	f.now += time.Second
	f.beat(1)
	require.Equal(t, f.now-time.Second+half, f.m.awaitsBrokers(f.now, f.img, end), "2 has not")
	require.Equal(t, env.Forever, f.m.awaitsBrokers(f.now+half, f.img, end), "2 is silent")
	f.silence(1)
	require.Equal(t, env.Forever, f.m.awaitsBrokers(f.now, f.img, end), "2 is fenced")
}
