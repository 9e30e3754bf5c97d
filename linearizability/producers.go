package linearizability

import (
	"cmp"
	"fmt"
	"slices"
)

// duplicates is K3: under idempotence no value stands at two offsets. A
// producer that gave up its producer epoch and sent anew, or one without
// idempotence that retried, made its own duplicate. Only where runs of the log
// reach over each other in value can there be any.
func (c *court) duplicates(p *partition) {
	rows := p.stored.rows
	for _, r := range p.log.runs {
		c.cur.Inputs += r.Count
	}
	for i := 0; i < len(rows); {
		j, last := i+1, rows[i].last()
		for ; j < len(rows) && rows[j].Value <= last; j++ {
			last = max(last, rows[j].last())
		}
		if j > i+1 {
			c.duplicatesAmong(p, rows[i:j])
		}
		i = j
	}
}

func (c *court) duplicatesAmong(p *partition, rows []valueRow) {
	rows = slices.SortedStableFunc(slices.Values(rows), func(a, b valueRow) int { return cmp.Compare(a.Offset, b.Offset) })
	first := map[int64]ScanRecord{}
	for _, row := range rows {
		for k := range row.Count {
			r := row.found.record(k)
			f, again := first[r.Value]
			if !again {
				first[r.Value] = r
				continue
			}
			var s *SendOp
			if row, k := p.sent.find(r.Value); row != nil {
				s = row.batch.record(row.Run, k)
			}
			c.duplicate(p, &f, &r, s)
		}
	}
}

// duplicate handles a value that stands in the log twice. s is its sending,
// nil if nobody sent it.
func (c *court) duplicate(p *partition, f, r *ScanRecord, s *SendOp) {
	switch {
	case s != nil && s.Refused != nil && (s.Refused.matches(f) || s.Refused.matches(r)):
		c.found(p, 1, r.Offset, s.Ended, fmt.Sprintf(
			"value %d of %s is in the log twice, at offsets %d and %d: a broker refused to take it again with %s, so that the producer began a new epoch, for which there was no need",
			r.Value, p.tp, f.Offset, r.Offset, s.Refused.Error), describeCopy(f), describeCopy(r), describeSend(s))
	case f.ProducerID != None && (f.ProducerID != r.ProducerID || f.ProducerEpoch != r.ProducerEpoch):
		c.excused(p, r.Offset, "the producer began a new epoch and sent the record again, which ends the protection against duplicates")
	case f.ProducerID == None && s != nil && s.Attempts != 1:
		c.excused(p, r.Offset, "the producer is not idempotent and sent the record more than once")
	default:
		c.found(p, 0, r.Offset, 0, fmt.Sprintf("value %d of %s is in the log twice, at offsets %d and %d", r.Value, p.tp, f.Offset, r.Offset),
			describeCopy(f), describeCopy(r), describeSend(s))
	}
}

// matches says whether a record in the log is the one that was refused.
func (r *Refusal) matches(rec *ScanRecord) bool {
	return rec.ProducerID == r.ProducerID && rec.ProducerEpoch == r.ProducerEpoch && rec.Sequence == r.Sequence
}

// refusals is the other half of K3: a retry of a batch that was appended is
// acknowledged, not refused as out of order. What a broker has appended it
// knows for as long as the batch may be retried.
func (c *court) refusals(p *partition) {
	for _, b := range p.sends {
		if !b.Idempotent || b.Attempts < 2 {
			continue
		}
		c.cur.Inputs += b.records()
		if b.Refused == nil {
			continue
		}
		for _, run := range b.Runs {
			for i := range run.Count {
				s := b.record(run, i)
				for _, r := range p.log.copies(s.Value) {
					if !s.Refused.matches(&r) {
						continue
					}
					if ruling := p.excuseCommitted(r.Offset, s.Call, None); ruling.excused {
						c.excused(p, r.Offset, ruling.reason)
						continue
					}
					c.found(p, 0, r.Offset, s.Ended, fmt.Sprintf(
						"a broker refused a retry of value %d of %s with %s, although it had been appended: it is at offset %d under the same producer id, epoch and sequence",
						s.Value, p.tp, s.Refused.Error, r.Offset), describeCopy(&r), describeSend(s))
				}
			}
		}
	}
}

// copies are the records in the final log that hold a value.
func (l *finalLog) copies(value int64) []ScanRecord {
	var all []ScanRecord
	for i := range l.runs {
		if k := l.runs[i].place(value); k != None {
			all = append(all, l.runs[i].record(k))
		}
	}
	return all
}

func describeCopy(r *ScanRecord) string {
	return fmt.Sprintf("offset %d: leader epoch %d, producer id %d, producer epoch %d, sequence %d", r.Offset, r.LeaderEpoch, r.ProducerID, r.ProducerEpoch, r.Sequence)
}

func describeSend(s *SendOp) string {
	if s == nil {
		return "nobody sent it"
	}
	return fmt.Sprintf("sent by client %d at %s in %s (idempotent: %v)", s.Process, clock(s.Call), attempts(s), s.Idempotent)
}

type producer struct {
	id    int64
	epoch int16
}

// sequences is K4: along the log, the sequence numbers of one producer epoch
// go up by one from the first that is retained. Within a run they do so by
// definition.
func (c *court) sequences(p *partition) {
	sampled := c.h.Recording.mode() == RecordSampled
	if gaps := p.topic.Keys > 0; gaps {
		sampled = true // compaction leaves some
	} else if sampled {
		c.cur.Note = "of the records sampled, that they rise: what lies between is not known"
	}
	last := map[producer]*ScanRun{}
	for i := range p.log.runs {
		r := &p.log.runs[i]
		if r.ProducerID == None {
			continue
		}
		c.cur.Inputs += r.Count
		k := producer{r.ProducerID, r.ProducerEpoch}
		l := last[k]
		last[k] = r
		if l == nil || r.Sequence == sequenceAfter(l.Sequence, l.Count) {
			continue
		}
		before, after := l.record(l.Count-1), r.record(0)
		if sampled && risen(&before, &after) {
			continue
		}
		c.found(p, 0, after.Offset, 0, fmt.Sprintf("in %s, producer %d epoch %d goes from sequence %d at offset %d to sequence %d at offset %d",
			p.tp, k.id, k.epoch, before.Sequence, before.Offset, after.Sequence, after.Offset))
	}
}

// risen says whether a record's sequence number may be that of a later record
// of the same producer with others between: it rises with the offset, and no
// faster.
func risen(l, r *ScanRecord) bool {
	up := (int64(r.Sequence) - int64(l.Sequence)) & (1<<31 - 1)
	return up > 0 && up <= r.Offset-l.Offset
}

// fifo is K4: records that one idempotent producer sent to a partition stand
// in the log in the order in which it sent them. The values of one batch rise.
func (c *court) fifo(p *partition) {
	type session struct {
		process int64
		producer
	}
	type placed struct {
		s    *SendOp
		rank int
		at   int64
	}
	last := map[session]placed{}
	seen := map[*valueRow]int64{} // places seen, below which all is a second copy
	for i := range p.log.runs {
		r := &p.log.runs[i]
		if r.ProducerID == None {
			continue
		}
		p.sent.each(r.Run, func(piece Run, row *valueRow, place int64) {
			if row == nil || place < seen[row] {
				return
			}
			seen[row] = place + piece.Count
			c.cur.Inputs += piece.Count
			k := session{row.batch.Process, producer{r.ProducerID, r.ProducerEpoch}}
			s := row.batch.record(row.Run, place)
			if b, ok := last[k]; ok && (row.rank < b.rank || row.rank == b.rank && s.Value <= b.s.Value) {
				c.found(p, 0, piece.Offset, s.Call, fmt.Sprintf(
					"client %d sent value %d to %s at %s, before value %d at %s, yet it stands behind it: offset %d after %d",
					s.Process, s.Value, p.tp, clock(s.Call), b.s.Value, clock(b.s.Call), piece.Offset, b.at))
				return
			}
			last[k] = placed{row.batch.record(row.Run, place+piece.Count-1), row.rank, piece.end() - 1}
		})
	}
}
