package linearizability

import (
	"context"
	"fmt"
	"time"
)

// atomicity is K6: a transaction takes effect in every partition that it wrote to
// or in none, and as its producer was told. Where nobody told the producer, it may
// be either, but the same everywhere.
func (c *court) atomicity(context.Context) {
	for i, writes := range c.transactions() {
		t := &c.h.Transactions[i]
		c.cur.Inputs++
		var in, out *wrote // a record that is committed, and one that is not
		for k := range writes {
			w := &writes[k]
			switch {
			case w.p == nil || w.deleted() || w.fate == open && !c.settled(w.p, t.Asked):
			case w.fate == committed:
				in = w
			case w.fate == absent && w.send.Outcome != OK && t.Outcome != OK:
				// never was there: its producer could not commit
			case w.fate != absent || t.Outcome != OK && !w.lost():
				out = w
			}
		}
		var sentence string
		var at *wrote
		switch {
		case in != nil && t.Outcome != OK && (t.Outcome == Fail || !t.Commit):
			sentence, at = fmt.Sprintf("%s is %s, but %s", t.name(), t.fate(), in.describe()), in
		case out != nil && t.Outcome == OK:
			sentence, at = fmt.Sprintf("%s is %s, but %s", t.name(), t.fate(), out.describe()), out
		case in != nil && out != nil:
			sentence, at = fmt.Sprintf("%s took effect in part: %s, but %s", t.name(), in.describe(), out.describe()), out
		default:
			continue
		}
		if loss := c.transactionLoss(t, writes); loss != nil {
			c.excused(at.p, max(0, at.at), loss.reason)
			continue
		}
		c.found(at.p, int64(t.Outcome), at.at, t.Call, sentence, c.describeWrites(t, writes)...)
	}
}

// settled says that the final log of a partition was read so late that what was asked
// for at a time must be done.
func (c *court) settled(p *partition, asked time.Duration) bool {
	return c.h.Closing.Patience > 0 && p.log.Time >= max(c.h.Closing.Healed, asked)+c.h.Closing.Patience
}

// lost says that the record is gone and that this was permitted.
func (w *wrote) lost() bool {
	return w.fate == absent && w.send.Outcome == OK && w.p.ruling(w.send.Offset, w.Value).excused
}

func (w *wrote) describe() string {
	if w.at == None {
		return fmt.Sprintf("its value %d is not in %s", w.Value, w.p.tp)
	}
	return fmt.Sprintf("its value %d at offset %d of %s is %s", w.Value, w.at, w.p.tp, w.fate)
}

func (c *court) describeWrites(t *TransactOp, writes []wrote) []string {
	evidence := []string{t.name() + " is " + t.fate()}
	for k := range writes {
		if w := &writes[k]; w.p != nil && len(evidence) < c.o.MaxEvidence {
			evidence = append(evidence, w.describe()+"; "+describeSend(w.send))
		}
	}
	return evidence
}

// zombies is the rest of K6: once a producer has begun with a transactional id,
// nothing that the one before it did from then on takes effect (KIP-98).
func (c *court) zombies(context.Context) {
	all := c.transactions()
	byID := map[string][]int{}
	for i := range c.h.Transactions {
		byID[c.h.Transactions[i].ID] = append(byID[c.h.Transactions[i].ID], i)
	}
	for n := range c.h.Inits {
		fence := &c.h.Inits[n]
		if fence.Outcome != OK {
			continue
		}
		c.cur.Inputs++
		for _, i := range byID[fence.ID] {
			t := &c.h.Transactions[i]
			if !fence.fences(t) {
				continue
			}
			sentence, at := c.afterlife(t, all[i], fence.Return)
			if sentence == "" {
				continue
			}
			p := &partition{}
			if at != nil {
				p = at.p
			}
			loss := c.transactionLoss(t, all[i])
			if loss == nil {
				loss = c.fenceLoss(fence)
			}
			if loss != nil {
				c.excused(p, 0, loss.reason)
				continue
			}
			c.found(p, 0, None, fence.Return, fmt.Sprintf("client %d began as %q with epoch %d of producer id %d at %s, which fences the producers before it; yet %s",
				fence.Process, fence.ID, fence.ProducerEpoch, fence.ProducerID, clock(fence.Return), sentence), c.describeWrites(t, all[i])...)
		}
	}
}

// afterlife says what a transaction did that began to be done after its producer
// was fenced and took effect, "" if nothing.
func (c *court) afterlife(t *TransactOp, writes []wrote, fenced time.Duration) (sentence string, at *wrote) {
	if t.Outcome == OK && t.Asked >= fenced {
		return fmt.Sprintf("%s was committed when its producer asked at %s", t.name(), clock(t.Asked)), nil
	}
	for k := range writes {
		if w := &writes[k]; w.p != nil && w.send.Call >= fenced && w.fate == committed {
			return fmt.Sprintf("%s: client %d sent it at %s", w.describe(), w.send.Process, clock(w.send.Call)), w
		}
	}
	return "", nil
}

// markers holds the coordinators of a producer's transactions to following one
// another: once one has written a marker, those before it write none.
func (c *court) markers(p *partition) {
	if p.log.Scan == nil {
		return
	}
	newest := map[int64]Marker{}
	for _, m := range p.log.Markers {
		c.cur.Inputs++
		if l, seen := newest[m.ProducerID]; seen && m.CoordinatorEpoch < l.CoordinatorEpoch {
			c.found(p, m.ProducerID, m.Offset, 0, fmt.Sprintf(
				"the marker at offset %d of %s for producer %d is of coordinator epoch %d, although the one at offset %d before it is of epoch %d: a coordinator that had been replaced wrote it",
				m.Offset, p.tp, m.ProducerID, m.CoordinatorEpoch, l.Offset, l.CoordinatorEpoch))
			continue
		}
		newest[m.ProducerID] = m
	}
}

// hanging is K10 for transactions: when all has healed, each is ended: by its
// producer, by the next one with its id, or by its coordinator once its time is
// over. Until then read_committed shows nothing behind it.
func (c *court) hanging(p *partition) {
	if p.log.fates == nil {
		return
	}
	longest := time.Duration(0)
	for i := range c.h.Transactions {
		longest = max(longest, c.h.Transactions[i].Timeout)
	}
	told := map[int64]bool{}
	for i := range p.log.runs {
		r := &p.log.runs[i]
		if !r.Transactional {
			continue
		}
		c.cur.Inputs += r.Count
		if p.log.fates[i] != open || told[r.ProducerID] {
			continue
		}
		sent, who := c.h.Closing.Healed, "nobody knows who sent it"
		if row, k := p.sent.find(r.Value); row != nil {
			s := row.batch.record(row.Run, k)
			sent, who = max(sent, s.Call), describeSend(s)
		}
		due := sent + longest + c.h.Closing.Patience
		if p.log.Time < due {
			continue // it may yet end
		}
		told[r.ProducerID] = true
		if loss := c.hangingLoss(p, r); loss != nil {
			c.excused(p, r.Offset, loss.reason)
			continue
		}
		c.found(p, 0, r.Offset, p.log.Time, fmt.Sprintf(
			"the transaction of producer %d (epoch %d) with a record at offset %d of %s had not ended at %s, although every fault was over at %s and no transaction may last longer than %s: read_committed is stuck there",
			r.ProducerID, r.ProducerEpoch, r.Offset, p.tp, clock(p.log.Time), clock(c.h.Closing.Healed), clock(longest)), who)
	}
}
