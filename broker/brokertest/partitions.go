package brokertest

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/replication"
)

// MoveLeader makes another in-sync replica the leader of a partition, and returns
// when all brokers that run say so to clients.
func (c *Cluster) MoveLeader(topic string, partition, to int32) {
	tp := metadata.TopicPartition{Topic: topic, Partition: partition}
	var last error
	err := c.await(fmt.Sprintf("broker %d to lead %v", to, tp), func() bool {
		if ctl := c.controller(); ctl != nil {
			last = ctl.MoveLeader(tp, to)
		}
		return last == nil || last == kerr.ElectionNotNeeded || last == kerr.UnknownTopicOrPartition
	})
	if err == nil && last == kerr.UnknownTopicOrPartition {
		err = last
	}
	if err == nil {
		err = c.await(fmt.Sprintf("all to know that broker %d leads %v", to, tp), func() bool {
			return c.everywhere(func(m *kmsg.MetadataResponse) bool { return leaderIn(m, partition) == to }, topic)
		})
	}
	if err != nil {
		c.fatalf("brokertest: move the leader of %v to broker %d: %v (%v)", tp, to, err, last)
	}
}

// leaderIn is the leader of a partition of the only topic of an answer.
func leaderIn(m *kmsg.MetadataResponse, partition int32) int32 {
	for _, p := range m.Topics[0].Partitions {
		if p.Partition == partition {
			return p.Leader
		}
	}
	return -1
}

// ShrinkISR leaves a partition n in-sync replicas, its leader among them. The
// others cannot fetch it, and so do not come back, until Remove is called on the
// fault that is returned; then they catch up. With n below min.insync.replicas
// writes with acks=all fail with NOT_ENOUGH_REPLICAS.
func (c *Cluster) ShrinkISR(topic string, partition int32, n int) *Fault {
	p := c.Partition(topic, partition)
	if n < 1 || n > len(p.ISR) || p.Leader < 0 {
		c.fatalf("brokertest: %s-%d has leader %d and in-sync replicas %v, of which %d cannot be left", topic, partition, p.Leader, p.ISR, n)
	}
	kept := []int32{p.Leader}
	for _, id := range p.ISR {
		if id != p.Leader && len(kept) < n {
			kept = append(kept, id)
		}
	}
	fault := c.On(kmsg.Fetch).FromBrokers().Partition(topic, partition).Always().When(func(req kmsg.Request) bool {
		return !slices.Contains(kept, replicaOf(req.(*kmsg.FetchRequest)))
	}).Fail(kerr.UnknownServerError)
	err := c.await(fmt.Sprintf("the in-sync replicas %v", kept), func() bool {
		// The leader must know it too: what it appends before that is answered when
		// it learns it, and is in its log.
		tp := metadata.TopicPartition{Topic: topic, Partition: partition}
		if r := c.replica(p.Leader, tp); r != nil && r.Role == replication.RoleLeader && len(r.ISR) == n && len(r.MaximalISR) == n {
			return true
		}
		c.proposeISR(topic, partition, p.Leader, kept)
		return false
	})
	if err != nil {
		c.fatalf("brokertest: shrink the ISR of %s-%d: %v", topic, partition, err)
	}
	return fault
}

func replicaOf(req *kmsg.FetchRequest) int32 {
	if req.Version >= 15 {
		return req.ReplicaState.ID
	}
	return req.ReplicaID
}

// proposeISR asks the controller for other in-sync replicas in the leader's name.
func (c *Cluster) proposeISR(topic string, partition, leader int32, isr []int32) {
	ctl := c.controller()
	if ctl == nil {
		return
	}
	image, _ := ctl.Metadata()
	p, t, b := image.Partition(metadata.TopicPartition{Topic: topic, Partition: partition}), image.Topic(topic), image.Broker(leader)
	if p == nil || b == nil {
		return
	}
	rp := kmsg.NewAlterPartitionRequestTopicPartition()
	rp.Partition, rp.LeaderEpoch, rp.PartitionEpoch = partition, p.LeaderEpoch, p.PartitionEpoch
	for _, id := range isr {
		r := kmsg.NewAlterPartitionRequestTopicPartitionNewEpochISR()
		r.BrokerID, r.BrokerEpoch = id, -1
		rp.NewEpochISR = append(rp.NewEpochISR, r)
	}
	rt := kmsg.NewAlterPartitionRequestTopic()
	rt.TopicID, rt.Partitions = t.ID, append(rt.Partitions, rp)
	req := kmsg.NewPtrAlterPartitionRequest()
	req.Version, req.BrokerID, req.BrokerEpoch = 3, leader, b.Epoch
	req.Topics = append(req.Topics, rt)
	ctl.Controls(req)
}

// lagging are the replicas of brokers that run and are not in sync.
func (c *Cluster) lagging() (out []string) {
	newest := c.newest()
	if newest == nil {
		return []string{"no broker runs"}
	}
	image, _ := newest.Metadata()
	for _, t := range image.Topics() {
		for _, p := range t.Partitions {
			for _, id := range p.Replicas {
				if c.Running(id) && !p.InISR(id) {
					out = append(out, fmt.Sprintf("%s-%d on broker %d", t.Name, p.Partition, id))
				}
			}
		}
	}
	return out
}

// newest is the broker that knows most of the cluster, nil if none runs.
func (c *Cluster) newest() (b *broker.Broker) {
	var offset int64 = -2
	for _, other := range c.runners() {
		if image, _ := other.Metadata(); image.Offset() > offset {
			b, offset = other, image.Offset()
		}
	}
	return b
}
