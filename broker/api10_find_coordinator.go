package broker

import (
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/broker/coordinator"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/broker/share"
	"github.com/weirlab/weir/env"
)

// findCoordinatorAPI is FindCoordinator (key 10): which broker keeps a group, a
// transactional id, or the state of a partition for a share group (by a key as
// share.Key.String has it). It is the leader of its partition of __consumer_offsets,
// __transaction_state or __share_group_state, which the first such question has
// created; until then there is none (COORDINATOR_NOT_AVAILABLE).
//
//	v1 coordinator type: 0 group, 1 transaction, 2 share state
//	v3 flexible
//	v4 several keys at once (KIP-699)
//	v5 a client that knows TRANSACTION_ABORTABLE (KIP-890)
//	v6 type 2 (KIP-932), for brokers only
func (b *Broker) findCoordinatorAPI() protocol.API { return api(0, 6, b.findCoordinator) }

func (b *Broker) findCoordinator(call *protocol.Call, req *kmsg.FindCoordinatorRequest) kmsg.Response {
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
		c := b.coordinatorOf(image, key, req.CoordinatorType)
		if metadata.CoordinatorType(req.CoordinatorType) == metadata.ShareCoordinator {
			_, ok := share.ParseKey(key)
			switch {
			case !call.May(toActOnCluster, protocol.ClusterResource):
				c = noCoordinator(key, kerr.ClusterAuthorizationFailed)
			case req.Version < 6 || !ok:
				c = noCoordinator(key, kerr.InvalidRequest)
			}
		}
		if req.CoordinatorType == int8(metadata.TransactionCoordinator) && !call.May(toDescribeTransactionalID, key) {
			c = noCoordinator(key, kerr.TransactionalIDAuthorizationFailed)
		}
		resp.Coordinators = append(resp.Coordinators, c)
	}
	if req.Version < 4 {
		c := resp.Coordinators[0]
		resp.ErrorCode, resp.ErrorMessage = c.ErrorCode, c.ErrorMessage
		resp.NodeID, resp.Host, resp.Port = c.NodeID, c.Host, c.Port
	}
	return resp
}

// noCoordinator says why there is none.
func noCoordinator(key string, err *kerr.Error) kmsg.FindCoordinatorResponseCoordinator {
	out := kmsg.NewFindCoordinatorResponseCoordinator()
	out.Key, out.NodeID, out.Port, out.ErrorCode = key, -1, -1, err.Code
	return out
}

func (b *Broker) coordinatorOf(image *metadata.Image, key string, kind int8) kmsg.FindCoordinatorResponseCoordinator {
	if _, ok := b.internalTopicSettings(metadata.CoordinatorType(kind)); !ok {
		out := noCoordinator(key, kerr.InvalidRequest)
		out.ErrorMessage = kmsg.StringPtr("this broker coordinates groups (type 0), transactions (type 1) and share state (type 2) only")
		return out
	}
	internal, _ := metadata.InternalTopicOf(metadata.CoordinatorType(kind))
	topic := image.Topic(internal.Name)
	if topic == nil || b.e.Lab().Rare("broker/coordinator-unknown") { // as before the topic was made: it is asked again
		return noCoordinator(key, kerr.CoordinatorNotAvailable)
	}
	partition := image.Partition(metadata.TopicPartition{Topic: topic.Name, Partition: coordinator.PartitionFor(key, int32(len(topic.Partitions)))})
	leader := image.Broker(partition.Leader)
	if leader == nil || leader.Fenced {
		return noCoordinator(key, kerr.CoordinatorNotAvailable)
	}
	out := kmsg.NewFindCoordinatorResponseCoordinator()
	out.Key, out.NodeID, out.Host, out.Port = key, leader.ID, leader.Host, leader.Port
	return out
}

// createInternalTopic has the topic of a coordinator created that this broker has,
// with as many replicas as it is configured to have, or as many as there are
// brokers to put them on. It reports whether that is under way.
func (b *Broker) createInternalTopic(image *metadata.Image, topic metadata.InternalTopic) bool {
	settings, ok := b.internalTopicSettings(topic.Coordinator)
	if !ok {
		return false // nobody here would write it
	}
	var live int16
	for _, broker := range image.Brokers() {
		if broker.Active() {
			live++
		}
	}
	want := min(settings.replicationFactor, int16(len(b.cfg.Voters)))
	if live < want {
		return false // a topic with fewer replicas than it should have would stay so
	}
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = topic.Name, settings.partitions, want
	configs := topic.Configs()
	configs[config.SegmentBytes] = strconv.Itoa(int(settings.segmentBytes))
	if settings.minISR > 0 {
		configs[config.MinInsyncReplicas] = strconv.Itoa(int(min(settings.minISR, int32(want))))
	}
	for _, name := range env.SortedKeys(configs) {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = name, kmsg.StringPtr(configs[name])
		t.Configs = append(t.Configs, c)
	}
	return b.creator.want(t)
}
