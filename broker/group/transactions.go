package group

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/coordinator"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env/planted"
)

// Offsets that a transaction brings (KIP-98) are in the log at once and count
// when its marker says so. They are pending until then, by producer: one has one
// open transaction. Pending and settled follow the order of the log, live and in
// a replay.

// place is one offset's place.
type place struct {
	group string
	tp    TopicPartition
}

// pend keeps an offset that a transaction has brought.
func (m *machine) pend(producerID int64, at place, o Offset) {
	open := m.pending[producerID]
	if open == nil {
		open = make(map[place]Offset)
		m.pending[producerID] = open
	}
	if _, again := open[at]; !again {
		m.group(at.group).unstable[at.tp]++
	}
	open[at] = o
}

// settle ends a producer's transaction. What it has brought counts if it was
// committed, unless an offset further on in the log was committed without one.
func (m *machine) settle(marker storage.Marker) {
	open := m.pending[marker.ProducerID]
	delete(m.pending, marker.ProducerID)
	for at, o := range open { //weir:ordered each for itself
		g := m.groups[at.group]
		g.stable(at.tp)
		if marker.Commit || planted.Is("aborted-offsets-count") {
			if old, ok := g.Offsets[at.tp]; !ok || old.recorded < o.recorded {
				g.Offsets[at.tp] = o
			}
		}
		if g.traceless() {
			delete(m.groups, g.ID)
		}
	}
}

// stable takes one pending offset off the count.
func (g *Group) stable(tp TopicPartition) {
	if g.unstable[tp]--; g.unstable[tp] == 0 {
		delete(g.unstable, tp)
	}
}

// unpend forgets what is pending in a place that is deleted.
func (m *machine) unpend(at place) {
	g := m.groups[at.group]
	if g == nil || g.unstable[at.tp] == 0 {
		return
	}
	for id, open := range m.pending { //weir:ordered each for itself
		if _, ok := open[at]; ok {
			delete(open, at)
			g.stable(at.tp)
		}
		if len(open) == 0 {
			delete(m.pending, id)
		}
	}
}

// kept lists the partitions of which the group has offsets or is about to.
func (g *Group) kept() []TopicPartition {
	tps := sortedPartitions(g.Offsets)
	for tp := range g.unstable { //weir:ordered sorted below
		if _, ok := g.Offsets[tp]; !ok {
			tps = append(tps, tp)
		}
	}
	slices.SortFunc(tps, TopicPartition.Compare)
	return tps
}

// ReplayMarker ends a transaction as the log is loaded.
func (m *machine) ReplayMarker(marker storage.Marker) { m.settle(marker) }

// endTransaction writes a marker, with which a transaction ends.
func (m *machine) endTransaction(ref Ref, marker storage.Marker, version int8) turn {
	t := done(ref, 0)
	t.Marker, t.MarkerVersion = &marker, version
	t.Applied = func(int64) { m.settle(marker) }
	return t
}

// EndTransaction has the marker written that ends a producer's transaction in a
// partition of __consumer_offsets, and its offsets count or not. What it returns
// waits until the marker is committed; the code is as of any partition
// (WriteTxnMarkers). version is the transaction version that the transaction
// has ended under.
func (c *Coordinator) EndTransaction(partition int32, marker storage.Marker, version int8) (wait func() (code int16)) {
	done := c.shards.Begin(partition, func(m *machine, _ at, ref Ref) turn { return m.endTransaction(ref, marker, version) })
	return func() int16 {
		switch _, code := done(); code {
		case kerr.CoordinatorNotAvailable.Code, kerr.CoordinatorLoadInProgress.Code, kerr.NotCoordinator.Code:
			return kerr.NotLeaderForPartition.Code // which it is to try again after
		default:
			return code
		}
	}
}

// Verification is leave to append to a transaction in one partition of
// __consumer_offsets.
type Verification struct {
	Guard *storage.Verification // nil if the transaction is open there already
	End   func()                // called once the offsets are appended or refused
}

// Verify asks the transaction coordinator whether the partition belongs to the
// producer's transaction or, with adds, adds it to it (KIP-890).
type Verify func(partition int32, transactionalID string, producerID int64, epoch int16, version int16) (Verification, int16)

// HandleTxnOffsetCommit answers TxnOffsetCommit: it blocks until the offsets are
// committed in the log as part of the producer's transaction. From v5 on that
// adds the group's partition of __consumer_offsets to the transaction, if need be.
func (c *Coordinator) HandleTxnOffsetCommit(req *kmsg.TxnOffsetCommitRequest, may func(topic string) bool) *kmsg.TxnOffsetCommitResponse {
	image := c.image()
	commit := commit{version: req.Version, group: req.Group, member: req.MemberID, instance: text(req.InstanceID), generation: req.Generation,
		by: coordinator.Producer{ID: req.ProducerID, Epoch: req.ProducerEpoch, Transactional: true}}
	if req.Version < 3 {
		commit.generation = -1 // clients before KIP-447 do not say it
	}
	resp := kmsg.NewPtrTxnOffsetCommitResponse()
	resp.Version = req.Version
	type answered struct{ topic, partition int }
	var taken []answered
	for i := range req.Topics {
		asked := &req.Topics[i]
		topic := kmsg.NewTxnOffsetCommitResponseTopic()
		topic.Topic = asked.Topic
		for j := range asked.Partitions {
			p := &asked.Partitions[j]
			out := kmsg.NewTxnOffsetCommitResponseTopicPartition()
			out.Partition = p.Partition
			switch {
			case !may(asked.Topic):
				out.ErrorCode = kerr.TopicAuthorizationFailed.Code
			case image.Partition(metadata.TopicPartition{Topic: asked.Topic, Partition: p.Partition}) == nil:
				out.ErrorCode = kerr.UnknownTopicOrPartition.Code
			case len(text(p.Metadata)) > c.cfg.OffsetMetadataMax:
				out.ErrorCode = kerr.OffsetMetadataTooLarge.Code
			default:
				taken = append(taken, answered{i, j})
				commit.tps = append(commit.tps, TopicPartition{asked.Topic, p.Partition})
				commit.offsets = append(commit.offsets, Offset{Offset: p.Offset, LeaderEpoch: p.LeaderEpoch, Metadata: text(p.Metadata)})
			}
			topic.Partitions = append(topic.Partitions, out)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	if len(taken) == 0 {
		return resp
	}
	code := c.commitInTransaction(req, &commit)
	if req.Version < 2 && code == kerr.CoordinatorLoadInProgress.Code {
		code = kerr.CoordinatorNotAvailable.Code // older clients do not know it here
	}
	for _, p := range taken {
		resp.Topics[p.topic].Partitions[p.partition].ErrorCode = code
	}
	return resp
}

// commitInTransaction has the partition verified and the offsets written.
func (c *Coordinator) commitInTransaction(req *kmsg.TxnOffsetCommitRequest, commit *commit) int16 {
	partition, code := c.partitionOf(req.Group)
	if code != 0 {
		return code
	}
	for tries := 0; ; tries++ {
		verified, code := c.verify(partition, req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Version)
		if code != 0 {
			return verifiedCode(code)
		}
		commit.by.Verified = verified.Guard
		_, code = c.do(kmsg.TxnOffsetCommit, req.Group, func(m *machine, at at, ref Ref) turn { return m.commit(at, ref, commit) })
		verified.End()
		// The marker of the transaction before may have come meanwhile, and made the
		// verification void though it is of this one.
		if code != kerr.InvalidTxnState.Code || verified.Guard == nil || tries == maxReverified {
			return code
		}
	}
}

// maxReverified bounds how often a verification is begun anew that has become void.
const maxReverified = 3

// verifiedCode is what a client is told of a verification that failed, as
// Kafka's CoordinatorRuntime and GroupCoordinatorService have it.
func verifiedCode(code int16) int16 {
	switch code {
	case kerr.NetworkException.Code:
		return kerr.CoordinatorLoadInProgress.Code
	case kerr.UnknownTopicOrPartition.Code, kerr.RequestTimedOut.Code, kerr.NotEnoughReplicas.Code:
		return kerr.CoordinatorNotAvailable.Code
	case kerr.NotLeaderForPartition.Code, kerr.KafkaStorageError.Code:
		return kerr.NotCoordinator.Code
	}
	return code
}
