package linearizability

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// lateness is how late a look at the brokers may be to see what they do.
const lateness = 10 * time.Millisecond

// leaders is K12 as the facts show it: a leader epoch has one leader, nobody
// else acts as one, and where a leader says that its epoch begins is where the
// log says so.
func (c *court) leaders(p *partition) {
	type acting struct {
		broker int32
		how    string
		at     time.Duration
	}
	first := map[int32]acting{}
	act := func(epoch, broker int32, how string, at time.Duration) {
		c.cur.Inputs++
		switch f, ok := first[epoch]; {
		case !ok:
			first[epoch] = acting{broker, how, at}
		case f.broker != broker:
			c.found(p, int64(epoch), None, at, fmt.Sprintf("%s has two leaders in leader epoch %d: broker %d, which %s%s, and broker %d, which %s%s",
				p.tp, epoch, f.broker, f.how, when(f.at), broker, how, when(at)))
		}
	}
	var led []PartitionState
	for _, s := range p.states {
		if s.Leader != None {
			act(s.LeaderEpoch, s.Leader, "was elected", s.Time)
			led = append(led, s)
		}
	}
	for _, s := range p.starts {
		if s.Leader != None {
			act(s.LeaderEpoch, s.Leader, "began it", s.Time)
		}
	}
	for _, m := range p.marks {
		act(m.LeaderEpoch, m.Broker, "advanced the high watermark", m.Time)
	}
	for _, s := range p.starts {
		if s.Leader == None {
			continue
		}
		for i := range p.log.runs {
			if r := &p.log.runs[i]; r.LeaderEpoch == s.LeaderEpoch && r.Offset < s.StartOffset {
				c.found(p, 1<<32|int64(s.LeaderEpoch), r.Offset, s.Time, fmt.Sprintf(
					"broker %d told that leader epoch %d of %s begins at offset %d, but the log holds records of that epoch from offset %d on",
					s.Leader, s.LeaderEpoch, p.tp, s.StartOffset, r.Offset))
				break
			}
		}
	}
	if len(led) == 0 || !c.h.Manifest.gives(FactElections) {
		return
	}
	for _, b := range p.sends {
		if b.Outcome != OK || b.Acks == 0 || b.Broker == None || b.Offset == None || b.LeaderEpoch < led[0].LeaderEpoch {
			continue
		}
		c.cur.Inputs++
		if !slices.ContainsFunc(led, func(s PartitionState) bool { return s.Leader == b.Broker && s.Time <= b.Return+lateness }) && unbroken(led, b.Return) {
			c.found(p, 2<<32|int64(b.Broker), b.Offset, b.Return, fmt.Sprintf(
				"broker %d acknowledged offset %d of %s to client %d at %s, but had never been elected its leader",
				b.Broker, b.Offset, p.tp, b.Process, clock(b.Return)))
		}
	}
}

// unbroken says that no leader epoch was missed until a time: several changes
// of metadata may show as one.
func unbroken(led []PartitionState, until time.Duration) bool {
	for i := 1; i < len(led) && led[i].Time <= until+lateness; i++ {
		if led[i].LeaderEpoch > led[i-1].LeaderEpoch+1 {
			return false
		}
	}
	return true
}

// logEnds holds ListOffsets to what it must know. Whoever leads in the epoch of
// the answer, or a later one, knows all that was acknowledged with acks=all up
// to that epoch, and nobody may tell of an end that no high watermark reached.
func (c *court) logEnds(p *partition) {
	type acked struct {
		at     time.Duration
		epoch  int32
		offset int64
		s      *BatchOp
	}
	var known []acked
	for _, b := range p.sends {
		if b.Outcome != OK || b.Acks != -1 || b.Offset == None {
			continue
		}
		last := b.Runs[len(b.Runs)-1]
		if p.log.holds(p.topic, last.end()-1, last.last()) {
			known = append(known, acked{b.Return, p.lastEpochOf(&b.SendOp), last.end() - 1, b})
		}
	}
	slices.SortFunc(known, func(a, b acked) int { return cmp.Compare(b.offset, a.offset) })
	marks := sortedMarks(p.marks)
	for _, e := range p.ends {
		if e.Outcome != OK {
			continue
		}
		c.cur.Inputs++
		high, limit := p.log.end(), fmt.Sprintf("the log ends at offset %d", p.log.end())
		if c.h.Manifest.gives(FactWatermarks) {
			high = markAt(marks, e.Return)
			limit = fmt.Sprintf("no leader's high watermark had passed %d", high)
		} else if p.cutBelow(e.Offset) {
			high = e.Offset
		}
		if e.Offset > high {
			c.found(p, 0, e.Offset, e.Return, fmt.Sprintf("client %d was told at %s that %s ends at offset %d, but %s",
				e.Process, clock(e.Return), p.tp, e.Offset, limit))
		}
		if e.LeaderEpoch == None {
			continue
		}
		for _, k := range known {
			if k.offset < e.Offset {
				break
			}
			if k.at < e.Call && k.epoch <= e.LeaderEpoch && !p.lostMeanwhile(k.offset, k.epoch, e.LeaderEpoch, k.s.Call) {
				c.found(p, 1, k.offset, e.Return, fmt.Sprintf(
					"client %d was told at %s, in leader epoch %d, that %s ends at offset %d, but offset %d had been acknowledged to client %d with acks=all at %s, in epoch %d",
					e.Process, clock(e.Return), e.LeaderEpoch, p.tp, e.Offset, k.offset, k.s.Process, clock(k.at), k.epoch))
				break
			}
		}
	}
}

// lostMeanwhile says whether a record that is in the final log, appended in one
// leader epoch, may have been unknown in another: an election until then was
// permitted to lose it, and a later one brought somebody back who still had it.
// Whoever led in an epoch that follows it in the final log had it, which says
// nothing of those who led after. Of what is before the beginning of the final log
// nobody knows whether it was there in the end: it may as well have been lost for
// good.
func (p *partition) lostMeanwhile(offset int64, appended, asked int32, call time.Duration) bool {
	had := appended
	for _, s := range p.log.Epochs {
		if offset >= p.log.LogStart && s.StartOffset > offset && s.LeaderEpoch <= asked {
			had = max(had, s.LeaderEpoch)
		}
	}
	return slices.ContainsFunc(p.elect, func(e election) bool {
		return e.epoch > had && e.epoch <= asked && e.cuts(offset) && p.excuseAt(&e, offset, call).excused
	})
}

// cutBelow says whether any leader began below an offset that is beyond the
// end of the final log: then that end once was there.
func (p *partition) cutBelow(offset int64) bool {
	return slices.ContainsFunc(p.starts, func(s EpochStart) bool { return s.StartOffset < offset && s.LeaderEpoch > 0 })
}

// lastEpochOf is the last leader epoch in which an acknowledged record may have
// been appended: the newest that the broker led when it answered.
func (p *partition) lastEpochOf(s *SendOp) int32 {
	epoch := s.LeaderEpoch
	for _, st := range p.states {
		if st.Time <= s.Return+lateness && (s.Broker == None || st.Leader == s.Broker) {
			epoch = max(epoch, st.LeaderEpoch)
		}
	}
	return epoch
}
