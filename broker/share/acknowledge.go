package share

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// AcknowledgeType is what a member makes of a record, by its number on the wire.
type AcknowledgeType = int8

// The acknowledge types.
const (
	Gap     AcknowledgeType = 0 // there is no such record
	Accept  AcknowledgeType = 1
	Release AcknowledgeType = 2 // others may have it
	Reject  AcknowledgeType = 3 // nobody may have it
	Renew   AcknowledgeType = 4 // not done yet (KIP-1222)
)

// Acknowledgement is what a member makes of records: one type for all of them, or one
// for each.
type Acknowledgement struct {
	First, Last int64
	Types       []AcknowledgeType
}

func (a *Acknowledgement) typeOf(offset int64) AcknowledgeType {
	if len(a.Types) == 1 {
		return a.Types[0]
	}
	return a.Types[offset-a.First]
}

// outcome is the state that an acknowledged record gets. One that is released is
// archived if it was delivered as often as may be.
func (l Limits) outcome(t AcknowledgeType, count int16) DeliveryState {
	switch {
	case t == Accept:
		return Acknowledged
	case t == Release && count < l.DeliveryCount:
		return Available
	}
	return Archived
}

// wellFormed reports whether the acknowledgements can be understood: ascending, with a
// known type for all or for each record.
func wellFormed(list []Acknowledgement) bool {
	before := int64(-1)
	for i := range list {
		a := &list[i]
		if a.First < before || a.Last < a.First || len(a.Types) == 0 || len(a.Types) > 1 && int64(len(a.Types)) != a.Last-a.First+1 {
			return false
		}
		for _, t := range a.Types {
			if t < Gap || t > Renew {
				return false
			}
		}
		before = a.Last
	}
	return true
}

// Acknowledge takes a member's acknowledgements, all or none, and returns an error code.
// They hold once the next write has ended well. Records before the start offset are
// passed over; renewed locks hold at once.
func (p *Partition) Acknowledge(now time.Duration, l Limits, member string, list []Acknowledgement) int16 {
	if !wellFormed(list) {
		return kerr.InvalidRequest.Code
	}
	for i := range list {
		if code := p.check(l, member, &list[i]); code != 0 {
			return code
		}
		if i > 0 && list[i].First == list[i-1].Last && list[i].First >= p.start {
			return kerr.InvalidRecordState.Code // one record twice
		}
	}
	for i := range list {
		a := &list[i]
		for first := max(a.First, p.start); first <= a.Last; {
			t, last := a.typeOf(first), a.Last
			for n := first; len(a.Types) > 1 && n < a.Last; n++ {
				if a.typeOf(n+1) != t {
					last = n
					break
				}
			}
			p.within(first, last, func(r *run) {
				if t == Renew {
					r.until = now + l.LockDuration
					return
				}
				r.asked, r.next = true, l.outcome(t, r.count)
			})
			first = last + 1
		}
	}
	p.tidy()
	return 0
}

// check says whether a member may acknowledge what it does.
func (p *Partition) check(l Limits, member string, a *Acknowledgement) int16 {
	switch {
	case a.Last < p.start:
		return 0
	case p.start == p.end:
		return kerr.InvalidRecordState.Code
	case a.Last >= p.end:
		return kerr.InvalidRequest.Code
	}
	for i := p.at(max(a.First, p.start)); i < len(p.runs) && p.runs[i].first <= a.Last; i++ {
		if r := &p.runs[i]; r.state != Acquired || r.asked || r.member != member {
			return kerr.InvalidRecordState.Code
		}
	}
	if !l.Renew {
		for _, t := range a.Types {
			if t == Renew {
				return kerr.InvalidRecordState.Code
			}
		}
	}
	return 0
}

// ReleaseMember takes everything from a member that goes, and reports whether it had
// anything. What it has acknowledged is not touched.
func (p *Partition) ReleaseMember(l Limits, member string) bool {
	return p.release(l, func(r *run) bool { return r.member == member })
}

// Expire takes records from members whose locks have timed out, and reports whether
// there were any.
func (p *Partition) Expire(now time.Duration, l Limits) bool {
	return p.release(l, func(r *run) bool { return r.until <= now })
}

func (p *Partition) release(l Limits, goes func(r *run) bool) (any bool) {
	for i := range p.runs {
		if r := &p.runs[i]; r.state == Acquired && !r.asked && goes(r) {
			r.giveBack(l)
			any = true
		}
	}
	p.tidy()
	return any
}

func (r *run) giveBack(l Limits) {
	*r = run{first: r.first, last: r.last, state: l.outcome(Release, r.count), count: r.count, stale: true}
}
