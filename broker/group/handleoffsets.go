package group

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env/planted"
)

// HandleOffsetCommit answers OffsetCommit: it blocks until the offsets are
// committed in the log. Only offsets of partitions that exist are taken.
func (c *Coordinator) HandleOffsetCommit(req *kmsg.OffsetCommitRequest) *kmsg.OffsetCommitResponse {
	image := c.image()
	commit := commit{version: req.Version, group: req.Group, member: req.MemberID, instance: text(req.InstanceID), generation: req.Generation}
	resp := kmsg.NewPtrOffsetCommitResponse()
	resp.Version = req.Version
	var taken []*kmsg.OffsetCommitResponseTopicPartition
	for i := range req.Topics {
		asked := &req.Topics[i]
		topic := kmsg.NewOffsetCommitResponseTopic()
		topic.Topic, topic.TopicID = asked.Topic, asked.TopicID
		name, unknown := asked.Topic, kerr.UnknownTopicOrPartition.Code
		if req.Version >= 10 {
			name, unknown = topicName(image, asked.TopicID), kerr.UnknownTopicID.Code
		}
		topic.Partitions = make([]kmsg.OffsetCommitResponseTopicPartition, len(asked.Partitions))
		for j := range asked.Partitions {
			p, out := &asked.Partitions[j], &topic.Partitions[j]
			out.Default()
			out.Partition = p.Partition
			switch {
			case image.Topic(name) == nil:
				out.ErrorCode = unknown
			case image.Partition(metadata.TopicPartition{Topic: name, Partition: p.Partition}) == nil:
				out.ErrorCode = kerr.UnknownTopicOrPartition.Code
			case len(text(p.Metadata)) > c.cfg.OffsetMetadataMax:
				out.ErrorCode = kerr.OffsetMetadataTooLarge.Code
			default:
				taken = append(taken, out)
				commit.tps = append(commit.tps, TopicPartition{name, p.Partition})
				commit.offsets = append(commit.offsets, Offset{Offset: p.Offset, LeaderEpoch: p.LeaderEpoch, Metadata: text(p.Metadata)})
			}
		}
		resp.Topics = append(resp.Topics, topic)
	}
	if len(taken) == 0 {
		return resp
	}
	_, code := c.do(kmsg.OffsetCommit, req.Group, func(m *machine, at at, ref Ref) turn { return m.commit(at, ref, &commit) })
	for _, p := range taken {
		p.ErrorCode = code
	}
	return resp
}

// HandleOffsetFetch answers OffsetFetch. Like every read of the runtime it
// first has a record of no meaning committed, which no coordinator that has
// been replaced can: what it answers is the newest there is, at the price of
// one round of replication.
func (c *Coordinator) HandleOffsetFetch(req *kmsg.OffsetFetchRequest) *kmsg.OffsetFetchResponse {
	resp := kmsg.NewPtrOffsetFetchResponse()
	resp.Version = req.Version
	if req.Version >= 8 {
		for i := range req.Groups {
			group := &req.Groups[i]
			if req.Version >= 10 {
				resp.Groups = append(resp.Groups, c.fetchByID(group, req.RequireStable))
				continue
			}
			resp.Groups = append(resp.Groups, c.fetchGroup(group, req.RequireStable))
		}
		return resp
	}
	one := kmsg.NewOffsetFetchRequestGroup()
	one.Group = req.Group
	for i := range req.Topics {
		topic := kmsg.NewOffsetFetchRequestGroupTopic()
		topic.Topic, topic.Partitions = req.Topics[i].Topic, req.Topics[i].Partitions
		one.Topics = append(one.Topics, topic)
	}
	// From v2 on null asks for all; before, nothing asks for nothing.
	if one.Topics == nil && (req.Topics != nil || req.Version < 2) {
		one.Topics = []kmsg.OffsetFetchRequestGroupTopic{}
	}
	got := c.fetchGroup(&one, req.RequireStable)
	if resp.ErrorCode = got.ErrorCode; resp.ErrorCode != 0 && req.Version < 2 {
		// There is no place for it but with each partition.
		got.Topics = noOffsets(one.Topics, got.ErrorCode)
	}
	for i := range got.Topics {
		topic := kmsg.NewOffsetFetchResponseTopic()
		topic.Topic = got.Topics[i].Topic
		for _, p := range got.Topics[i].Partitions {
			part := kmsg.NewOffsetFetchResponseTopicPartition()
			part.Partition, part.Offset, part.LeaderEpoch = p.Partition, p.Offset, p.LeaderEpoch
			part.Metadata, part.ErrorCode = p.Metadata, p.ErrorCode
			topic.Partitions = append(topic.Partitions, part)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}

// topicName is the name of a topic, "" if there is none of that id.
func topicName(image *metadata.Image, id metadata.TopicID) string {
	if t := image.TopicByID(id); t != nil {
		return t.Name
	}
	return ""
}

// fetchByID is fetchGroup for topics that go by their ids, as from v10 on
// (KIP-848): what is kept by name is answered for the topic that has it now.
func (c *Coordinator) fetchByID(req *kmsg.OffsetFetchRequestGroup, stable bool) kmsg.OffsetFetchResponseGroup {
	image := c.image()
	named := *req
	if req.Topics != nil {
		named.Topics = []kmsg.OffsetFetchRequestGroupTopic{}
	}
	for _, t := range req.Topics {
		if t.Topic = topicName(image, t.TopicID); t.Topic != "" {
			named.Topics = append(named.Topics, t)
		}
	}
	resp := c.fetchGroup(&named, stable)
	if resp.ErrorCode != 0 {
		return resp
	}
	if req.Topics == nil {
		resp.Topics = slices.DeleteFunc(resp.Topics, func(t kmsg.OffsetFetchResponseGroupTopic) bool { return image.Topic(t.Topic) == nil })
		for i := range resp.Topics {
			resp.Topics[i].TopicID = image.Topic(resp.Topics[i].Topic).ID
		}
		return resp
	}
	for _, t := range req.Topics {
		if topicName(image, t.TopicID) == "" {
			resp.Topics = append(resp.Topics, noOffsets([]kmsg.OffsetFetchRequestGroupTopic{t}, kerr.UnknownTopicID.Code)...)
		}
	}
	return resp
}

// fetchGroup reads what is committed in one group, of all topics if none are
// named (null). With stable, an offset that a transaction is about to change is
// UNSTABLE_OFFSET_COMMIT (KIP-447). An error leaves no topics, as in Kafka.
func (c *Coordinator) fetchGroup(req *kmsg.OffsetFetchRequestGroup, stable bool) kmsg.OffsetFetchResponseGroup {
	resp := kmsg.NewOffsetFetchResponseGroup()
	resp.Group = req.Group
	partition, code := c.partitionOf(req.Group)
	if code == 0 {
		var topics []kmsg.OffsetFetchResponseGroupTopic
		var out Output
		out, code = c.shards.Read(partition, func(m *machine, _ at) Output {
			if g := m.groups[req.Group]; g != nil && g.consumer != nil {
				if code := g.consumer.CheckFetch(req.MemberID, req.MemberEpoch); code != 0 {
					return Done{Code: code}
				}
			}
			topics = m.fetch(req, stable)
			return Done{}
		})
		if code = clientCode(kmsg.OffsetFetch, code); code == 0 {
			if code = out.(Done).Code; code == 0 {
				resp.Topics = topics
			}
		}
	}
	resp.ErrorCode = code
	return resp
}

// fetch answers from a group's offsets as they are.
func (m *machine) fetch(req *kmsg.OffsetFetchRequestGroup, stable bool) []kmsg.OffsetFetchResponseGroupTopic {
	var offsets map[TopicPartition]Offset
	var unstable map[TopicPartition]int
	if g := m.groups[req.Group]; g != nil {
		offsets, unstable = g.Offsets, g.unstable
	}
	asked := req.Topics
	if asked == nil {
		asked = allTopics(offsets)
	}
	topics := noOffsets(asked, 0)
	for i := range topics {
		for j := range topics[i].Partitions {
			p := &topics[i].Partitions[j]
			if stable && unstable[TopicPartition{topics[i].Topic, p.Partition}] > 0 && !planted.Is("unstable-offsets-fetched") {
				p.ErrorCode = kerr.UnstableOffsetCommit.Code
				continue
			}
			if o, ok := offsets[TopicPartition{topics[i].Topic, p.Partition}]; ok {
				p.Offset, p.LeaderEpoch, p.Metadata = o.Offset, o.LeaderEpoch, &o.Metadata
			}
		}
	}
	return topics
}

// noOffsets answers that nothing is known of any partition.
func noOffsets(asked []kmsg.OffsetFetchRequestGroupTopic, code int16) []kmsg.OffsetFetchResponseGroupTopic {
	topics := []kmsg.OffsetFetchResponseGroupTopic{}
	for i := range asked {
		topic := kmsg.NewOffsetFetchResponseGroupTopic()
		topic.Topic, topic.TopicID = asked[i].Topic, asked[i].TopicID
		for _, n := range asked[i].Partitions {
			p := kmsg.NewOffsetFetchResponseGroupTopicPartition()
			p.Partition, p.Offset, p.LeaderEpoch, p.Metadata, p.ErrorCode = n, -1, -1, kmsg.StringPtr(""), code
			topic.Partitions = append(topic.Partitions, p)
		}
		topics = append(topics, topic)
	}
	return topics
}

// allTopics names every partition that has an offset, in order.
func allTopics(offsets map[TopicPartition]Offset) []kmsg.OffsetFetchRequestGroupTopic {
	var topics []kmsg.OffsetFetchRequestGroupTopic
	for _, tp := range sortedPartitions(offsets) {
		if n := len(topics); n == 0 || topics[n-1].Topic != tp.Topic {
			topic := kmsg.NewOffsetFetchRequestGroupTopic()
			topic.Topic = tp.Topic
			topics = append(topics, topic)
		}
		last := &topics[len(topics)-1]
		last.Partitions = append(last.Partitions, tp.Partition)
	}
	return topics
}

func sortedPartitions(offsets map[TopicPartition]Offset) []TopicPartition {
	tps := make([]TopicPartition, 0, len(offsets))
	for tp := range offsets { //weir:ordered sorted below
		tps = append(tps, tp)
	}
	slices.SortFunc(tps, TopicPartition.Compare)
	return tps
}

// HandleOffsetDelete answers OffsetDelete (KIP-496): it blocks until the
// offsets are gone from the log. A topic that a member consumes keeps them.
func (c *Coordinator) HandleOffsetDelete(req *kmsg.OffsetDeleteRequest) *kmsg.OffsetDeleteResponse {
	image := c.image()
	resp := kmsg.NewPtrOffsetDeleteResponse()
	resp.Version = req.Version
	var tps []TopicPartition
	for i := range req.Topics {
		for _, p := range req.Topics[i].Partitions {
			if image.Partition(metadata.TopicPartition{Topic: req.Topics[i].Topic, Partition: p.Partition}) != nil {
				tps = append(tps, TopicPartition{req.Topics[i].Topic, p.Partition})
			}
		}
	}
	var codes map[TopicPartition]int16
	_, resp.ErrorCode = c.do(kmsg.OffsetDelete, req.Group, func(m *machine, at at, ref Ref) (t turn) {
		t, codes = m.deleteOffsets(at, ref, req.Group, tps)
		return t
	})
	if resp.ErrorCode != 0 {
		return resp
	}
	for i := range req.Topics {
		topic := kmsg.NewOffsetDeleteResponseTopic()
		topic.Topic = req.Topics[i].Topic
		for _, p := range req.Topics[i].Partitions {
			out := kmsg.NewOffsetDeleteResponseTopicPartition()
			out.Partition = p.Partition
			code, exists := codes[TopicPartition{topic.Topic, p.Partition}]
			if out.ErrorCode = code; !exists {
				out.ErrorCode = kerr.UnknownTopicOrPartition.Code
			}
			topic.Partitions = append(topic.Partitions, out)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}
