package linearizability

import (
	"fmt"
	"slices"
	"time"
)

// election is a change of leader epoch with a leader at its end.
type election struct {
	at     time.Duration
	epoch  int32
	leader int32
	// isr and elr as they stood before: who could be elected cleanly.
	isr, elr []int32
	// start is the lowest offset at which anybody saw this epoch begin, None
	// if nobody did.
	start int64
	// state is the index of the state that made it.
	state int
}

func (e *election) electable() []int32 {
	var all []int32
	for _, r := range append(append([]int32{}, e.isr...), e.elr...) {
		if !slices.Contains(all, r) {
			all = append(all, r)
		}
	}
	slices.Sort(all)
	return all
}

// clean says whether the leader was one that held every committed record, as
// far as the metadata knew. It is derived, never believed.
func (e *election) clean() bool { return slices.Contains(e.electable(), e.leader) }

// cuts says whether the new leader's log may have lacked offset.
func (e *election) cuts(offset int64) bool { return e.start == None || e.start <= offset }

func elections(p *partition) []election {
	var all []election
	for i := 1; i < len(p.states); i++ {
		before, s := p.states[i-1], p.states[i]
		if s.LeaderEpoch <= before.LeaderEpoch || s.Leader == None {
			continue
		}
		e := election{at: s.Time, epoch: s.LeaderEpoch, leader: s.Leader, isr: before.ISR, elr: before.ELR, start: None, state: i}
		for _, st := range p.starts { // ascending offsets within an epoch
			if st.LeaderEpoch == e.epoch {
				e.start = st.StartOffset
				break
			}
		}
		all = append(all, e)
	}
	return all
}

// excuseCommitted decides whether the loss of a committed record was
// permitted (SEMANTICS 2.3, acks=all). The record was appended and committed
// at some time from call on.
//
// It is permitted iff at some election that cut it away
//
//   - every replica that could be elected cleanly (ISR and ELR) had, since the
//     record was sent, suffered a fault that lost stored bytes, and had not
//     been brought back in sync since; or
//   - the leader was none of those (an unclean election), and either the topic
//     allows that, or there was nobody else for a good reason: as many replicas
//     as the effective min.insync.replicas had suffered such faults while they
//     were being relied on.
//
// When it is not permitted, why says what speaks against it, one election a
// line.
func (p *partition) excuseCommitted(offset int64, call time.Duration) (reason string, ok bool, why []string) {
	for i := range p.elect {
		e := &p.elect[i]
		if e.at <= call || !e.cuts(offset) {
			continue
		}
		var sound, struck []int32
		for _, r := range e.electable() {
			if p.tainted(r, offset, call, e) {
				struck = append(struck, r)
			} else {
				sound = append(sound, r)
			}
		}
		who := fmt.Sprintf("broker %d became leader in epoch %d at %s", e.leader, e.epoch, clock(e.at))
		switch {
		case e.clean() && len(sound) == 0:
			return fmt.Sprintf("%s; every electable replica (%s) had lost bytes to %s", who, brokers(struck), p.faultsOn(struck, call, e.at)), true, nil
		case !e.clean() && p.topic.UncleanElection:
			return fmt.Sprintf("%s by unclean election, which the topic allows", who), true, nil
		case !e.clean() && len(sound) == 0:
			relied := p.relied(offset, call, e)
			if int32(len(relied)) >= p.topic.EffectiveMinISR() {
				return fmt.Sprintf("%s by unclean election after %s had lost bytes to %s (min.insync.replicas is %d)",
					who, brokers(relied), p.faultsOn(relied, call, e.at), p.topic.EffectiveMinISR()), true, nil
			}
			why = append(why, fmt.Sprintf("%s by unclean election, which the topic forbids; only %d of the replicas relied on had lost bytes, fewer than min.insync.replicas=%d",
				who, len(relied), p.topic.EffectiveMinISR()))
		default:
			kind := "cleanly"
			if !e.clean() {
				kind = "by unclean election, which the topic forbids"
			}
			why = append(why, fmt.Sprintf("%s %s; electable %s had lost nothing since the record was sent (ISR %v, ELR %v)",
				who, kind, brokers(sound), e.isr, e.elr))
		}
	}
	if len(why) == 0 {
		why = []string{"no leader was elected since the record was sent whose log could have lacked it"}
	}
	return "", false, why
}

// tainted says whether replica r, at election e, may lack the record at offset
// although it once had it: a fault that lost it struck r after since, and r
// has not left the ISR and come back (which takes catching up) since then.
func (p *partition) tainted(r int32, offset int64, since time.Duration, e *election) bool {
	last := time.Duration(-1)
	for _, f := range p.faults {
		if p.lost(f, r, offset) && f.Start >= since && f.Start <= e.at {
			last = max(last, f.Start)
		}
	}
	if last < 0 {
		return false
	}
	out := !slices.Contains(p.stateAt(last).ISR, r)
	for _, s := range p.states[:e.state] {
		if s.Time <= last {
			continue
		}
		in := slices.Contains(s.ISR, r)
		if out && in {
			return false
		}
		out = !in
	}
	return true
}

// relied are the replicas tainted at e that were in the ISR or the ELR when
// the fault struck them: those whose copies the promise rested on.
func (p *partition) relied(offset int64, since time.Duration, e *election) []int32 {
	var all []int32
	for _, f := range p.faults {
		for _, r := range f.Brokers {
			if !p.lossy(f, r) || f.Start < since || f.Start > e.at || slices.Contains(all, r) || !p.tainted(r, offset, since, e) {
				continue
			}
			if s := p.stateAt(f.Start); slices.Contains(s.ISR, r) || slices.Contains(s.ELR, r) {
				all = append(all, r)
			}
		}
	}
	slices.Sort(all)
	return all
}

// lossy says whether f lost bytes of this partition on broker r. With
// flush.messages=1 everything that counts had been synced, so that a power
// loss is never an excuse.
func (p *partition) lossy(f Fault, r int32) bool {
	if !f.Lossy || !slices.Contains(f.Brokers, r) {
		return false
	}
	return f.Kind != PowerLoss || p.topic.FlushMessages != 1
}

// lost says whether f may have lost the record at offset on broker r.
func (p *partition) lost(f Fault, r int32, offset int64) bool {
	if !p.lossy(f, r) {
		return false
	}
	for _, rec := range f.Recovered {
		if rec.Broker == r && rec.Topic == p.tp.Topic && rec.Partition == p.tp.Partition && offset < rec.LogEnd {
			return false
		}
	}
	return true
}

// stateAt is the metadata in force at time t.
func (p *partition) stateAt(t time.Duration) PartitionState {
	var s PartitionState
	for _, n := range p.states {
		if n.Time > t {
			break
		}
		s = n
	}
	return s
}

func (p *partition) faultsOn(replicas []int32, since, until time.Duration) string {
	var text string
	for _, f := range p.faults {
		for _, r := range f.Brokers {
			if p.lossy(f, r) && slices.Contains(replicas, r) && f.Start >= since && f.Start <= until {
				if text != "" {
					text += ", "
				}
				text += fmt.Sprintf("%s at %s", f.Kind, clock(f.Start))
				break
			}
		}
	}
	return text
}

func brokers(ids []int32) string {
	switch len(ids) {
	case 0:
		return "no broker"
	case 1:
		return fmt.Sprintf("broker %d", ids[0])
	}
	text := "brokers "
	for i, id := range ids {
		switch {
		case i == len(ids)-1:
			text += " and "
		case i > 0:
			text += ", "
		}
		text += fmt.Sprint(id)
	}
	return text
}

// excuseLeaderOnly decides whether the loss of a record acknowledged with
// acks=1 was permitted: iff a later leader epoch began at or below its offset.
// The promise of acks=1 ends with the epoch, by whatever means it ended.
func (p *partition) excuseLeaderOnly(s *SendOp) (reason string, ok bool) {
	e := p.epochOf(s)
	for _, st := range p.starts {
		if st.LeaderEpoch > e && st.StartOffset <= s.Offset {
			return fmt.Sprintf("acks=1 promises nothing beyond leader epoch %d, and epoch %d began at offset %d", e, st.LeaderEpoch, st.StartOffset), true
		}
	}
	if r := p.log.at(s.Offset); r != nil && r.LeaderEpoch > e {
		return fmt.Sprintf("acks=1 promises nothing beyond leader epoch %d, and epoch %d wrote the offset anew", e, r.LeaderEpoch), true
	}
	return "", false
}

// epochOf is the leader epoch in which an acknowledged record was appended:
// the first from the one the client believed in that the broker which answered
// led. If that broker was elected again before it answered, it may have been a
// later one; then the record gets the benefit of the doubt.
func (p *partition) epochOf(s *SendOp) int32 {
	for _, st := range p.states {
		if st.LeaderEpoch >= s.LeaderEpoch && st.Time <= s.Return && (s.Broker == None || st.Leader == s.Broker) {
			return st.LeaderEpoch
		}
	}
	return s.LeaderEpoch
}
