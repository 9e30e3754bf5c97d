package linearizability

import (
	"fmt"
	"time"
)

// survival is K2: every acknowledged record is in the final log at the offset
// it was acknowledged at, or its loss is excused by what acks promised and
// what the faults took.
func (c *court) survival(p *partition) {
	if p.log.scan == nil {
		c.noScan(p)
		return
	}
	if c.runs() {
		c.survivalRuns(p)
		return
	}
	var everywhere map[int64]int64 // value → offset in the final log
	for _, s := range p.sends {
		if s.Outcome != OK || s.Acks == 0 {
			continue
		}
		c.cur.Inputs++
		if s.Offset == None {
			// Acknowledged as a duplicate of an earlier attempt: anywhere will do.
			if everywhere == nil {
				everywhere = p.log.values()
			}
			if _, ok := everywhere[s.Value]; !ok {
				c.lost(p, s, "nowhere in the log")
			}
			continue
		}
		if p.log.holds(p.topic, s.Offset, s.Value) {
			continue
		}
		found := p.log.describe(s.Offset)
		if everywhere == nil {
			everywhere = p.log.values()
		}
		if at, ok := everywhere[s.Value]; ok {
			found += fmt.Sprintf("; the record is at offset %d instead", at)
		}
		c.lost(p, s, found)
	}
}

// lost handles one acknowledged record that is not where it must be.
func (c *court) lost(p *partition, s *SendOp, found string) {
	offset := s.Offset
	var why []string
	if s.Acks == 1 {
		if reason, ok := p.excuseLeaderOnly(s); ok {
			c.excused(p, offset, reason)
			return
		}
		why = []string{"acks=1 promises that the record stays while its leader epoch lasts, and no later epoch began at or below its offset"}
	} else {
		var reason string
		var ok bool
		if reason, ok, why = p.excuseCommitted(offset, s.Call); ok {
			c.excused(p, offset, reason)
			return
		}
	}
	epoch := p.log.scan.lastEpoch()
	if r := p.log.at(offset); r != nil {
		epoch = r.LeaderEpoch
	}
	evidence := append([]string{
		fmt.Sprintf("sent by client %d at %s (value %d), acknowledged at %s by %s after %s",
			s.Process, clock(s.Call), s.Value, clock(s.Return), brokers(known(s.Broker)), attempts(s)),
		"final log: " + found,
	}, why...)
	sentence := fmt.Sprintf("offset %d of %s was acknowledged to client %d with %s at %s and is absent from the log after leader epoch %d",
		offset, p.tp, s.Process, acksName(s.Acks), clock(s.Return), epoch)
	if offset == None {
		sentence = fmt.Sprintf("value %d was acknowledged to client %d with %s at %s and is absent from %s",
			s.Value, s.Process, acksName(s.Acks), clock(s.Return), p.tp)
	}
	c.found(p, int64(epoch), offset, s.Return, sentence, evidence...)
}

// readsStay holds reading to what it implies: a record that a consumer was
// given was below the high watermark, hence committed, hence must stay.
func (c *court) readsStay(p *partition) {
	if p.log.scan == nil {
		c.noScan(p)
		return
	}
	if c.runs() {
		c.readsStayRuns(p)
		return
	}
	seen := map[Record]bool{}
	for _, poll := range p.polls {
		for _, r := range poll.Records {
			c.cur.Inputs++
			if p.log.holds(p.topic, r.Offset, r.Value) || seen[r] {
				continue
			}
			seen[r] = true
			call := time.Duration(-1)
			if i, ok := c.byValue[r.Value]; ok {
				call = c.h.Sends[i].Call
			}
			c.readGone(p, poll, r, call)
		}
	}
}

// readGone handles a record that was read and is not in the final log. call is
// when it was sent, -1 if not known.
func (c *court) readGone(p *partition, poll *PollOp, r Record, call time.Duration) {
	reason, ok, why := p.excuseCommitted(r.Offset, call)
	if ok {
		c.excused(p, r.Offset, reason)
		return
	}
	c.found(p, 0, r.Offset, poll.Return,
		fmt.Sprintf("offset %d of %s (value %d) was read by client %d at %s and is not in the final log: it was readable before it was committed, or lost afterwards",
			r.Offset, p.tp, r.Value, poll.Process, clock(poll.Return)),
		append([]string{"final log: " + p.log.describe(r.Offset)}, why...)...)
}

// aboveWatermark is the exact form of the same promise, for runs that recorded
// every advance of the leaders' high watermarks.
func (c *court) aboveWatermark(p *partition) {
	if len(p.marks) == 0 {
		if c.cur.Inputs == 0 {
			c.cur.Note = "no high watermarks were recorded; see the check that what was read stays"
		}
		return
	}
	c.cur.Note = ""
	marks := sortedMarks(p.marks)
	for _, poll := range p.polls {
		last, ok := poll.lastRead()
		if !ok || poll.Outcome != OK {
			continue
		}
		poll.runsRead(func(r Run) { c.cur.Inputs += r.Count })
		high := markAt(marks, poll.Return)
		if last.Offset >= high {
			c.found(p, 0, last.Offset, poll.Return, fmt.Sprintf(
				"offset %d of %s was read by client %d at %s, when no leader's high watermark had passed %d",
				last.Offset, p.tp, poll.Process, clock(poll.Return), high))
		}
	}
}

// unseen finds acknowledged records that are in the final log and that no
// consumer ever got, although they drained it.
func (c *court) unseen(p *partition) {
	if p.log.scan == nil {
		c.noScan(p)
		return
	}
	if c.runs() {
		c.unseenRuns(p)
		return
	}
	read := map[int64]bool{}
	for _, poll := range p.polls {
		for _, r := range poll.Records {
			read[r.Offset] = true
		}
	}
	for _, s := range p.sends {
		if s.Outcome != OK || s.Offset == None || s.Offset < p.log.scan.LogStart || !p.log.holds(p.topic, s.Offset, s.Value) {
			continue
		}
		c.cur.Inputs++
		if !read[s.Offset] {
			c.neverGiven(p, s.Offset, s.Return)
		}
	}
}

func (c *court) neverGiven(p *partition, offset int64, acked time.Duration) {
	c.found(p, 0, offset, acked, fmt.Sprintf(
		"offset %d of %s was acknowledged at %s and is in the log, but no consumer was ever given it", offset, p.tp, clock(acked)))
}

func (c *court) noScan(p *partition) {
	if len(p.sends)+len(p.batches)+len(p.polls) > 0 {
		c.cur.Note = fmt.Sprintf("the final log of %s was not read, so nothing could be compared with it", p.tp)
	}
}

// values is where each value is in the log.
func (l *finalLog) values() map[int64]int64 {
	m := make(map[int64]int64, len(l.scan.Records))
	for _, r := range l.scan.Records {
		m[r.Value] = r.Offset
	}
	return m
}

// describe says what the log has at an offset.
func (l *finalLog) describe(offset int64) string {
	where := fmt.Sprintf("broker %d", l.scan.Broker)
	if r := l.at(offset); r != nil {
		return fmt.Sprintf("%s holds value %d of leader epoch %d at offset %d", where, r.Value, r.LeaderEpoch, offset)
	}
	switch {
	case offset < l.scan.LogStart:
		return fmt.Sprintf("%s starts at offset %d, although nothing may delete records", where, l.scan.LogStart)
	case offset >= l.scan.LogEnd:
		return fmt.Sprintf("%s ends at offset %d", where, l.scan.LogEnd)
	}
	return fmt.Sprintf("%s holds no record at offset %d", where, offset)
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
