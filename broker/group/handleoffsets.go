package group

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
)

// HandleOffsetCommit answers OffsetCommit: it blocks until the offsets are
// committed in the log.
func (c *Coordinator) HandleOffsetCommit(req *kmsg.OffsetCommitRequest) *kmsg.OffsetCommitResponse {
	s, code := c.find(req.Group)
	if code != 0 {
		return commitResponse(req, func(*kmsg.OffsetCommitRequestTopicPartition) int16 { return code })
	}
	tooLarge := func(p *kmsg.OffsetCommitRequestTopicPartition) bool {
		return p.Metadata != nil && len(*p.Metadata) > s.c.cfg.OffsetMetadataMax
	}
	wall := c.env.Wall().UnixMilli()
	var tps []TopicPartition
	var offsets []Offset
	var records []storage.Record
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			p := &req.Topics[i].Partitions[j]
			if tooLarge(p) {
				continue
			}
			tp := TopicPartition{req.Topics[i].Topic, p.Partition}
			o := Offset{Offset: p.Offset, LeaderEpoch: p.LeaderEpoch, Metadata: text(p.Metadata), CommitTimestamp: wall}
			tps, offsets = append(tps, tp), append(offsets, o)
			records = append(records, offsetRecord(req.Group, tp, o, wall))
		}
	}
	generation, member := req.Generation, req.MemberID
	if req.Version < 1 {
		generation, member = -1, ""
	}
	code = s.commit(req.Group, member, text(req.InstanceID), generation, tps, offsets, records)
	return commitResponse(req, func(p *kmsg.OffsetCommitRequestTopicPartition) int16 {
		if tooLarge(p) {
			return kerr.OffsetMetadataTooLarge.Code
		}
		return code
	})
}

func commitResponse(req *kmsg.OffsetCommitRequest, code func(*kmsg.OffsetCommitRequestTopicPartition) int16) *kmsg.OffsetCommitResponse {
	resp := kmsg.NewPtrOffsetCommitResponse()
	resp.Version = req.Version
	for i := range req.Topics {
		topic := kmsg.NewOffsetCommitResponseTopic()
		topic.Topic, topic.TopicID = req.Topics[i].Topic, req.Topics[i].TopicID
		for j := range req.Topics[i].Partitions {
			part := kmsg.NewOffsetCommitResponseTopicPartition()
			part.Partition = req.Topics[i].Partitions[j].Partition
			part.ErrorCode = code(&req.Topics[i].Partitions[j])
			topic.Partitions = append(topic.Partitions, part)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}

// commit appends the records of one commit and, once they are committed, lets
// fetches see the offsets.
func (s *shard) commit(id, member, instance string, generation int32, tps []TopicPartition, offsets []Offset, records []storage.Record) int16 {
	s.mu.Lock()
	if code := s.usable(); code != 0 {
		s.mu.Unlock()
		return code
	}
	known := s.groups[id] != nil
	if !known && generation >= 0 {
		s.mu.Unlock()
		return kerr.IllegalGeneration.Code
	}
	if !known && member != "" {
		s.mu.Unlock()
		return kerr.UnknownMemberID.Code
	}
	g := s.group(id)
	if g.locked {
		s.mu.Unlock()
		return kerr.CoordinatorLoadInProgress.Code
	}
	if code := g.CheckCommit(s.c.env.Now(), member, instance, generation); code != 0 || len(records) == 0 {
		s.mu.Unlock()
		return code
	}
	g.commits++
	s.mu.Unlock()

	batch := storage.BuildBatch(nil, storage.NoProducer(), records)
	base, code := s.c.log.Append(s.partition, s.epoch, batch)

	s.mu.Lock()
	defer s.mu.Unlock()
	g.commits--
	if s.gone {
		return kerr.NotCoordinator.Code
	}
	if code != 0 {
		return coordinatorCode(code)
	}
	for i := range tps {
		offsets[i].record = base + int64(i)
		g.apply(tps[i], offsets[i])
	}
	s.arm()
	return 0
}

// HandleOffsetFetch answers OffsetFetch. It first has a record of no meaning
// committed, which no coordinator that has been replaced can: what it answers
// is the newest there is, at the price of one round of replication.
func (c *Coordinator) HandleOffsetFetch(req *kmsg.OffsetFetchRequest) *kmsg.OffsetFetchResponse {
	resp := kmsg.NewPtrOffsetFetchResponse()
	resp.Version = req.Version
	if req.Version >= 8 {
		for i := range req.Groups {
			resp.Groups = append(resp.Groups, c.fetchGroup(&req.Groups[i]))
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
	if req.Topics != nil && one.Topics == nil {
		one.Topics = []kmsg.OffsetFetchRequestGroupTopic{}
	}
	got := c.fetchGroup(&one)
	resp.ErrorCode = got.ErrorCode
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

func (c *Coordinator) fetchGroup(req *kmsg.OffsetFetchRequestGroup) kmsg.OffsetFetchResponseGroup {
	resp := kmsg.NewOffsetFetchResponseGroup()
	resp.Group = req.Group
	s, code := c.find(req.Group)
	var offsets map[TopicPartition]Offset
	if code == 0 {
		offsets, code = s.fetch(req.Group)
	}
	topics := req.Topics
	if topics == nil && code == 0 {
		topics = allTopics(offsets)
	}
	resp.ErrorCode = code
	for i := range topics {
		topic := kmsg.NewOffsetFetchResponseGroupTopic()
		topic.Topic, topic.TopicID = topics[i].Topic, topics[i].TopicID
		for _, p := range topics[i].Partitions {
			part := kmsg.NewOffsetFetchResponseGroupTopicPartition()
			part.Partition, part.Offset, part.LeaderEpoch = p, -1, -1
			part.Metadata = kmsg.StringPtr("")
			part.ErrorCode = code
			if o, ok := offsets[TopicPartition{topics[i].Topic, p}]; ok {
				part.Offset, part.LeaderEpoch, part.Metadata = o.Offset, o.LeaderEpoch, &o.Metadata
			}
			topic.Partitions = append(topic.Partitions, part)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
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

// fetch returns a copy of a group's committed offsets.
func (s *shard) fetch(id string) (map[TopicPartition]Offset, int16) {
	s.mu.Lock()
	code := s.usable()
	s.mu.Unlock()
	if code != 0 {
		return nil, code
	}
	barrier := []storage.Record{barrierRecord(s.c.env.Wall().UnixMilli())}
	_, code = s.c.log.Append(s.partition, s.epoch, storage.BuildBatch(nil, storage.NoProducer(), barrier))
	if code != 0 {
		return nil, fetchCode(code)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if code := s.usable(); code != 0 {
		return nil, code
	}
	offsets := make(map[TopicPartition]Offset)
	if g := s.groups[id]; g != nil {
		for tp, o := range g.Offsets { //weir:ordered a copy
			offsets[tp] = o
		}
	}
	return offsets, 0
}

// fetchCode is what a client is told if the barrier of a fetch fails. Every
// client knows these two as reasons to try again.
func fetchCode(code int16) int16 {
	if coordinatorCode(code) == kerr.NotCoordinator.Code {
		return kerr.NotCoordinator.Code
	}
	return kerr.CoordinatorNotAvailable.Code
}

// expiryInterval is how often offsets are looked through for old ones.
// [offsets.retention.check.interval.ms]
const expiryInterval = 10 * time.Minute

// expiryDue reports whether there is a group that may lose offsets to time.
func (s *shard) expiryDue() bool {
	if s.c.cfg.OffsetsRetention <= 0 {
		return false
	}
	for _, g := range s.groups { //weir:ordered any or none
		if g.State == Empty {
			return true
		}
	}
	return false
}

// expire removes offsets of empty groups that nobody has committed for the
// retention time, and groups that are left with nothing. mu is held.
func (s *shard) expire(wallMillis int64) {
	retention := s.c.cfg.OffsetsRetention.Milliseconds()
	if retention <= 0 {
		return
	}
	for _, id := range env.SortedKeys(s.groups) {
		g := s.groups[id]
		if g.State != Empty || g.locked || g.commits > 0 || len(g.pending) > 0 || wallMillis-g.emptySince < retention {
			continue
		}
		var old []TopicPartition
		for _, tp := range sortedPartitions(g.Offsets) {
			if wallMillis-g.Offsets[tp].CommitTimestamp >= retention {
				old = append(old, tp)
			}
		}
		whole := len(old) == len(g.Offsets)
		if len(old) == 0 && !whole {
			continue
		}
		g.locked = true
		s.c.env.Go("group: expire offsets of "+id, func() { s.remove(g, old, whole) })
	}
}

// remove takes offsets, or a whole group, out of the log and then out of
// memory. The group is locked, and is unlocked on return.
func (s *shard) remove(g *Group, tps []TopicPartition, whole bool) int16 {
	wall := s.c.env.Wall().UnixMilli()
	var records []storage.Record
	for _, tp := range tps {
		records = append(records, storage.Record{TimestampMillis: wall, Key: offsetKey(g.ID, tp)})
	}
	if whole {
		records = append(records, storage.Record{TimestampMillis: wall, Key: groupKey(g.ID)})
	}
	_, code := s.c.log.Append(s.partition, s.epoch, storage.BuildBatch(nil, storage.NoProducer(), records))
	s.mu.Lock()
	defer s.mu.Unlock()
	g.locked = false
	if s.gone {
		return kerr.NotCoordinator.Code
	}
	if code != 0 {
		return coordinatorCode(code)
	}
	for _, tp := range tps {
		delete(g.Offsets, tp)
	}
	if whole {
		g.State = Dead
		delete(s.groups, g.ID)
	}
	return 0
}
