package metadata

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/weirlab/weir/env"
)

// Edit starts a new image from i, for applying many records at the price of
// one copy.
func (i *Image) Edit() *Editor {
	if i == nil {
		i = Empty()
	}
	next := *i
	return &Editor{base: i, img: &next}
}

// Editor builds an Image. It is not safe for concurrent use.
type Editor struct {
	base, img *Image

	ownBrokers, ownTopics, ownNames, ownConfigs, ownGroups bool
	fresh                                                  map[*Topic]bool // topics copied here already

	brokers       map[int32]bool
	deleted       []DeletedTopic
	partitions    map[TopicPartition]bool
	topicConfigs  map[string]bool
	brokerConfigs bool
}

// SetOffset moves the image over log entries that carry no Record (control
// batches) and sets the leader epoch.
func (e *Editor) SetOffset(offset int64, epoch int32) {
	e.img.offset = offset
	e.img.epoch = epoch
}

// Apply applies one record with the given offset.
func (e *Editor) Apply(r Record, offset int64) error {
	if err := e.apply(r, offset); err != nil {
		return fmt.Errorf("metadata: record at offset %d: %w", offset, err)
	}
	e.img.offset = offset
	return nil
}

// Image is the image as edited so far. It is good until the next Apply.
func (e *Editor) Image() *Image { return e.img }

func (e *Editor) apply(r Record, offset int64) error {
	switch r := r.(type) {
	case *RegisterBrokerRecord:
		epoch := offset
		if r.BrokerEpoch > 0 {
			epoch = r.BrokerEpoch
		}
		e.setBroker(&Broker{ID: r.BrokerID, Epoch: epoch, Incarnation: r.Incarnation, Host: r.Host, Port: r.Port, Rack: r.Rack,
			Fenced: r.Fenced, InControlledShutdown: r.InControlledShutdown, Directories: r.Directories, Continues: r.Continues})
	case *ClusterIDRecord:
		if e.img.clusterID != "" && e.img.clusterID != r.ClusterID {
			return fmt.Errorf("the cluster is %s and cannot become %s", e.img.clusterID, r.ClusterID)
		}
		e.img.clusterID = r.ClusterID
	case *BrokerStateRecord:
		b := e.img.brokers[r.BrokerID]
		if b == nil || b.Epoch != r.BrokerEpoch {
			return fmt.Errorf("state of broker %d epoch %d, which is not registered", r.BrokerID, r.BrokerEpoch)
		}
		next := *b
		next.Fenced, next.InControlledShutdown = r.Fenced, r.InControlledShutdown
		if !next.Fenced {
			next.Continues = 0
		}
		if r.Directories != nil {
			next.Directories = r.Directories
		}
		e.setBroker(&next)
	case *UnregisterBrokerRecord:
		b := e.img.brokers[r.BrokerID]
		if b == nil || b.Epoch != r.BrokerEpoch {
			return fmt.Errorf("unregistration of broker %d epoch %d, which is not registered", r.BrokerID, r.BrokerEpoch)
		}
		e.copyBrokers()
		delete(e.img.brokers, r.BrokerID)
		e.img.brokerIDs = env.SortedKeys(e.img.brokers)
		e.touchBroker(r.BrokerID)
	case *TopicRecord:
		if e.img.topics.get(r.Name) != nil || e.img.topicsByID.get(r.ID) != nil {
			return fmt.Errorf("topic %q (%v) exists already", r.Name, r.ID)
		}
		e.setTopic(&Topic{Name: r.Name, ID: r.ID})
		e.touchTopicConfigs(r.Name)
	case *RemoveTopicRecord:
		return e.removeTopic(r.ID)
	case *PartitionRecord:
		return e.setPartition(r)
	case *ConfigRecord:
		return e.setConfig(r)
	case *FeatureLevelRecord:
		features := maps.Clone(e.img.features)
		if features == nil {
			features = map[string]int16{}
		}
		features[r.Name] = r.Level
		e.img.features = features
	case *ProducerIDsRecord:
		if r.NextProducerID < e.img.nextProducerID {
			return fmt.Errorf("next producer id %d is below %d", r.NextProducerID, e.img.nextProducerID)
		}
		e.img.nextProducerID = r.NextProducerID
	default:
		return fmt.Errorf("unknown record %T", r)
	}
	return nil
}

func (e *Editor) copyBrokers() {
	if !e.ownBrokers {
		e.img.brokers = maps.Clone(e.img.brokers)
		if e.img.brokers == nil {
			e.img.brokers = map[int32]*Broker{}
		}
		e.ownBrokers = true
	}
}

func (e *Editor) setBroker(b *Broker) {
	e.copyBrokers()
	_, known := e.img.brokers[b.ID]
	e.img.brokers[b.ID] = b
	if !known {
		at, _ := slices.BinarySearch(e.img.brokerIDs, b.ID)
		e.img.brokerIDs = slices.Insert(slices.Clip(e.img.brokerIDs), at, b.ID)
	}
	e.touchBroker(b.ID)
}

func (e *Editor) touchBroker(id int32) {
	if e.brokers == nil {
		e.brokers = map[int32]bool{}
	}
	e.brokers[id] = true
}

func (e *Editor) touchTopicConfigs(name string) {
	if e.topicConfigs == nil {
		e.topicConfigs = map[string]bool{}
	}
	e.topicConfigs[name] = true
}

func (e *Editor) copyTopics() {
	if e.ownTopics {
		return
	}
	e.ownTopics = true
	e.fresh = map[*Topic]bool{}
	e.img.topics = e.img.topics.edit(env.HashString)
	e.img.topicsByID = e.img.topicsByID.edit(hashTopicID)
}

func hashTopicID(id TopicID) uint64 {
	return env.Mix64(binary.LittleEndian.Uint64(id[:]) ^ binary.LittleEndian.Uint64(id[8:]))
}

func (e *Editor) setTopic(t *Topic) {
	e.copyTopics()
	known := e.img.topics.get(t.Name) != nil
	e.img.topics.set(t.Name, t)
	e.img.topicsByID.set(t.ID, t)
	e.fresh[t] = true
	if !known {
		e.copyNames()
		at, _ := slices.BinarySearch(e.img.topicNames, t.Name)
		e.img.topicNames = slices.Insert(e.img.topicNames, at, t.Name)
	}
}

// copyNames makes the list of names this edit's own.
func (e *Editor) copyNames() {
	if !e.ownNames {
		e.img.topicNames, e.ownNames = slices.Clone(e.img.topicNames), true
	}
}

// ownTopic is a copy of the topic that this edit may change.
func (e *Editor) ownTopic(t *Topic) *Topic {
	e.copyTopics()
	if e.fresh[t] {
		return t
	}
	c := &Topic{Name: t.Name, ID: t.ID, Configs: maps.Clone(t.Configs), Partitions: slices.Clone(t.Partitions)}
	e.setTopic(c)
	return c
}

func (e *Editor) removeTopic(id TopicID) error {
	t := e.img.topicsByID.get(id)
	if t == nil {
		return fmt.Errorf("removal of topic %v, which does not exist", id)
	}
	e.copyTopics()
	e.img.topics.remove(t.Name)
	e.img.topicsByID.remove(id)
	e.copyNames()
	if at, found := slices.BinarySearch(e.img.topicNames, t.Name); found {
		e.img.topicNames = slices.Delete(e.img.topicNames, at, at+1)
	}
	for _, p := range t.Partitions {
		delete(e.partitions, p.TP())
	}
	delete(e.topicConfigs, t.Name)
	// A topic that came and went within one edit was never seen by anyone.
	if e.base.topicsByID.get(id) != nil {
		e.deleted = append(e.deleted, DeletedTopic{t.Name, t.ID, int32(len(t.Partitions))})
	}
	return nil
}

func (e *Editor) setPartition(r *PartitionRecord) error {
	t := e.img.topicsByID.get(r.TopicID)
	if t == nil {
		return fmt.Errorf("partition %d of topic %v, which does not exist", r.Partition, r.TopicID)
	}
	if r.Partition < 0 || int(r.Partition) > len(t.Partitions) {
		return fmt.Errorf("partition %d of topic %q, which has %d: partitions are created in order", r.Partition, t.Name, len(t.Partitions))
	}
	t = e.ownTopic(t)
	p := &Partition{Topic: t.Name, TopicID: t.ID, Partition: r.Partition,
		Replicas: r.Replicas, ISR: r.ISR, ELR: r.ELR, LastKnownELR: r.LastKnownELR,
		Leader: r.Leader, LeaderEpoch: r.LeaderEpoch, PartitionEpoch: r.PartitionEpoch, Recovering: r.Recovering,
		MinISR: r.MinISR, AddingReplicas: r.AddingReplicas, RemovingReplicas: r.RemovingReplicas, Directories: r.Directories}
	if int(r.Partition) == len(t.Partitions) {
		t.Partitions = append(t.Partitions, p)
	} else {
		old := t.Partitions[r.Partition]
		if r.LeaderEpoch < old.LeaderEpoch || r.PartitionEpoch <= old.PartitionEpoch {
			return fmt.Errorf("%v goes back from leader epoch %d, partition epoch %d to %d, %d", p.TP(),
				old.LeaderEpoch, old.PartitionEpoch, r.LeaderEpoch, r.PartitionEpoch)
		}
		t.Partitions[r.Partition] = p
	}
	if e.partitions == nil {
		e.partitions = map[TopicPartition]bool{}
	}
	e.partitions[p.TP()] = true
	return nil
}

func (e *Editor) setConfig(r *ConfigRecord) error {
	var configs map[string]string
	switch r.ResourceType {
	case ResourceTopic:
		t := e.img.topics.get(r.ResourceName)
		if t == nil {
			return fmt.Errorf("configuration %s of topic %q, which does not exist", r.Name, r.ResourceName)
		}
		t = e.ownTopic(t)
		if t.Configs == nil {
			t.Configs = map[string]string{}
		}
		configs = t.Configs
		e.touchTopicConfigs(t.Name)
	case ResourceBroker:
		if !e.ownConfigs {
			all := make(map[string]map[string]string, len(e.img.brokerConfigs)+1)
			for _, name := range env.SortedKeys(e.img.brokerConfigs) {
				all[name] = maps.Clone(e.img.brokerConfigs[name])
			}
			e.img.brokerConfigs = all
			e.ownConfigs = true
		}
		configs = e.img.brokerConfigs[r.ResourceName]
		if configs == nil {
			configs = map[string]string{}
			e.img.brokerConfigs[r.ResourceName] = configs
		}
		e.brokerConfigs = true
	case ResourceGroup:
		if !e.ownGroups {
			if e.img.groupConfigs = maps.Clone(e.img.groupConfigs); e.img.groupConfigs == nil {
				e.img.groupConfigs = map[string]map[string]string{}
			}
			e.ownGroups = true
		}
		if configs = maps.Clone(e.img.groupConfigs[r.ResourceName]); configs == nil {
			configs = map[string]string{}
		}
		e.img.groupConfigs[r.ResourceName] = configs
	default:
		return fmt.Errorf("configuration %s of unknown resource type %d", r.Name, r.ResourceType)
	}
	if r.Value == nil {
		delete(configs, r.Name)
		switch {
		case len(configs) > 0:
		case r.ResourceType == ResourceBroker:
			delete(e.img.brokerConfigs, r.ResourceName)
		case r.ResourceType == ResourceGroup:
			delete(e.img.groupConfigs, r.ResourceName)
		}
	} else {
		configs[r.Name] = *r.Value
	}
	return nil
}

// Done gives the finished image and what changed. The Editor must not be used
// afterwards.
func (e *Editor) Done() (*Image, Delta) {
	d := Delta{FromOffset: e.base.offset, ToOffset: e.img.offset,
		Brokers: env.SortedKeys(e.brokers), TopicConfigs: env.SortedKeys(e.topicConfigs),
		DeletedTopics: e.deleted, BrokerConfigs: e.brokerConfigs}
	for tp := range e.partitions { //weir:ordered sorted below
		d.Partitions = append(d.Partitions, tp)
	}
	slices.SortFunc(d.Partitions, TopicPartition.Compare)
	slices.SortStableFunc(d.DeletedTopics, func(a, b DeletedTopic) int {
		return TopicPartition{Topic: a.Name}.Compare(TopicPartition{Topic: b.Name})
	})
	return e.img, d
}
