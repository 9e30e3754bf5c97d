package linearizability

import (
	"fmt"
	"slices"
	"time"
)

// candidates is LeaderCandidateCompleteness: every live member of ISR and ELR
// holds everything below the true high watermark.
func (w *Watcher) candidates(p *watched, replicas []*ReplicaView, v *ClusterView, s *PartitionState, leader *ReplicaView) {
	if leader != nil && leader.PartitionEpoch > s.PartitionEpoch {
		return // the leader knows newer metadata than this picture shows
	}
	w.c.turn(wCandidateComplete)
	high := p.committed()
	for _, r := range replicas {
		if (!slices.Contains(s.ISR, r.Broker) && !slices.Contains(s.ELR, r.Broker)) || !v.electable(r.Broker) {
			delete(p.suspects, r.Broker)
			continue
		}
		w.c.cur.Inputs++
		if r.LogEnd >= high {
			delete(p.suspects, r.Broker)
			continue
		}
		sus, ok := p.suspects[r.Broker]
		if !ok || sus.partitionEpoch != s.PartitionEpoch {
			p.suspects[r.Broker] = suspect{since: v.Time, partitionEpoch: s.PartitionEpoch}
			continue
		}
		if sus.told || v.Time-sus.since < confirmAfter {
			continue
		}
		sus.told = true
		p.suspects[r.Broker] = sus
		since := p.before(r.LogEnd)
		now := election{at: v.Time, state: len(p.states)}
		if p.tainted(r.Broker, r.LogEnd, since, &now) {
			w.c.excused(&p.partition, r.LogEnd, fmt.Sprintf("broker %d had lost bytes to %s", r.Broker, p.faultsOn([]int32{r.Broker}, since, v.Time)))
			continue
		}
		ruling := p.excuseCommitted(r.LogEnd, since, None)
		if e := p.elected(s, r); e != nil && !ruling.excused {
			ruling = p.excuseAt(e, r.LogEnd, since)
		}
		if ruling.excused {
			w.c.excused(&p.partition, r.LogEnd, ruling.reason)
			p.lower(v.Time, s.LeaderEpoch, r.LogEnd)
			return
		}
		w.c.found(&p.partition, int64(r.Broker), r.LogEnd, v.Time, fmt.Sprintf(
			"broker %d could be elected leader of %s (ISR %v, ELR %v) with its log ending at offset %d, but everything below %d was committed, at %s",
			r.Broker, p.tp, s.ISR, s.ELR, r.LogEnd, high, clock(v.Time)),
			fmt.Sprintf("broker %d was in this state since %s, in leader epoch %d, its high watermark at %d", r.Broker, clock(sus.since), r.LeaderEpoch, r.HighWatermark),
			fmt.Sprintf("offset %d was not yet known to be committed at %s", r.LogEnd, clock(max(0, since))),
			"it had lost no bytes to a fault since then")
	}
}

// elected is the election by which a replica leads that has not begun to do so
// yet, as it will be if it begins now: what its log lacks went with that
// election. nil if there is none.
func (p *partition) elected(s *PartitionState, r *ReplicaView) *election {
	if len(p.elect) == 0 {
		return nil
	}
	e := p.elect[len(p.elect)-1]
	if e.epoch != s.LeaderEpoch || e.leader != r.Broker || s.Leader != r.Broker || r.LeaderEpoch >= e.epoch {
		return nil
	}
	e.start = r.LogEnd
	return &e
}

func (v *ClusterView) electable(broker int32) bool {
	for _, b := range v.Brokers {
		if b.Broker == broker {
			return b.Running && b.Registered
		}
	}
	return false
}

// followers is what the guards of the ISR amount to: whoever the leader waits for,
// and who follows it in its own epoch, holds all that is committed, at every
// instant. So does a member of the ISR that is in another epoch, if leader and
// controller agree on that ISR: what it cuts, it cuts for a leader that holds all
// that is committed. One that a fault has struck need not, until it has left the
// ISR and come back. s is the committed state, nil if it is not known now.
func (w *Watcher) followers(p *watched, leader *ReplicaView, replicas []*ReplicaView, v *ClusterView, s *PartitionState) {
	at := v.Time
	w.c.turn(wFollowerComplete)
	high := max(leader.HighWatermark, p.committed())
	now := election{at: at, state: len(p.states)}
	for _, r := range replicas {
		if r == leader || !slices.Contains(leader.MaximalISR, r.Broker) || r.LeaderEpoch != leader.LeaderEpoch && (!agreed(leader, s, r.Broker) || !v.electable(r.Broker)) ||
			p.afflicted(r.Broker, 0, &now, func(f *Fault) bool { return p.struck(f, r.Broker) }) {
			continue
		}
		if w.c.cur.Inputs++; r.LogEnd >= high {
			continue
		}
		w.c.found(&p.partition, int64(leader.LeaderEpoch)<<32|int64(r.Broker), r.LogEnd, at, fmt.Sprintf(
			"broker %d %s, which waits for it (ISR %v, asked for %v), with its log ending at offset %d, but everything below %d was committed, at %s",
			r.Broker, r.following(leader), leader.ISR, leader.MaximalISR, r.LogEnd, high, clock(at)),
			fmt.Sprintf("the high watermark of the leader is %d, its epoch began at offset %d", leader.HighWatermark, leader.EpochStart),
			"no fault that takes what is stored has struck it since it was last out of the ISR")
	}
}

// agreed says whether leader and controller both have a broker in the ISR, of one
// partition epoch.
func agreed(leader *ReplicaView, s *PartitionState, broker int32) bool {
	return s != nil && s.LeaderEpoch == leader.LeaderEpoch && s.PartitionEpoch == leader.PartitionEpoch && slices.Contains(s.ISR, broker)
}

// following says whom a replica follows, as far as that is its leader.
func (r *ReplicaView) following(leader *ReplicaView) string {
	if r.LeaderEpoch == leader.LeaderEpoch {
		return fmt.Sprintf("follows leader %d of %s in epoch %d", leader.Broker, r.tp(), leader.LeaderEpoch)
	}
	return fmt.Sprintf("is in epoch %d of %s, and leader %d in epoch %d", r.LeaderEpoch, r.tp(), leader.Broker, leader.LeaderEpoch)
}

// survives is NoCommittedRecordLostGlobally: what is committed is in somebody's
// log, whoever that is. It can be said only while all replicas are seen.
func (w *Watcher) survives(p *watched, replicas []*ReplicaView, s *PartitionState, at time.Duration) {
	if len(s.Replicas) == 0 {
		return
	}
	longest := int64(None)
	for _, id := range s.Replicas {
		i := slices.IndexFunc(replicas, func(r *ReplicaView) bool { return r.Broker == id })
		if i < 0 {
			return
		}
		longest = max(longest, replicas[i].LogEnd)
	}
	w.c.turn(wSurvives)
	w.c.cur.Inputs++
	high := p.committed()
	if longest >= high {
		return
	}
	since := p.before(longest)
	now := election{at: at, state: len(p.states)}
	verdict := p.excuseCommitted(longest, since, None)
	if relied, needed := p.relied(since, &now), p.topic.EffectiveMinISR(); !verdict.excused && int32(len(relied)) >= needed {
		verdict = &ruling{excused: true, reason: fmt.Sprintf("%s had been struck by %s (min.insync.replicas is %d)", brokers(relied), p.faultsOn(relied, since, at), needed)}
	}
	if verdict.excused {
		w.c.excused(&p.partition, longest, verdict.reason)
	} else {
		w.c.found(&p.partition, 0, longest, at, fmt.Sprintf("no replica of %s holds what was committed from offset %d to %d, at %s", p.tp, longest, high-1, clock(at)), verdict.against...)
	}
	p.lower(at, s.LeaderEpoch, longest)
}

// logStarts holds retention to what may be removed: nothing that was never
// committed. What a later leader has lost counts as committed once.
func (w *Watcher) logStarts(p *watched, replicas []*ReplicaView, at time.Duration) {
	w.c.turn(wLogStart)
	for _, r := range replicas {
		if w.c.cur.Inputs++; r.LogStart > p.peak {
			w.c.found(&p.partition, int64(r.Broker), r.LogStart, at, fmt.Sprintf(
				"the log of %s on broker %d begins at offset %d at %s, but nothing from %d on was ever committed", p.tp, r.Broker, r.LogStart, clock(at), p.peak))
		}
	}
}
