package controller

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env/planted"
)

// alterPartition is AlterPartition (KIP-497): a leader asks for other in-sync
// replicas. The partition epoch makes it a compare-and-set.
func (m *machine) alterPartition(t *txn, req *kmsg.AlterPartitionRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.AlterPartitionResponse)
	if err := checkEpoch(t.img(), req.BrokerID, req.BrokerEpoch); err != nil {
		resp.ErrorCode = kerr.StaleBrokerEpoch.Code
		return resp
	}
	for _, rt := range req.Topics {
		out := kmsg.NewAlterPartitionResponseTopic()
		out.Topic, out.TopidID = rt.Topic, rt.TopicID // the codec's spelling
		topic := t.img().TopicByID(rt.TopicID)
		for _, rp := range rt.Partitions {
			result := kmsg.NewAlterPartitionResponseTopicPartition()
			result.Partition = rp.Partition
			switch {
			case topic == nil:
				result.ErrorCode = kerr.UnknownTopicID.Code
			case rp.Partition < 0 || int(rp.Partition) >= len(topic.Partitions):
				result.ErrorCode = kerr.UnknownTopicOrPartition.Code
			default:
				m.alterOne(t, req, metadata.TopicPartition{Topic: topic.Name, Partition: rp.Partition}, &rp, &result)
			}
			out.Partitions = append(out.Partitions, result)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

func (m *machine) alterOne(t *txn, req *kmsg.AlterPartitionRequest, tp metadata.TopicPartition,
	rp *kmsg.AlterPartitionRequestTopicPartition, result *kmsg.AlterPartitionResponseTopicPartition) {
	p := t.img().Partition(tp)
	isr := rp.NewISR
	if req.Version >= 3 {
		isr = nil
		for _, r := range rp.NewEpochISR {
			isr = append(isr, r.BrokerID)
		}
	}
	if err := checkAlter(t.img(), req, p, rp, isr); err != nil {
		result.ErrorCode = err.Code
		return
	}
	if rp.LeaderRecoveryState == 0 && p.Recovering {
		recovered := p.Clone()
		recovered.Recovering = false
		m.writePartition(t, p, recovered)
		p = t.img().Partition(tp)
	}
	m.changePartition(t, p, isr, noBroker, keepLeader)
	if t.img().Partition(tp).PartitionEpoch == rp.PartitionEpoch {
		// A leader proposes what there is to put an end to what it proposed
		// before, which may still be under way.
		m.beginEpoch(t, p, p.Clone())
	}
	p = t.img().Partition(tp)
	if p.Leader != req.BrokerID {
		result.ErrorCode = kerr.NewLeaderElected.Code
		return
	}
	result.LeaderID, result.LeaderEpoch, result.PartitionEpoch = p.Leader, p.LeaderEpoch, p.PartitionEpoch
	result.ISR = slices.Clone(p.ISR)
	if p.Recovering {
		result.LeaderRecoveryState = 1
	}
}

func checkAlter(img *metadata.Image, req *kmsg.AlterPartitionRequest, p *metadata.Partition,
	rp *kmsg.AlterPartitionRequestTopicPartition, isr []int32) *kerr.Error {
	switch {
	case rp.LeaderEpoch > p.LeaderEpoch || rp.PartitionEpoch > p.PartitionEpoch:
		// The broker knows more than this node, which then no longer leads.
		return kerr.NotController
	case rp.LeaderEpoch < p.LeaderEpoch:
		return kerr.FencedLeaderEpoch
	case p.Leader != req.BrokerID:
		return kerr.InvalidRequest
	case rp.PartitionEpoch < p.PartitionEpoch && !planted.Is("alter-any-partition-epoch"):
		return kerr.InvalidUpdateVersion
	case !slices.Contains(isr, req.BrokerID):
		return kerr.InvalidRequest
	case rp.LeaderRecoveryState == 1 && (!p.Recovering || len(isr) > 1):
		// A leader that still recovers cannot have followers in sync (KIP-704).
		return kerr.InvalidRequest
	}
	for i, id := range isr {
		if !p.HasReplica(id) || slices.Contains(isr[:i], id) {
			return kerr.InvalidRequest
		}
		b := img.Broker(id)
		if !b.Serves(p) && !planted.Is("alter-with-fenced") {
			return kerr.IneligibleReplica // KIP-841, KIP-858
		}
		if req.Version >= 3 {
			// What an earlier life of the replica had fetched proves nothing
			// about this one (KIP-903).
			if epoch := rp.NewEpochISR[i].BrokerEpoch; epoch != -1 && epoch != b.Epoch && !planted.Is("alter-any-broker-epoch") {
				return kerr.IneligibleReplica
			}
		}
	}
	return nil
}
