package group

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/group/consumer"
	"github.com/weirlab/weir/broker/metadata"
)

// HandleConsumerGroupHeartbeat answers ConsumerGroupHeartbeat: it blocks until what
// changed by it is committed in the log. may says which topics the client may know of.
func (c *Coordinator) HandleConsumerGroupHeartbeat(req *kmsg.ConsumerGroupHeartbeatRequest, clientID, remote string, may func(topic string) bool) *kmsg.ConsumerGroupHeartbeatResponse {
	resp := kmsg.NewPtrConsumerGroupHeartbeatResponse()
	resp.Version = req.Version
	refuse := func(code int16, message string) *kmsg.ConsumerGroupHeartbeatResponse {
		if resp.ErrorCode = code; message != "" {
			resp.ErrorMessage = &message
		}
		return resp
	}
	if err, message := c.checkHeartbeat(req); err != nil {
		return refuse(err.Code, message)
	}
	out, code := c.do(kmsg.ConsumerGroupHeartbeat, req.Group, func(m *machine, at at, ref Ref) turn {
		if req.MemberEpoch < 0 {
			return m.leaveConsumers(at, ref, req.Group, req.MemberID, text(req.InstanceID), req.MemberEpoch)
		}
		h := heartbeatOf(req, clientID, hostOf(remote))
		if h.MemberID == "" {
			h.MemberID = randomUUID(at.Rand)
		}
		return m.beat(at, ref, req.Group, h)
	})
	if code != 0 {
		return refuse(code, "")
	}
	b := out.(Beat)
	if len(b.Resolve) > 0 {
		// Here, and not in the shard, which is everybody's: it takes time in
		// proportion to the number of topics.
		image := c.image()
		c.matching.Lock()
		matched := consumer.Match(b.Resolve, image, may)
		c.matching.Unlock()
		_, _ = c.do(kmsg.ConsumerGroupHeartbeat, req.Group, func(m *machine, at at, ref Ref) turn {
			return m.resolved(at, ref, req.Group, matched, image.Offset())
		})
	}
	if b.Code != 0 {
		return refuse(b.Code, b.Message)
	}
	resp.MemberID, resp.MemberEpoch = &b.MemberID, b.Epoch
	resp.HeartbeatIntervalMillis = int32(b.Interval / time.Millisecond)
	if b.Assigns {
		resp.Assignment = new(kmsg.ConsumerGroupHeartbeatResponseAssignment)
		for i, p := range b.Assignment {
			if i == 0 || b.Assignment[i-1].Topic != p.Topic {
				topic := kmsg.NewConsumerGroupHeartbeatResponseAssignmentTopic()
				topic.TopicID = p.Topic
				resp.Assignment.Topics = append(resp.Assignment.Topics, topic)
			}
			last := &resp.Assignment.Topics[len(resp.Assignment.Topics)-1]
			last.Partitions = append(last.Partitions, p.Number)
		}
	}
	return resp
}

// checkHeartbeat says what is wrong with a request, whatever group it is about
// (GroupCoordinatorService.throwIfConsumerGroupHeartbeatRequestIsInvalid).
func (c *Coordinator) checkHeartbeat(req *kmsg.ConsumerGroupHeartbeatRequest) (*kerr.Error, string) {
	// Blank counts as empty.
	empty := func(s *string) bool { return s != nil && strings.TrimSpace(*s) == "" }
	switch e := req.MemberEpoch; {
	case (req.Version >= 1 || e > 0 || e == consumer.LeaveEpoch) && empty(&req.MemberID):
		return kerr.InvalidRequest, "MemberId can't be empty."
	case empty(&req.Group):
		return kerr.InvalidRequest, "GroupId can't be empty."
	case empty(req.InstanceID):
		return kerr.InvalidRequest, "InstanceId can't be empty."
	case empty(req.RackID):
		return kerr.InvalidRequest, "RackId can't be empty."
	case e == consumer.JoinEpoch && req.RebalanceTimeoutMillis == -1:
		return kerr.InvalidRequest, "RebalanceTimeoutMs must be provided in first request."
	case e == consumer.JoinEpoch && (req.Topics == nil || len(req.Topics) > 0):
		return kerr.InvalidRequest, "TopicPartitions must be empty when (re-)joining."
	case e == consumer.JoinEpoch && req.SubscribedTopicNames == nil && req.SubscribedTopicRegex == nil:
		return kerr.InvalidRequest, "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining."
	case e == consumer.StaticLeaveEpoch && req.InstanceID == nil:
		return kerr.InvalidRequest, "InstanceId can't be null."
	case e < consumer.StaticLeaveEpoch:
		return kerr.InvalidRequest, "MemberEpoch is invalid."
	}
	assignors := c.consumers.Load().Assignors
	if req.ServerAssignor != nil && !slices.Contains(assignors, *req.ServerAssignor) {
		return kerr.UnsupportedAssignor, fmt.Sprintf("ServerAssignor %s is not supported. Supported assignors: %s.", *req.ServerAssignor, strings.Join(assignors, ", "))
	}
	if e := text(req.SubscribedTopicRegex); e != "" {
		if err := consumer.CheckExpression(e); err != nil {
			return kerr.InvalidRegularExpression, err.Error()
		}
	}
	return nil, ""
}

// heartbeatOf is a request as the state machine takes it. What is kept of it does
// not keep the rest of the request.
func heartbeatOf(req *kmsg.ConsumerGroupHeartbeatRequest, clientID, host string) *consumer.Heartbeat {
	h := &consumer.Heartbeat{
		MemberID: strings.Clone(req.MemberID), Epoch: req.MemberEpoch, InstanceID: strings.Clone(text(req.InstanceID)),
		ClientID: clientID, ClientHost: host,
		RackID: strings.Clone(text(req.RackID)), RebalanceTimeoutMillis: req.RebalanceTimeoutMillis,
		Assignor: strings.Clone(text(req.ServerAssignor)), SaysOwns: req.Topics != nil,
	}
	if req.SubscribedTopicNames != nil {
		h.Topics = make([]string, len(req.SubscribedTopicNames))
		for i, name := range req.SubscribedTopicNames {
			h.Topics[i] = strings.Clone(name)
		}
	}
	if req.SubscribedTopicRegex != nil {
		e := strings.Clone(*req.SubscribedTopicRegex)
		h.Expression = &e
	}
	for i := range req.Topics {
		for _, n := range req.Topics[i].Partitions {
			h.Owns = append(h.Owns, consumer.Partition{Topic: req.Topics[i].TopicID, Number: n})
		}
	}
	return h
}

// HandleConsumerGroupDescribe answers ConsumerGroupDescribe.
func (c *Coordinator) HandleConsumerGroupDescribe(req *kmsg.ConsumerGroupDescribeRequest) *kmsg.ConsumerGroupDescribeResponse {
	resp := kmsg.NewPtrConsumerGroupDescribeResponse()
	resp.Version = req.Version
	for _, id := range req.Groups {
		found := kmsg.NewConsumerGroupDescribeResponseGroup()
		missing, code := c.look(kmsg.ConsumerGroupDescribe, id, "a consumer", func(g *Group) bool { return g.consumer != nil && !g.shares() }, func(m *machine, g *consumer.Group) {
			describeConsumers(&found, g, m.settings(id), m.image())
		})
		out := kmsg.NewConsumerGroupDescribeResponseGroup()
		switch code {
		case 0:
			out = found
		case kerr.GroupIDNotFound.Code:
			out.ErrorMessage = &missing
		}
		out.Group, out.ErrorCode, out.AuthorizedOperations = id, code, noAuthorizedOperations
		resp.Groups = append(resp.Groups, out)
	}
	return resp
}

// look has a group of one type looked at, once what it is now is committed. missing
// goes with GROUP_ID_NOT_FOUND: there is none, or one that is not of the type.
func (c *Coordinator) look(api kmsg.Key, id, kind string, is func(g *Group) bool, describe func(m *machine, g *consumer.Group)) (missing string, code int16) {
	missing = "Group " + id + " not found."
	_, code = c.do(api, id, func(m *machine, _ at, ref Ref) turn {
		g := m.groups[id]
		if g == nil || !is(g) {
			if g != nil {
				missing = "Group " + id + " is not " + kind + " group."
			}
			return done(ref, kerr.GroupIDNotFound.Code)
		}
		describe(m, g.consumer)
		t := done(ref, 0)
		t.After = g.recorded
		return t
	})
	return missing, code
}

func describeConsumers(out *kmsg.ConsumerGroupDescribeResponseGroup, g *consumer.Group, cfg *consumer.Config, image *metadata.Image) {
	out.State, out.Epoch, out.AssignmentEpoch, out.AssignorName = g.State(), g.Epoch, g.TargetEpoch, g.Assignor(cfg)
	for _, id := range g.MemberIDs() {
		m := g.Members[id]
		member := kmsg.NewConsumerGroupDescribeResponseGroupMember()
		member.MemberID, member.MemberEpoch, member.ClientID, member.ClientHost = m.ID, m.Epoch, m.ClientID, m.ClientHost
		if m.InstanceID != "" {
			member.InstanceID = kmsg.StringPtr(m.InstanceID)
		}
		if m.RackID != "" {
			member.RackID = kmsg.StringPtr(m.RackID)
		}
		if m.Expression != "" {
			member.SubscribedTopicRegex = kmsg.StringPtr(m.Expression)
		}
		member.SubscribedTopics = m.Topics
		// What it is to give up is no part of it, as in Kafka.
		member.Assignment = described(consumer.PartitionsOf(m.Assigned), image)
		member.TargetAssignment = described(slices.Clone(g.Targets[id]), image)
		if member.MemberType = 1; m.Classic != nil {
			member.MemberType = 0
		}
		out.Members = append(out.Members, member)
	}
}

// described are partitions with the names of their topics. Topics that are gone
// have none and are left out.
func described(list []consumer.Partition, image *metadata.Image) (a kmsg.Assignment) {
	slices.SortFunc(list, consumer.Partition.Compare)
	var last *kmsg.AssignmentTopicPartition
	for i, p := range list {
		if i == 0 || list[i-1].Topic != p.Topic {
			last = nil
			if name := topicName(image, p.Topic); name != "" {
				topic := kmsg.NewAssignmentTopicPartition()
				topic.TopicID, topic.Topic = p.Topic, name
				a.TopicPartitions = append(a.TopicPartitions, topic)
				last = &a.TopicPartitions[len(a.TopicPartitions)-1]
			}
		}
		if last != nil {
			last.Partitions = append(last.Partitions, p.Number)
		}
	}
	return a
}
