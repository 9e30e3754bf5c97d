package share

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Limits are the settings of a share group that its partitions go by. They may change
// from one step to the next.
type Limits struct {
	LockDuration  time.Duration // group.share.record.lock.duration.ms: for how long a record is a member's
	DeliveryCount int16         // group.share.delivery.count.limit: how often a record is delivered at most
	RecordLocks   int64         // group.share.partition.max.record.locks: how long the window may be; a batch may exceed it
	Renew         bool          // share.renew.acknowledge.enable: members may renew their locks (KIP-1222)
}

// Partition is a partition as the leader has it for a share group: a pure state
// machine, whose methods are its steps. It is not safe for concurrent use.
//
// What is in it is a window of the log from the start offset on, as runs without gaps
// between them. Everything before the window is done, what is behind it has never been
// handed out:
//
//	done │ acknowledged │ acquired │ available │ archived │ acquired │ never delivered
//	     start                                                       end
//
// A record becomes done by a step in two parts: a member's acknowledgement is only
// asked for, and holds once the write that carries it has ended (BeginWrite, EndWrite).
// If it fails the record is the member's again. What nobody waits for holds at once, and
// the next write tells the coordinator: locks that time out, records that turn out not
// to exist, a start of the log beyond the window's.
type Partition struct {
	stateEpoch  int32
	leaderEpoch int32

	start, end int64
	runs       []run // ascending, without gaps, from start to end

	told int64 // the start offset that the coordinator knows

	writing      bool // between BeginWrite and EndWrite
	writingStart int64
}

// run is neighbours with the same history.
type run struct {
	first, last int64
	state       DeliveryState
	count       int16 // how often they have been delivered

	// Of acquired records.
	member string
	until  time.Duration // when the lock times out
	asked  bool          // acknowledged, which holds once it is written
	next   DeliveryState // if asked: what they are then

	stale   bool // the coordinator knows them in another state
	written bool // by the write under way
}

func (r *run) size() int64 { return r.last - r.first + 1 }

// continues reports whether s is one with r, which it follows.
func (r *run) continues(s *run) bool {
	a, b := *r, *s
	a.first, a.last, b.first, b.last = 0, 0, 0, 0
	return a == b
}

func (s DeliveryState) terminal() bool { return s == Acknowledged || s == Archived }

// Load begins with what the coordinator has kept. A state that is Uninitialized begins
// at origin. An error says what is wrong with the state.
func Load(s State, leaderEpoch int32, origin int64) (*Partition, error) {
	p := &Partition{stateEpoch: s.StateEpoch, leaderEpoch: leaderEpoch, start: s.StartOffset, told: s.StartOffset}
	if s.StartOffset == Uninitialized {
		p.start = origin
	}
	if p.start < 0 {
		return nil, fmt.Errorf("share: the state begins at offset %d", p.start)
	}
	p.end = p.start
	for _, b := range s.Batches {
		switch {
		case b.First < p.end || b.Last < b.First || b.Last == math.MaxInt64:
			return nil, fmt.Errorf("share: the state has offsets %d to %d where those from %d on are due", b.First, b.Last, p.end)
		case b.State != Available && !b.State.terminal():
			return nil, fmt.Errorf("share: the state has offsets %d to %d as %v", b.First, b.Last, b.State)
		case b.DeliveryCount < 0:
			return nil, fmt.Errorf("share: the state has offsets %d to %d as delivered %d times", b.First, b.Last, b.DeliveryCount)
		}
		p.extend(b.First - 1) // gaps were in somebody's hands
		p.runs = append(p.runs, run{first: b.First, last: b.Last, state: b.State, count: b.DeliveryCount})
		p.end = b.Last + 1
	}
	p.tidy()
	return p, nil
}

// StartOffset is where the window begins: everything before is done.
func (p *Partition) StartOffset() int64 { return p.start }

// EndOffset is where the window ends: nothing from there on has been handed out.
func (p *Partition) EndOffset() int64 { return p.end }

// extend makes the window end behind last, with records that nobody was given.
func (p *Partition) extend(last int64) {
	if last >= p.end {
		p.runs = append(p.runs, run{first: p.end, last: last, state: Available})
		p.end = last + 1
	}
}

// at is the index of the run that has an offset of the window, or of the first one
// behind it.
func (p *Partition) at(offset int64) int {
	i, _ := slices.BinarySearchFunc(p.runs, offset, func(r run, offset int64) int {
		switch {
		case r.last < offset:
			return -1
		case r.first > offset:
			return 1
		}
		return 0
	})
	return i
}

// within calls fn for the runs that cover offsets of the window from first to last,
// cut so that they cover nothing else.
func (p *Partition) within(first, last int64, fn func(r *run)) {
	first, last = max(first, p.start), min(last, p.end-1)
	if first > last {
		return
	}
	for i := p.cut(first); i < len(p.runs) && p.runs[i].first <= last; i++ {
		if p.runs[i].last > last {
			p.cut(last + 1)
		}
		fn(&p.runs[i])
	}
}

// cut has a run begin at an offset of the window, or at its end, and returns its index.
func (p *Partition) cut(offset int64) int {
	i := p.at(offset)
	if i < len(p.runs) && p.runs[i].first < offset {
		head := p.runs[i]
		head.last = offset - 1
		p.runs[i].first = offset
		p.runs = slices.Insert(p.runs, i, head)
		i++
	}
	return i
}

// tidy moves the start over what is done, and makes neighbours with the same history one.
func (p *Partition) tidy() {
	done := 0
	for done < len(p.runs) && p.runs[done].state.terminal() {
		done++
	}
	if done > 0 {
		p.start = p.runs[done-1].last + 1
	}
	out := p.runs[:0]
	for _, r := range p.runs[done:] {
		if n := len(out); n > 0 && out[n-1].continues(&r) {
			out[n-1].last = r.last
			continue
		}
		out = append(out, r)
	}
	clear(p.runs[len(out):])
	p.runs = out
}

// archive gives up available records that are not there to be delivered.
func (p *Partition) archive(first, last int64) {
	p.within(first, last, func(r *run) {
		if r.state == Available {
			r.state, r.stale, r.written = Archived, true, false
		}
	})
}

// MoveStart gives up what is before the start of the log, in whose hands ever it is.
func (p *Partition) MoveStart(logStart int64) {
	if logStart <= p.start {
		return
	}
	i := len(p.runs)
	if logStart < p.end {
		i = p.cut(logStart)
	}
	p.runs = slices.Delete(p.runs, 0, i)
	p.start, p.end = logStart, max(p.end, logStart)
	p.tidy()
}

// NextFetch is the offset from which records may be acquired; ok is false if none may
// before some are done.
func (p *Partition) NextFetch(l Limits) (offset int64, ok bool) {
	for i := range p.runs {
		if p.runs[i].state == Available {
			return p.runs[i].first, true
		}
	}
	return p.end, p.end-p.start < l.RecordLocks
}

// NextExpiry is when the first lock times out; ok is false if there is none.
func (p *Partition) NextExpiry() (at time.Duration, ok bool) {
	for i := range p.runs {
		if r := &p.runs[i]; r.state == Acquired && !r.asked && (!ok || r.until < at) {
			at, ok = r.until, true
		}
	}
	return at, ok
}
