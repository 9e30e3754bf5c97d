package broker_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
)

// TestMetadataWaitsForNoTopicToBeCreated: the answer tells that the topic has no
// leader, at once, with a controller that answers and with one that does not.
// The topic is there later. kafka-go deletes a topic and asks for its metadata,
// and takes partitions in the answer for the deleted topic's.
func TestMetadataWaitsForNoTopicToBeCreated(t *testing.T) {
	runSim(t, 3, nil, func(c *simCluster, e env.Env) {
		c.ready(e)
		old := c.controller()
		asked := (old + 1) % 3
		for _, paused := range []bool{false, true} {
			if paused {
				c.nodes[old].Pause()
			}
			name := fmt.Sprintf("wanted-paused-%v", paused)
			began := e.Now()
			topic := c.must(e, asked, missingTopic(name)).(*kmsg.MetadataResponse).Topics[0]
			require.Less(t, e.Now()-began, 50*time.Millisecond)
			require.Equal(t, kerr.LeaderNotAvailable.Code, topic.ErrorCode)
			require.Empty(t, topic.Partitions)
			c.await(e, "the topic, for those who ask again", func() bool {
				return c.must(e, asked, missingTopic(name)).(*kmsg.MetadataResponse).Topics[0].ErrorCode == 0
			})
		}
		c.nodes[old].Resume()
	})
}

// TestFindCoordinatorWaitsForNoTopicToBeCreated: as for metadata.
func TestFindCoordinatorWaitsForNoTopicToBeCreated(t *testing.T) {
	runSim(t, 3, nil, func(c *simCluster, e env.Env) {
		c.ready(e)
		old := c.controller()
		asked := (old + 1) % 3
		c.nodes[old].Pause()
		find := func() int16 {
			req := kmsg.NewPtrFindCoordinatorRequest()
			req.Version, req.CoordinatorKey = 3, "g"
			return c.must(e, asked, req).(*kmsg.FindCoordinatorResponse).ErrorCode
		}
		began := e.Now()
		require.Equal(t, kerr.CoordinatorNotAvailable.Code, find())
		require.Less(t, e.Now()-began, 50*time.Millisecond)
		c.await(e, "a coordinator", func() bool { return find() == 0 })
		c.nodes[old].Resume()
	})
}

// TestWantedTopicsAreBounded: what clients can have waiting for a controller that
// does not answer is bounded, and once it answers, topics are created again.
func TestWantedTopicsAreBounded(t *testing.T) {
	runSim(t, 2, nil, func(c *simCluster, e env.Env) {
		c.ready(e)
		controller := c.controller()
		other := 1 - controller
		c.nodes[controller].Pause() // of two voters: no other can be elected
		c.must(e, other, missingTopic("first"))
		e.Sleep(10 * time.Millisecond) // it is asked for, and the next wait
		req := missingTopic("wanted-0")
		for i := 1; i < 1500; i++ {
			topic := kmsg.NewMetadataRequestTopic()
			topic.Topic = kmsg.StringPtr(fmt.Sprint("wanted-", i))
			req.Topics = append(req.Topics, topic)
		}
		for i, topic := range c.must(e, other, req).(*kmsg.MetadataResponse).Topics {
			want := kerr.LeaderNotAvailable.Code
			if i >= 999 {
				want = kerr.UnknownTopicOrPartition.Code
			}
			require.Equal(t, want, topic.ErrorCode, "only what is under way has no leader yet: topic %d", i)
		}
		c.nodes[controller].Resume()
		created := func() int {
			image, _ := c.lives[other].Metadata()
			return len(image.Topics())
		}
		c.await(e, "most of the topics", func() bool { return created() >= 999 })
		e.Sleep(10 * time.Second)
		require.LessOrEqual(t, created(), 1000)
		c.must(e, other, missingTopic("wanted-1499"))
		c.await(e, "the last topic", func() bool {
			image, _ := c.lives[other].Metadata()
			return image.Partition(metadata.TopicPartition{Topic: "wanted-1499"}) != nil
		})
	})
}
