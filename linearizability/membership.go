package linearizability

import (
	"fmt"
	"slices"
	"time"
)

// superset is ReplicationQuorumSuperset: whoever the controller may elect is
// among those whose copies the leader waits for. Members of the ELR count while
// the leader goes on committing: with an ISR smaller than min.insync.replicas it
// does not.
func (w *Watcher) superset(p *watched, leader *ReplicaView, s *PartitionState, at time.Duration) {
	w.c.turn(wSuperset)
	w.c.cur.Inputs++
	for i, r := range s.counted() {
		if slices.Contains(leader.MaximalISR, r) || i >= len(s.ISR) && s.counting(leader.ISR) < p.minISR(s) {
			continue
		}
		w.c.found(&p.partition, int64(s.PartitionEpoch), None, at, fmt.Sprintf(
			"the controller may elect broker %d for %s (ISR %v, ELR %v, partition epoch %d), but leader %d waits only for %v, at %s",
			r, p.tp, s.ISR, s.ELR, s.PartitionEpoch, leader.Broker, leader.MaximalISR, clock(at)))
		return
	}
}

// counting is how many in-sync replicas count for min.insync.replicas.
func (s *PartitionState) counting(isr []int32) (n int32) {
	for _, r := range isr {
		if !slices.Contains(s.Adding, r) {
			n++
		}
	}
	return n
}

// minISR is the min.insync.replicas that belongs to a state.
func (p *partition) minISR(s *PartitionState) int32 {
	if s.MinISR > 0 {
		return s.MinISR
	}
	return p.topic.EffectiveMinISR()
}

// progress holds every leader to what it knows of its followers, on which it commits
// and proposes: a follower that counts in an epoch has come to that epoch (KIP-320,
// KAFKA-13141: its log was compared before it fetched), has in it what it fetched
// from, and is not a life that the leader knows to be over (KIP-903). A follower loses
// none of that but with its life, or its disk.
func (w *Watcher) progress(p *watched, replicas []*ReplicaView, v *ClusterView) {
	for _, leader := range replicas {
		if !leader.Leader {
			continue
		}
		for _, known := range leader.Progress {
			w.c.turn(wProgress)
			w.c.cur.Inputs++
			says := func(what string, args ...any) {
				w.c.found(&p.partition, int64(known.Broker), known.LogEnd, v.Time, fmt.Sprintf(
					"leader %d of %s in epoch %d counts on broker %d to have everything below %d, ", leader.Broker, p.tp, leader.LeaderEpoch, known.Broker, known.LogEnd)+
					fmt.Sprintf(what, args...)+", at "+clock(v.Time))
			}
			if known.Epoch >= 0 && known.Epoch < known.Registered {
				says("which fetched that under broker epoch %d, although it knows it to be registered anew under %d", known.Epoch, known.Registered)
				continue
			}
			alive := slices.ContainsFunc(v.Brokers, func(b BrokerView) bool { return b.Broker == known.Broker && b.Running && b.Epoch == known.Epoch })
			at := slices.IndexFunc(replicas, func(r *ReplicaView) bool { return r.Broker == known.Broker })
			if !alive || at < 0 || replicas[at].Failed || replicas[at].LeaderEpoch < 0 {
				continue
			}
			switch f := replicas[at]; {
			case f.LeaderEpoch < leader.LeaderEpoch:
				says("which is in epoch %d yet, with its log ending at %d", f.LeaderEpoch, f.LogEnd)
			case f.LeaderEpoch == leader.LeaderEpoch && f.LogEnd < known.LogEnd:
				says("but its log ends at %d", f.LogEnd)
			case f.LeaderEpoch == leader.LeaderEpoch:
				w.counts(p, leader, f, known.LogEnd, v.Time)
			}
		}
	}
}

// unfenced holds the controller to fencing: a broker that does not answer leaves
// every ISR in the same breath (KIP-966), or leaders would be taken to be in sync
// with it.
func (w *Watcher) unfenced(v *ClusterView) {
	w.c.turn(wFenced)
	for i := range v.Partitions {
		s := &v.Partitions[i]
		for _, r := range s.ISR {
			w.c.cur.Inputs++
			if !slices.ContainsFunc(v.Brokers, func(b BrokerView) bool { return b.Broker == r && b.Fenced }) {
				continue
			}
			p := w.partition(TopicPartition{s.Topic, s.Partition})
			w.c.found(&p.partition, int64(s.PartitionEpoch), None, v.Time, fmt.Sprintf(
				"broker %d is fenced and still in the ISR of %s (%v, partition epoch %d), at %s", r, p.tp, s.ISR, s.PartitionEpoch, clock(v.Time)))
		}
	}
}

// leaderInSync is LeaderInIsr; and whoever is relied on is a replica.
func (w *Watcher) leaderInSync(p *watched, s *PartitionState) {
	w.c.turn(wLeaderInSync)
	for _, r := range s.counted() {
		if len(s.Replicas) > 0 && !slices.Contains(s.Replicas, r) {
			w.c.found(&p.partition, int64(s.PartitionEpoch), None, s.Time, fmt.Sprintf(
				"broker %d is in the ISR or the ELR of %s (ISR %v, ELR %v), but is none of its replicas %v, at %s", r, p.tp, s.ISR, s.ELR, s.Replicas, clock(s.Time)))
		}
	}
	if w.c.cur.Inputs++; s.Leader != None && !slices.Contains(s.ISR, s.Leader) {
		w.c.found(&p.partition, int64(s.PartitionEpoch), None, s.Time, fmt.Sprintf(
			"broker %d leads %s in epoch %d, but is not in the ISR %v, at %s", s.Leader, p.tp, s.LeaderEpoch, s.ISR, clock(s.Time)))
	}
}

// recoveryQuorum is MinIsrRecoveryQuorum: as long as nobody has lost anything, ISR
// and ELR together do not fall below min.insync.replicas, or a committed record
// could be on fewer replicas than it was promised to. An unclean election ends
// what was promised. Replicas that a reassignment is adding are not of those: what
// is committed is on enough others, or on those of them that faults have left, and
// another target takes them away at any time.
func (w *Watcher) recoveryQuorum(p *watched, before, s *PartitionState) {
	relied := s.relied()
	if !p.topic.ELR || s.PartitionEpoch != before.PartitionEpoch+1 || s.Leader != None && !slices.Contains(before.counted(), s.Leader) {
		return
	}
	w.c.turn(wRecoveryQuorum)
	if w.c.cur.Inputs++; int32(len(relied)) >= p.minISR(s) {
		return
	}
	for _, r := range before.relied() {
		if slices.Contains(relied, r) || slices.ContainsFunc(p.faults, func(f Fault) bool { return f.distrusted(r) }) {
			continue
		}
		w.c.found(&p.partition, int64(s.PartitionEpoch), None, s.Time, fmt.Sprintf(
			"broker %d of %s is relied on no more, although no fault has taken anything from it and only %s left of min.insync.replicas=%d (ISR %v, ELR %v), at %s",
			r, p.tp, areOf(relied), p.minISR(s), s.ISR, s.ELR, clock(s.Time)),
			fmt.Sprintf("before, in partition epoch %d: ISR %v, ELR %v", before.PartitionEpoch, before.ISR, before.ELR))
	}
}

func areOf(ids []int32) string {
	if len(ids) <= 1 {
		return brokers(ids) + " is"
	}
	return brokers(ids) + " are"
}

// distrusted says whether after f a broker may not say that it has all it had.
func (f *Fault) distrusted(broker int32) bool {
	return slices.Contains(f.Brokers, broker) && slices.Contains([]FaultKind{PowerLoss, DiskGone, DiskWiped, DiskFailed, LogDirFailed, VolumeMoved, Corruption, BitRot}, f.Kind)
}
