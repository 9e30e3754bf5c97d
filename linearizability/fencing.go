package linearizability

import (
	"context"
	"fmt"
	"slices"
)

// fencing is K9: once a member has been given its part in a generation of a
// group, nobody commits offsets as a member of an older one. Where the group's
// coordinator was permitted to lose what it had committed, it counts anew, and
// generations say nothing. Under the consumer protocol a member may be behind and
// own a partition still: there it commits nothing for what another member has been
// given in a newer member epoch.
func (c *court) fencing(context.Context) {
	byGroup := map[string][]*Assignment{} // in order of time
	for i := range c.h.Assignments {
		a := &c.h.Assignments[i]
		byGroup[a.Group] = append(byGroup[a.Group], a)
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
		if p := coordinatorOf(c.parts, c.h.topic(OffsetsTopic), o.Group); p != nil {
			if losses := p.losses(-1); len(losses) > 0 && losses[0].at <= o.Return {
				c.excused(&partition{tp: o.TP}, max(0, o.Offset), "generations of groups live in "+p.tp.String()+": "+losses[0].reason)
				continue
			}
		}
		c.found(&partition{tp: o.TP}, int64(hashGroup(o.Group)), o.Offset, o.Return, fmt.Sprintf(
			"client %d committed offset %d for %s at %s as a member of generation %d of group %s, but %s had its part in generation %d at %s already",
			o.Process, o.Offset, o.TP, clock(o.Call), o.Generation, o.Group, newer.Member, newer.Generation, clock(newer.Time)))
	}
}

// takes reports whether an assignment under the consumer protocol gives another
// client the partition of a commit.
func (a *Assignment) takes(o *OffsetOp) bool {
	return a.Topic == o.TP.Topic && slices.Contains(a.Partitions, o.TP.Partition) && a.Process != o.Process-int64(o.TP.Partition)
}
