package linearizability

import (
	"fmt"
	"slices"
	"time"
)

// found keeps who has been in the ISR since the newest leader epoch began: the
// others have joined it in that epoch.
func (p *watched) found(s *PartitionState) {
	if n := len(p.states); n == 0 || p.states[n-1].LeaderEpoch != s.LeaderEpoch {
		p.founders = slices.Clone(s.ISR)
		return
	}
	p.founders = slices.DeleteFunc(p.founders, func(r int32) bool { return !slices.Contains(s.ISR, r) })
}

// joined holds whoever has joined the ISR in an epoch to what it takes: a fetch from
// the leader of that epoch, in the life that is registered (KIP-903), and all that was
// in the leader's log when its epoch began (KAFKA-7128), for the leader's high
// watermark may lag what was committed before. Neither can be lost again but with the
// life, which takes the broker out of the ISR, or with the disk.
func (w *Watcher) joined(p *watched, leader *ReplicaView, replicas []*ReplicaView, s *PartitionState, v *ClusterView) {
	if leader.LeaderEpoch != s.LeaderEpoch || leader.PartitionEpoch != s.PartitionEpoch || leader.Progress == nil && leader.ISR == nil {
		return
	}
	now := election{at: v.Time, state: len(p.states)}
	for _, id := range leader.MaximalISR {
		if id == leader.Broker || slices.Contains(p.founders, id) {
			continue
		}
		if b := v.broker(id); b != nil && b.Known > 0 && slices.Contains(s.ISR, id) && slices.Contains(leader.ISR, id) {
			w.c.turn(wJoinedLife)
			w.c.cur.Inputs++
			at := slices.IndexFunc(leader.Progress, func(k Progress) bool { return k.Broker == id })
			switch {
			case at < 0:
				w.c.found(&p.partition, int64(id), None, v.Time, fmt.Sprintf(
					"broker %d has joined the ISR of %s (%v, partition epoch %d) in epoch %d, whose leader %d knows of no fetch of it since it registered under %d, at %s",
					id, p.tp, s.ISR, s.PartitionEpoch, s.LeaderEpoch, leader.Broker, b.Known, clock(v.Time)))
			case leader.Progress[at].Epoch >= 0 && leader.Progress[at].Epoch < b.Known:
				w.c.found(&p.partition, int64(id), None, v.Time, fmt.Sprintf(
					"broker %d has joined the ISR of %s (%v, partition epoch %d) in epoch %d by what it fetched from leader %d under broker epoch %d, but it is registered anew under %d, at %s",
					id, p.tp, s.ISR, s.PartitionEpoch, s.LeaderEpoch, leader.Broker, leader.Progress[at].Epoch, b.Known, clock(v.Time)))
			}
		}
		at := slices.IndexFunc(replicas, func(r *ReplicaView) bool { return r.Broker == id })
		if at < 0 || leader.EpochStart == None || replicas[at].LeaderEpoch != leader.LeaderEpoch || replicas[at].Failed ||
			p.afflicted(id, 0, &now, func(f *Fault) bool { return f.distrusts(id) }) {
			continue
		}
		w.c.turn(wJoinedStart)
		w.c.cur.Inputs++
		if f := replicas[at]; f.LogEnd < leader.EpochStart {
			w.c.found(&p.partition, int64(id), f.LogEnd, v.Time, fmt.Sprintf(
				"broker %d has come into the ISR of %s (%v, asked for %v) in epoch %d with its log ending at offset %d, but leader %d began the epoch with everything below %d, at %s",
				id, p.tp, leader.ISR, leader.MaximalISR, leader.LeaderEpoch, f.LogEnd, leader.Broker, leader.EpochStart, clock(v.Time)))
		}
	}
}

func (v *ClusterView) broker(id int32) *BrokerView {
	for i := range v.Brokers {
		if v.Brokers[i].Broker == id {
			return &v.Brokers[i]
		}
	}
	return nil
}

// distrusted holds controller and brokers to what a fault does to trust (KIP-966): who
// registers after it may have lost something is in no ISR and no ELR for what it had
// before.
func (w *Watcher) distrusted(p *watched, s *PartitionState, v *ClusterView) {
	if !p.topic.ELR || p.topic.UncleanElection {
		return
	}
	for _, id := range s.counted() {
		b := v.broker(id)
		if b == nil || !b.Registered {
			continue
		}
		w.c.turn(wDistrusted)
		w.c.cur.Inputs++
		by := p.lastLoss(id)
		if by == nil || !slices.Contains(p.relianceAt(by.Start), id) || slices.ContainsFunc(p.states, func(s PartitionState) bool { return s.Time > by.Start && !slices.Contains(s.counted(), id) }) {
			continue // it was relied on no more, and is so anew
		}
		w.c.found(&p.partition, int64(id)<<32|int64(s.PartitionEpoch), None, v.Time, fmt.Sprintf(
			"broker %d is relied on for %s (ISR %v, ELR %v) at %s, although it has registered anew after it lost something to %s at %s and has been so all the time",
			id, p.tp, s.ISR, s.ELR, clock(v.Time), by.Kind, clock(by.Start)))
	}
}

// relianceAt is whom a partition relied on at a time.
func (p *partition) relianceAt(at time.Duration) []int32 {
	s := p.stateAt(at)
	return s.counted()
}

// lastLoss is the last fault that took from a broker what it may have to tell of:
// what changes bytes under a broker's feet it cannot know of. nil if there is none.
func (p *partition) lastLoss(broker int32) (last *Fault) {
	for i := range p.faults {
		if f := &p.faults[i]; f.Lossy && f.Exact && f.distrusts(broker) && f.Kind != Corruption && f.Kind != BitRot {
			last = f
		}
	}
	return last
}

// countedUpTo is how far a follower's log has been compared in a leader epoch.
type countedUpTo struct {
	epoch int32
	upTo  int64
}

// counts compares what a leader counts a follower to have with what it has itself,
// batch by batch, whether committed yet or not: what a follower has fetched from in
// the leader's epoch is the leader's log (Log Matching, KIP-101, KIP-279).
func (w *Watcher) counts(p *watched, leader, f *ReplicaView, upTo int64, at time.Duration) {
	if leader.Log == nil || f.Log == nil {
		return
	}
	done := p.counted[f.Broker]
	if done.epoch != leader.LeaderEpoch || done.upTo > f.LogEnd {
		done = countedUpTo{leader.LeaderEpoch, 0}
	}
	from, to := max(done.upTo, leader.LogStart, f.LogStart), min(upTo, leader.LogEnd, f.LogEnd)
	if from >= to {
		return
	}
	w.c.turn(wCounted)
	compare := w.compareBatches
	if leader.Gaps || f.Gaps {
		compare = w.compareCompacted
	}
	n, equal, a, b, err := compare(leader.Log, f.Log, from, to)
	w.c.cur.Inputs += n
	switch {
	case err != nil:
		return // a damaged log is the business of logMatching and K11
	case a != b:
		w.c.found(&p.partition, int64(f.Broker), max(from, firstOf(a, b)), at, fmt.Sprintf(
			"leader %d of %s in epoch %d counts on broker %d to have what it has below %d, which differs: %s on the leader, %s on broker %d, at %s",
			leader.Broker, p.tp, leader.LeaderEpoch, f.Broker, upTo, a, b, f.Broker, clock(at)))
		equal = to // told once
	}
	p.counted[f.Broker] = countedUpTo{leader.LeaderEpoch, equal}
}
