package linearizability

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// fencing is K9: once a member has been given its part in a generation of a
// group, nobody commits offsets as a member of an older one, nor goes on as who the
// member was before, in the eyes of who has been the coordinator since, in one leader
// epoch: one that was replaced and does not know it answers heartbeats from memory, and
// one that loads its groups, anew after its disk has failed it, answers them blindly, as
// Kafka's does. Where the group's coordinator was permitted to lose what it had
// committed, it counts anew, and generations say nothing. Under the consumer
// protocol a member may be behind and own a partition still: there it commits nothing
// for what another member has been given in a newer member epoch.
func (c *court) fencing(context.Context) {
	byGroup := map[string][]*Assignment{} // in order of time
	for i := range c.h.Assignments {
		a := &c.h.Assignments[i]
		if !a.Stale {
			byGroup[a.Group] = append(byGroup[a.Group], a)
		}
	}
	// Whether generations are counted anew at some time between these, and why.
	counted := func(group string, from, until time.Duration) *ruling {
		if p := coordinatorOf(c.parts, c.h.topic(OffsetsTopic), group); p != nil {
			for _, r := range p.losses(-1) {
				if r.at >= from && r.at <= until {
					return r
				}
			}
		}
		return nil
	}
	for i := range c.h.Assignments {
		if s := &c.h.Assignments[i]; s.Stale {
			c.earlierSelf(s, byGroup[s.Group], counted)
		}
	}
	for i := range c.h.Offsets {
		o := &c.h.Offsets[i]
		if !o.Write || o.Outcome != OK || o.Generation <= 0 {
			continue
		}
		c.cur.Inputs++
		var newer *Assignment
		for _, a := range byGroup[o.Group] {
			if a.Time <= o.Call && int64(a.Generation) > o.Generation && (a.Membership == 0 || a.takes(o)) {
				newer = a
				break
			}
		}
		if newer == nil {
			continue
		}
		if r := counted(o.Group, 0, o.Return); r != nil {
			c.excused(&partition{tp: o.TP}, max(0, o.Offset), "generations of groups live in "+OffsetsTopic+": "+r.reason)
			continue
		}
		c.found(&partition{tp: o.TP}, int64(hashGroup(o.Group)), o.Offset, o.Return, fmt.Sprintf(
			"client %d committed offset %d for %s at %s as a member of generation %d of group %s, but %s had its part in generation %d at %s already",
			o.Process, o.Offset, o.TP, clock(o.Call), o.Generation, o.Group, newer.Member, newer.Generation, clock(newer.Time)))
	}
}

// earlierSelf judges a heartbeat of who a member was, given what the group has given its
// members. What the coordinator lost after the client became who speaks, it may have
// lost before an answer that came late.
func (c *court) earlierSelf(s *Assignment, given []*Assignment, counted func(group string, from, until time.Duration) *ruling) {
	c.cur.Inputs++
	p := coordinatorOf(c.parts, c.h.topic(OffsetsTopic), s.Group)
	if p == nil {
		return
	}
	var newer *Assignment
	began := time.Duration(0)
	for _, a := range given {
		from := cmp.Or(a.Asked, a.Time)
		switch {
		case a.Process != s.Process || a.Time > s.Asked:
		case a.Time <= s.Was && a.Generation == s.Generation:
			began = a.Time
		case newer == nil && a.Time > s.Was && (a.Generation > s.Generation || a.Member != s.Member && a.Generation == s.Generation) &&
			p.ledBy(s.Broker, from, s.Time) && !c.diskFailed(s.Broker, from, s.Time):
			newer = a
		}
	}
	if newer == nil {
		return
	}
	if r := counted(s.Group, began, s.Time); r != nil {
		c.excused(&partition{tp: TopicPartition{Topic: s.Topic}}, 0, "groups live in "+OffsetsTopic+": "+r.reason)
		return
	}
	c.found(&partition{tp: TopicPartition{Topic: s.Topic}}, int64(hashGroup(s.Group)), None, s.Time, fmt.Sprintf(
		"a heartbeat of member %s of group %s in generation %d, which it sent at %s, was answered as if it went on, but it was %s in generation %d since %s",
		s.Member, s.Group, s.Generation, clock(s.Asked), newer.Member, newer.Generation, clock(newer.Time)))
}

// diskFailed reports whether writes of a broker may have failed between two times.
func (c *court) diskFailed(broker int32, from, to time.Duration) bool {
	return slices.ContainsFunc(c.h.Faults, func(f Fault) bool {
		return slices.Contains(f.Brokers, broker) && slices.Contains([]FaultKind{DiskError, FullDisk, ShortWrite}, f.Kind) &&
			f.Start <= to && (f.End == 0 || f.End >= from)
	})
}

// takes reports whether an assignment under the consumer protocol gives another
// client the partition of a commit.
func (a *Assignment) takes(o *OffsetOp) bool {
	return a.Topic == o.TP.Topic && slices.Contains(a.Partitions, o.TP.Partition) && a.Process != o.Process-int64(o.TP.Partition)
}

// ledBy reports whether a broker led the partition all the time, by committed metadata,
// and in one epoch: in another it has loaded what it coordinates anew.
func (p *partition) ledBy(broker int32, from, to time.Duration) bool {
	leader, epoch := int32(None), int32(None)
	for _, s := range p.states {
		switch {
		case s.Time <= from:
			leader, epoch = s.Leader, s.LeaderEpoch
		case s.Time <= to && (s.Leader != broker || s.LeaderEpoch != epoch):
			return false
		}
	}
	return leader == broker
}
