package linearizability

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// conservation is K16: where transactions move amounts that add up to nothing, so
// do those that read_committed has shown, when it has shown everything.
func (c *court) conservation(context.Context) {
	amounts := map[int64]int{} // the transaction that a value belongs to
	moved := map[int64]int64{}
	for i := range c.h.Transactions {
		for _, w := range c.h.Transactions[i].Writes {
			if w.Amount != 0 {
				amounts[w.Value], moved[w.Value] = i, w.Amount
			}
		}
	}
	for _, topic := range c.h.Manifest.Conserved {
		sum, last := int64(0), time.Duration(0)
		balance := map[int]int64{}
		var short []*partition // that no reader came to the end of
		var first *partition
		deletes := false
		for _, p := range c.parts {
			if p.tp.Topic != topic {
				continue
			}
			if first == nil {
				first = p
			}
			deletes = deletes || p.topic.Deletes
			shown, read := p.shown()
			if p.log.shownBetween(read, p.log.end(), true) != nil {
				short = append(short, p)
			}
			for v, at := range shown {
				c.cur.Inputs++
				if i, moves := amounts[v]; moves {
					sum += moved[v]
					balance[i] += moved[v]
					last = max(last, at)
				}
			}
		}
		if sum == 0 {
			continue
		}
		var evidence []string
		var loss *ruling
		held := map[*partition]*ruling{} // behind what readers are stuck in a partition
		short = slices.DeleteFunc(short, func(p *partition) bool {
			l := c.stuckLoss(p)
			held[p] = l
			return l != nil
		})
		for i := range c.h.Transactions {
			t := &c.h.Transactions[i]
			if balance[i] == 0 {
				continue
			}
			l := c.transactionLoss(t, c.transactions()[i])
			for _, w := range c.transactions()[i] {
				l = cmp.Or(l, held[w.p])
			}
			if l != nil {
				sum, loss = sum-balance[i], l
			} else if len(evidence) < c.o.MaxEvidence {
				evidence = append(evidence, fmt.Sprintf("%s moved %+d of itself into view; it is %s", t.name(), balance[i], t.fate()))
			}
		}
		switch {
		case sum == 0:
			c.excused(first, 0, loss.reason)
		case len(short) > 0:
			c.giveUp("no consumer with read_committed came to the end of " + short[0].tp.String())
		case deletes:
			c.giveUp(fmt.Sprintf("%s deletes records, so that its sum says nothing", topic))
		default:
			c.found(first, 0, None, last, fmt.Sprintf(
				"what read_committed has shown of %s adds up to %+d, although every transaction moves as much out as in", topic, sum), evidence...)
		}
	}
}

// shown are the values that consumers with read_committed were given of a
// partition, each once, with when, and the offset behind the last. What is gone
// since does not count.
func (p *partition) shown() (all map[int64]time.Duration, next int64) {
	all = map[int64]time.Duration{}
	for i := range p.polls {
		poll := &p.polls[i]
		if !poll.ReadCommitted {
			continue
		}
		for _, r := range poll.runs {
			next = max(next, r.end())
			for k := range r.Count {
				if v := r.at(k); v != None && p.log.holds(p.topic, r.Offset+k, v) {
					all[v] = max(all[v], poll.Return)
				}
			}
		}
	}
	return all, next
}

// exactlyOnce is K17: every record that a pipeline's group has committed to be
// behind, and no other, was made into one committed record of the topic that the
// pipeline writes.
func (c *court) exactlyOnce(context.Context) {
	for _, line := range c.h.Manifest.Pipelines {
		made := map[int64][]*wrote{} // committed records by what they are made from
		var by = map[*wrote]*TransactOp{}
		var out []*partition
		for i, writes := range c.transactions() {
			for k := range writes {
				w := &writes[k]
				if w.Of == None || w.p == nil || w.p.tp.Topic != line.To {
					continue
				}
				if !slices.Contains(out, w.p) {
					out = append(out, w.p)
				}
				if w.fate == committed {
					made[w.Of] = append(made[w.Of], w)
					by[w] = &c.h.Transactions[i]
				}
			}
		}
		state := append(c.coordinatorsOf(&line), coordinatorOf(c.parts, c.h.topic(OffsetsTopic), line.Group))
		for _, p := range c.parts {
			if p.tp.Topic == line.From {
				c.contributions(p, &line, made, by, append(append([]*partition{p}, out...), state...))
			}
		}
	}
}

// coordinatorsOf are the partitions that hold what is known of a pipeline's
// transactions.
func (c *court) coordinatorsOf(line *Pipeline) []*partition {
	var all []*partition
	for i, writes := range c.transactions() {
		if !slices.ContainsFunc(writes, func(w wrote) bool { return w.Of != None && w.p != nil && w.p.tp.Topic == line.To }) {
			continue
		}
		if p := c.coordinator(c.h.Transactions[i].ID); !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all
}

// contributions compares what is in one partition of a pipeline's input with what
// was made of it.
func (c *court) contributions(p *partition, line *Pipeline, made map[int64][]*wrote, by map[*wrote]*TransactOp, involved []*partition) {
	var loss *ruling
	looked := false
	excused := func(offset int64) bool {
		if !looked {
			loss, looked = c.lossOf(involved, -1), true
		}
		if loss != nil {
			c.excused(p, max(0, offset), loss.reason)
		}
		return loss != nil
	}
	tell := func(group, offset int64, at time.Duration, sentence string, evidence ...string) {
		if !excused(offset) {
			c.found(p, group, offset, at, sentence, evidence...)
		}
	}
	final, known := c.committedAtLast(line.Group, p.tp)
	if !known {
		if !c.pendingAtLast(line.Group, p.tp) || !excused(0) { // a loss may leave commits pending for good
			c.giveUp(fmt.Sprintf("nobody looked up what group %s had committed of %s in the end", line.Group, p.tp))
		}
		return
	}
	copies := map[int64]int{}
	for i := range p.log.runs {
		if r := &p.log.runs[i]; p.log.fates == nil || p.log.fates[i].visible() {
			for k := range r.Count {
				if r.Offset+k < final {
					copies[r.at(k)]++
				}
			}
		}
	}
	for i := range p.log.runs {
		r := &p.log.runs[i]
		if p.log.fates != nil && !p.log.fates[i].visible() {
			continue
		}
		for k := range r.Count {
			offset, value := r.Offset+k, r.at(k)
			if value == None {
				continue
			}
			c.cur.Inputs++
			all := made[value]
			switch {
			case offset < final && len(all) < copies[value]:
				tell(0, offset, 0, fmt.Sprintf("group %s has committed that it is past offset %d of %s (value %d), at offset %d, but %s holds %s made of it",
					line.Group, offset, p.tp, value, final, line.To, times(len(all))))
			case p.deletedCopies(value): // nobody knows how many there were
			case offset < final && len(all) > copies[value] || offset >= final && copies[value] == 0 && len(all) > 0:
				var evidence []string
				for _, w := range all {
					evidence = append(evidence, w.describe()+"; "+by[w].name()+" is "+by[w].fate())
				}
				what := fmt.Sprintf("offset %d of %s (value %d) was made into %s of %s", offset, p.tp, value, times(len(all)), line.To)
				if offset >= final {
					what += fmt.Sprintf(", although group %s has committed only up to offset %d", line.Group, final)
				}
				tell(1, offset, 0, what, evidence...)
			}
		}
	}
}

// deletedCopies says that a value may have stood in the log more often than it does:
// its producer may have sent it again, and a policy deletes what is old.
func (p *partition) deletedCopies(value int64) bool {
	row, _ := p.sent.find(value)
	return p.topic.Deletes && row != nil && !row.batch.Idempotent
}

func times(n int) string {
	switch n {
	case 0:
		return "no committed record"
	case 1:
		return "one committed record"
	}
	return fmt.Sprintf("%d committed records", n)
}

// committedAtLast is what the last look-up of a group's offset found.
func (c *court) committedAtLast(group string, tp TopicPartition) (offset int64, known bool) {
	var last *OffsetOp
	for i := range c.h.Offsets {
		o := &c.h.Offsets[i]
		if o.Group == group && o.TP == tp && !o.Write && o.Outcome == OK && (last == nil || cmp.Compare(o.Call, last.Call) > 0) {
			last = o
		}
	}
	if last == nil {
		return 0, false
	}
	return max(0, last.Offset), true
}
