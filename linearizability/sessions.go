package linearizability

import (
	"cmp"
	"fmt"
	"slices"
)

// sessions is K7: while a consumer reads on without a new assignment or a
// seek, offsets go up, never below the position asked for, and pass over no
// record that is in the log: that was there then, for where a loss is permitted,
// what took the place of what is gone may have come where a marker was, and what is
// committed now may have been aborted by a marker that is gone. A consumer passes over
// what it is not given at any time between two records that it is given, so that a
// loss since the first of them is late enough.
func (c *court) sessions(p *partition) {
	type session struct{ process, number int64 }
	last := map[session]int64{}
	given := map[session]*poll{} // by which the last record was
	polls := slices.Clone(p.polls)
	slices.SortStableFunc(polls, func(a, b poll) int { return cmp.Compare(a.Return, b.Return) })
	for i := range polls {
		poll := &polls[i]
		if poll.Outcome != OK {
			continue
		}
		k := session{poll.Process, poll.Session}
		begun := false
		for _, r := range poll.runs {
			c.cur.Inputs += r.Count
			if !begun && r.Offset < poll.Position {
				c.found(p, 0, r.Offset, poll.Return, fmt.Sprintf("client %d asked for offset %d of %s and was given offset %d, at %s",
					poll.Process, poll.Position, p.tp, r.Offset, clock(poll.Return)))
			}
			begun = true
			from := max(poll.Position, 0)
			l, ok := last[k]
			if ok {
				if r.Offset <= l {
					c.found(p, 1, r.Offset, poll.Return, fmt.Sprintf("client %d had read offset %d of %s and was given offset %d again at %s, without a seek",
						poll.Process, l, p.tp, r.Offset, clock(poll.Return)))
				}
				from = l + 1
			}
			missed := p.log.shownBetween(from, r.Offset, poll.ReadCommitted)
			for missed != nil {
				loss := c.notGiven(p, missed.Offset, poll, given[k])
				if loss == nil {
					break
				}
				c.excused(p, missed.Offset, loss.reason)
				missed = p.log.shownBetween(missed.Offset+1, r.Offset, poll.ReadCommitted)
			}
			if missed != nil && r.Offset > from && p.topic.Keys == 0 && (p.log.holds(p.topic, r.Offset, r.Value) || missed.LeaderEpoch <= poll.LeaderEpoch) {
				c.found(p, 2, missed.Offset, poll.Return, fmt.Sprintf("client %d was to read %s from offset %d and was given offset %d at %s: offset %d (value %d), which is in the log, was skipped",
					poll.Process, p.tp, from, r.Offset, clock(poll.Return), missed.Offset, missed.Value))
			}
			last[k], given[k] = max(l, r.end()-1), poll
		}
	}
}

// notGiven is a permitted loss for which a record of the final log was not given by
// a poll, nil if there is none. before is the poll that gave the last record before it,
// nil if there is none.
func (c *court) notGiven(p *partition, offset int64, poll, before *poll) *ruling {
	if poll.ReadCommitted {
		if loss := c.markerLoss(p, offset, poll); loss != nil || before == nil {
			return loss
		}
		return c.markerLoss(p, offset, before)
	}
	if before == nil {
		return nil
	}
	for i := range p.elect {
		if e := &p.elect[i]; e.at >= before.Call && e.cuts(offset) {
			if loss := p.excuseAt(e, offset, -1); loss.excused {
				return loss // until then a marker was there
			}
		}
	}
	return nil
}
