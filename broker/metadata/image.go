package metadata

import (
	"maps"
	"slices"

	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/env"
)

// Image is the state of the cluster after a prefix of the metadata log. It is
// immutable and may be held and read by any task. The zero of the log is
// [Empty]. A nil *Image reads as an empty one.
type Image struct {
	offset         int64
	epoch          int32
	nextProducerID int64
	clusterID      string

	brokers       map[int32]*Broker
	brokerIDs     []int32
	topics        sharded[string, *Topic]
	topicsByID    sharded[TopicID, *Topic]
	topicNames    []string
	brokerConfigs map[string]map[string]string
	groupConfigs  map[string]map[string]string
	features      map[string]int16 // versions that are not what clusters begin with
}

// Empty is the image of the empty log.
func Empty() *Image { return &Image{offset: -1, epoch: -1} }

// Offset is the offset of the last record applied, -1 for none.
func (i *Image) Offset() int64 {
	if i == nil {
		return -1
	}
	return i.offset
}

// Epoch is the quorum's leader epoch of the last record applied, -1 for none.
func (i *Image) Epoch() int32 {
	if i == nil {
		return -1
	}
	return i.epoch
}

// ClusterID is the name of the cluster, empty while it has none.
func (i *Image) ClusterID() string {
	if i == nil {
		return ""
	}
	return i.clusterID
}

// NextProducerID is the first producer id not yet handed out to a broker.
func (i *Image) NextProducerID() int64 {
	if i == nil {
		return 0
	}
	return i.nextProducerID
}

// Broker is the registration of a broker, nil if it has none.
func (i *Image) Broker(id int32) *Broker {
	if i == nil {
		return nil
	}
	return i.brokers[id]
}

// Brokers are all registered brokers, fenced ones included, by ascending id.
func (i *Image) Brokers() []*Broker {
	if i == nil {
		return nil
	}
	out := make([]*Broker, len(i.brokerIDs))
	for n, id := range i.brokerIDs {
		out[n] = i.brokers[id]
	}
	return out
}

// BrokerCount is how many brokers are registered.
func (i *Image) BrokerCount() int {
	if i == nil {
		return 0
	}
	return len(i.brokerIDs)
}

// Topic is the topic of that name, nil if there is none.
func (i *Image) Topic(name string) *Topic {
	if i == nil {
		return nil
	}
	return i.topics.get(name)
}

// TopicByID is the topic of that id, nil if there is none.
func (i *Image) TopicByID(id TopicID) *Topic {
	if i == nil {
		return nil
	}
	return i.topicsByID.get(id)
}

// Topics are all topics, by ascending name.
func (i *Image) Topics() []*Topic {
	if i == nil {
		return nil
	}
	out := make([]*Topic, len(i.topicNames))
	for n, name := range i.topicNames {
		out[n] = i.topics.get(name)
	}
	return out
}

// Partition is one partition, nil if topic or partition do not exist.
func (i *Image) Partition(tp TopicPartition) *Partition {
	t := i.Topic(tp.Topic)
	if t == nil || tp.Partition < 0 || int(tp.Partition) >= len(t.Partitions) {
		return nil
	}
	return t.Partitions[tp.Partition]
}

// BrokerConfigs are the values set on one broker, or on all brokers if name is
// empty. Do not change the map.
func (i *Image) BrokerConfigs(name string) map[string]string {
	if i == nil {
		return nil
	}
	return i.brokerConfigs[name]
}

// TopicConfigs are the values set on one topic, and the cleanup policy of an
// internal one: the state of coordinators outlives a default meant for other
// topics, however its topic came to be. Do not change the map. With
// BrokerConfigs it makes an image config.Dynamic.
func (i *Image) TopicConfigs(topic string) map[string]string {
	t := i.Topic(topic)
	if t == nil {
		return nil
	}
	if internal, ok := FindInternalTopic(topic); ok && t.Configs[config.CleanupPolicy] == "" {
		configs := maps.Clone(t.Configs)
		if configs == nil {
			configs = map[string]string{}
		}
		configs[config.CleanupPolicy] = internal.configs[config.CleanupPolicy]
		return configs
	}
	return t.Configs
}

// GroupConfigs are the values set on one group. Do not change the map.
func (i *Image) GroupConfigs(group string) map[string]string {
	if i == nil {
		return nil
	}
	return i.groupConfigs[group]
}

// ConfiguredGroups are the groups that have values of their own, by name.
func (i *Image) ConfiguredGroups() []string {
	if i == nil {
		return nil
	}
	return env.SortedKeys(i.groupConfigs)
}

// Delta says what differs between two images, the later of which it came with.
// All lists are sorted and free of duplicates.
type Delta struct {
	// FromOffset and ToOffset are the Offset of the two images.
	FromOffset, ToOffset int64
	// Brokers were registered, changed or removed.
	Brokers []int32
	// DeletedTopics are gone, with all their partitions. A topic deleted and
	// created again appears here with the old id and in Partitions.
	DeletedTopics []DeletedTopic
	// Partitions were created or changed, and still exist.
	Partitions []TopicPartition
	// TopicConfigs are the topics whose own configuration changed and that
	// still exist, new ones included.
	TopicConfigs []string
	// BrokerConfigs says that a broker's or the cluster-wide configuration changed.
	BrokerConfigs bool
}

// DeletedTopic is a topic that is gone.
type DeletedTopic struct {
	Name       string
	ID         TopicID
	Partitions int32 // how many it had
}

// Empty reports whether nothing changed but the offset.
func (d Delta) Empty() bool {
	return len(d.Brokers) == 0 && len(d.DeletedTopics) == 0 && len(d.Partitions) == 0 &&
		len(d.TopicConfigs) == 0 && !d.BrokerConfigs
}

// Full is the delta from the empty image to i: everything there is.
func (i *Image) Full() Delta {
	d := Delta{FromOffset: -1, ToOffset: i.Offset(), BrokerConfigs: true}
	if i == nil {
		return d
	}
	d.Brokers = slices.Clone(i.brokerIDs)
	for _, t := range i.Topics() {
		d.TopicConfigs = append(d.TopicConfigs, t.Name)
		for _, p := range t.Partitions {
			d.Partitions = append(d.Partitions, p.TP())
		}
	}
	return d
}

// Apply gives the image after one more record, which has the given offset. It
// fails on a record that contradicts the image, naming both.
func (i *Image) Apply(r Record, offset int64) (*Image, Delta, error) {
	e := i.Edit()
	if err := e.Apply(r, offset); err != nil {
		return nil, Delta{}, err
	}
	next, delta := e.Done()
	return next, delta, nil
}
