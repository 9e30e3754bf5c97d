package linearizability

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// keyedLog is all that is known of what a partition of a topic of keys ever held.
type keyedLog struct {
	writes []keyedWrite           // by offset
	of     map[int64][]keyedWrite // the same by key
	open   map[int64][]*SendOp    // tombstones of a key of which nobody knows whether they are in
	end    time.Duration          // of what was taken down
}

// keyedWrite is a record that is known to have had an offset.
type keyedWrite struct {
	offset, value int64
	call          time.Duration // when it was sent; -1 if nobody sent it
	promised      bool          // acknowledged, or read: it must stay until it is superseded
}

// keys is the partition's keyedLog.
func (p *partition) keys() *keyedLog {
	if p.keyed != nil {
		return p.keyed
	}
	k := &keyedLog{of: map[int64][]keyedWrite{}, open: map[int64][]*SendOp{}}
	p.keyed = k
	known := map[Record]keyedWrite{}
	note := func(offset, value int64, promised bool) {
		rec := Record{offset, value}
		w, again := known[rec]
		if !again {
			w = keyedWrite{offset: offset, value: value, call: -1}
			if row, _ := p.sent.find(value); row != nil {
				w.call = row.batch.Call
			}
		}
		w.promised = w.promised || promised
		known[rec] = w
	}
	for _, b := range p.sends {
		k.end = max(k.end, b.Call)
		if b.Ended != Never {
			k.end = max(k.end, b.Ended)
		}
		for _, r := range b.Runs {
			for i := range r.Count {
				value := r.at(i)
				if b.Outcome == OK && b.Offset != None {
					note(r.Offset+i, value, b.Acks != 0)
				} else if b.Outcome != Fail && IsTombstone(value) {
					key := KeyOf(value, p.topic.Keys)
					k.open[key] = append(k.open[key], b.record(r, i))
				}
			}
		}
	}
	for i := range p.polls {
		if p.polls[i].Return != Never {
			k.end = max(k.end, p.polls[i].Return)
		}
		for _, r := range p.polls[i].runs {
			for j := range r.Count {
				note(r.Offset+j, r.at(j), true)
			}
		}
	}
	for _, s := range p.logs {
		for _, r := range s.runs {
			for j := range r.Count {
				note(r.Offset+j, r.at(j), false)
			}
		}
	}
	for _, w := range known { //weir:ordered sorted below
		k.writes = append(k.writes, w)
	}
	slices.SortFunc(k.writes, func(a, b keyedWrite) int {
		return cmp.Or(cmp.Compare(a.offset, b.offset), cmp.Compare(a.value, b.value))
	})
	for _, w := range k.writes {
		key := KeyOf(w.value, p.topic.Keys)
		k.of[key] = append(k.of[key], w)
	}
	return k
}

// scanLate is how much later than all else the final logs may have been read.
const scanLate = 10 * time.Minute

// mayBeGone says whether compaction may have removed a write by a time: one that is
// later in the log and of the same key was under way then, or it is a tombstone and
// old enough.
func (p *partition) mayBeGone(w keyedWrite, by time.Duration) bool {
	k, key := p.keys(), KeyOf(w.value, p.topic.Keys)
	for _, later := range k.of[key] {
		if later.offset > w.offset && later.call < by {
			return true
		}
	}
	for _, s := range k.open[key] { // such a one may be behind it, and gone in turn
		if s.Call < by && by-s.Call >= p.topic.DeleteRetention {
			return true
		}
	}
	return p.expired(w, by)
}

// gone is mayBeGone for a record that was acknowledged, at the end.
func (p *partition) gone(offset, value int64) bool {
	writes := p.keys().writes
	i, _ := slices.BinarySearchFunc(writes, offset, func(w keyedWrite, o int64) int { return cmp.Compare(w.offset, o) })
	for ; i < len(writes) && writes[i].offset == offset; i++ {
		if writes[i].value == value {
			return p.mayBeGone(writes[i], p.keys().end+scanLate)
		}
	}
	return false
}

// expired says whether a tombstone may have been removed by a time.
func (p *partition) expired(w keyedWrite, by time.Duration) bool {
	return IsTombstone(w.value) && by-w.call >= p.topic.DeleteRetention
}

// compaction is K14: whoever keeps the last value of each key, from the log or
// while reading it, has what was written last. No last value is lost, no deleted
// key comes back, and no tombstone goes before delete.retention.ms.
func (c *court) compaction(p *partition) {
	if p.topic.Keys == 0 {
		return
	}
	k := p.keys()
	c.cur.Inputs += int64(len(k.writes))
	for key := range p.topic.Keys {
		c.lastOf(p, key, k.of[key])
	}
	c.passedOver(p)
}

// lastOf judges what the final log holds of one key.
func (c *court) lastOf(p *partition, key int64, writes []keyedWrite) {
	held := func(w keyedWrite) bool { return p.log.holds(p.topic, w.offset, w.value) }
	name := fmt.Sprintf("%s of %s", KeyName(key), p.tp)
	for i := len(writes) - 1; i >= 0; i-- {
		w := writes[i]
		if p.topic.Deletes && w.offset < p.log.LogStart {
			return
		}
		if held(w) {
			return // it supersedes all before
		}
		if !w.promised {
			continue // another replica holds it, which K11 judges
		}
		now := p.keys().end + scanLate
		if len(p.keys().open[key]) > 0 && p.mayBeGone(w, now) {
			return
		}
		if p.expired(w, now) {
			for _, older := range writes[:i] {
				if held(older) && !p.ruling(w.offset, w.value).excused {
					c.found(p, 0, older.offset, 0, fmt.Sprintf(
						"%s was deleted at offset %d and is there again: the final log of broker %d has its older value at offset %d, but no longer the tombstone, so that whoever reads the topic gets a key that was deleted",
						name, w.offset, p.log.Broker, older.offset), p.history(writes)...)
					return
				}
			}
			return
		}
		if r := p.ruling(w.offset, w.value); r.excused {
			c.excused(p, w.offset, r.reason)
			return
		}
		what := fmt.Sprintf("its last value, at offset %d, is not in the final log of broker %d, and nothing was written after it: whoever reads the topic gets %s",
			w.offset, p.log.Broker, p.before(writes[:i]))
		if IsTombstone(w.value) {
			what = fmt.Sprintf("its tombstone at offset %d is not in the final log of broker %d, although delete.retention.ms is %s: a reader who is slow misses that the key is gone",
				w.offset, p.log.Broker, p.topic.DeleteRetention)
		}
		c.found(p, 1, w.offset, w.call, name+": "+what, append(p.history(writes), p.ruling(w.offset, w.value).against...)...)
		return
	}
}

// before says what a reader gets who does not get what comes after writes.
func (p *partition) before(writes []keyedWrite) string {
	for i := len(writes) - 1; i >= 0; i-- {
		if w := writes[i]; p.log.holds(p.topic, w.offset, w.value) {
			if IsTombstone(w.value) {
				return fmt.Sprintf("a key that was deleted at offset %d", w.offset)
			}
			return fmt.Sprintf("the older value at offset %d", w.offset)
		}
	}
	return "no value"
}

// history tells the last writes of a key.
func (p *partition) history(writes []keyedWrite) (lines []string) {
	for _, w := range writes[max(0, len(writes)-6):] {
		what, where := "value", "gone"
		if IsTombstone(w.value) {
			what = "tombstone"
		}
		if p.log.holds(p.topic, w.offset, w.value) {
			where = "in the final log"
		}
		lines = append(lines, fmt.Sprintf("offset %d: %s %d, sent at %s, %s", w.offset, what, w.value, clock(w.call), where))
	}
	return lines
}

// passedOver holds every reader to the same while it reads on: it may be spared a
// write only if a later one of the key was under way by then, or, of a tombstone, if
// it was not given the value or has been reading for longer than delete.retention.ms:
// what it is given may have been fetched at any time since it began.
func (c *court) passedOver(p *partition) {
	type session struct{ process, number int64 }
	next := map[session]int64{}
	began := map[session]time.Duration{}
	given := map[session]map[int64]int64{} // the offset of the last value of each key that a session was given
	writes := p.keys().writes
	polls := slices.Clone(p.polls)
	slices.SortStableFunc(polls, func(a, b poll) int { return cmp.Compare(a.Return, b.Return) })
	for _, poll := range polls {
		s := session{poll.Process, poll.Session}
		if at, ok := began[s]; !ok || poll.Call < at {
			began[s] = poll.Call
		}
		if poll.Outcome != OK || len(poll.runs) == 0 {
			continue
		}
		if given[s] == nil {
			given[s] = map[int64]int64{}
		}
		for _, r := range poll.runs {
			from, going := next[s]
			if !going {
				from = max(poll.Position, 0)
			}
			i, _ := slices.BinarySearchFunc(writes, from, func(w keyedWrite, o int64) int { return cmp.Compare(w.offset, o) })
			for ; i < len(writes) && writes[i].offset < r.Offset; i++ {
				w := writes[i]
				key := KeyOf(w.value, p.topic.Keys)
				was, had := given[s][key]
				tooSoon := had && IsTombstone(w.value) && poll.Return-began[s] < p.topic.DeleteRetention && !p.superseded(w, poll.Return)
				if !w.promised || w.call < 0 || !tooSoon && p.mayBeGone(w, poll.Return) {
					continue
				}
				if !p.log.holds(p.topic, w.offset, w.value) && p.ruling(w.offset, w.value).excused {
					continue
				}
				what := "the last value of the key until then: the reader keeps an older one"
				if IsTombstone(w.value) && had {
					what = fmt.Sprintf("a tombstone: the reader was given the key's value at offset %d, has been reading for less than delete.retention.ms (%s), and does not learn that the key was deleted",
						was, p.topic.DeleteRetention)
				}
				c.found(p, 2, w.offset, poll.Return, fmt.Sprintf("client %d read %s from offset %d and was given offset %d at %s, passing over offset %d of %s, %s",
					poll.Process, p.tp, from, r.Offset, clock(poll.Return), w.offset, KeyName(key), what), p.history(p.keys().of[key])...)
			}
			for j := range r.Count {
				key := KeyOf(r.at(j), p.topic.Keys)
				delete(given[s], key)
				if !IsTombstone(r.at(j)) {
					given[s][key] = r.Offset + j
				}
			}
			next[s] = r.end()
		}
	}
}

// superseded says whether a later write of the key was under way by a time, or may
// have been.
func (p *partition) superseded(w keyedWrite, by time.Duration) bool {
	open := p.keys().open[KeyOf(w.value, p.topic.Keys)]
	return slices.ContainsFunc(open, func(s *SendOp) bool { return s.Call < by }) || slices.ContainsFunc(p.keys().of[KeyOf(w.value, p.topic.Keys)], func(later keyedWrite) bool {
		return later.offset > w.offset && later.call < by
	})
}

// compactedReplica compares another replica of a compacted partition with the final
// log. Each compacts for itself: what both hold must be the same, and in a topic of
// keys both must fold to the same, but for what was lost and was permitted to be.
func (c *court) compactedReplica(p *partition, s *storedLog) {
	for i := range s.runs {
		for j := range s.runs[i].Count {
			b := s.runs[i].record(j)
			c.cur.Inputs++
			if a := p.log.at(b.Offset); a != nil && (a.Value != b.Value || a.LeaderEpoch != b.LeaderEpoch) {
				c.found(p, 0, b.Offset, 0, fmt.Sprintf("replicas of %s differ at offset %d: %s, %s", p.tp, b.Offset, holding(p.log.Scan, a), holding(s.Scan, &b)))
				return
			}
		}
	}
	if unequalEnds(p.log.Scan, s.Scan) {
		c.unconverged(p, p.log.Scan, s.Scan)
	}
	if p.topic.Keys == 0 {
		return
	}
	from := max(p.log.LogStart, s.LogStart)
	ours, theirs := folded(p.log.runs, p.topic.Keys, from), folded(s.runs, p.topic.Keys, from)
	for key := range p.topic.Keys {
		a, hasA := ours[key]
		b, hasB := theirs[key]
		switch {
		case hasA == hasB && a == b:
		case !hasB && !mentions(s.runs, p.topic.Keys, from, key) && c.compactedForLost(p, key, a.Offset):
		case !hasA && !mentions(p.log.runs, p.topic.Keys, from, key) && c.compactedForLost(p, key, b.Offset):
		case !hasA:
			c.found(p, 3, b.Offset, 0, fmt.Sprintf("%s of %s is deleted in the log of leader %d, but broker %d still has its value at offset %d and no tombstone: were it elected, the key would be back",
				KeyName(key), p.tp, p.log.Broker, s.Broker, b.Offset), p.history(p.keys().of[key])...)
		default:
			c.found(p, 4, a.Offset, 0, fmt.Sprintf("the last value of %s of %s, at offset %d on leader %d, is not what the log of broker %d folds to: were it elected, readers would get another value",
				KeyName(key), p.tp, a.Offset, p.log.Broker, s.Broker), p.history(p.keys().of[key])...)
		}
	}
}

// compactedForLost excuses a replica that has nothing of a key whose last value is at
// offset, because it had compacted that away for a later one, which was lost then and was
// permitted to be. What is older than the value would have gone with it.
func (c *court) compactedForLost(p *partition, key, offset int64) bool {
	for _, w := range p.keys().of[key] {
		if w.offset <= offset || p.log.holds(p.topic, w.offset, w.value) {
			continue
		}
		if r := p.ruling(w.offset, w.value); r.excused {
			c.excused(p, w.offset, r.reason)
			return true
		}
	}
	return false
}

// mentions reports whether there is a record of the key, a tombstone or not.
func mentions(runs []ScanRun, keys, from, key int64) bool {
	for i := range runs {
		for j := range runs[i].Count {
			if value := runs[i].at(j); value != None && runs[i].Offset+j >= from && KeyOf(value, keys) == key {
				return true
			}
		}
	}
	return false
}

// folded is the last value of each key, those that are deleted left out.
func folded(runs []ScanRun, keys, from int64) map[int64]Record {
	last := map[int64]Record{}
	for i := range runs {
		for j := range runs[i].Count {
			offset, value := runs[i].Offset+j, runs[i].at(j)
			if value == None || offset < from {
				continue
			}
			key := KeyOf(value, keys)
			delete(last, key)
			if !IsTombstone(value) {
				last[key] = Record{offset, value}
			}
		}
	}
	return last
}
