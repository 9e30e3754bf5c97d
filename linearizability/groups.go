package linearizability

import (
	"context"
	"fmt"
	"time"
)

// ownership is K9: in one generation of a group, a partition belongs to one
// member, and what a member is given in a generation does not change. That a
// member which was paused believes in an old generation is no violation. A
// coordinator counts generations by what is in its partition of the offsets topic:
// each time that this has lost records, and was permitted to, it may count some
// of them again.
func (c *court) ownership(context.Context) {
	type share struct {
		group      string
		generation int32
		tp         TopicPartition
	}
	owners := map[share][]*Assignment{}
	newest := map[string]*Assignment{} // by group and member
	back := map[string]int{}           // how often the member was taken back
	losses := map[string][]*ruling{}
	lost := func(group string, until time.Duration, before int) *ruling {
		all, known := losses[group]
		if p := coordinatorOf(c.parts, c.h.topic(OffsetsTopic), group); !known && p != nil {
			all = p.losses(-1)
			losses[group] = all
		}
		if before < len(all) && all[before].at <= until {
			return all[before]
		}
		return nil
	}
	excuse := func(a *Assignment, p int32, r *ruling) {
		c.excused(&partition{tp: TopicPartition{a.Topic, p}}, 0, "groups live in "+OffsetsTopic+": "+r.reason)
	}
	for i := range c.h.Assignments {
		a := &c.h.Assignments[i]
		member := a.Group + "\x00" + a.Member
		if last := newest[member]; last != nil && a.Generation < last.Generation {
			if r := lost(a.Group, a.Time, back[member]); r != nil {
				excuse(a, 0, r)
			} else {
				c.found(&partition{tp: TopicPartition{Topic: a.Topic}}, int64(hashGroup(member)), None, a.Time, fmt.Sprintf(
					"member %s of group %s was taken back from generation %d to %d, at %s", a.Member, a.Group, last.Generation, a.Generation, clock(a.Time)))
			}
			back[member]++
		}
		newest[member] = a
		for _, p := range a.Partitions {
			c.cur.Inputs++
			k := share{a.Group, a.Generation, TopicPartition{a.Topic, p}}
			all := owners[k]
			if n := len(all); n > 0 && all[n-1].Member != a.Member {
				if r := lost(a.Group, a.Time, n-1); r != nil {
					excuse(a, p, r)
				} else {
					c.found(&partition{tp: k.tp}, int64(a.Generation), None, a.Time, fmt.Sprintf(
						"generation %d of group %s gives %s to two members: to %s at %s and to %s at %s",
						a.Generation, a.Group, k.tp, all[n-1].Member, clock(all[n-1].Time), a.Member, clock(a.Time)))
					continue
				}
			} else if n > 0 {
				continue
			}
			owners[k] = append(all, a)
		}
	}
}
