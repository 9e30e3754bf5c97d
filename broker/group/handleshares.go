package group

import (
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/group/consumer"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
)

// HandleShareGroupHeartbeat answers ShareGroupHeartbeat: it blocks until what changed
// by it is committed in the log. Partitions whose state it takes are initialized
// meanwhile, and assigned with a later heartbeat.
func (c *Coordinator) HandleShareGroupHeartbeat(req *kmsg.ShareGroupHeartbeatRequest, clientID, remote string) *kmsg.ShareGroupHeartbeatResponse {
	resp := kmsg.NewPtrShareGroupHeartbeatResponse()
	resp.Version = req.Version
	refuse := func(code int16, message string) *kmsg.ShareGroupHeartbeatResponse {
		if resp.ErrorCode = code; message != "" {
			resp.ErrorMessage = &message
		}
		return resp
	}
	if message := checkShareHeartbeat(req); message != "" {
		return refuse(kerr.InvalidRequest.Code, message)
	}
	out, code := c.do(kmsg.ShareGroupHeartbeat, req.GroupID, func(m *machine, at at, ref Ref) turn {
		if req.MemberEpoch < 0 {
			return m.leaveShare(at, ref, req.GroupID, req.MemberID)
		}
		h := &consumer.Heartbeat{MemberID: strings.Clone(req.MemberID), Epoch: req.MemberEpoch, ClientID: clientID, ClientHost: hostOf(remote),
			RackID: strings.Clone(text(req.RackID)), RebalanceTimeoutMillis: -1}
		if req.SubscribedTopicNames != nil {
			h.Topics = make([]string, len(req.SubscribedTopicNames))
			for i, name := range req.SubscribedTopicNames {
				h.Topics[i] = strings.Clone(name)
			}
		}
		return m.beatShare(at, ref, req.GroupID, h)
	})
	if code != 0 {
		return refuse(code, "")
	}
	b := out.(Beat)
	if b.Code != 0 {
		return refuse(b.Code, b.Message)
	}
	c.initializer.begin(req.GroupID, b.GroupEpoch, b.Initialize)
	resp.MemberID, resp.MemberEpoch = &b.MemberID, b.Epoch
	resp.HeartbeatIntervalMillis = int32(b.Interval / time.Millisecond)
	if req.MemberEpoch < 0 {
		resp.MemberEpoch = req.MemberEpoch
	}
	if b.Assigns {
		resp.Assignment = new(kmsg.ShareGroupHeartbeatResponseAssignment)
		for i, p := range b.Assignment {
			if i == 0 || b.Assignment[i-1].Topic != p.Topic {
				topic := kmsg.NewShareGroupHeartbeatResponseAssignmentTopicPartition()
				topic.TopicID = p.Topic
				resp.Assignment.TopicPartitions = append(resp.Assignment.TopicPartitions, topic)
			}
			last := &resp.Assignment.TopicPartitions[len(resp.Assignment.TopicPartitions)-1]
			last.Partitions = append(last.Partitions, p.Number)
		}
	}
	return resp
}

// checkShareHeartbeat says what is wrong with a request, whatever group it is about
// (GroupCoordinatorService.throwIfShareGroupHeartbeatRequestIsInvalid).
func checkShareHeartbeat(req *kmsg.ShareGroupHeartbeatRequest) string {
	blank := func(s string) bool { return strings.TrimSpace(s) == "" }
	switch {
	case blank(req.MemberID):
		return "MemberId can't be empty."
	case blank(req.GroupID):
		return "GroupId can't be empty."
	case req.RackID != nil && blank(*req.RackID):
		return "RackId can't be empty."
	case req.MemberEpoch == consumer.JoinEpoch && len(req.SubscribedTopicNames) == 0:
		return "SubscribedTopicNames must be set in first request."
	case req.MemberEpoch < consumer.LeaveEpoch:
		return "MemberEpoch is invalid."
	}
	return ""
}

// HandleShareGroupDescribe answers ShareGroupDescribe.
func (c *Coordinator) HandleShareGroupDescribe(req *kmsg.ShareGroupDescribeRequest) *kmsg.ShareGroupDescribeResponse {
	resp := kmsg.NewPtrShareGroupDescribeResponse()
	resp.Version = req.Version
	for _, id := range req.GroupIDs {
		found := kmsg.NewShareGroupDescribeResponseGroup()
		missing, code := c.look(kmsg.ShareGroupDescribe, id, "a share", (*Group).isShare, func(m *machine, g *consumer.Group) {
			describeShare(&found, g, m.image())
		})
		out := kmsg.NewShareGroupDescribeResponseGroup()
		switch code {
		case 0:
			out = found
		case kerr.GroupIDNotFound.Code:
			out.ErrorMessage = &missing
		}
		out.GroupID, out.ErrorCode, out.AuthorizedOperations = id, code, noAuthorizedOperations
		resp.Groups = append(resp.Groups, out)
	}
	return resp
}

func describeShare(out *kmsg.ShareGroupDescribeResponseGroup, g *consumer.Group, image *metadata.Image) {
	out.GroupState, out.GroupEpoch, out.AssignmentEpoch, out.Assignor = g.State(), g.Epoch, g.TargetEpoch, consumer.Simple
	for _, id := range g.MemberIDs() {
		m := g.Members[id]
		member := kmsg.NewShareGroupDescribeResponseGroupMember()
		member.MemberID, member.MemberEpoch, member.ClientID, member.ClientHost = m.ID, m.Epoch, m.ClientID, m.ClientHost
		if m.RackID != "" {
			member.RackID = kmsg.StringPtr(m.RackID)
		}
		member.SubscribedTopicNames = m.Topics
		for _, t := range described(consumer.PartitionsOf(m.Assigned), image).TopicPartitions {
			topic := kmsg.NewShareGroupDescribeResponseGroupMemberAssignmentTopicPartition()
			topic.TopicID, topic.Topic, topic.Partitions = t.TopicID, t.Topic, t.Partitions
			member.Assignment.TopicPartitions = append(member.Assignment.TopicPartitions, topic)
		}
		out.Members = append(out.Members, member)
	}
}

// DescribeShareOffsets answers DescribeShareGroupOffsets for one group: of all
// partitions that have been initialized, if no topics are named.
func (c *Coordinator) DescribeShareOffsets(req *kmsg.DescribeShareGroupOffsetsRequestGroup) kmsg.DescribeShareGroupOffsetsResponseGroup {
	resp := kmsg.NewDescribeShareGroupOffsetsResponseGroup()
	resp.GroupID = req.GroupID
	image := c.image()
	var list []consumer.Partition
	if req.Topics == nil {
		_, code := c.do(kmsg.DescribeShareGroupOffsets, req.GroupID, func(m *machine, _ at, ref Ref) turn {
			g := m.groups[req.GroupID]
			if !g.isShare() {
				return done(ref, kerr.GroupIDNotFound.Code)
			}
			for _, p := range g.consumer.Sharing.Partitions() {
				if image.TopicByID(p.Topic) != nil {
					list = append(list, p)
				}
			}
			t := done(ref, 0)
			t.After = g.recorded
			return t
		})
		if code != 0 {
			resp.ErrorCode = code
			return resp
		}
	}
	for _, t := range req.Topics {
		known := image.Topic(t.Topic)
		if known != nil {
			for _, n := range t.Partitions {
				list = append(list, consumer.Partition{Topic: known.ID, Number: n})
			}
			continue
		}
		topic := kmsg.NewDescribeShareGroupOffsetsResponseGroupTopic()
		topic.Topic = t.Topic
		for _, n := range t.Partitions {
			p := kmsg.NewDescribeShareGroupOffsetsResponseGroupTopicPartition()
			p.Partition, p.StartOffset, p.Lag = n, -1, -1
			topic.Partitions = append(topic.Partitions, p)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	slices.SortFunc(list, consumer.Partition.Compare)
	list = slices.Compact(list)
	if len(list) == 0 {
		return resp
	}
	for i, s := range c.shares.Summaries(req.GroupID, list) {
		if n := len(resp.Topics); n == 0 || resp.Topics[n-1].TopicID != list[i].Topic {
			topic := kmsg.NewDescribeShareGroupOffsetsResponseGroupTopic()
			topic.TopicID, topic.Topic = list[i].Topic, topicName(image, list[i].Topic)
			resp.Topics = append(resp.Topics, topic)
		}
		p := kmsg.NewDescribeShareGroupOffsetsResponseGroupTopicPartition()
		p.Partition, p.StartOffset, p.Lag = list[i].Number, -1, -1
		if s.LagCode != 0 {
			p.ErrorCode, p.ErrorMessage = s.LagCode, kmsg.StringPtr(errorText(s.LagCode))
		} else if s.Code == 0 { // what cannot be had is as what is not there, as in Kafka
			p.StartOffset, p.LeaderEpoch, p.Lag = s.StartOffset, s.LeaderEpoch, s.Lag
		}
		last := &resp.Topics[len(resp.Topics)-1]
		last.Partitions = append(last.Partitions, p)
	}
	return resp
}

// HandleAlterShareGroupOffsets answers AlterShareGroupOffsets: it blocks until the
// partitions begin at the offsets asked for. The group must have no members.
func (c *Coordinator) HandleAlterShareGroupOffsets(req *kmsg.AlterShareGroupOffsetsRequest) *kmsg.AlterShareGroupOffsetsResponse {
	resp := kmsg.NewPtrAlterShareGroupOffsetsResponse()
	resp.Version = req.Version
	image := c.image()
	offsets := map[consumer.Partition]int64{}
	for _, t := range req.Topics {
		topic := kmsg.NewAlterShareGroupOffsetsResponseTopic()
		topic.Topic = t.Topic
		known := image.Topic(t.Topic)
		if known != nil {
			topic.TopicID = known.ID
		}
		for _, p := range t.Partitions {
			out := kmsg.NewAlterShareGroupOffsetsResponseTopicPartition()
			out.Partition = p.Partition
			if known == nil || p.Partition < 0 || int(p.Partition) >= len(known.Partitions) {
				out.ErrorCode = kerr.UnknownTopicOrPartition.Code
				out.ErrorMessage = kmsg.StringPtr(kerr.UnknownTopicOrPartition.Description)
			} else {
				offsets[consumer.Partition{Topic: known.ID, Number: p.Partition}] = p.StartOffset
			}
			topic.Partitions = append(topic.Partitions, out)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	list := sortedKeys(offsets)
	starts := make([]int64, len(list))
	for i, p := range list {
		starts[i] = offsets[p]
	}
	var epoch int32
	_, code := c.do(kmsg.AlterShareGroupOffsets, req.GroupID, func(m *machine, at at, ref Ref) turn {
		return m.alterShare(at, ref, req.GroupID, list, &epoch)
	})
	if code == 0 {
		codes := c.initializer.run(req.GroupID, epoch, list, starts)
		if i := slices.IndexFunc(codes, func(code int16) bool { return code != 0 }); i >= 0 {
			code = codes[i]
		}
	}
	if code != 0 {
		resp.Topics, resp.ErrorCode = nil, code
		resp.ErrorMessage = kmsg.StringPtr(errorText(code))
	}
	return resp
}

func errorText(code int16) string {
	if e := kerr.TypedErrorForCode(code); e != nil {
		return e.Description
	}
	return ""
}

func sortedKeys(m map[consumer.Partition]int64) []consumer.Partition {
	list := make([]consumer.Partition, 0, len(m))
	for p := range m { //weir:ordered sorted below
		list = append(list, p)
	}
	slices.SortFunc(list, consumer.Partition.Compare)
	return list
}

// HandleDeleteShareGroupOffsets answers DeleteShareGroupOffsets: it blocks until the
// state of the topics is deleted. The group must have no members.
func (c *Coordinator) HandleDeleteShareGroupOffsets(req *kmsg.DeleteShareGroupOffsetsRequest) *kmsg.DeleteShareGroupOffsetsResponse {
	resp := kmsg.NewPtrDeleteShareGroupOffsetsResponse()
	resp.Version = req.Version
	image := c.image()
	var state *consumer.Sharing
	if _, code := c.do(kmsg.DeleteShareGroupOffsets, req.GroupID, func(m *machine, _ at, ref Ref) turn {
		return m.emptyShare(ref, req.GroupID, func(g *consumer.Group) { state = g.Sharing })
	}); code != 0 {
		resp.ErrorCode, resp.ErrorMessage = code, kmsg.StringPtr(errorText(code))
		return resp
	}
	for _, t := range req.Topics {
		out := kmsg.NewDeleteShareGroupOffsetsResponseTopic()
		out.Topic = t.Topic
		known := image.Topic(t.Topic)
		var has bool
		if known != nil {
			has = state.Has(known.ID)
		}
		switch {
		case known == nil:
			out.ErrorCode, out.ErrorMessage = kerr.UnknownTopicOrPartition.Code, kmsg.StringPtr(kerr.UnknownTopicOrPartition.Description)
		case !has:
			out.ErrorCode, out.ErrorMessage = kerr.UnknownTopicOrPartition.Code, kmsg.StringPtr("There is no offset information to delete.")
		default:
			out.TopicID = known.ID
			if code := c.deleteShareState(req.GroupID, []*metadata.Topic{known}); code != 0 {
				out.ErrorCode, out.ErrorMessage = code, kmsg.StringPtr(errorText(code))
			}
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

// deleteShareState deletes what the share coordinators have of topics for a group, and
// makes the group know: before, that it may be gone, and after, that it is.
func (c *Coordinator) deleteShareState(group string, topics []*metadata.Topic) int16 {
	var shared []consumer.SharedTopic
	var list []consumer.Partition
	var ids []metadata.TopicID
	for _, t := range topics {
		shared = append(shared, consumer.SharedTopic{ID: t.ID, Name: t.Name})
		ids = append(ids, t.ID)
		for n := range t.Partitions {
			list = append(list, consumer.Partition{Topic: t.ID, Number: int32(n)})
		}
	}
	if len(list) == 0 {
		return 0
	}
	_, code := c.do(kmsg.DeleteShareGroupOffsets, group, func(m *machine, at at, ref Ref) turn {
		return m.changeShare(at, ref, group, func(g *consumer.Group, at consumer.At) consumer.Outcome { return g.Deleting(at, shared) })
	})
	if code != 0 {
		return code
	}
	codes := c.shares.Delete(group, list)
	if i := slices.IndexFunc(codes, func(code int16) bool { return code != 0 }); i >= 0 {
		return codes[i]
	}
	_, code = c.do(kmsg.DeleteShareGroupOffsets, group, func(m *machine, at at, ref Ref) turn {
		return m.changeShare(at, ref, group, func(g *consumer.Group, at consumer.At) consumer.Outcome { return g.Deleted(at, ids) })
	})
	return code
}

// initializer has the state of share groups' partitions initialized, beside the
// requests that ask for it.
type initializer struct {
	c     *Coordinator
	e     env.Env
	mu    env.Mutex
	tasks []env.Task // that may still run
	ended bool
}

// begin initializes partitions in a task of its own.
func (i *initializer) begin(group string, epoch int32, list []consumer.Partition) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(list) == 0 || i.ended {
		return
	}
	i.tasks = slices.DeleteFunc(i.tasks, env.Task.Done)
	i.tasks = append(i.tasks, i.e.Go("group: initialize share state", func() {
		offsets := make([]int64, len(list))
		for k := range offsets {
			offsets[k] = -1
		}
		i.run(group, epoch, list, offsets)
	}))
}

// run initializes partitions and makes the group know which of them are. It returns
// the code of each.
func (i *initializer) run(group string, epoch int32, list []consumer.Partition, offsets []int64) []int16 {
	codes := i.c.shares.Initialize(group, epoch, list, offsets)
	var yes, no []consumer.Partition
	for k, p := range list {
		if codes[k] == 0 {
			yes = append(yes, p)
		} else {
			no = append(no, p)
		}
	}
	tell := func(list []consumer.Partition, step func(*consumer.Group, consumer.At, []consumer.Partition) consumer.Outcome) (code int16) {
		if len(list) > 0 {
			_, code = i.c.do(kmsg.ShareGroupHeartbeat, group, func(m *machine, at at, ref Ref) turn {
				return m.changeShare(at, ref, group, func(g *consumer.Group, at consumer.At) consumer.Outcome { return step(g, at, list) })
			})
		}
		return code
	}
	_ = tell(no, (*consumer.Group).NotInitialized)
	if code := tell(yes, (*consumer.Group).Initialized); code != 0 {
		for k := range codes {
			if codes[k] == 0 {
				codes[k] = code
			}
		}
	}
	return codes
}

func (i *initializer) stop() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.ended = true
}

func (i *initializer) wait() {
	i.mu.Lock()
	tasks := i.tasks
	i.tasks = nil
	i.mu.Unlock()
	for _, t := range tasks {
		t.Wait()
	}
}
