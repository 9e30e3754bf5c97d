package controller

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env/planted"
)

// A reassignment gives a partition other replicas (KIP-455). It has three states
// in the partition's record:
//
//   - Under way, Replicas are the target, in its order, and behind it those that
//     are to go. AddingReplicas of them are new and copy, RemovingReplicas go on
//     as they were.
//   - Complete, as soon as the whole target is in sync: Replicas are the target.
//     Whoever was removed learns of it from the committed record, and only then
//     removes its log.
//   - Cancelled: Replicas are those it began with.
//
// Another reassignment may take the place of one that is under way. It begins with
// the same replicas as that, so that those which the first was adding and the
// second does not want go at once. (Kafka's controller takes them for members, and
// keeps them until the second is complete.)
//
// What is committed is never on fewer replicas than was promised: adding replicas
// do not count for min.insync.replicas, and a complete target is in sync.

// alterReassignments is AlterPartitionReassignments (KIP-455, KIP-860). Each
// partition succeeds or fails by itself; no replicas at all cancels.
func (m *machine) alterReassignments(t *txn, req *kmsg.AlterPartitionAssignmentsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.AlterPartitionAssignmentsResponse)
	resp.AllowReplicationFactorChange, resp.Topics = req.AllowReplicationFactorChange, []kmsg.AlterPartitionAssignmentsResponseTopic{}
	budget := maxPartitionsPerRequest
	for _, rt := range req.Topics {
		out := kmsg.NewAlterPartitionAssignmentsResponseTopic()
		out.Topic = rt.Topic
		for _, rp := range rt.Partitions {
			result := kmsg.NewAlterPartitionAssignmentsResponseTopicPartition()
			result.Partition = rp.Partition
			err, text := spend(&budget, 1)
			if err == nil {
				err, text = m.alterReassignment(t, metadata.TopicPartition{Topic: rt.Topic, Partition: rp.Partition}, rp.Replicas,
					req.Version == 0 || req.AllowReplicationFactorChange)
			}
			if err != nil {
				result.ErrorCode, result.ErrorMessage = err.Code, message(text)
			}
			out.Partitions = append(out.Partitions, result)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

func (m *machine) alterReassignment(t *txn, tp metadata.TopicPartition, target []int32, anyFactor bool) (*kerr.Error, string) {
	p := t.img().Partition(tp)
	switch {
	case t.img().Topic(tp.Topic) == nil:
		return kerr.UnknownTopicOrPartition, fmt.Sprintf("Unable to find a topic named %s.", tp.Topic)
	case p == nil:
		return kerr.UnknownTopicOrPartition, fmt.Sprintf("Unable to find partition %s:%d.", tp.Topic, tp.Partition)
	case target == nil && !p.Reassigning():
		return kerr.NoReassignmentInProgress, "No partition reassignment is in progress."
	case target == nil:
		return m.setReplicas(t, p, p.Origin(), p.Origin())
	}
	if text := checkReplicas(t.img(), target, len(target), 0); text != "" {
		return kerr.InvalidReplicaAssignment, text
	}
	if factor := len(p.Target()); factor != len(target) && !anyFactor {
		return kerr.InvalidReplicationFactor, fmt.Sprintf("The replication factor is changed from %d to %d", factor, len(target))
	}
	return m.setReplicas(t, p, p.Origin(), target)
}

// setReplicas begins the reassignment from one set of replicas to another, in
// place of the one that is under way, if any.
func (m *machine) setReplicas(t *txn, p *metadata.Partition, from, to []int32) (*kerr.Error, string) {
	next := p.Clone()
	next.RemovingReplicas, next.AddingReplicas = metadata.Except(from, to), metadata.Except(to, from)
	slices.Sort(next.RemovingReplicas)
	slices.Sort(next.AddingReplicas)
	assignReplicas(t.img(), next, slices.Concat(to, next.RemovingReplicas))
	if !m.canDo(t.img(), p, next) && !planted.Is("cancel-uncleanly") {
		return kerr.InvalidReplicaAssignment, fmt.Sprintf("Unable to revert partition assignment for %s:%d because it would require an unclean leader election.", p.Topic, p.Partition)
	}
	m.reviewPartition(t, p, next, p.ISR, noBroker, keepLeader)
	return nil, ""
}

// canDo reports whether a partition keeps somebody who can lead, with the replicas
// of next. Those that are being added may be the last that can.
func (m *machine) canDo(img *metadata.Image, p, next *metadata.Partition) bool {
	if len(p.ISR)+len(p.ELR) == 0 {
		return len(p.LastKnownELR) == 0 || len(inOrder(next.Replicas, p.LastKnownELR)) > 0 ||
			m.topicValue(img, p.Topic, config.UncleanLeaderElection).Bool()
	}
	if len(inOrder(next.Replicas, p.ISR)) > 0 {
		return true
	}
	eligible := inOrder(next.Replicas, p.ELR)
	if p.Leader == metadata.NoLeader && len(eligible) > 0 {
		return true // it waits as it did
	}
	return slices.ContainsFunc(eligible, func(id int32) bool { return img.Broker(id).Serves(next) }) ||
		m.topicValue(img, p.Topic, config.UncleanLeaderElection).Bool()
}

// completeReassignment ends a reassignment whose whole target is in sync.
func completeReassignment(img *metadata.Image, p *metadata.Partition) {
	if !p.Reassigning() {
		return
	}
	target := p.Target()
	isr := inOrder(target, p.ISR)
	if len(isr) < len(target) {
		if len(isr) == 0 || !planted.Is("complete-before-in-sync") {
			return
		}
		isr = target
	}
	assignReplicas(img, p, target)
	p.ISR, p.AddingReplicas, p.RemovingReplicas = isr, nil, nil
}

// assignReplicas gives a partition these replicas. Those it had stay in the
// directories they are in.
func assignReplicas(img *metadata.Image, p *metadata.Partition, replicas []int32) {
	directories := directoriesOf(img, replicas)
	for i, id := range replicas {
		at := slices.Index(p.Replicas, id)
		if at < 0 || len(p.Directories) != len(p.Replicas) {
			continue
		}
		if directories == nil {
			directories = make([]metadata.DirectoryID, len(replicas))
		}
		directories[i] = p.Directories[at]
	}
	p.Replicas, p.Directories = replicas, directories
}

// endsMembership reports whether a replica is one no more, or one that was being
// added is one for good. What fetches have told in the leader epoch until then
// counts no more: a replica that is removed and added again begins with nothing,
// and a fetch of its former life may still be under way. And a leader cannot tell
// from the answer to its own proposal, which completes the reassignment, by how
// many replicas it is to judge now.
func endsMembership(p, next *metadata.Partition) bool {
	ends := slices.ContainsFunc(p.Replicas, func(id int32) bool {
		return !next.HasReplica(id) || slices.Contains(p.AddingReplicas, id) && !slices.Contains(next.AddingReplicas, id)
	})
	return ends && !planted.Is("reassign-within-epoch")
}

// counted is how many in-sync replicas count for min.insync.replicas.
func counted(p *metadata.Partition) int {
	n := p.Counted(p.ISR)
	if n < len(p.ISR) && planted.Is("adding-counts-for-min-isr") {
		n = len(p.ISR)
	}
	return n
}

// listReassignments is ListPartitionReassignments (KIP-455): of these partitions,
// or of all, those that are being reassigned.
func (m *machine) listReassignments(t *txn, req *kmsg.ListPartitionReassignmentsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.ListPartitionReassignmentsResponse)
	resp.Topics = []kmsg.ListPartitionReassignmentsResponseTopic{}
	list := func(topic *metadata.Topic, partitions []*metadata.Partition) {
		out := kmsg.NewListPartitionReassignmentsResponseTopic()
		out.Topic = topic.Name
		for _, p := range partitions {
			if p == nil || !p.Reassigning() {
				continue
			}
			rp := kmsg.NewListPartitionReassignmentsResponseTopicPartition()
			rp.Partition, rp.Replicas = p.Partition, slices.Clone(p.Replicas)
			rp.AddingReplicas, rp.RemovingReplicas = append([]int32{}, p.AddingReplicas...), append([]int32{}, p.RemovingReplicas...)
			out.Partitions = append(out.Partitions, rp)
		}
		if len(out.Partitions) > 0 {
			resp.Topics = append(resp.Topics, out)
		}
	}
	if req.Topics == nil {
		for _, topic := range t.img().Topics() {
			list(topic, topic.Partitions)
		}
		return resp
	}
	for _, rt := range req.Topics {
		topic := t.img().Topic(rt.Topic)
		if topic == nil {
			continue
		}
		var partitions []*metadata.Partition
		for _, n := range rt.Partitions {
			partitions = append(partitions, t.img().Partition(metadata.TopicPartition{Topic: rt.Topic, Partition: n}))
		}
		list(topic, partitions)
	}
	return resp
}
