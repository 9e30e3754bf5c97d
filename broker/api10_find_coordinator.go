package broker

import (
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/broker/coordinator"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/env"
)

// findCoordinatorAPI is FindCoordinator (key 10): which broker keeps a group.
// It is the leader of the group's partition of __consumer_offsets, which the
// first such question has created; until then there is none
// (COORDINATOR_NOT_AVAILABLE).
//
//	v1 coordinator type: 0 group, 1 transaction (which this broker has none of)
//	v3 flexible
//	v4 several keys at once (KIP-699)
func (b *Broker) findCoordinatorAPI() protocol.API { return api(0, 4, b.findCoordinator) }

func (b *Broker) findCoordinator(_ *protocol.Call, req *kmsg.FindCoordinatorRequest) kmsg.Response {
	resp := kmsg.NewPtrFindCoordinatorResponse()
	keys := req.CoordinatorKeys
	if req.Version < 4 {
		keys = []string{req.CoordinatorKey}
	}
	newest := b.controller.Image()
	if internal, ok := metadata.InternalTopicOf(metadata.CoordinatorType(req.CoordinatorType)); ok && len(keys) > 0 && newest.Topic(internal.Name) == nil {
		b.createInternalTopic(newest, internal)
	}
	image := b.shownImage() // as for Metadata: nobody coordinates by a topic that is not shown
	for _, key := range distinct(keys, itself) {
		resp.Coordinators = append(resp.Coordinators, b.coordinatorOf(image, key, req.CoordinatorType))
	}
	if req.Version < 4 {
		c := resp.Coordinators[0]
		resp.ErrorCode, resp.ErrorMessage = c.ErrorCode, c.ErrorMessage
		resp.NodeID, resp.Host, resp.Port = c.NodeID, c.Host, c.Port
	}
	return resp
}

func (b *Broker) coordinatorOf(image *metadata.Image, key string, kind int8) kmsg.FindCoordinatorResponseCoordinator {
	out := kmsg.NewFindCoordinatorResponseCoordinator()
	out.Key, out.NodeID, out.Port = key, -1, -1
	if metadata.CoordinatorType(kind) != metadata.GroupCoordinator {
		out.ErrorCode = kerr.InvalidRequest.Code
		out.ErrorMessage = kmsg.StringPtr("this broker coordinates consumer groups only: it has no transactions")
		return out
	}
	internal, _ := metadata.InternalTopicOf(metadata.CoordinatorType(kind))
	topic := image.Topic(internal.Name)
	if topic == nil || b.e.Lab().Rare("broker/coordinator-unknown") { // as before the topic was made: it is asked again
		out.ErrorCode = kerr.CoordinatorNotAvailable.Code
		return out
	}
	partition := image.Partition(metadata.TopicPartition{Topic: topic.Name, Partition: coordinator.PartitionFor(key, int32(len(topic.Partitions)))})
	leader := image.Broker(partition.Leader)
	if leader == nil || leader.Fenced {
		out.ErrorCode = kerr.CoordinatorNotAvailable.Code
		return out
	}
	out.NodeID, out.Host, out.Port = leader.ID, leader.Host, leader.Port
	return out
}

// createInternalTopic has the topic of a coordinator created that this broker has,
// with as many replicas as it is configured to have, or as many as there are
// brokers to put them on. It reports whether that is under way.
func (b *Broker) createInternalTopic(image *metadata.Image, topic metadata.InternalTopic) bool {
	if topic.Coordinator != metadata.GroupCoordinator {
		return false // nobody here would write it
	}
	var live int16
	for _, broker := range image.Brokers() {
		if broker.Active() {
			live++
		}
	}
	want := min(b.cfg.OffsetsReplicationFactor, int16(len(b.cfg.Voters)))
	if live < want {
		return false // a topic with fewer replicas than it should have would stay so
	}
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = topic.Name, b.cfg.OffsetsPartitions, want
	configs := topic.Configs()
	configs[config.SegmentBytes] = strconv.Itoa(int(b.cfg.OffsetsSegmentBytes))
	for _, name := range env.SortedKeys(configs) {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = name, kmsg.StringPtr(configs[name])
		t.Configs = append(t.Configs, c)
	}
	return b.creator.want(t)
}
