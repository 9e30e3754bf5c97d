package linearizability

import (
	"fmt"
	"time"
)

// observation is one sighting of a value at an offset.
type observation struct {
	value int64
	at    time.Duration
	by    sight
	id    int64         // of the client or broker
	call  time.Duration // when the value was sent; -1 if not known
	send  *SendOp       // set if the sighting is an acknowledgement
}

// sight is how something was seen.
type sight string

const (
	ackedTo sight = "acknowledged to client"
	readBy  sight = "read by client"
	inLog   sight = "in the final log of broker"
)

func (o observation) String() string {
	return fmt.Sprintf("value %d (%s %d%s)", o.value, o.by, o.id, when(o.at))
}

// agreement is K1: an offset holds one record, for everybody and for ever,
// except where the loss of the record that was there first is excused. It also
// finds records that nobody sent.
func (c *court) agreement(p *partition) {
	if c.runs() {
		c.agreementRuns(p)
		return
	}
	first := map[int64]observation{}
	for _, s := range p.sends {
		if s.Outcome == OK && s.Offset != None {
			c.observe(p, first, s.Offset, observation{s.Value, s.Return, ackedTo, s.Process, s.Call, s})
		}
	}
	for _, poll := range p.polls {
		for _, r := range poll.Records {
			o := c.sighting(r.Value, poll.Return, readBy, poll.Process)
			c.observe(p, first, r.Offset, o)
			c.invented(p, r.Offset, o)
		}
	}
	// The scans of other replicas are K11's business.
	if l := p.log.scan; l != nil {
		next := int64(None)
		for _, r := range l.Records {
			o := c.sighting(r.Value, 0, inLog, int64(l.Broker))
			c.observe(p, first, r.Offset, o)
			c.invented(p, r.Offset, o)
			if next != None && r.Offset <= next-1 {
				c.found(p, 1, r.Offset, 0, fmt.Sprintf("offset %d of %s follows offset %d in the final log of broker %d", r.Offset, p.tp, next-1, l.Broker))
			}
			next = r.Offset + 1
		}
	}
}

// sighting is a value seen, with when it was sent if somebody sent it here.
func (c *court) sighting(value int64, at time.Duration, by sight, id int64) observation {
	o := observation{value: value, at: at, by: by, id: id, call: -1}
	if i, ok := c.byValue[value]; ok {
		o.call = c.h.Sends[i].Call
	}
	return o
}

func (c *court) observe(p *partition, first map[int64]observation, offset int64, o observation) {
	c.cur.Inputs++
	f, ok := first[offset]
	if !ok {
		first[offset] = o
		return
	}
	if f.value == o.value {
		return
	}
	if c.disagree(p, offset, f, o) {
		return
	}
	if p.log.scan != nil && p.log.holds(p.topic, offset, o.value) {
		first[offset] = o
	}
}

// disagree handles two sightings of different records at one offset: one of
// the two is gone, and if its loss is excused, so is the disagreement. It
// reports whether that is a finding.
func (c *court) disagree(p *partition, offset int64, f, o observation) bool {
	for _, gone := range []observation{f, o} {
		if p.log.scan != nil && p.log.holds(p.topic, offset, gone.value) {
			continue
		}
		if gone.send != nil && gone.send.Acks == 1 {
			if _, ok := p.excuseLeaderOnly(gone.send); ok {
				continue
			}
		} else if _, ok, _ := p.excuseCommitted(offset, gone.call); ok {
			continue
		}
		c.found(p, 0, offset, o.at, fmt.Sprintf("offset %d of %s is two records: %s and %s", offset, p.tp, f, o))
		return true
	}
	return false
}

func when(at time.Duration) string {
	if at <= 0 {
		return ""
	}
	return " at " + clock(at)
}

// invented finds records that hold what nobody sent there.
func (c *court) invented(p *partition, offset int64, o observation) {
	i, ok := c.byValue[o.value]
	switch {
	case !ok:
		c.inventedAt(p, offset, o, nil)
	case c.h.Sends[i].TP != p.tp:
		c.inventedAt(p, offset, o, &c.h.Sends[i].TP)
	}
}

// inventedAt is the finding of a record that nobody sent there. elsewhere is
// where it was sent instead, nil if nowhere.
func (c *court) inventedAt(p *partition, offset int64, o observation, elsewhere *TopicPartition) {
	what := fmt.Sprintf("value %d, which nobody sent", o.value)
	switch {
	case o.value == None:
		what = "bytes that no producer wrote: the record was corrupted"
	case elsewhere != nil:
		what = fmt.Sprintf("value %d, which was sent to %s", o.value, elsewhere)
	}
	c.found(p, 2, offset, o.at, fmt.Sprintf("offset %d of %s, %s %d%s, holds %s", offset, p.tp, o.by, o.id, when(o.at), what))
}

// honesty is K5's other half: a send that was refused with a definite error
// must never show up.
func (c *court) honesty(p *partition) {
	if c.runs() {
		c.honestyRuns(p)
		return
	}
	refused := map[int64]*SendOp{}
	for _, s := range p.sends {
		if s.Outcome == Fail {
			c.cur.Inputs++
			refused[s.Value] = s
		}
	}
	if len(refused) == 0 {
		return
	}
	told := map[int64]bool{}
	tell := func(r Record, where string) {
		s := refused[r.Value]
		if s == nil || told[r.Value] {
			return
		}
		told[r.Value] = true
		c.dishonest(p, s, r.Offset, where)
	}
	for _, poll := range p.polls {
		for _, r := range poll.Records {
			tell(r, fmt.Sprintf("what client %d read", poll.Process))
		}
	}
	if l := p.log.scan; l != nil {
		for _, r := range l.Records {
			tell(Record{r.Offset, r.Value}, fmt.Sprintf("in the final log of broker %d", l.Broker))
		}
	}
}

func (c *court) dishonest(p *partition, s *SendOp, offset int64, where string) {
	c.found(p, 0, offset, s.Return, fmt.Sprintf(
		"client %d was told %s for value %d of %s at %s, which promises that nothing was appended, yet it is %s at offset %d",
		s.Process, s.Error, s.Value, p.tp, clock(s.Return), where, offset))
}
