package broker

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/broker/share"
	"github.com/weirlab/weir/env"
)

// shareAcknowledgeAPI is ShareAcknowledge (key 79, KIP-932): say what became of records
// that ShareFetch has brought. Answered once the share coordinator has it.
//
//	v1 first
//	v2 renewal of locks (KIP-1222)
func (b *Broker) shareAcknowledgeAPI() protocol.API { return api(1, 2, b.shareAcknowledge) }

func (b *Broker) shareAcknowledge(call *protocol.Call, req *kmsg.ShareAcknowledgeRequest) kmsg.Response {
	resp := kmsg.NewPtrShareAcknowledgeResponse()
	if resp.ErrorCode = b.checkShareRequest(call, req.GroupID, req.MemberID); resp.ErrorCode != 0 {
		return resp
	}
	group, member := *req.GroupID, *req.MemberID
	if resp.ErrorCode = b.shares.Acknowledging(group, member, req.ShareSessionEpoch); resp.ErrorCode != 0 {
		return resp
	}
	acks := shareAcks{member: member, renews: req.IsRenewAck, mayRenew: req.Version >= 2}
	for i := range req.Topics {
		t := &req.Topics[i]
		for j := range t.Partitions {
			p := &t.Partitions[j]
			var list []share.Acknowledgement
			for _, a := range p.AcknowledgementBatches {
				list = append(list, share.Acknowledgement{First: a.FirstOffset, Last: a.LastOffset, Types: a.AcknowledgeTypes})
			}
			acks.add(share.TopicPartition{Topic: t.TopicID, Partition: p.Partition}, list)
		}
	}
	acks.find(b, call, group)
	acks.begin(b.e)
	acks.wait()
	if req.ShareSessionEpoch == share.EpochFinal {
		b.shares.Close(group, member)
	}
	image := b.controller.Image()
	resp.AcquisitionLockTimeoutMillis = int32(b.shareLimits(group).LockDuration / time.Millisecond)
	for i := range acks.list {
		a := &acks.list[i]
		if n := len(resp.Topics); n == 0 || resp.Topics[n-1].TopicID != a.at.Topic {
			t := kmsg.NewShareAcknowledgeResponseTopic()
			t.TopicID = a.at.Topic
			resp.Topics = append(resp.Topics, t)
		}
		p := kmsg.NewShareAcknowledgeResponseTopicPartition()
		p.Partition, p.ErrorCode = a.at.Partition, a.code
		if leader, epoch := whereElse(image, a.tp, a.code); leader != nil {
			p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch = leader.ID, epoch
			node := kmsg.ShareAcknowledgeResponseNodeEndpoint{NodeID: leader.ID, Host: leader.Host, Port: leader.Port, Rack: rackPtr(leader.Rack)}
			resp.NodeEndpoints = append(resp.NodeEndpoints, node)
		}
		last := &resp.Topics[len(resp.Topics)-1]
		last.Partitions = append(last.Partitions, p)
	}
	resp.NodeEndpoints = distinct(resp.NodeEndpoints, func(n *kmsg.ShareAcknowledgeResponseNodeEndpoint) int32 { return n.NodeID })
	return resp
}

// shareAcks are the acknowledgements of a request, by partition.
type shareAcks struct {
	member   string
	renews   bool // the request says that it has renewals
	mayRenew bool // its version knows them

	list  []shareAck
	index map[share.TopicPartition]int
	tasks []env.Task
}

type shareAck struct {
	at     share.TopicPartition
	tp     metadata.TopicPartition
	list   []share.Acknowledgement
	leader *share.Leader
	code   int16
}

// add takes a partition of the request. Of one that is named twice the last counts.
func (s *shareAcks) add(at share.TopicPartition, list []share.Acknowledgement) {
	if s.index == nil {
		s.index = map[share.TopicPartition]int{}
	}
	if i, again := s.index[at]; again {
		s.list[i].list = list
		return
	}
	s.index[at] = len(s.list)
	s.list = append(s.list, shareAck{at: at, list: list})
}

// find finds the leaders, and what is wrong with those acknowledgements that are not for
// one.
func (s *shareAcks) find(b *Broker, call *protocol.Call, group string) {
	image := b.controller.Image()
	for i := range s.list {
		a := &s.list[i]
		if a.code = s.check(a.list); a.code != 0 {
			continue
		}
		if a.tp, a.code = b.sharePartition(call, image, a.at); a.code != 0 || len(a.list) == 0 {
			continue
		}
		a.leader, a.code = b.shares.Find(share.Key{Group: group, Topic: a.at.Topic, Partition: a.at.Partition}, a.tp)
	}
}

// check refuses acknowledgements that the request's version or the request itself does
// not speak of (KafkaApis.validateAcknowledgementBatches); share.Partition does the rest.
func (s *shareAcks) check(list []share.Acknowledgement) int16 {
	for i := range list {
		for _, t := range list[i].Types {
			if t == share.Renew && (!s.mayRenew || !s.renews) {
				return kerr.InvalidRequest.Code
			}
		}
	}
	return 0
}

// begin has all partitions acknowledged, side by side.
func (s *shareAcks) begin(e env.Env) {
	for i := range s.list {
		if a := &s.list[i]; a.leader != nil {
			s.tasks = append(s.tasks, e.Go("share: acknowledge", func() { a.code = a.leader.Acknowledge(s.member, a.list) }))
		}
	}
}

func (s *shareAcks) wait() {
	for _, t := range s.tasks {
		t.Wait()
	}
}
