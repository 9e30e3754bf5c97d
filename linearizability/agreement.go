package linearizability

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// sight is how something was seen.
type sight string

const (
	ackedTo sight = "acknowledged to client"
	readBy  sight = "read by client"
	inLog   sight = "in the final log of broker"
)

// claim is a sighting of a run.
type claim struct {
	Run
	at time.Duration
	by sight
	id int64 // of the client or broker
}

// describe says what was seen at an offset.
func (k *claim) describe(offset int64) string {
	return fmt.Sprintf("value %d (%s %d%s)", k.Run.at(offset-k.Offset), k.by, k.id, when(k.at))
}

// sightings is how many runs of records were seen at most.
func (p *partition) sightings() int {
	n := len(p.log.runs)
	for _, b := range p.sends {
		n += len(b.Runs)
	}
	for i := range p.polls {
		n += len(p.polls[i].runs)
	}
	return n
}

// agreement is K1: an offset holds one record, for everybody and for ever,
// except where the loss of the record that was there first is excused. It also
// finds records that nobody sent.
func (c *court) agreement(p *partition) {
	claims := slices.Grow(c.claims[:0], p.sightings())
	for _, b := range p.sends {
		if b.Outcome != OK || b.Offset == None {
			continue
		}
		for _, r := range b.Runs {
			claims = append(claims, claim{r, b.Return, ackedTo, b.Process})
		}
	}
	for i := range p.polls {
		poll := &p.polls[i]
		for _, r := range poll.runs {
			claims = append(claims, claim{r, poll.Return, readBy, poll.Process})
			c.invented(p, &claims[len(claims)-1])
		}
	}
	// The logs of other replicas are K11's business.
	next := int64(None)
	for _, r := range p.log.runs {
		claims = append(claims, claim{r.Run, 0, inLog, int64(p.log.Broker)})
		c.invented(p, &claims[len(claims)-1])
		if next != None && r.Offset < next {
			c.found(p, 1, r.Offset, 0, fmt.Sprintf("offset %d of %s follows offset %d in the final log of broker %d", r.Offset, p.tp, next-1, p.log.Broker))
		}
		next = r.end()
	}
	for i := range claims {
		c.cur.Inputs += claims[i].Count
	}
	slices.SortStableFunc(claims, func(a, b claim) int { return cmp.Compare(a.Offset, b.Offset) })
	c.claims = claims
	told := map[int64]bool{}
	acked := func(a, b *claim) bool { return a.by == ackedTo || b.by == ackedTo }
	c.compareClaims(p, claims, told, acked)
	c.compareClaims(p, claims, told, func(a, b *claim) bool { return !acked(a, b) })
}

// compareClaims compares the claims of each pair that overlaps and that is
// asked for, offset by offset, unless the offset was told of. The claims ascend
// by offset.
func (c *court) compareClaims(p *partition, claims []claim, told map[int64]bool, wanted func(a, b *claim) bool) {
	var open []*claim // those that reach up to the present one
	for n := range claims {
		k := &claims[n]
		open = slices.DeleteFunc(open, func(f *claim) bool { return f.end() <= k.Offset })
		for _, f := range open {
			if !wanted(f, k) {
				continue
			}
			first, second := f, k // what a client was promised goes first
			if f.by != ackedTo && k.by == ackedTo {
				first, second = k, f
			}
			shared := min(f.end(), k.end()) - k.Offset
			differing(f.part(k.Offset-f.Offset, shared), k.part(0, shared), func(i int64) {
				if offset := k.Offset + i; !told[offset] {
					told[offset] = c.disagree(p, offset, first, second)
				}
			})
		}
		open = append(open, k)
	}
}

// disagree handles two sightings of different records at one offset: one of
// the two is gone, and if its loss is excused, so is the disagreement. It
// reports whether that is a finding.
func (c *court) disagree(p *partition, offset int64, f, o *claim) bool {
	both := []*claim{f, o}
	if p.topic.Keys > 0 && slices.ContainsFunc(both, func(k *claim) bool { return p.ruling(offset, k.Run.at(offset-k.Offset)).excused }) {
		return false // the other may have been compacted away
	}
	for _, gone := range both {
		value := gone.Run.at(offset - gone.Offset)
		if p.log.holds(p.topic, offset, value) || p.ruling(offset, value).excused {
			continue
		}
		c.found(p, 0, offset, o.at, fmt.Sprintf("offset %d of %s is two records: %s and %s", offset, p.tp, f.describe(offset), o.describe(offset)))
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
func (c *court) invented(p *partition, k *claim) {
	p.sent.each(k.Run, func(piece Run, row *valueRow, _ int64) {
		for i := int64(0); row == nil && i < piece.Count; i++ {
			offset, value := piece.Offset+i, piece.at(i)
			what := fmt.Sprintf("value %d, which nobody sent", value)
			if value == None {
				what = "bytes that no producer wrote: the record was corrupted"
			}
			for _, other := range c.parts {
				if row, _ := other.sent.find(value); row != nil && value != None {
					what = fmt.Sprintf("value %d, which was sent to %s", value, other.tp)
				}
			}
			c.found(p, 2, offset, k.at, fmt.Sprintf("offset %d of %s, %s %d%s, holds %s", offset, p.tp, k.by, k.id, when(k.at), what))
		}
	})
}

// honesty is K5's other half: a send that was refused with a definite error
// must never show up.
func (c *court) honesty(p *partition) {
	var refused valueIndex
	for _, b := range p.sends {
		if b.Outcome != Fail {
			continue
		}
		c.cur.Inputs += b.records()
		for _, r := range b.Runs {
			refused.add(valueRow{Run: r, batch: b})
		}
	}
	if len(refused.rows) == 0 {
		return
	}
	refused.sort()
	told := map[int64]bool{}
	tell := func(r Run, where string) {
		refused.each(r, func(piece Run, row *valueRow, place int64) {
			for i := int64(0); row != nil && i < piece.Count; i++ {
				if v := piece.at(i); !told[v] {
					told[v] = true
					s := row.batch.record(row.Run, place+i)
					c.found(p, 0, piece.Offset+i, s.Return, fmt.Sprintf(
						"client %d was told %s for value %d of %s at %s, which promises that nothing was appended, yet it is %s at offset %d",
						s.Process, s.Error, s.Value, p.tp, clock(s.Return), where, piece.Offset+i))
				}
			}
		})
	}
	for i := range p.polls {
		for _, r := range p.polls[i].runs {
			tell(r, fmt.Sprintf("what client %d read", p.polls[i].Process))
		}
	}
	for _, r := range p.log.runs {
		tell(r.Run, fmt.Sprintf("in the final log of broker %d", p.log.Broker))
	}
}
