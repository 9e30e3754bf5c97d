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
	// differed from the one before: None if nobody knows, never if the leader
	// did not begin its epoch.
	start int64
	// unseen tells that epochs passed before this one of which no state is known, in a
	// topic that allows unclean elections: one of theirs may have been unclean, and who
	// was electable then is what it left.
	unseen bool
	// state is the index of the state that made it.
	state int
}

// never is the start of an epoch that nobody began.
const never int64 = math.MaxInt64

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
func (e *election) clean() bool { return !e.unseen && slices.Contains(e.electable(), e.leader) }

// cuts says whether the new leader's log may have lacked offset.
func (e *election) cuts(offset int64) bool {
	return e.start == None || e.start <= offset && e.start != never
}

func elections(p *partition) []election {
	var all []election
	unseen := false
	for i := 1; i < len(p.states); i++ {
		before, s := p.states[i-1], p.states[i]
		unseen = unseen || p.topic.UncleanElection && s.LeaderEpoch > before.LeaderEpoch+1
		if s.LeaderEpoch <= before.LeaderEpoch || s.Leader == None {
			continue
		}
		all = append(all, election{at: s.Time, epoch: s.LeaderEpoch, leader: s.Leader, isr: before.ISR, elr: before.ELR,
			start: p.parts(s.LeaderEpoch), unseen: unseen, state: i})
		unseen = false
	}
	return all
}

// parts is where the log of the leader of an epoch parted, when it began, from
// that of the leader before it: exactly, if it is known of every leader whether
// it began and of these two what they held.
func (p *partition) parts(epoch int32) int64 {
	own, before := p.beginning(epoch), p.beginningBelow(epoch)
	if own == nil {
		if p.begun {
			return never
		}
		return None
	}
	from, known := own.StartOffset, before == nil
	if own.Cache != nil && before != nil && before.Cache != nil {
		from, known = min(from, parting(before.Cache, own.Cache)), true
	}
	if known && p.begun {
		return from
	}
	return min(from, p.partsByScan(epoch))
}

// beginning is what is known of the beginning of an epoch, best of all from its
// leader with its cache, else the lowest offset that anybody tells. nil if
// nothing is.
func (p *partition) beginning(epoch int32) *EpochStart {
	var known *EpochStart
	for i := range p.starts { // ascending offsets within an epoch
		if s := &p.starts[i]; s.LeaderEpoch == epoch && (known == nil || known.Cache == nil && s.Cache != nil) {
			known = s
		}
	}
	return known
}

// beginningBelow is the beginning of the newest epoch before one.
func (p *partition) beginningBelow(epoch int32) *EpochStart {
	for i := len(p.starts) - 1; i >= 0; i-- {
		if s := &p.starts[i]; s.LeaderEpoch < epoch {
			return p.beginning(s.LeaderEpoch)
		}
	}
	return nil
}

// parting is the first offset at which two logs with these epoch caches may
// hold different records. An offset of one leader epoch is one record, so that
// logs are the same as far as their epochs are (KIP-101, KIP-279); below where
// one of them begins there is nothing to compare.
func parting(a, b []EpochEntry) int64 {
	for at := max(a[0].StartOffset, b[0].StartOffset); ; {
		x, nextA := epochAt(a, at)
		y, nextB := epochAt(b, at)
		if x != y {
			return at
		}
		if at = min(nextA, nextB); at == never {
			return never
		}
	}
}

// epochAt is the epoch that a log holds at an offset, and where it holds the
// next one, never if it does not.
func epochAt(cache []EpochEntry, offset int64) (epoch int32, next int64) {
	for i := len(cache) - 1; i >= 0; i-- {
		if cache[i].StartOffset <= offset {
			if i+1 < len(cache) {
				return cache[i].Epoch, cache[i+1].StartOffset
			}
			return cache[i].Epoch, never
		}
	}
	return None, cache[0].StartOffset
}

// partsByScan is what can be said where a cache is not known: the log of a
// leader that was elected uncleanly may part from the one before below where
// its epoch begins, with records of an epoch that ended earlier for everybody
// else. Then the final log lacks the epochs in between.
func (p *partition) partsByScan(epoch int32) int64 {
	from := never
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

// epochOf is the first leader epoch in which an acknowledged record may have been
// appended: the first that the broker which answered led, from the one the client
// believed in, and from the one that this broker had begun when the record was
// sent. If it was elected again before it answered, it may have been a later one
// (epochsOf).
func (p *partition) epochOf(s *SendOp) int32 {
	first := s.LeaderEpoch
	for _, st := range p.starts {
		if st.Leader != None && st.Leader == s.Broker && st.Time <= s.Call {
			first = max(first, st.LeaderEpoch)
		}
	}
	for _, st := range p.states {
		if st.LeaderEpoch >= first && st.Time <= s.Return && (s.Broker == None || st.Leader == s.Broker) {
			return st.LeaderEpoch
		}
	}
	return first
}
