package client

import (
	"cmp"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/weirlab/weir/env"
)

// The embedded consumer protocol: what members of a classic consumer group
// tell each other through the coordinator. All clients share its encoding, so
// groups can be mixed.
const (
	protocolType  = "consumer"
	rangeProtocol = "range"
)

func encodeSubscription(topics []string) []byte {
	m := kmsg.NewConsumerMemberMetadata()
	m.Version = 0
	m.Topics = topics
	return m.AppendTo(nil)
}

func decodeSubscription(b []byte) ([]string, error) {
	m := kmsg.NewConsumerMemberMetadata()
	if err := m.ReadFrom(b); err != nil {
		return nil, err
	}
	return m.Topics, nil
}

func encodeAssignment(parts []TopicPartition) []byte {
	m := kmsg.NewConsumerMemberAssignment()
	m.Version = 0
	for _, tp := range slices.SortedFunc(slices.Values(parts), TopicPartition.Compare) {
		if n := len(m.Topics); n == 0 || m.Topics[n-1].Topic != tp.Topic {
			topic := kmsg.NewConsumerMemberAssignmentTopic()
			topic.Topic = tp.Topic
			m.Topics = append(m.Topics, topic)
		}
		topic := &m.Topics[len(m.Topics)-1]
		topic.Partitions = append(topic.Partitions, tp.Partition)
	}
	return m.AppendTo(nil)
}

func decodeAssignment(b []byte) ([]TopicPartition, error) {
	if len(b) == 0 {
		return nil, nil // a member that the leader forgot gets nothing
	}
	m := kmsg.NewConsumerMemberAssignment()
	if err := m.ReadFrom(b); err != nil {
		return nil, err
	}
	var parts []TopicPartition
	for _, t := range m.Topics {
		for _, p := range t.Partitions {
			parts = append(parts, TopicPartition{t.Topic, p})
		}
	}
	return parts, nil
}

// subscriber is a group member to the assignor.
type subscriber struct {
	id     string
	order  string // instance id of a static member, else the member id
	topics []string
}

// assignRange divides each topic's partitions among its subscribers: in the
// order of the members consecutive ranges, the first ones longer by one if it
// does not come out even (org.apache.kafka.clients.consumer.RangeAssignor).
func assignRange(members []subscriber, partitions map[string]int32) map[string][]TopicPartition {
	members = slices.SortedFunc(slices.Values(members), func(a, b subscriber) int { return cmp.Compare(a.order, b.order) })
	assigned := make(map[string][]TopicPartition, len(members))
	for _, topic := range env.SortedKeys(partitions) {
		var takers []string
		for _, m := range members {
			if slices.Contains(m.topics, topic) {
				takers = append(takers, m.id)
			}
		}
		if len(takers) == 0 {
			continue
		}
		each, more := partitions[topic]/int32(len(takers)), partitions[topic]%int32(len(takers))
		next := int32(0)
		for i, id := range takers {
			n := each
			if int32(i) < more {
				n++
			}
			for range n {
				assigned[id] = append(assigned[id], TopicPartition{topic, next})
				next++
			}
		}
	}
	return assigned
}
