package share

import "time"

// Acquisition is what a member asks for.
type Acquisition struct {
	Member     string
	MaxRecords int64
	BatchSize  int64 // how many records are acknowledged together best

	// Strict is the record limit mode of KIP-1206: no more than MaxRecords. Otherwise
	// new records are acquired up to the end of their batch.
	Strict bool
}

// Fetched is what was read of the log from an offset on.
type Fetched struct {
	Offset  int64
	Batches []FetchedBatch // ascending
}

// FetchedBatch is the offsets of a record batch. Aborted ones are not for readers of
// committed records.
type FetchedBatch struct {
	First, Last int64
	Aborted     bool
}

// Handed is records that are a member's now, and how often they have been delivered
// with this time.
type Handed struct {
	First, Last   int64
	DeliveryCount int16
}

// throttledFrom is from how many deliveries on records are handed out in ever smaller
// parts, so that one that its receivers fail over does not take its neighbours along
// (Kafka's SharePartition.throttleRecordsDeliveryLimit).
func (l Limits) throttledFrom() int16 { return max(2, (l.DeliveryCount+1)/2) }

// Acquire hands records out that were read, in ascending order: those available in the
// window first, then new ones, for which the window grows. Offsets between batches are
// handed out too, as by Kafka; their receiver acknowledges them as gaps.
func (p *Partition) Acquire(now time.Duration, l Limits, a Acquisition, f Fetched) []Handed {
	if len(f.Batches) == 0 || a.MaxRecords <= 0 {
		return nil
	}
	first, last := max(f.Offset, p.start), f.Batches[len(f.Batches)-1].Last
	if last < p.start || f.Offset > p.end {
		return nil // read of what has moved on since
	}
	if gap := f.Batches[0].First - 1; first <= gap {
		p.extend(gap) // the log has nothing there, and will not
		p.archive(first, gap)
	}
	for _, b := range f.Batches {
		if b.Aborted {
			p.archive(max(b.First, first), b.Last)
		}
	}
	p.tidy()
	h := hand{p: p, l: l, a: a, until: now + l.LockDuration}
	oldEnd := p.end
	h.take(first, min(last, oldEnd-1), a.MaxRecords)
	if room := min(a.MaxRecords-h.count, l.RecordLocks-(p.end-p.start)); room > 0 && last >= oldEnd && !h.alone {
		h.takeNew(f.Batches, oldEnd, min(last, oldEnd+room-1), last)
	}
	p.tidy()
	return h.out
}

// hand is an acquisition under way.
type hand struct {
	p     *Partition
	l     Limits
	a     Acquisition
	until time.Duration

	out   []Handed
	count int64
	alone bool // nothing goes along with what is taken
}

// take acquires what is available from first to last, up to limit records.
func (h *hand) take(first, last, limit int64) {
	for first <= last && h.count < limit && !h.alone {
		i := h.p.at(first)
		if i == len(h.p.runs) {
			return
		}
		r := h.p.runs[i]
		to := min(r.last, last)
		if r.state == Available {
			first = max(first, r.first)
			if r.count >= h.l.throttledFrom() {
				if h.count > 0 {
					return
				}
				size := max(1, r.size()/2)
				if r.count >= h.l.DeliveryCount-1 && h.l.DeliveryCount > 2 {
					size = 1 // the last time
				}
				to, h.alone = min(to, first+size-1), true
			}
			to = min(to, first+limit-h.count-1)
			h.give(first, to)
		}
		first = to + 1
	}
}

// takeNew acquires records from first on, which is the end of the window: to target or,
// unless the limit is strict, to the end of its batch.
func (h *hand) takeNew(batches []FetchedBatch, first, target, last int64) {
	end := target
	for _, b := range batches {
		if !h.a.Strict && b.First <= target && target <= b.Last {
			end = min(b.Last, last)
		}
	}
	h.p.extend(end)
	for _, b := range batches {
		if b.Aborted {
			h.p.archive(max(b.First, first), min(b.Last, end))
		}
	}
	// A batch of acknowledgements ends where a batch of records does.
	from := first
	for _, b := range batches {
		if !h.a.Strict && h.a.BatchSize > 0 && b.First-from >= h.a.BatchSize && b.First <= end {
			h.takeAvailable(from, b.First-1)
			from = b.First
		}
	}
	h.takeAvailable(from, end)
}

// takeAvailable acquires all that is available from first to last, apart from what was
// taken before.
func (h *hand) takeAvailable(first, last int64) {
	before := len(h.out)
	for first <= last {
		i := h.p.at(first)
		to := min(h.p.runs[i].last, last)
		if h.p.runs[i].state == Available {
			h.giveIn(first, to, before)
		}
		first = to + 1
	}
}

func (h *hand) give(first, last int64) { h.giveIn(first, last, 0) }

// giveIn makes available records the member's. They are told together with those before
// if these are as often delivered and at least the from-th told.
func (h *hand) giveIn(first, last int64, from int) {
	h.p.within(first, last, func(r *run) {
		*r = run{first: r.first, last: r.last, state: Acquired, count: r.count + 1, member: h.a.Member, until: h.until}
		h.count += r.size()
		if n := len(h.out); n > from && h.out[n-1].Last == r.first-1 && h.out[n-1].DeliveryCount == r.count {
			h.out[n-1].Last = r.last
			return
		}
		h.out = append(h.out, Handed{First: r.first, Last: r.last, DeliveryCount: r.count})
	})
}
