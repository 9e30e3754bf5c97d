package linearizability

import (
	"fmt"
	"slices"
	"time"
)

// transactionLoss is a permitted loss that may have changed what became of a
// transaction, nil if there is none: since it began, its coordinator or a partition
// that it wrote to has lost something, or a loss before that had its coordinator give
// out its epoch of the producer id anew.
func (c *court) transactionLoss(t *TransactOp, writes []wrote) *ruling {
	parts := []*partition{c.coordinator(t.ID)}
	for _, w := range writes {
		if !slices.Contains(parts, w.p) {
			parts = append(parts, w.p)
		}
	}
	if loss := c.lossOf(parts, t.Call); loss != nil {
		return loss
	}
	return c.givenAnew(t.ProducerID, t.ProducerEpoch)
}

// fenceLoss is a permitted loss that may have taken a fence from the coordinator of
// its transactional id, which then goes on from an epoch before it.
func (c *court) fenceLoss(fence *InitOp) *ruling {
	return c.lossOf([]*partition{c.coordinator(fence.ID)}, fence.Call)
}

// hangingLoss is a permitted loss that may have left the transaction of a run of
// records without an end: since it began, of the marker in the partition, or of what
// its coordinator knew; or one that had its epoch of the producer id given out anew.
// Where nobody tells which transaction that was, it may have been any coordinator's.
func (c *court) hangingLoss(p *partition, r *ScanRun) *ruling {
	t := c.transactionOf(r.Value)
	if t == nil {
		return c.lossOf(append(coordinators(c.parts, TransactionTopic), p), -1)
	}
	if loss := c.lossOf([]*partition{c.coordinator(t.ID), p}, t.Call); loss != nil {
		return loss
	}
	return c.givenAnew(t.ProducerID, t.ProducerEpoch)
}

// stuckLoss is the permitted loss behind which readers with read_committed are stuck
// in a partition, nil if they are not, or something else has stuck them.
func (c *court) stuckLoss(p *partition) *ruling {
	i := slices.Index(p.log.fates, open)
	if i < 0 {
		return nil
	}
	return c.hangingLoss(p, &p.log.runs[i])
}

// pendingLoss is a permitted loss that may have left the offsets which a group committed
// of a partition within a transaction without an end, so that its members never learn
// where to go on: a loss since such a transaction began, of what its coordinator knew
// or of the marker where the group's offsets are. That they are pending, look-ups tell
// to the end. It excuses nothing to whoever reads for himself, and nothing before what
// the group has been given.
func (c *court) pendingLoss(p *partition) *ruling {
	if !slices.Contains(c.h.Manifest.Grouped, p.tp.Topic) {
		return nil
	}
	for i := range c.h.Manifest.Pipelines {
		line := &c.h.Manifest.Pipelines[i]
		if line.From != p.tp.Topic || !c.pendingAtLast(line.Group, p.tp) {
			continue
		}
		offsets := coordinatorOf(c.parts, c.h.topic(OffsetsTopic), line.Group)
		for _, t := range c.committers(line.Group, p) {
			if loss := c.lossOf([]*partition{c.coordinator(t.ID), offsets}, t.Call); loss != nil {
				return loss
			}
		}
	}
	return nil
}

// committers are the transactions in which a group committed offsets of a partition
// together with what it made of the records before them.
func (c *court) committers(group string, p *partition) []*TransactOp {
	ofGroup := func(l Pipeline) bool { return l.Group == group && l.From == p.tp.Topic }
	if !slices.ContainsFunc(c.h.Manifest.Pipelines, ofGroup) {
		return nil
	}
	from := map[int64]bool{} // the values of p
	for _, r := range p.log.runs {
		for j := range r.Count {
			from[r.at(j)] = true
		}
	}
	var all []*TransactOp
	for k, writes := range c.transactions() {
		if slices.ContainsFunc(writes, func(w wrote) bool { return w.Of != None && from[w.Of] }) {
			all = append(all, &c.h.Transactions[k])
		}
	}
	return all
}

// pendingAtLast reports whether the last that a group was told of its offset in a
// partition is that a transaction has yet to decide about it.
func (c *court) pendingAtLast(group string, tp TopicPartition) bool {
	var last *OffsetOp
	for i := range c.h.Offsets {
		if o := &c.h.Offsets[i]; o.Group == group && o.TP == tp && !o.Write && o.Outcome != Info && (last == nil || last.Call < o.Call) {
			last = o
		}
	}
	return last != nil && last.Outcome == Fail && last.Error == unstable
}

// unstable is how a look-up of an offset fails that a transaction has yet to decide
// about.
const unstable = "UNSTABLE_OFFSET_COMMIT"

// markerLoss is a permitted loss, after a poll, that may have taken the marker by
// which the poll was given a record of the final log or not, nil if there is none. A
// marker from before the loss that is still there decided then as it does now.
func (c *court) markerLoss(p *partition, offset int64, poll *poll) *ruling {
	run, in := p.log.find(offset)
	if !in || p.log.fates == nil || p.log.fates[run] == plain {
		return nil
	}
	for _, loss := range c.lossesOf(p) {
		later := loss.at >= poll.Call || poll.LeaderEpoch != None && loss.epoch > poll.LeaderEpoch
		if by := p.log.endedIn[run]; later && (by == None || by >= loss.epoch) {
			return loss
		}
	}
	return nil
}

// givenAnew is a permitted loss after which a coordinator gave out an epoch of a
// producer id that it had given out before, nil if there is none. Of two producers
// with one epoch, a broker takes the records of the second for retries of the first
// one's if their sequence numbers are the same, and a marker ends what both did.
func (c *court) givenAnew(id int64, epoch int16) *ruling {
	for i := range c.h.Inits {
		again := &c.h.Inits[i]
		if again.Outcome != OK || again.ProducerID != id || again.ProducerEpoch > epoch {
			continue
		}
		p := c.coordinator(again.ID)
		if p == nil {
			continue
		}
		for _, loss := range c.lossesOf(p) {
			if loss.at > again.Return || c.newestEpoch(again.ID, id, loss.at) < epoch {
				continue
			}
			return &ruling{excused: true, from: loss.from, at: loss.at, epoch: loss.epoch,
				reason: fmt.Sprintf("%s gave out epoch %d of producer id %d again: %s", p.tp, epoch, id, loss.reason)}
		}
	}
	return nil
}

// newestEpoch is the highest epoch of a producer id that producers with a
// transactional id are known to have had before a time, None if they had none.
func (c *court) newestEpoch(transactional string, id int64, before time.Duration) int16 {
	newest := int16(None)
	for i := range c.h.Inits {
		if n := &c.h.Inits[i]; n.ID == transactional && n.Outcome == OK && n.ProducerID == id && n.Call < before {
			newest = max(newest, n.ProducerEpoch)
		}
	}
	for i := range c.h.Transactions {
		if t := &c.h.Transactions[i]; t.ID == transactional && t.ProducerID == id && t.Call < before {
			newest = max(newest, t.ProducerEpoch)
		}
	}
	return newest
}

// takenForRetry excuses an acknowledged record that was taken for the retry of
// another, which is in the log under the same epoch of a producer id and the same
// sequence number, where a permitted loss had that epoch given out twice.
func (p *partition) takenForRetry(s *SendOp) *ruling {
	if p.givenAnew == nil || s.ProducerID == None {
		return nil
	}
	for i := range p.log.runs {
		r := &p.log.runs[i]
		k := int64(s.Sequence) - int64(r.Sequence)
		if r.ProducerID == s.ProducerID && r.ProducerEpoch == s.ProducerEpoch && k >= 0 && k < r.Count && r.at(k) != s.Value {
			return p.givenAnew(s.ProducerID, s.ProducerEpoch)
		}
	}
	return nil
}

// coordinator is the partition that holds what is known of a transactional id, nil if
// the history tells of none.
func (c *court) coordinator(transactional string) *partition {
	return coordinatorOf(c.parts, c.h.topic(TransactionTopic), transactional)
}

// coordinators are the partitions of an internal topic.
func coordinators(parts []*partition, topic string) []*partition {
	var all []*partition
	for _, p := range parts {
		if p.tp.Topic == topic {
			all = append(all, p)
		}
	}
	return all
}

// lossOf is a permitted loss of one of some partitions since a time.
func (c *court) lossOf(parts []*partition, since time.Duration) *ruling {
	for _, p := range parts {
		if p == nil {
			continue
		}
		if all := c.lossesOf(p); len(all) > 0 && all[len(all)-1].at >= since {
			return all[len(all)-1]
		}
	}
	return nil
}

// lossesOf are the elections at which a partition lost committed records and was
// permitted to, worked out once.
func (c *court) lossesOf(p *partition) []*ruling {
	all, known := c.losses[p]
	if !known {
		all = p.losses(-1)
		if c.losses == nil {
			c.losses = map[*partition][]*ruling{}
		}
		c.losses[p] = all
	}
	return all
}
