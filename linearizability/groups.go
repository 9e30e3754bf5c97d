package linearizability

import (
	"context"
	"fmt"
)

// ownership is K9: in one generation of a group, a partition belongs to one
// member, and what a member is given in a generation does not change. That a
// member which was paused believes in an old generation is no violation.
func (c *court) ownership(context.Context) {
	type share struct {
		group      string
		generation int32
		tp         TopicPartition
	}
	owner := map[share]*Assignment{}
	newest := map[string]*Assignment{} // by group and member
	for i := range c.h.Assignments {
		a := &c.h.Assignments[i]
		member := a.Group + "\x00" + a.Member
		if last := newest[member]; last != nil && a.Generation < last.Generation {
			c.found(&partition{tp: TopicPartition{Topic: a.Topic}}, int64(hashGroup(member)), None, a.Time, fmt.Sprintf(
				"member %s of group %s was taken back from generation %d to %d, at %s", a.Member, a.Group, last.Generation, a.Generation, clock(a.Time)))
		}
		newest[member] = a
		for _, p := range a.Partitions {
			c.cur.Inputs++
			k := share{a.Group, a.Generation, TopicPartition{a.Topic, p}}
			if o := owner[k]; o != nil && o.Member != a.Member {
				c.found(&partition{tp: k.tp}, int64(a.Generation), None, a.Time, fmt.Sprintf(
					"generation %d of group %s gives %s to two members: to %s at %s and to %s at %s",
					a.Generation, a.Group, k.tp, o.Member, clock(o.Time), a.Member, clock(a.Time)))
				continue
			}
			owner[k] = a
		}
	}
}
