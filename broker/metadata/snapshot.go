package metadata

import (
	"maps"
	"slices"

	"github.com/weirlab/weir/env"
)

// Records are records that, applied to the empty image, give i but for offset
// and epoch: what a snapshot holds (KIP-630).
func (i *Image) Records() []Record {
	if i == nil {
		return nil
	}
	var out []Record
	if i.clusterID != "" {
		out = append(out, &ClusterIDRecord{ClusterID: i.clusterID})
	}
	for _, b := range i.Brokers() {
		out = append(out, &RegisterBrokerRecord{BrokerID: b.ID, BrokerEpoch: b.Epoch, Incarnation: b.Incarnation, Host: b.Host, Port: b.Port,
			Rack: b.Rack, Fenced: b.Fenced, InControlledShutdown: b.InControlledShutdown, Directories: b.Directories, Continues: b.Continues})
	}
	for _, t := range i.Topics() {
		out = append(out, &TopicRecord{Name: t.Name, ID: t.ID})
		out = appendConfigs(out, ResourceTopic, t.Name, t.Configs)
		for _, p := range t.Partitions {
			out = append(out, p.Record())
		}
	}
	for _, name := range env.SortedKeys(i.brokerConfigs) {
		out = appendConfigs(out, ResourceBroker, name, i.brokerConfigs[name])
	}
	for _, name := range env.SortedKeys(i.groupConfigs) {
		out = appendConfigs(out, ResourceGroup, name, i.groupConfigs[name])
	}
	for _, name := range env.SortedKeys(i.features) {
		out = append(out, &FeatureLevelRecord{Name: name, Level: i.features[name]})
	}
	if i.nextProducerID > 0 {
		out = append(out, &ProducerIDsRecord{BrokerID: -1, BrokerEpoch: -1, NextProducerID: i.nextProducerID})
	}
	return out
}

func appendConfigs(out []Record, kind int8, resource string, configs map[string]string) []Record {
	for _, name := range env.SortedKeys(configs) {
		value := configs[name]
		out = append(out, &ConfigRecord{ResourceType: kind, ResourceName: resource, Name: name, Value: &value})
	}
	return out
}

// Between is what differs between two images of one log of which nobody applied
// the records in between, because a snapshot stood for them.
func Between(from, to *Image) Delta {
	d := Delta{FromOffset: from.Offset(), ToOffset: to.Offset()}
	for _, id := range union(from.brokerIDs, to.brokerIDs) {
		if a, b := from.brokers[id], to.brokers[id]; a == nil || b == nil || !sameBroker(a, b) {
			d.Brokers = append(d.Brokers, id)
		}
	}
	for _, t := range from.Topics() {
		if to.topicsByID.get(t.ID) == nil {
			d.DeletedTopics = append(d.DeletedTopics, DeletedTopic{t.Name, t.ID, int32(len(t.Partitions))})
		}
	}
	for _, t := range to.Topics() {
		old := from.topicsByID.get(t.ID)
		if old == nil || !maps.Equal(old.Configs, t.Configs) {
			d.TopicConfigs = append(d.TopicConfigs, t.Name)
		}
		for n, p := range t.Partitions {
			if old == nil || n >= len(old.Partitions) || !old.Partitions[n].Equal(p) {
				d.Partitions = append(d.Partitions, p.TP())
			}
		}
	}
	d.BrokerConfigs = len(from.brokerConfigs) != len(to.brokerConfigs)
	for _, name := range env.SortedKeys(to.brokerConfigs) {
		d.BrokerConfigs = d.BrokerConfigs || !maps.Equal(from.brokerConfigs[name], to.brokerConfigs[name])
	}
	return d
}

func sameBroker(a, b *Broker) bool {
	return a.ID == b.ID && a.Epoch == b.Epoch && a.Incarnation == b.Incarnation && a.Host == b.Host && a.Port == b.Port &&
		a.Rack == b.Rack && a.Fenced == b.Fenced && a.InControlledShutdown == b.InControlledShutdown && slices.Equal(a.Directories, b.Directories) &&
		a.Continues == b.Continues
}

// union merges two lists without duplicates, ascending.
func union(a, b []int32) []int32 {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
