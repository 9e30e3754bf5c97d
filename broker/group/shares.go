package group

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/coordinator"
	"github.com/weirlab/weir/broker/group/consumer"
	"github.com/weirlab/weir/broker/metadata"
)

// Share groups (KIP-932), as a machine has them: members as in groups under the
// consumer protocol, and the state of partitions, which the share coordinator keeps.

// ShareState is the share coordinators' side of a share group. Every method blocks
// until all partitions are answered, for a bounded time, and returns an error code
// for each.
type ShareState interface {
	// Initialize begins the state of partitions anew in a state epoch, at an offset
	// each, -1 for where share.auto.offset.reset says.
	Initialize(group string, epoch int32, partitions []consumer.Partition, offsets []int64) []int16

	// Delete removes the state of partitions.
	Delete(group string, partitions []consumer.Partition) []int16

	// Summaries says where partitions stand.
	Summaries(group string, partitions []consumer.Partition) []ShareSummary
}

// ShareSummary is where a partition stands for a share group.
type ShareSummary struct {
	Code        int16
	StartOffset int64 // -1 if nobody has begun yet
	LeaderEpoch int32 // of the partition's leader that wrote last
	Lag         int64 // -1 if there is none yet
	LagCode     int16 // why the lag cannot be told, if that is so
}

// beatShare takes a heartbeat of a member of a share group, or of one that joins.
func (m *machine) beatShare(at at, ref Ref, id string, h *consumer.Heartbeat) turn {
	g, joins := m.groups[id], h.Epoch == consumer.JoinEpoch
	switch {
	case g == nil && !joins:
		return refuseBeat(ref, kerr.GroupIDNotFound, "Share group "+id+" not found.")
	case g == nil:
		g = New(id, m.cfg)
	case !g.shares():
		return refuseBeat(ref, kerr.GroupIDNotFound, "Group "+id+" is not a share group.")
	}
	cfg, c := m.sharing(id), g.consumer
	if c == nil {
		c = consumer.NewShare(id)
	}
	if m.exceeds(c.Adds(h)) {
		return refuseBeat(ref, kerr.CoordinatorNotAvailable, "The members of all groups hold too much memory.")
	}
	out := c.Heartbeat(m.instant(at), cfg, h)
	t := m.carryOut(at, g, c, cfg, out)
	t.Answers = []answer{{Ref: ref, Value: Beat{Answer: out.Answer, Interval: cfg.HeartbeatInterval, Initialize: out.Initialize, GroupEpoch: out.GroupEpoch}}}
	m.reached(shareType, g, "heartbeat", out.Answer.Code)
	return t
}

// leaveShare takes out a member of a share group that says that it goes.
func (m *machine) leaveShare(at at, ref Ref, id, member string) turn {
	g := m.groups[id]
	if !g.isShare() {
		return refuseBeat(ref, kerr.GroupIDNotFound, "Group "+id+" is not a share group.")
	}
	cfg := m.sharing(id)
	out := g.consumer.Leave(m.instant(at), cfg, member, "", consumer.LeaveEpoch)
	t := m.carryOut(at, g, g.consumer, cfg, out)
	t.Answers = []answer{{Ref: ref, Value: Beat{Answer: out.Answer}}}
	m.reached(shareType, g, "leave", out.Answer.Code)
	return t
}

// isShare is shares of a group that there may not be.
func (g *Group) isShare() bool { return g != nil && g.shares() }

// changeShare takes a step of a share group that no member has asked for, and answers
// by a code.
func (m *machine) changeShare(at at, ref Ref, id string, step func(g *consumer.Group, at consumer.At) consumer.Outcome) turn {
	g := m.groups[id]
	if !g.isShare() {
		return done(ref, kerr.GroupIDNotFound.Code)
	}
	t := m.carryOut(at, g, g.consumer, m.sharing(id), step(g.consumer, m.instant(at)))
	t.Answers = done(ref, 0).Answers
	return t
}

// deleteShare looks for topics whose state has to go before a group can. There is
// none if it is not a share group, or has members, which is said later.
func (m *machine) deleteShare(id string) (topics []*metadata.Topic) {
	if g := m.groups[id]; g.isShare() && g.empty() {
		for _, id := range g.consumer.Sharing.Topics() {
			if t := m.image().TopicByID(id); t != nil {
				topics = append(topics, t)
			}
		}
	}
	return topics
}

// emptyShare looks at a share group that has no members.
func (m *machine) emptyShare(ref Ref, id string, look func(g *consumer.Group)) turn {
	g := m.groups[id]
	switch {
	case !g.isShare():
		return done(ref, kerr.GroupIDNotFound.Code)
	case !g.empty():
		return done(ref, kerr.NonEmptyGroup.Code)
	}
	look(g.consumer)
	t := done(ref, 0)
	t.After = g.recorded
	return t
}

// alterShare writes that partitions of a group without members begin to be
// initialized. The group comes into being if there is none.
func (m *machine) alterShare(at at, ref Ref, id string, list []consumer.Partition, epoch *int32) turn {
	g := m.groups[id]
	switch {
	case g == nil:
		g = New(id, m.cfg)
	case !g.shares():
		return done(ref, kerr.GroupIDNotFound.Code)
	case !g.empty():
		return done(ref, kerr.NonEmptyGroup.Code)
	}
	c := g.consumer
	if c == nil {
		c = consumer.NewShare(id)
	}
	out := c.Alter(m.instant(at), list)
	*epoch = out.GroupEpoch
	t := m.carryOut(at, g, c, m.sharing(id), out)
	t.Answers = done(ref, 0).Answers
	return t
}

// forgetTopics takes deleted topics out of all share groups, one after the other, and
// then goes on with what is next.
func (m *machine) forgetTopics(at at, ids []metadata.TopicID, next func(at coordinator.At) turn) turn {
	groups := make([]string, 0, len(m.groups))
	for id, g := range m.groups { //weir:ordered sorted below
		if g.shares() {
			groups = append(groups, id)
		}
	}
	slices.Sort(groups)
	for _, id := range groups {
		g := m.groups[id]
		t := m.carryOut(at, g, g.consumer, m.sharing(id), g.consumer.Deleted(m.instant(at), ids))
		if len(t.Records) > 0 {
			t.Next = func(at coordinator.At) turn { return m.forgetTopics(at, ids, next) }
			return t
		}
	}
	return next(at)
}
