package linearizability

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
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
	c.overlaps(lost, excuse)
	for i := range c.h.Assignments {
		a := &c.h.Assignments[i]
		if a.Stale {
			continue // see fencing
		}
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

// tenure is how long a member under the consumer protocol certainly owned a partition
// in the eyes of its coordinator.
type tenure struct {
	from    *Assignment
	asked   []time.Duration // when it sent the heartbeats that were answered
	dropped bool            // it has heard that it is to give it up
}

// until is when the tenure certainly still was.
func (t *tenure) until() time.Duration { return slices.Max(t.asked) }

// begunAnew says whether a loss had the member's coordinator forget that it had taken
// it out: it heard nothing from the time that another was given the partition until then.
func (t *tenure) begunAnew(given time.Duration, loss *ruling) bool {
	return loss != nil && loss.at > given &&
		!slices.ContainsFunc(t.asked, func(asked time.Duration) bool { return given < asked && asked < loss.at })
}

// overlaps is K9 between member epochs: under the consumer protocol a member gets a
// partition when the one before has said that it has given it up. Until it says so
// the one before is the owner, if it goes on as the same member: it is told so, or to
// give it up, by answers to heartbeats that it sent meanwhile. One that was taken out
// does not hear of it; its tenure ends with the last heartbeat that was answered. So
// does one that a permitted loss has brought back.
func (c *court) overlaps(lost func(group string, until time.Duration, before int) *ruling, excuse func(a *Assignment, p int32, r *ruling)) {
	type place struct {
		group string
		tp    TopicPartition
	}
	type client struct {
		group   string
		process int64
	}
	tenures := map[place][]*tenure{}
	open := map[client]map[place]*tenure{}
	heard := map[client]*Assignment{} // the newest
	for i := range c.h.Assignments {
		a := &c.h.Assignments[i]
		if a.Membership == 0 || a.Stale {
			continue
		}
		who := client{a.Group, a.Process}
		if last := heard[who]; last == nil || last.Membership != a.Membership {
			open[who] = map[place]*tenure{}
		}
		heard[who] = a
		for k, t := range open[who] { //weir:ordered each for itself
			if t.asked = append(t.asked, a.Asked); t.dropped {
				delete(open[who], k) // it has just said so
			} else {
				t.dropped = !slices.Contains(a.Partitions, k.tp.Partition)
			}
		}
		for _, p := range a.Partitions {
			k := place{a.Group, TopicPartition{a.Topic, p}}
			if open[who][k] == nil {
				t := &tenure{from: a, asked: []time.Duration{a.Asked}}
				open[who][k] = t
				tenures[k] = append(tenures[k], t)
			}
		}
	}
	places := slices.SortedFunc(maps.Keys(tenures), func(a, b place) int {
		return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.tp.Topic, b.tp.Topic), cmp.Compare(a.tp.Partition, b.tp.Partition))
	})
	for _, k := range places {
		list := tenures[k]
		for i := range list {
			c.cur.Inputs++
			for j := range list {
				// It was given at some time between the question and the answer.
				before, now := list[j], list[i]
				if now.from.Asked < before.from.Time || before.until() <= now.from.Time || before.from.Process == now.from.Process {
					continue
				}
				r := lost(k.group, now.from.Time, 0)
				if later := lost(k.group, before.until(), 0); r == nil && before.begunAnew(now.from.Time, later) {
					r = later
				}
				if r != nil {
					excuse(now.from, k.tp.Partition, r)
					continue
				}
				c.found(&partition{tp: k.tp}, int64(now.from.Generation), None, now.from.Time, fmt.Sprintf(
					"member %s of group %s was given %s at %s, in member epoch %d, while %s owned it: from %s, in member epoch %d, to %s",
					now.from.Member, k.group, k.tp, clock(now.from.Time), now.from.Generation,
					before.from.Member, clock(before.from.Time), before.from.Generation, clock(before.until())))
			}
		}
	}
}
