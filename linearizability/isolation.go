package linearizability

import (
	"fmt"
	"slices"
	"sort"
	"time"
)

// isolation is K5 for read_committed: it shows nothing of a transaction that was
// aborted or never ended, by the markers in the final log.
func (c *court) isolation(p *partition) {
	if p.log.fates == nil {
		for i := range p.polls {
			c.cur.Inputs += p.polls[i].committedRecords()
		}
		return
	}
	for i := range p.polls {
		poll := &p.polls[i]
		if c.cur.Inputs += poll.committedRecords(); !poll.ReadCommitted {
			continue
		}
		for _, r := range poll.runs {
			for k, _ := p.log.find(r.Offset); k < len(p.log.runs) && p.log.runs[k].Offset < r.end(); k++ {
				if p.log.fates[k].visible() {
					continue
				}
				offset := max(r.Offset, p.log.runs[k].Offset)
				value := r.at(offset - r.Offset)
				if !p.log.holds(p.topic, offset, value) {
					continue // lost since, and something else is there
				}
				if loss := c.markerLoss(p, offset, poll); loss != nil {
					c.excused(p, offset, loss.reason)
					continue
				}
				c.found(p, int64(p.log.fates[k]), offset, poll.Return, fmt.Sprintf(
					"offset %d of %s (value %d) was read by client %d with read_committed at %s, but it is %s",
					offset, p.tp, value, poll.Process, clock(poll.Return), p.log.fates[k]), c.owner(value)...)
			}
		}
	}
}

// committedRecords is how many records a poll with read_committed returned.
func (p *poll) committedRecords() int64 {
	n := int64(0)
	for _, r := range p.runs {
		if p.ReadCommitted {
			n += r.Count
		}
	}
	return n
}

// transactionOf is the transaction that a value was sent in, nil if no producer tells
// of one.
func (c *court) transactionOf(value int64) *TransactOp {
	for i := range c.h.Transactions {
		t := &c.h.Transactions[i]
		if slices.ContainsFunc(t.Writes, func(w Write) bool { return w.Value == value }) {
			return t
		}
	}
	return nil
}

// owner tells of the transaction that a value was sent in.
func (c *court) owner(value int64) []string {
	if t := c.transactionOf(value); t != nil {
		return []string{t.name() + " is " + t.fate()}
	}
	return []string{"no producer tells of a transaction with it"}
}

// unfinished is a record of a transaction and until when that surely was open.
type unfinished struct {
	offset int64
	until  time.Duration
	by     *TransactOp
}

// unfinished lists the transactional records of a partition's final log by offset,
// each with the latest of those up to it.
func (c *court) unfinished(p *partition) []unfinished {
	var all []unfinished
	for i, writes := range c.transactions() {
		t := &c.h.Transactions[i]
		until := c.openUntil(t)
		for _, w := range writes {
			if w.p == p && w.at != None {
				all = append(all, unfinished{w.at, until, t})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b unfinished) int { return int(a.offset - b.offset) })
	for i := 1; i < len(all); i++ {
		if all[i-1].until > all[i].until {
			all[i].until, all[i].by = all[i-1].until, all[i-1].by
		}
	}
	return all
}

// openUntil is until when nobody can have ended a transaction: its producer had not
// asked, nobody had fenced it, and its time was not over. By a clock that jumps or
// drifts, any time may be over.
func (c *court) openUntil(t *TransactOp) time.Duration {
	until := t.Call + t.Timeout
	if t.Asked > 0 {
		until = min(until, t.Asked)
	}
	for i := range c.h.Inits {
		if n := &c.h.Inits[i]; n.ID == t.ID && n.Return > t.Call {
			until = min(until, max(t.Call, n.Call))
		}
	}
	for i := range c.h.Faults {
		if f := &c.h.Faults[i]; (f.Kind == ClockJump || f.Kind == ClockDrift) && f.Start < until {
			until = f.Start
		}
	}
	return until
}

// stable is K5 for the last stable offset: with read_committed nothing is readable
// at or behind a record of a transaction that is open.
func (c *court) stable(p *partition) {
	waiting := c.unfinished(p)
	for i := range p.polls {
		poll := &p.polls[i]
		c.cur.Inputs += poll.committedRecords()
		last, ok := poll.last()
		if !ok || !poll.ReadCommitted || len(waiting) == 0 || !p.log.holds(p.topic, last.Offset, last.Value) {
			continue
		}
		n := sort.Search(len(waiting), func(i int) bool { return waiting[i].offset > last.Offset })
		if n == 0 || waiting[n-1].until <= poll.Return {
			continue
		}
		t := waiting[n-1].by
		c.found(p, 0, last.Offset, poll.Return, fmt.Sprintf(
			"client %d read up to offset %d of %s with read_committed at %s, past the last stable offset: %s has a record at or before it and nobody could have ended it before %s",
			poll.Process, last.Offset, p.tp, clock(poll.Return), t.name(), clock(waiting[n-1].until)))
	}
}
