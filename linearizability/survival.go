package linearizability

import (
	"fmt"
	"slices"
	"sync"
)

// survival is K2: every acknowledged record is in the final log at the offset
// it was acknowledged at, or its loss is excused by what acks promised and
// what the faults took.
func (c *court) survival(p *partition) {
	if p.topic.Keys > 0 {
		return // compaction is the judge of what may go
	}
	for _, b := range p.sends {
		if b.Outcome != OK || b.Acks == 0 {
			continue
		}
		c.cur.Inputs += b.records()
		for _, r := range b.Runs {
			if r.Offset == None { // acknowledged as a duplicate of an earlier attempt: anywhere will do
				p.stored.each(r, func(piece Run, row *valueRow, _ int64) {
					for i := int64(0); row == nil && i < piece.Count; i++ {
						c.lost(p, b.record(r, r.place(piece.at(i))), "nowhere in the log")
					}
				})
				continue
			}
			p.log.missing(p.topic, r, func(i int64) {
				found := p.log.describe(r.Offset + i)
				if row, k := p.stored.find(r.at(i)); row != nil {
					found += fmt.Sprintf("; the record is at offset %d instead", row.Offset+k)
				}
				c.lost(p, b.record(r, i), found)
			})
		}
	}
}

// lost handles one acknowledged record that is not where it must be.
func (c *court) lost(p *partition, s *SendOp, found string) {
	ruling := p.ruling(s.Offset, s.Value)
	if ruling.excused {
		c.excused(p, s.Offset, ruling.reason)
		return
	}
	epoch := storedLog{p.log.Scan, p.log.runs}.lastEpoch()
	if r := p.log.at(s.Offset); r != nil {
		epoch = r.LeaderEpoch
	}
	evidence := append([]string{
		fmt.Sprintf("sent by client %d at %s (value %d), acknowledged at %s by %s after %s",
			s.Process, clock(s.Call), s.Value, clock(s.Return), brokers(known(s.Broker)), attempts(s)),
		"final log: " + found,
	}, ruling.against...)
	sentence := fmt.Sprintf("offset %d of %s was acknowledged to client %d with %s at %s and is absent from the log after leader epoch %d",
		s.Offset, p.tp, s.Process, acksName(s.Acks), clock(s.Return), epoch)
	if s.Offset == None {
		sentence = fmt.Sprintf("value %d was acknowledged to client %d with %s at %s and is absent from %s",
			s.Value, s.Process, acksName(s.Acks), clock(s.Return), p.tp)
	}
	c.found(p, int64(epoch), s.Offset, s.Return, sentence, evidence...)
}

// readsStay holds reading to what it implies: a record that a consumer was
// given was below the high watermark, hence committed, hence must stay.
func (c *court) readsStay(p *partition) {
	if p.topic.Keys > 0 {
		return
	}
	seen := map[Record]bool{}
	for i := range p.polls {
		poll := &p.polls[i]
		for _, r := range poll.runs {
			c.cur.Inputs += r.Count
			p.log.missing(p.topic, r, func(i int64) {
				rec := Record{r.Offset + i, r.at(i)}
				if seen[rec] {
					return
				}
				seen[rec] = true
				ruling := p.ruling(rec.Offset, rec.Value)
				if ruling.excused {
					c.excused(p, rec.Offset, ruling.reason)
					return
				}
				c.found(p, 0, rec.Offset, poll.Return,
					fmt.Sprintf("offset %d of %s (value %d) was read by client %d at %s and is not in the final log: it was readable before it was committed, or lost afterwards",
						rec.Offset, p.tp, rec.Value, poll.Process, clock(poll.Return)),
					append([]string{"final log: " + p.log.describe(rec.Offset)}, ruling.against...)...)
			})
		}
	}
}

// aboveWatermark is the exact form of the same promise, for runs that recorded
// every advance of the leaders' high watermarks.
func (c *court) aboveWatermark(p *partition) {
	marks := sortedMarks(p.marks)
	for i := range p.polls {
		poll := &p.polls[i]
		last, ok := poll.last()
		if !ok || poll.Outcome != OK {
			continue
		}
		for _, r := range poll.runs {
			c.cur.Inputs += r.Count
		}
		high := markAt(marks, poll.Return)
		if last.Offset >= high {
			c.found(p, 0, last.Offset, poll.Return, fmt.Sprintf(
				"offset %d of %s was read by client %d at %s, when no leader's high watermark had passed %d",
				last.Offset, p.tp, poll.Process, clock(poll.Return), high))
		}
	}
}

// firstBeyond is the poll that was the first to be asked for what lies behind offset, nil
// if none was.
func firstBeyond(polls []poll, offset int64) (first *poll) {
	for i := range polls {
		if q := &polls[i]; q.Position > offset && (first == nil || q.Call < first.Call) {
			first = q
		}
	}
	return first
}

// unseen finds acknowledged records that are in the final log and that no
// consumer ever got, although they drained it: up to the high watermark, below
// which a record acknowledged with acks=1 need not have been yet. Consumers with
// read_committed are to get what is committed only, and nothing behind a transaction
// that a permitted loss left without an end, nor what they had passed as aborted when
// one took the marker; a group does not get what is behind offsets that one left
// pending.
func (c *court) unseen(p *partition) {
	if !c.h.Manifest.reads(p.tp.Topic) {
		return
	}
	given := offsetsRead(p.polls)
	everything := p.log.fates == nil || slices.ContainsFunc(p.polls, func(poll poll) bool { return !poll.ReadCommitted })
	stuck := p.log.firstOpen()
	pending := sync.OnceValue(func() *ruling { return c.pendingLoss(p) })
	end := int64(0)
	if n := len(given); n > 0 {
		end = given[n-1].end()
	}
	for _, b := range p.sends {
		if b.Outcome != OK || b.Offset == None {
			continue
		}
		for _, r := range b.Runs {
			gone := map[int64]bool{}
			p.log.missing(p.topic, r, func(i int64) { gone[r.Offset+i] = true })
			eachRun(given, r, func(piece Run, in *ScanRun, _ int64) {
				for i := range piece.Count {
					offset := piece.Offset + i
					if offset < p.log.LogStart || gone[offset] || b.Acks != -1 && offset >= end || p.topic.Keys > 0 && p.gone(offset, piece.at(i)) ||
						in == nil && !everything && !p.log.fate(offset).visible() {
						continue
					}
					if c.cur.Inputs++; in != nil {
						continue
					}
					var loss *ruling
					if offset >= end {
						loss = pending()
					}
					if loss == nil && !everything && offset > stuck {
						loss = c.stuckLoss(p)
					}
					if first := firstBeyond(p.polls, offset); loss == nil && !everything && first != nil {
						loss = c.markerLoss(p, offset, first)
					}
					if loss != nil {
						c.excused(p, offset, loss.reason)
						continue
					}
					c.found(p, 0, offset, b.Return, fmt.Sprintf(
						"offset %d of %s was acknowledged at %s and is in the log, but no consumer was ever given it", offset, p.tp, clock(b.Return)))
				}
			})
		}
	}
}

func attempts(s *SendOp) string {
	if s.Attempts <= 1 {
		return "1 attempt"
	}
	return fmt.Sprintf("%d attempts", s.Attempts)
}

func known(b int32) []int32 {
	if b == None {
		return nil
	}
	return []int32{b}
}
