package broker_test

import (
	"net"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/broker/share"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
)

// leaderOf is the index of the broker that leads partition 0 of a topic, -1 if none does
// that runs.
func (c *simCluster) leaderOf(topic string) int {
	p := c.partition(topic)
	if p == nil || p.Leader < 1 || c.lives[p.Leader-1] == nil {
		return -1
	}
	return int(p.Leader - 1)
}

// beginSharing begins the state of partition 0 of a topic for a share group, at offset 0.
func (c *simCluster) beginSharing(e env.Env, group string, topic metadata.TopicID) {
	c.await(e, "a share coordinator", func() bool {
		find := kmsg.NewPtrFindCoordinatorRequest()
		find.Version, find.CoordinatorType = 6, int8(metadata.ShareCoordinator)
		find.CoordinatorKeys = []string{share.Key{Group: group, Topic: topic}.String()}
		found := c.must(e, 0, find).(*kmsg.FindCoordinatorResponse).Coordinators[0]
		if found.ErrorCode != 0 {
			return false
		}
		begin := &kmsg.InitializeShareGroupStateRequest{GroupID: group, Topics: []kmsg.InitializeShareGroupStateRequestTopic{{TopicID: topic,
			Partitions: []kmsg.InitializeShareGroupStateRequestTopicPartition{{}}}}}
		resp, err := c.askAt(e, net.JoinHostPort(found.Host, strconv.Itoa(int(found.Port))), begin, 20*time.Second)
		return err == nil && resp.(*kmsg.InitializeShareGroupStateResponse).Topics[0].Partitions[0].ErrorCode == 0
	})
}

// sharedTopic is what members of share group g make of a topic.
type sharedTopic struct {
	c        *simCluster
	id       metadata.TopicID
	accepted map[string]bool // and told so
	seen     map[string]bool
	again    int // deliveries of records seen before
}

// work has a member accept records on one connection until something goes wrong, or
// there are none.
func (s *sharedTopic) work(e env.Env, member string) {
	at := s.c.leaderOf("orders")
	if at < 0 {
		return
	}
	cl, err := protocol.Dial(e, s.c.cfgs[at].Listen, member, time.Second)
	if err != nil {
		return
	}
	defer cl.Close()
	for epoch := int32(0); ; epoch += 2 {
		fetch := kmsg.NewPtrShareFetchRequest()
		fetch.Version, fetch.GroupID, fetch.MemberID, fetch.ShareSessionEpoch = 2, kmsg.StringPtr("g"), &member, epoch
		fetch.MaxWaitMillis, fetch.MinBytes, fetch.MaxBytes, fetch.MaxRecords, fetch.BatchSize = 300, 1, 1<<20, 7, 7
		fetch.Topics = []kmsg.ShareFetchRequestTopic{{TopicID: s.id, Partitions: []kmsg.ShareFetchRequestTopicPartition{{}}}}
		resp, err := cl.Request(fetch, 5*time.Second)
		if err != nil || resp.(*kmsg.ShareFetchResponse).ErrorCode != 0 || len(resp.(*kmsg.ShareFetchResponse).Topics) == 0 {
			return
		}
		p := &resp.(*kmsg.ShareFetchResponse).Topics[0].Partitions[0]
		values := s.delivered(p)
		if len(values) == 0 {
			return
		}
		e.Sleep(20 * time.Millisecond)
		ack := kmsg.NewPtrShareAcknowledgeRequest()
		ack.Version, ack.GroupID, ack.MemberID, ack.ShareSessionEpoch = 2, kmsg.StringPtr("g"), &member, epoch+1
		part := kmsg.NewShareAcknowledgeRequestTopicPartition()
		for _, a := range p.AcquiredRecords {
			part.AcknowledgementBatches = append(part.AcknowledgementBatches, kmsg.ShareAcknowledgeRequestTopicPartitionAcknowledgementBatch{
				FirstOffset: a.FirstOffset, LastOffset: a.LastOffset, AcknowledgeTypes: []int8{share.Accept}})
		}
		ack.Topics = []kmsg.ShareAcknowledgeRequestTopic{{TopicID: s.id, Partitions: []kmsg.ShareAcknowledgeRequestTopicPartition{part}}}
		resp, err = cl.Request(ack, 20*time.Second)
		if err != nil || resp.(*kmsg.ShareAcknowledgeResponse).ErrorCode != 0 || resp.(*kmsg.ShareAcknowledgeResponse).Topics[0].Partitions[0].ErrorCode != 0 {
			return
		}
		for _, v := range values {
			s.accepted[v] = true
		}
	}
}

// delivered is the values that an answer has acquired.
func (s *sharedTopic) delivered(p *kmsg.ShareFetchResponseTopicPartition) (values []string) {
	for b, err := range storage.Batches(p.Records) {
		require.NoError(s.c.t, err)
		at := b.BaseOffset()
		i := slices.IndexFunc(p.AcquiredRecords, func(a kmsg.ShareFetchResponseTopicPartitionAcquiredRecord) bool {
			return a.FirstOffset <= at && at <= a.LastOffset
		})
		if i < 0 {
			continue
		}
		for r, err := range b.Records() {
			require.NoError(s.c.t, err)
			require.False(s.c.t, s.accepted[string(r.Value)], "%s was accepted, and is delivered again", r.Value)
			values = append(values, string(r.Value))
			if s.seen[string(r.Value)] {
				s.again++
			}
			s.seen[string(r.Value)] = true
		}
	}
	return values
}

// However often leaders lose power, and share coordinators with them: what was accepted
// is not delivered again, and every record is accepted in the end.
func TestSharedRecordsSurviveTheirLeaders(t *testing.T) {
	change := func(cfg *broker.Config) {
		cfg.BrokerSession, cfg.BrokerHeartbeat = 2*time.Second, 300*time.Millisecond
	}
	runSim(t, 3, change, func(c *simCluster, e env.Env) {
		c.ready(e)
		c.createTopic(e, 0, "orders", nil)
		c.await(e, "a leader", func() bool { return c.leaderOf("orders") >= 0 })
		image, _ := c.lives[c.controller()].Metadata()
		s := &sharedTopic{c: c, id: image.Topic("orders").ID, accepted: map[string]bool{}, seen: map[string]bool{}}
		c.beginSharing(e, "g", s.id)
		var sent []string
		over, crashes := false, 0
		var members []env.Task
		for _, id := range []string{"a", "b"} {
			members = append(members, e.Go(id, func() {
				for !over || slices.ContainsFunc(sent, func(v string) bool { return !s.accepted[v] }) {
					s.work(e, id)
					e.Sleep(50 * time.Millisecond)
				}
			}))
		}
		for i := 0; len(sent) < 150; i++ { // a record that may or may not have been written is not written again
			at := c.leaderOf("orders")
			if at < 0 {
				e.Sleep(100 * time.Millisecond)
				continue
			}
			value := strconv.Itoa(i)
			batch := storage.BuildBatch(nil, storage.NoProducer(), []storage.Record{{Value: []byte(value)}})
			resp, err := c.ask(e, at, &kmsg.ProduceRequest{Version: 9, Acks: -1, TimeoutMillis: 5000, Topics: []kmsg.ProduceRequestTopic{{Topic: "orders",
				Partitions: []kmsg.ProduceRequestTopicPartition{{Records: batch}}}}}, 6*time.Second)
			if err == nil && resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode == 0 {
				sent = append(sent, value)
			}
			if len(sent)/40 > crashes {
				crashes++
				c.nodes[at].PowerOff()
				c.lives[at] = nil
				e.Sleep(3 * time.Second)
				c.nodes[at].PowerOn()
				c.boot(at)
				c.ready(e)
			}
		}
		over = true
		for _, m := range members {
			m.Wait()
		}
		require.Equal(t, 3, crashes)
		require.NotZero(t, s.again, "no record was delivered twice")
	})
}
