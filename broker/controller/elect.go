package controller

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env/planted"
)

// election says which replica should lead a partition after a change.
type election uint8

const (
	// keepLeader elects only if the present leader cannot stay.
	keepLeader election = iota
	// preferred elects the first replica if it may lead.
	preferred
	// unclean accepts any live replica if nothing better is left, at the price
	// of records that only others have.
	unclean
)

const noBroker int32 = -1

// changePartition gives a partition new in-sync replicas and, where needed, a
// new leader, and writes the record unless all stays as it was. It keeps the
// eligible leader replicas (KIP-966): members that left the ISR while it was
// below min.insync.replicas still hold everything committed, because the high
// watermark stands still until the ISR is large enough again. A broker that
// restarted uncleanly may have lost records and is dropped from them.
func (m *machine) changePartition(t *txn, p *metadata.Partition, isr []int32, lossy int32, mode election) {
	m.reviewPartition(t, p, p.Clone(), isr, lossy, mode)
}

// reviewPartition is changePartition for a partition of which more changes than
// the in-sync replicas: next is p with those changes. A reassignment that is
// complete with this ISR ends here.
func (m *machine) reviewPartition(t *txn, p, next *metadata.Partition, isr []int32, lossy int32, mode election) {
	img := t.img()
	next.ISR = inOrder(next.Replicas, isr)
	// Who is a replica no more is none that could lead, however much it held.
	next.LastKnownELR = inOrder(next.Replicas, next.LastKnownELR)
	completeReassignment(img, next)
	if mode == keepLeader && m.topicValue(img, p.Topic, config.UncleanLeaderElection).Bool() {
		mode = unclean
	}
	enough := func() bool { return counted(next) >= next.EffectiveMinISR() && !planted.Is("eligible-for-ever") }
	next.ELR = nil
	if !enough() {
		next.ELR = inOrder(next.Replicas, slices.DeleteFunc(slices.Concat(p.ELR, p.ISR), func(id int32) bool {
			return id == lossy || slices.Contains(next.ISR, id)
		}))
	}

	if (len(next.ELR) > 0 || len(next.ISR) == 0) && planted.Is("no-eligible-leader-replicas") {
		if next.ELR = nil; len(next.ISR) == 0 {
			next.ISR = slices.Clone(p.ISR)
		}
	}
	leader, isUnclean := electLeader(img, next, mode)
	switch {
	case isUnclean:
		next.ISR, next.ELR, next.Recovering = []int32{leader}, nil, true
	case leader != metadata.NoLeader && !next.InISR(leader):
		// From the ELR. Whoever is dropped from the ISR is as complete.
		next.ELR = inOrder(next.Replicas, slices.DeleteFunc(slices.Concat(next.ELR, next.ISR), func(id int32) bool { return id == leader }))
		next.ISR = []int32{leader}
	}
	if !isUnclean { // or nobody would be left who holds what was lost
		completeReassignment(img, next) // an election may have narrowed the ISR to the target
	}
	if enough() {
		next.ELR = nil
	}
	next.Leader = leader
	switch {
	case leader != metadata.NoLeader:
		next.LastKnownELR = nil
	case p.Leader != metadata.NoLeader:
		next.LastKnownELR = inOrder(next.Replicas, []int32{p.Leader})
	}
	m.writePartition(t, p, next)
}

// writePartition writes next, with its epochs, unless it equals p.
func (m *machine) writePartition(t *txn, p, next *metadata.Partition) {
	if next.Leader == p.Leader && next.SameBut(p) {
		return
	}
	m.beginEpoch(t, p, next)
}

// beginEpoch writes next as the partition epoch after p, in which nothing counts
// any more that leaders propose from p. It begins a leader epoch too if the leader
// is another one, or if a reassignment has taken replicas away or is complete.
func (m *machine) beginEpoch(t *txn, p, next *metadata.Partition) {
	next.PartitionEpoch = p.PartitionEpoch + 1
	if next.Leader != p.Leader || endsMembership(p, next) {
		next.LeaderEpoch = p.LeaderEpoch + 1
	}
	t.add(next.Record())
}

// electLeader chooses the leader of p as it is to be, and says whether the
// choice may lose committed records.
func electLeader(img *metadata.Image, p *metadata.Partition, mode election) (leader int32, isUnclean bool) {
	live := func(id int32) bool { return img.Broker(id).Serves(p) }
	clean := func(id int32) bool { return live(id) && (p.InISR(id) || p.InELR(id)) }
	if mode == preferred && clean(p.Replicas[0]) {
		return p.Replicas[0], false
	}
	if p.Leader != metadata.NoLeader && clean(p.Leader) {
		return p.Leader, false
	}
	// The ISR goes before the ELR: its members need to truncate least.
	for _, complete := range []func(int32) bool{p.InISR, p.InELR} {
		for _, id := range p.Replicas {
			if complete(id) && live(id) {
				return id, false
			}
		}
	}
	if len(p.ISR) == 0 && len(p.ELR) == 0 && len(p.LastKnownELR) == 1 && live(p.LastKnownELR[0]) {
		return p.LastKnownELR[0], true
	}
	if mode == unclean || planted.Is("elect-anyone") {
		// One that is only being added may have nothing at all.
		for _, id := range slices.Concat(p.Origin(), p.AddingReplicas) {
			if live(id) {
				return id, true
			}
		}
	}
	return metadata.NoLeader, false
}

// inOrder are the members of set in the order of replicas, each once.
func inOrder(replicas, set []int32) []int32 {
	var out []int32
	for _, id := range replicas {
		if slices.Contains(set, id) {
			out = append(out, id)
		}
	}
	return out
}

func without(set []int32, id int32) []int32 {
	return slices.DeleteFunc(slices.Clone(set), func(other int32) bool { return other == id })
}

// forPartitions calls fn for every partition that matches. fn may change it.
func forPartitions(t *txn, match func(*metadata.Partition) bool, fn func(*metadata.Partition)) {
	forPartitionsOf(t.img().Topics(), match, fn)
}

// forPartitionsOf is forPartitions for the partitions of these topics.
func forPartitionsOf(topics []*metadata.Topic, match func(*metadata.Partition) bool, fn func(*metadata.Partition)) {
	for _, topic := range topics {
		for _, p := range topic.Partitions {
			if match(p) {
				fn(p)
			}
		}
	}
}

// brokerGone takes brokers that are not active any more out of every ISR. Those
// that go together are as complete as each other.
func (m *machine) brokerGone(t *txn, ids ...int32) {
	if len(ids) == 0 {
		return
	}
	gone := func(id int32) bool { return slices.Contains(ids, id) }
	forPartitions(t,
		func(p *metadata.Partition) bool { return slices.ContainsFunc(p.ISR, gone) || gone(p.Leader) },
		func(p *metadata.Partition) {
			m.changePartition(t, p, slices.DeleteFunc(slices.Clone(p.ISR), gone), noBroker, keepLeader)
		})
}

// brokerLossy is brokerGone for a broker that may have lost records.
func (m *machine) brokerLossy(t *txn, id int32) {
	forPartitions(t,
		func(p *metadata.Partition) bool { return p.InISR(id) || p.InELR(id) || p.Leader == id },
		func(p *metadata.Partition) { m.changePartition(t, p, without(p.ISR, id), id, keepLeader) })
}

// brokerBack lets a broker that became active lead what has no leader.
func (m *machine) brokerBack(t *txn, id int32) {
	forPartitions(t,
		func(p *metadata.Partition) bool {
			return p.Leader == metadata.NoLeader && p.HasReplica(id) && !planted.Is("leaderless-for-ever")
		},
		func(p *metadata.Partition) { m.changePartition(t, p, p.ISR, noBroker, keepLeader) })
}

// electLeaders is ElectLeaders (KIP-460): preferred or unclean, on request.
func (m *machine) electLeaders(t *txn, req *kmsg.ElectLeadersRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.ElectLeadersResponse)
	mode := preferred
	switch req.ElectionType {
	case 0:
	case 1:
		mode = unclean
	default:
		resp.ErrorCode = kerr.InvalidRequest.Code
		return resp
	}
	topics := req.Topics
	all := topics == nil
	if all {
		for _, topic := range t.img().Topics() {
			et := kmsg.NewElectLeadersRequestTopic()
			et.Topic = topic.Name
			for _, p := range topic.Partitions {
				et.Partitions = append(et.Partitions, p.Partition)
			}
			topics = append(topics, et)
		}
	}
	for _, et := range topics {
		out := kmsg.NewElectLeadersResponseTopic()
		out.Topic = et.Topic
		for _, n := range et.Partitions {
			result := kmsg.NewElectLeadersResponseTopicPartition()
			result.Partition = n
			err, text := m.electOne(t, metadata.TopicPartition{Topic: et.Topic, Partition: n}, mode)
			if all && err == kerr.ElectionNotNeeded {
				continue
			}
			if err != nil {
				result.ErrorCode, result.ErrorMessage = err.Code, message(text)
			}
			out.Partitions = append(out.Partitions, result)
		}
		if len(out.Partitions) > 0 || !all {
			resp.Topics = append(resp.Topics, out)
		}
	}
	return resp
}

func (m *machine) electOne(t *txn, tp metadata.TopicPartition, mode election) (*kerr.Error, string) {
	p := t.img().Partition(tp)
	if p == nil {
		return kerr.UnknownTopicOrPartition, "No such partition as " + tp.String()
	}
	if mode == preferred && p.Leader == p.Replicas[0] || mode == unclean && p.Leader != metadata.NoLeader {
		return kerr.ElectionNotNeeded, "Leader election not needed for topic partition."
	}
	m.changePartition(t, p, p.ISR, noBroker, mode)
	now := t.img().Partition(tp)
	switch {
	case mode == preferred && now.Leader != p.Replicas[0]:
		return kerr.PreferredLeaderNotAvailable, "The preferred leader was not available."
	case now.Leader == metadata.NoLeader:
		return kerr.EligibleLeadersNotAvailable, "No eligible leader is available."
	}
	return nil, ""
}

// moveLeader gives partitions the leader to, who must be able to lead cleanly.
func (m *machine) moveLeader(t *txn, req *kmsg.ElectLeadersRequest, to int32) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.ElectLeadersResponse)
	for _, et := range req.Topics {
		out := kmsg.NewElectLeadersResponseTopic()
		out.Topic = et.Topic
		for _, n := range et.Partitions {
			result := kmsg.NewElectLeadersResponseTopicPartition()
			result.Partition = n
			if err := m.moveOne(t, metadata.TopicPartition{Topic: et.Topic, Partition: n}, to); err != nil {
				result.ErrorCode = err.Code
			}
			out.Partitions = append(out.Partitions, result)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

func (m *machine) moveOne(t *txn, tp metadata.TopicPartition, to int32) *kerr.Error {
	p := t.img().Partition(tp)
	switch {
	case p == nil:
		return kerr.UnknownTopicOrPartition
	case p.Leader == to:
		return kerr.ElectionNotNeeded
	case !p.InISR(to) || !t.img().Broker(to).Serves(p):
		return kerr.PreferredLeaderNotAvailable
	}
	next := p.Clone()
	next.Leader = to
	m.writePartition(t, p, next)
	return nil
}
