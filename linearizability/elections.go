package linearizability

import (
	"fmt"
	"math"
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
	// start is the lowest offset from which on the new leader's log may have
	// differed from the one before, None if nobody knows.
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
		e.start = min(e.start, p.divergence(e.epoch))
		all = append(all, e)
	}
	return all
}

// divergence is where the log of a leader that was elected uncleanly parts from
// the one before, if that is below where its epoch begins: it may have records
// of its own there, of an epoch that ended earlier for everybody else. Then the
// final log lacks the epochs in between.
func (p *partition) divergence(epoch int32) int64 {
	from := int64(math.MaxInt64)
	if !p.log.known() {
		return from
	}
	i := slices.IndexFunc(p.log.Epochs, func(s EpochStart) bool { return s.LeaderEpoch == epoch })
	if i <= 0 {
		return from
	}
	before := p.log.Epochs[i-1].LeaderEpoch
	for _, s := range p.starts {
		if s.LeaderEpoch > before && s.LeaderEpoch < epoch {
			from = min(from, s.StartOffset)
		}
	}
	return from
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
