package linearizability

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

func (w *Watcher) singleLeader(p *watched, r *ReplicaView, at time.Duration) {
	w.c.turn(wSingleLeader)
	w.c.cur.Inputs++
	seen, ok := p.leaders[r.LeaderEpoch]
	if ok && seen.broker != r.Broker {
		w.c.found(&p.partition, int64(r.LeaderEpoch), None, at, fmt.Sprintf("%s has two leaders in leader epoch %d: brokers %d and %d, at %s",
			p.tp, r.LeaderEpoch, seen.broker, r.Broker, clock(at)))
		return
	}
	w.c.turn(wHighMonotone)
	w.c.cur.Inputs++
	if ok && r.HighWatermark < seen.high {
		w.c.found(&p.partition, int64(r.LeaderEpoch), r.HighWatermark, at, fmt.Sprintf("the high watermark of %s fell from %d to %d within leader epoch %d on broker %d, at %s",
			p.tp, seen.high, r.HighWatermark, r.LeaderEpoch, r.Broker, clock(at)))
	}
	w.stable(p, r, seen.stable, at)
	p.leaders[r.LeaderEpoch] = leaderSeen{r.Broker, max(seen.high, r.HighWatermark), max(seen.stable, r.Stable)}
}

// stable holds a leader to what its last stable offset promises: that of a
// transaction which begins is behind everything, so that it only rises.
func (w *Watcher) stable(p *watched, r *ReplicaView, before int64, at time.Duration) {
	w.c.turn(wStable)
	if r.Stable > 0 {
		w.c.cur.Inputs++
	}
	switch {
	case r.Stable > r.HighWatermark:
		w.c.found(&p.partition, int64(r.LeaderEpoch), r.Stable, at, fmt.Sprintf("the last stable offset of %s is %d on leader %d in epoch %d, beyond its high watermark %d, at %s",
			p.tp, r.Stable, r.Broker, r.LeaderEpoch, r.HighWatermark, clock(at)))
	case r.Stable > 0 && r.Stable < before:
		w.c.found(&p.partition, int64(r.LeaderEpoch), r.Stable, at, fmt.Sprintf("the last stable offset of %s fell from %d to %d within leader epoch %d on broker %d, at %s",
			p.tp, before, r.Stable, r.LeaderEpoch, r.Broker, clock(at)))
	}
}

// leaderComplete is LeaderCompleteness: what was committed when a leader began its
// epoch is below where its log parts from that of the leader before.
func (w *Watcher) leaderComplete(p *watched, r *ReplicaView, known int64, at time.Duration) {
	w.c.turn(wLeaderComplete)
	w.c.cur.Inputs++
	from := r.EpochStart
	if parts := p.parts(r.LeaderEpoch); parts != None {
		from = min(from, parts)
	}
	if from >= known {
		return
	}
	ruling := p.excuseCommitted(from, p.before(from), None)
	if ruling.excused {
		w.c.excused(&p.partition, from, ruling.reason)
		p.lower(at, r.LeaderEpoch, from)
		return
	}
	has := fmt.Sprintf("its log ending at offset %d", from)
	if from < r.EpochStart {
		has = fmt.Sprintf("another log than the leader before it from offset %d on", from)
	}
	w.c.found(&p.partition, int64(r.LeaderEpoch), from, at, fmt.Sprintf(
		"broker %d became leader of %s in epoch %d with %s, but everything below %d was committed, seen at %s",
		r.Broker, p.tp, r.LeaderEpoch, has, known, clock(at)), ruling.against...)
	p.lower(at, r.LeaderEpoch, from) // told once; what follows from it is no news
}

// lower takes back what has been lost by a leader epoch, so that one loss is one
// finding.
func (p *watched) lower(at time.Duration, epoch int32, offset int64) {
	for len(p.high) > 0 && p.high[len(p.high)-1].offset > offset {
		p.high = p.high[:len(p.high)-1]
	}
	for broker, upTo := range p.matched {
		p.matched[broker] = min(upTo, offset) // what comes there now is new
	}
	p.losses = append(p.losses, loss{epoch, offset})
	p.raise(at, offset)
}

// learn takes in where a leader began its epoch, and what it held then as soon as
// its log can be read: that does not change while it leads. It reports whether
// that is news.
func (p *watched) learn(start EpochStart, log LogView) (news bool) {
	at := slices.IndexFunc(p.starts, func(s EpochStart) bool {
		return s.LeaderEpoch == start.LeaderEpoch && s.Leader == start.Leader && s.StartOffset == start.StartOffset
	})
	if at >= 0 && (p.starts[at].Cache != nil || log == nil) {
		return false
	}
	if log != nil {
		for _, e := range log.Epochs() {
			if e.Epoch < start.LeaderEpoch && e.StartOffset < start.StartOffset {
				start.Cache = append(start.Cache, e)
			}
		}
		start.Cache = append(start.Cache, EpochEntry{start.LeaderEpoch, start.StartOffset})
	}
	if at >= 0 {
		p.starts[at].Cache = start.Cache
	} else {
		p.starts = append(p.starts, start)
	}
	slices.SortFunc(p.starts, func(a, b EpochStart) int {
		return cmp.Or(cmp.Compare(a.LeaderEpoch, b.LeaderEpoch), cmp.Compare(a.StartOffset, b.StartOffset))
	})
	p.elect = elections(&p.partition)
	return true
}

// logMatching compares each follower with the leader, batch by batch, below
// both high watermarks; every batch once.
func (w *Watcher) logMatching(p *watched, leader *ReplicaView, replicas []*ReplicaView, at time.Duration) {
	if leader.Log == nil {
		return
	}
	w.c.turn(wLogMatching)
	for _, r := range replicas {
		if r == leader || r.Log == nil {
			continue
		}
		from := max(p.matched[r.Broker], leader.LogStart, r.LogStart)
		to := min(leader.HighWatermark, r.HighWatermark)
		delete(p.unread, r.Broker)
		if from >= to {
			continue
		}
		compare := w.compareBatches
		if leader.Gaps || r.Gaps {
			compare = w.compareCompacted
		}
		n, upTo, a, b, err := compare(leader.Log, r.Log, from, to)
		w.c.cur.Inputs += n
		p.matched[r.Broker] = upTo
		switch {
		case err != nil:
			// A log that is being cut is shorter than its replica says for as long as that
			// takes.
			p.unread[r.Broker] = fmt.Sprintf("%s on broker %d: %v", p.tp, r.Broker, err)
		case a != b:
			offset := max(from, firstOf(a, b))
			ruling := p.excuseDiffering(a, b, offset)
			if ruling.excused {
				w.c.excused(&p.partition, offset, ruling.reason)
				continue // until the follower has followed
			}
			p.matched[r.Broker] = to // told once
			w.c.found(&p.partition, int64(r.Broker), offset, at, fmt.Sprintf(
				"below the high watermark, %s differs: %s on leader %d, %s on broker %d, at %s", p.tp, a, leader.Broker, b, r.Broker, clock(at)), ruling.against...)
		}
	}
}

// compareCompacted is compareBatches for logs of which at least one is compacted:
// each replica does that for itself, so that one may lack what the other holds, or
// hold it with other bytes. But no batch reaches over another one, and those that
// are the same range are of the same leader epoch.
func (w *Watcher) compareCompacted(a, b LogView, from, to int64) (n, upTo int64, x, y BatchID, err error) {
	upTo = from
	have := w.batches[:0]
	defer func() { w.batches = have }()
	if err = a.Batches(from, math.MaxInt64, func(id BatchID) bool {
		if id.BaseOffset >= to {
			return false
		}
		have = append(have, id)
		return true
	}); err != nil {
		return
	}
	i := 0
	err = b.Batches(from, math.MaxInt64, func(id BatchID) bool {
		if id.BaseOffset >= to {
			return false
		}
		for i < len(have) && have[i].LastOffset < id.BaseOffset {
			i++
		}
		n++
		if i < len(have) && have[i].BaseOffset <= id.LastOffset {
			if other := have[i]; other.BaseOffset != id.BaseOffset || other.LastOffset != id.LastOffset || other.LeaderEpoch != id.LeaderEpoch {
				x, y = other, id
				return false
			}
		}
		return true
	})
	if err == nil && x == y {
		upTo = to
	}
	return
}

// String tells a batch in a few words.
func (b BatchID) String() string {
	if b == (BatchID{}) {
		return "nothing"
	}
	return fmt.Sprintf("offsets %d to %d of epoch %d (CRC %08x)", b.BaseOffset, b.LastOffset, b.LeaderEpoch, b.CRC)
}

// firstOf is the offset from which on two logs differ that hold a and b next,
// one of which may be nothing.
func firstOf(a, b BatchID) int64 {
	switch (BatchID{}) {
	case a:
		return b.BaseOffset
	case b:
		return a.BaseOffset
	}
	return min(a.BaseOffset, b.BaseOffset)
}

// excuseChanges decides about an offset that holds batches of different epochs on
// two replicas, both below a high watermark, where it is known what every leader
// held: from one leader to the next it has changed what it is, and each change of
// what was committed then must be excused. ok is false if not all is known.
func (p *watched) excuseChanges(a, b BatchID, offset int64) (ruled *ruling, ok bool) {
	if !p.begun {
		return nil, false
	}
	was := min(a.LeaderEpoch, b.LeaderEpoch)
	for i := range p.elect {
		e := &p.elect[i]
		if e.epoch <= min(a.LeaderEpoch, b.LeaderEpoch) || e.start == never {
			continue
		}
		began := p.beginning(e.epoch)
		if began.Cache == nil {
			return nil, false
		}
		is, _ := epochAt(began.Cache, offset)
		if is == was {
			continue
		}
		since := p.since(was)
		if was = is; p.known[e.epoch] <= offset {
			continue
		}
		if ruled = p.excuseAt(e, offset, since); !ruled.excused {
			return ruled, true
		}
	}
	return ruled, ruled != nil
}

// since is from when on a fault may have taken a record of an epoch: there was none
// before the epoch began. -1 if that is not known.
func (p *partition) since(epoch int32) time.Duration {
	if s := p.beginning(epoch); s != nil {
		return s.Time
	}
	return -1
}

// excuseDiffering decides about a follower that holds b where its leader holds a,
// both committed once: an election took b, which the follower has not followed
// yet. It is the one that began the epoch of a, or one between the epochs of the
// two that cut below them, or, if a is of an older epoch than b, one that made a
// leader of somebody who had a already. Batches of the same epoch never differ. A follower that holds nothing there is just cutting
// what it held: any of these elections may be what it follows.
func (p *watched) excuseDiffering(a, b BatchID, offset int64) *ruling {
	ruled := &ruling{}
	cut := b == BatchID{}
	if cut {
		b.LeaderEpoch = None
	}
	if a == (BatchID{}) || a.LeaderEpoch == b.LeaderEpoch {
		return ruled
	}
	if !cut {
		if changes, ok := p.excuseChanges(a, b, offset); ok {
			return changes
		}
	}
	for i := range p.elect {
		e := &p.elect[i]
		if e.epoch <= b.LeaderEpoch || e.start == never || e.epoch < a.LeaderEpoch && !e.cuts(offset) {
			continue
		}
		r := p.excuseAt(e, offset, p.since(b.LeaderEpoch))
		if r.excused {
			return r
		}
		ruled.against = append(ruled.against, r.against...)
		if e.epoch >= a.LeaderEpoch && a.LeaderEpoch > b.LeaderEpoch && !cut {
			break
		}
	}
	return ruled
}

// compareBatches returns how many batches that begin in [from, to) it compared,
// the offset up to which they are the same, and the first pair that differs
// (equal values if none does).
func (w *Watcher) compareBatches(a, b LogView, from, to int64) (n, upTo int64, x, y BatchID, err error) {
	upTo = from
	want := w.batches[:0]
	defer func() { w.batches = want }()
	if err = a.Batches(from, math.MaxInt64, func(id BatchID) bool {
		if id.BaseOffset >= to {
			return false
		}
		want = append(want, id)
		return true
	}); err != nil {
		return
	}
	i := 0
	err = b.Batches(from, math.MaxInt64, func(id BatchID) bool {
		if id.BaseOffset >= to {
			return false
		}
		n++
		if i >= len(want) || want[i] != id {
			if y = id; i < len(want) {
				x = want[i]
			}
			return false
		}
		upTo = id.LastOffset + 1
		i++
		return true
	})
	if err == nil && x == y && i < len(want) {
		x = want[i]
	}
	return
}
