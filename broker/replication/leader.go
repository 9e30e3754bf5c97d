package replication

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/env/planted"
)

// progress is what a leader knows of one follower, in this leader epoch.
type progress struct {
	id int32

	// From the latest fetch that counted. They change together, so that no
	// reader takes the offset of one life for another (KAFKA-15221).
	end         int64 // the follower's log end offset; -1 before the first fetch
	start       int64 // and its log start offset
	brokerEpoch int64
	fetchedAt   time.Duration
	leaderEnd   int64 // the leader's log end offset at that fetch

	told        int64 // the high watermark that it was told last, -1 if none
	hasCaughtUp bool
	caughtUpAt  time.Duration // when it last had everything there was

	// From metadata.
	registered int64
	active     bool
	rack       string
}

// Progress is how far each follower that has fetched in this leader epoch is.
func (s *State) Progress() (list []ProgressView) {
	if s.role != RoleLeader {
		return nil
	}
	for i := range s.followers {
		if p := &s.followers[i]; p.end != unknownOffset {
			list = append(list, ProgressView{Broker: p.id, BrokerEpoch: p.brokerEpoch, Registered: p.registered, EndOffset: p.end})
		}
	}
	return list
}

func newProgress(id int32) progress {
	return progress{id: id, end: unknownOffset, told: unknownOffset, brokerEpoch: unknownEpoch, leaderEnd: unknownOffset, registered: unknownEpoch}
}

// forget drops what fetches have told. A member of the ISR gets the full lag
// time to fetch for the first time.
func (p *progress) forget(now time.Duration, inISR bool) {
	registered, active, rack := p.registered, p.active, p.rack
	*p = newProgress(p.id)
	p.registered, p.active, p.rack = registered, active, rack
	p.hasCaughtUp, p.caughtUpAt = inISR, now
}

func (p *progress) caughtUp(now time.Duration, leaderEnd int64, lagMax time.Duration) bool {
	return p.end == leaderEnd || p.hasCaughtUp && now-p.caughtUpAt <= lagMax
}

// eligible reports whether the controller would accept the follower in an ISR
// (KIP-841, KIP-903).
func (s *State) eligible(p *progress) bool {
	if p.brokerEpoch != p.registered && s.obeys(GuardBrokerEpoch) {
		return false
	}
	return p.active || !s.obeys(GuardEligible)
}

// lead makes the replica the leader of an epoch, or changes ISR and replicas
// of the epoch it leads.
func (s *State) lead(now time.Duration, a *Assignment, newEpoch bool, oldISR []int32, out []Output) []Output {
	wasLeader := s.role == RoleLeader
	s.role = RoleLeader
	old := s.followers
	s.followers = make([]progress, 0, len(s.replicas))
	for _, id := range s.replicas {
		if id == s.self {
			continue
		}
		p := newProgress(id)
		at := slices.IndexFunc(old, func(p progress) bool { return p.id == id })
		if at >= 0 {
			p = old[at]
		}
		if at < 0 || newEpoch && s.obeys(GuardResetProgress) {
			p.forget(now, slices.Contains(s.isr, id))
		}
		s.followers = append(s.followers, p)
	}
	slices.SortFunc(s.followers, func(a, b progress) int { return int(a.id) - int(b.id) })
	if newEpoch {
		if !wasLeader {
			out = append(out, Output{Kind: OutStopFetch})
		}
		s.epochStart = s.log.End
		s.log.Epoch = max(s.log.Epoch, s.epoch)
		s.joinAfter = 0
		out = append(out, Output{Kind: OutLead, Epoch: s.epoch, Offset: s.epochStart})
	}
	if newEpoch || !slices.Equal(oldISR, s.isr) {
		out = append(out, Output{Kind: OutISR})
	}
	return s.Brokers(now, a.Brokers, out)
}

// Brokers takes in what metadata says of the replicas' brokers.
func (s *State) Brokers(now time.Duration, brokers []Broker, out []Output) []Output {
	if s.role != RoleLeader {
		return out
	}
	s.rack = ""
	for _, b := range brokers {
		if b.ID == s.self {
			s.rack = b.Rack
		}
	}
	for i := range s.followers {
		p := &s.followers[i]
		at := slices.IndexFunc(brokers, func(b Broker) bool { return b.ID == p.id })
		if at < 0 {
			p.active = false
			continue
		}
		b := brokers[at]
		p.active, p.rack = b.Active, b.Rack
		if b.Epoch != p.registered {
			p.registered = b.Epoch
			// The broker may have lost its disk with its life. What its new
			// life has fetched already stays.
			if p.end != unknownOffset && p.brokerEpoch < b.Epoch && s.obeys(GuardResetProgress) {
				p.forget(now, slices.Contains(s.isr, p.id))
			}
		}
	}
	return s.advance(now, out)
}

// FollowerFetch is a follower's fetch, with what the leader's log says of the
// epoch it ends with.
type FollowerFetch struct {
	Replica     int32
	BrokerEpoch int64 // -1 if not given
	LeaderEpoch int32 // the epoch the follower is in
	Offset      int64 // its log end offset
	Start       int64 // its log start offset
	LastEpoch   int32 // of its last batch; -1 if its log is empty
	FoundEpoch  int32 // Log.EpochEnd(LastEpoch)
	FoundEnd    int64
}

// Fetch takes in a follower's fetch. Its last fetch-related output is
// OutServe, OutDiverging or OutReject.
func (s *State) Fetch(now time.Duration, f FollowerFetch, out []Output) []Output {
	if code := s.checkFetch(&f); code != 0 {
		return append(out, Output{Kind: OutReject, Code: code})
	}
	diverging := f.LastEpoch >= 0 && (f.FoundEpoch < f.LastEpoch || f.FoundEnd < f.Offset)
	if diverging {
		out = append(out, Output{Kind: OutDiverging, Epoch: f.FoundEpoch, Offset: f.FoundEnd})
		if s.obeys(GuardDivergenceFirst) {
			return out
		}
	} else if f.Offset > s.log.End {
		return append(out, Output{Kind: OutReject, Code: kerr.OffsetOutOfRange.Code})
	} else {
		out = append(out, Output{Kind: OutServe})
	}
	p := s.follower(f.Replica)
	s.note(now, p, &f)
	if proposal := s.expansion(now, p); proposal != nil {
		s.pending = proposal
		out = append(out, Output{Kind: OutPropose, Proposal: proposal})
	}
	return s.advance(now, out)
}

// checkFetch gives the error a fetch is refused with, 0 if it may go on.
func (s *State) checkFetch(f *FollowerFetch) int16 {
	if s.role != RoleLeader {
		return kerr.NotLeaderForPartition.Code
	}
	if s.obeys(GuardFenceEpoch) {
		if f.LeaderEpoch < s.epoch {
			return kerr.FencedLeaderEpoch.Code
		}
		if f.LeaderEpoch > s.epoch {
			return kerr.UnknownLeaderEpoch.Code
		}
	}
	p := s.follower(f.Replica)
	if p == nil {
		// The follower may have heard of its assignment before this leader.
		return kerr.UnknownLeaderEpoch.Code
	}
	if (f.BrokerEpoch < p.registered || f.BrokerEpoch < p.brokerEpoch) && s.obeys(GuardBrokerEpoch) {
		return kerr.NotLeaderForPartition.Code
	}
	if f.Offset < s.log.Start {
		return kerr.OffsetOutOfRange.Code
	}
	return 0
}

// note records how far a follower is. Its log equals the leader's below its
// fetch offset.
func (s *State) note(now time.Duration, p *progress, f *FollowerFetch) {
	switch {
	case f.Offset >= s.log.End:
		p.hasCaughtUp, p.caughtUpAt = true, now
	case p.leaderEnd != unknownOffset && f.Offset >= p.leaderEnd && (!p.hasCaughtUp || p.fetchedAt > p.caughtUpAt):
		p.hasCaughtUp, p.caughtUpAt = true, p.fetchedAt
	}
	p.end, p.start, p.brokerEpoch, p.fetchedAt, p.leaderEnd = f.Offset, f.Start, f.BrokerEpoch, now, s.log.End
	if f.Offset < s.log.End && planted.Is("count-what-is-sent") {
		p.end = s.log.End
	}
}

// expansion is the proposal to add a follower that has just fetched, nil if it
// may not join or there is one pending.
func (s *State) expansion(now time.Duration, p *progress) *Proposal {
	if s.pending != nil || slices.Contains(s.isr, p.id) || now < s.joinAfter || !s.eligible(p) {
		return nil
	}
	if p.end < s.hw && s.obeys(GuardJoinPastHighWatermark) {
		return nil
	}
	if p.end < s.epochStart && s.obeys(GuardJoinPastEpochStart) {
		return nil
	}
	isr := make([]int32, 0, len(s.isr)+1)
	for _, id := range s.replicas {
		if id == p.id || slices.Contains(s.isr, id) {
			isr = append(isr, id)
		}
	}
	return s.propose(isr)
}

func (s *State) propose(isr []int32) *Proposal {
	proposal := &Proposal{LeaderEpoch: s.epoch, PartitionEpoch: s.version, ISR: make([]Member, 0, len(isr))}
	for _, id := range isr {
		m := Member{ID: id, Epoch: unknownEpoch}
		if p := s.follower(id); p != nil && s.obeys(GuardBrokerEpoch) {
			m.Epoch = p.brokerEpoch
			if m.Epoch != p.registered && planted.Is("epoch-from-another-snapshot") {
				m.Epoch = p.registered
			}
		}
		proposal.ISR = append(proposal.ISR, m)
	}
	return proposal
}

// Tick looks for members of the ISR that have fallen behind. It is due every
// half lag time.
func (s *State) Tick(now time.Duration, out []Output) []Output {
	if s.role != RoleLeader {
		return out
	}
	// Who was about to join and has come no further holds back nothing any more.
	out = s.advance(now, out)
	if s.pending != nil {
		return out
	}
	isr := make([]int32, 0, len(s.isr))
	for _, id := range s.isr {
		if p := s.follower(id); p == nil || p.caughtUp(now, s.log.End, s.lagMax) {
			isr = append(isr, id)
		}
	}
	if len(isr) == len(s.isr) {
		return out
	}
	s.pending = s.propose(isr)
	return append(out, Output{Kind: OutPropose, Proposal: s.pending})
}

// ProposalAnswer is the controller's answer to a proposal, or the failure to
// get one.
type ProposalAnswer struct {
	Proposal       *Proposal
	Code           int16 // 0 accepted; RequestTimedOut if there was no answer
	LeaderEpoch    int32
	PartitionEpoch int32
	ISR            []int32
}

// joinPause is how long a leader waits after the controller found a proposed
// member ineligible. The metadata that explains it is on its way.
const joinPause = 500 * time.Millisecond

// ProposalAnswered takes in the controller's answer.
func (s *State) ProposalAnswered(now time.Duration, a ProposalAnswer, out []Output) []Output {
	if s.role != RoleLeader || s.pending == nil || s.pending != a.Proposal && !planted.Is("answer-to-another-proposal") {
		return append(out, Output{Kind: OutIgnore})
	}
	switch a.Code {
	case 0:
		if a.LeaderEpoch != s.epoch || a.PartitionEpoch < s.version {
			return append(out, Output{Kind: OutIgnore})
		}
		// The answer need not tell min.insync.replicas: a proposal is accepted
		// from the very partition epoch it names, and changes the ISR alone.
		s.version, s.isr, s.pending, s.doubtful = a.PartitionEpoch, slices.Clone(a.ISR), nil, nil
		out = append(out, Output{Kind: OutISR})
		return s.advance(now, out)
	case kerr.IneligibleReplica.Code, kerr.OperationNotAttempted.Code:
		return s.refused(now, out)
	case kerr.FencedLeaderEpoch.Code, kerr.InvalidUpdateVersion.Code, kerr.NewLeaderElected.Code, kerr.InvalidRequest.Code:
		// Metadata that ends this proposal is on its way. Whether an earlier
		// sending of it was applied is not known, so it stays in the maximal ISR.
		return append(out, Output{Kind: OutIgnore})
	}
	// No answer, or one from a controller that knows less than this leader and
	// so is one no more (NOT_CONTROLLER, UNKNOWN_TOPIC_ID).
	return append(out, Output{Kind: OutRetry, Proposal: s.pending})
}

// refused gives up a proposal that one sending of was refused. An earlier
// sending may still be under way and be applied, as long as the partition is in
// the epoch it starts from. So its members stay in the maximal ISR, and the
// leader proposes the ISR there is: that one, or whatever else the controller
// accepts, begins a partition epoch in which no earlier proposal counts.
func (s *State) refused(now time.Duration, out []Output) []Output {
	if s.pending.within(s.isr) {
		return append(out, Output{Kind: OutRetry, Proposal: s.pending}) // nothing to give up
	}
	s.joinAfter = now + joinPause
	if !s.obeys(GuardRefusedMayApply) {
		s.pending = nil
		return s.advance(now, out)
	}
	for _, m := range s.pending.ISR {
		if !slices.Contains(s.isr, m.ID) && !slices.Contains(s.doubtful, m.ID) {
			s.doubtful = append(slices.Clip(s.doubtful), m.ID)
		}
	}
	s.pending = s.propose(s.isr)
	return append(out, Output{Kind: OutPropose, Proposal: s.pending})
}

// advance moves the leader's high watermark to what every broker that may be
// in the ISR has.
func (s *State) advance(now time.Duration, out []Output) []Output {
	if s.BelowMinISR() && s.obeys(GuardStrictMinISR) {
		return out
	}
	hw := s.log.End
	for i := range s.followers {
		if p := &s.followers[i]; p.end < hw && s.holdsBack(now, p) {
			hw = p.end
		}
	}
	if hw > s.hw {
		s.hw = hw
		out = append(out, Output{Kind: OutHighWatermark, Offset: hw})
	}
	return out
}

// holdsBack reports whether the high watermark waits for the follower: if it is
// in the maximal ISR, or about to join and would otherwise chase the high
// watermark for ever.
func (s *State) holdsBack(now time.Duration, p *progress) bool {
	if slices.Contains(s.isr, p.id) {
		return true
	}
	if (s.pending != nil && s.pending.has(p.id) || slices.Contains(s.doubtful, p.id)) && s.obeys(GuardMaximalISR) {
		return true
	}
	return p.end != unknownOffset && s.eligible(p) && p.caughtUp(now, s.log.End, s.lagMax) && s.obeys(GuardMaximalISR)
}

func (s *State) follower(id int32) *progress {
	for i := range s.followers {
		if s.followers[i].id == id {
			return &s.followers[i]
		}
	}
	return nil
}
