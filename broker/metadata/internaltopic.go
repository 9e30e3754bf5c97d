package metadata

import (
	"maps"
	"slices"

	"github.com/weirlab/weir/broker/config"
)

// Names of the internal topics, as in Kafka's
// org.apache.kafka.common.internals.Topic.
const (
	ConsumerOffsetsTopic  = "__consumer_offsets"
	TransactionStateTopic = "__transaction_state"
	ShareGroupStateTopic  = "__share_group_state"
)

// CoordinatorType says what a coordinator keeps: the KeyType of FindCoordinator
// (KIP-98, KIP-932).
type CoordinatorType int8

// The types of coordinator.
const (
	GroupCoordinator       CoordinatorType = 0
	TransactionCoordinator CoordinatorType = 1
	ShareCoordinator       CoordinatorType = 2
)

// InternalTopic is a topic in which coordinators keep their state: the leader
// of a partition is the coordinator of all that hashes to it. Only
// coordinators write to internal topics, and the leader of a partition replays
// it before it answers for it.
//
// A topic is internal by its name alone, so that one made by hand is too. Other
// names that begin with "__" mean nothing; ClusterMetadataTopic is no topic of
// the image, and none may be created under its name.
type InternalTopic struct {
	Name string

	// Coordinator writes the topic and replays it.
	Coordinator CoordinatorType

	configs map[string]string
}

// internalTopics are those of Kafka, with the settings it creates them with
// (GroupCoordinatorService.groupMetadataTopicConfigs and its siblings). Those
// that brokers have settings for are added by the creator.
var internalTopics = [...]InternalTopic{
	{ConsumerOffsetsTopic, GroupCoordinator, map[string]string{
		config.CleanupPolicy:   "compact",
		config.CompressionType: "producer",
		// and segment.bytes as offsets.topic.segment.bytes says
	}},
	{TransactionStateTopic, TransactionCoordinator, map[string]string{
		config.CleanupPolicy:         "compact",
		config.CompressionType:       "uncompressed",
		config.UncleanLeaderElection: "false",
		// and min.insync.replicas and segment.bytes as transaction.state.log.min.isr and
		// transaction.state.log.segment.bytes say
	}},
	{ShareGroupStateTopic, ShareCoordinator, map[string]string{
		config.CleanupPolicy:   "delete",
		config.CompressionType: "producer",
		config.RetentionMillis: "-1",
		// and min.insync.replicas and segment.bytes as share.coordinator.state.topic.min.isr
		// and share.coordinator.state.topic.segment.bytes say
	}},
}

// FindInternalTopic is the internal topic of that name, if it is one.
func FindInternalTopic(name string) (InternalTopic, bool) {
	i := slices.IndexFunc(internalTopics[:], func(t InternalTopic) bool { return t.Name == name })
	if i < 0 {
		return InternalTopic{}, false
	}
	return internalTopics[i], true
}

// IsInternalTopic reports whether name is that of an internal topic (Kafka's
// Topic.isInternal).
func IsInternalTopic(name string) bool {
	_, ok := FindInternalTopic(name)
	return ok
}

// InternalTopicOf is the internal topic of a type of coordinator, if there is
// such a type.
func InternalTopicOf(t CoordinatorType) (InternalTopic, bool) {
	i := slices.IndexFunc(internalTopics[:], func(topic InternalTopic) bool { return topic.Coordinator == t })
	if i < 0 {
		return InternalTopic{}, false
	}
	return internalTopics[i], true
}

// Configs are the settings that a coordinator creates its topic with, by Kafka
// property name. Walk them with env.SortedKeys. The map is the caller's.
func (t InternalTopic) Configs() map[string]string { return maps.Clone(t.configs) }
