package linearizability

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// The exact check of SEMANTICS 3.4. A log is a register holding its tail: level
// k means that k records are in it. Offsets fix the total order of the appends,
// so that linearizability is interval scheduling with precedence, and placing
// every append at its earliest legal point is optimal. O(n) after sorting.

// logAppend is the append that makes level k+1, k being its place.
type logAppend struct {
	call, ret time.Duration // ret is Never if nobody was told
}

// logRead saw the tail at a level: that level exactly, or at least that one.
type logRead struct {
	call, ret time.Duration
	level     int
	exact     bool
}

// logViolation says what cannot be placed: append number k, or (if read >= 0)
// a read. after is the append (or exact read, if afterRead) that must come
// before and does not.
type logViolation struct {
	k, read   int
	after     int
	afterRead bool
}

const minTime time.Duration = -1 << 63

// linearizeLog returns nil if appends and reads are linearizable.
func linearizeLog(appends []logAppend, reads []logRead) *logViolation {
	exact := make([]int, 0, len(reads)) // indexes of exact reads by level
	for i, r := range reads {
		if r.exact {
			exact = append(exact, i)
		}
	}
	slices.SortStableFunc(exact, func(a, b int) int { return cmp.Compare(reads[a].level, reads[b].level) })
	point := make([]time.Duration, len(appends)+1)
	low, by, byRead := minTime, -1, false
	point[0] = minTime
	next := 0
	for k := 0; k <= len(appends); k++ {
		if k > 0 {
			a := appends[k-1]
			if a.call > low {
				low, by, byRead = a.call, k-1, false
			}
			if low > a.ret {
				return &logViolation{k: k - 1, read: -1, after: by, afterRead: byRead}
			}
			point[k] = low
		}
		for ; next < len(exact) && reads[exact[next]].level == k; next++ {
			if r := reads[exact[next]]; r.call > low {
				low, by, byRead = r.call, exact[next], true
			}
		}
	}
	for i, r := range reads {
		if point[r.level] > r.ret {
			// The append whose call set the point: the latest up to the level.
			k := 0
			for j := 1; j < r.level; j++ {
				if appends[j].call > appends[k].call {
					k = j
				}
			}
			return &logViolation{k: k, read: i}
		}
	}
	return nil
}

// exactLog checks the surviving log of a partition: appends by the order of
// their offsets; reads and ListOffsets as lower bounds, since neither promises
// freshness while leadership moves. Only in a run without faults, in a
// partition that kept its first leader and took acks=all alone, is ListOffsets
// taken as exact. What was seen of a log before a loss that is excused says
// nothing about what took the place of what was lost.
func (c *court) exactLog(p *partition) {
	log := p.appended()
	appends := make([]logAppend, len(log))
	for i, a := range log {
		appends[i] = logAppend{minTime, Never}
		s := a.send
		if s == nil {
			continue
		}
		appends[i].call = s.Call
		if s.Outcome == OK && s.Acks != 0 {
			appends[i].ret = s.Return
		}
		c.cur.Inputs += a.records
	}
	var reads []logRead
	var who []string
	level := func(offset int64) int { // appends that begin below offset
		n, _ := slices.BinarySearchFunc(log, offset, func(a appended, o int64) int { return cmp.Compare(a.offset, o) })
		return n
	}
	for i := range p.polls {
		poll := &p.polls[i]
		if last, ok := poll.last(); poll.Outcome == OK && ok {
			r := p.log.at(last.Offset)
			if r == nil || !p.log.holds(p.topic, last.Offset, last.Value) || p.began(r.LeaderEpoch) > poll.Return+lateness {
				continue // lost since, which other checks judge, or lost and sent again
			}
			reads = append(reads, logRead{poll.Call, poll.Return, level(last.Offset + 1), false})
			who = append(who, fmt.Sprintf("client %d read offset %d", poll.Process, last.Offset))
		}
	}
	calm := p.calm()
	for _, e := range p.ends {
		if e.Outcome != OK || e.Offset > p.log.end() {
			continue
		}
		reads = append(reads, logRead{e.Call, e.Return, level(min(e.Offset, p.lostFrom(e))), calm})
		who = append(who, fmt.Sprintf("client %d was told that the log ends at offset %d", e.Process, e.Offset))
	}
	c.cur.Inputs += int64(len(reads))
	v := linearizeLog(appends, reads)
	if v == nil {
		return
	}
	s := log[v.k].send
	offset := log[v.k].offset
	name := fmt.Sprintf("the record at offset %d of %s (value %d of client %d)", offset, p.tp, s.Value, s.Process)
	switch {
	case v.read >= 0:
		c.found(p, 0, offset, reads[v.read].ret, fmt.Sprintf("%s at %s, before %s was sent at %s",
			who[v.read], clock(reads[v.read].ret), name, clock(s.Call)))
	case v.afterRead:
		c.found(p, 1, offset, s.Return, fmt.Sprintf("%s was acknowledged at %s, but later, at %s, %s",
			name, clock(s.Return), clock(reads[v.after].call), who[v.after]))
	default:
		b := log[v.after].send
		c.found(p, 2, offset, s.Return, fmt.Sprintf("%s was acknowledged at %s, before the record at the lower offset %d (value %d of client %d) was sent at %s",
			name, clock(s.Return), log[v.after].offset, b.Value, b.Process, clock(b.Call)))
	}
}

// began is when a leader epoch is known to have begun, 0 if it is not.
func (p *partition) began(epoch int32) time.Duration {
	for i := range p.states {
		if s := &p.states[i]; s.LeaderEpoch == epoch {
			return s.Time
		}
	}
	return 0
}

// lostFrom is the lowest offset of which a log that was looked at before an
// excused loss need not be what it was: everything behind was lost since.
func (p *partition) lostFrom(e *EndOp) int64 {
	from := e.Offset
	for i := range p.elect {
		cut := &p.elect[i]
		if cut.at <= e.Call && (e.LeaderEpoch == None || cut.epoch <= e.LeaderEpoch) || cut.start >= from {
			continue
		}
		if p.excuseAt(cut, from-1, -1).excused {
			from = max(0, cut.start)
		}
	}
	return from
}

// calm says that a partition had one leader, no faults and acks=all only.
func (p *partition) calm() bool {
	if len(p.faults) > 0 || len(p.states) == 0 {
		return false
	}
	epoch := int32(None)
	for _, s := range p.states {
		if s.Leader == None {
			continue
		}
		if epoch != None && s.LeaderEpoch != epoch {
			return false
		}
		epoch = s.LeaderEpoch
	}
	return !slices.ContainsFunc(p.sends, func(b *BatchOp) bool { return b.Acks != -1 })
}
