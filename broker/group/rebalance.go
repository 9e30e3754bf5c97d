package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/env/planted"
)

// rebalance moves the group towards its next generation.
func (s *step) rebalance() {
	if s.State == Preparing {
		s.tryComplete()
		return
	}
	wasEmpty := s.State == Empty
	s.failSyncs(kerr.RebalanceInProgress.Code)
	s.State = Preparing
	s.storing = 0
	s.initial = wasEmpty && s.cfg.InitialRebalanceDelay > 0
	if s.initial {
		// More members of a starting application are likely to follow.
		s.deadline = s.now + s.cfg.InitialRebalanceDelay
		s.joinUntil = s.now + s.rebalanceTimeout()
		s.grew = false
		return
	}
	s.deadline = s.now + s.rebalanceTimeout()
	s.tryComplete()
}

// failSyncs answers the waiting SyncGroups with an error.
func (s *step) failSyncs(code int16) {
	for _, id := range s.memberIDs() {
		m := s.Members[id]
		if m.syncing != 0 {
			s.out = append(s.out, Synced{Ref: m.syncing, Code: code})
			m.syncing = 0
			s.touch(m)
		}
	}
}

// rebalanceTimeout is how long the slowest member may take to join: some time at
// least, for a group that waits for its members until now would be asked again at
// once, and for ever.
func (s *step) rebalanceTimeout() time.Duration {
	longest := time.Millisecond
	for _, m := range s.Members { //weir:ordered a maximum
		longest = max(longest, m.RebalanceTimeout)
	}
	return longest
}

// tryComplete begins the next generation if nobody is missing.
func (s *step) tryComplete() {
	if s.State != Preparing || s.initial || len(s.pending) > 0 {
		return
	}
	for _, m := range s.Members { //weir:ordered all or not
		if m.joining == 0 {
			return
		}
	}
	s.begin()
}

// deadlinePassed ends the waiting of a rebalance.
func (s *step) deadlinePassed() {
	if s.initial && s.grew && s.now < s.joinUntil {
		s.grew = false
		s.deadline = min(s.now+s.cfg.InitialRebalanceDelay, s.joinUntil)
		return
	}
	s.initial = false
	present := 0
	for _, id := range s.memberIDs() {
		switch m := s.Members[id]; {
		case m.joining != 0:
			present++
		case m.InstanceID == "" && !planted.Is("absent-members-stay"):
			s.forget(m)
		}
	}
	if present == 0 && len(s.Members) > 0 {
		// Only static members that are away. They keep their place until their
		// sessions end.
		s.deadline = s.now + s.rebalanceTimeout()
		return
	}
	s.begin()
}

// begin starts the next generation with the members there are.
func (s *step) begin() {
	s.initial = false
	s.Generation++
	if len(s.Members) == 0 {
		s.State = Empty
		s.Protocol, s.Leader = "", ""
		s.store(s.value())
		return
	}
	s.State = Completing
	s.Protocol = s.choose()
	if leader := s.Members[s.Leader]; leader == nil || leader.joining == 0 {
		for _, id := range s.memberIDs() {
			if s.Members[id].joining != 0 {
				s.Leader = id
				break
			}
		}
	}
	s.deadline = s.now + s.rebalanceTimeout()
	for _, id := range s.memberIDs() {
		m := s.Members[id]
		m.Assignment = nil
		if m.joining == 0 {
			continue
		}
		ref := m.joining
		m.joining = 0
		s.touch(m)
		s.answerJoin(m, ref)
	}
}

// choose picks the protocol that most members prefer among those that all
// support; of equals, the first by name.
func (s *step) choose() string {
	votes := make(map[string]int)
	for _, id := range s.memberIDs() {
		for _, p := range s.Members[id].Protocols {
			if s.allSupport(p.Name) {
				votes[p.Name]++
				break
			}
		}
	}
	best := ""
	for name, n := range votes { //weir:ordered a maximum without ties
		if best == "" || n > votes[best] || n == votes[best] && name < best {
			best = name
		}
	}
	return best
}

func (s *step) allSupport(protocol string) bool {
	for _, m := range s.Members { //weir:ordered all or not
		if !supports(m, protocol) {
			return false
		}
	}
	return true
}

func (s *step) answerJoin(m *Member, ref Ref) { s.out = append(s.out, s.joined(m, ref)) }

// joined is the answer that puts a member into the current generation.
func (s *step) joined(m *Member, ref Ref) Joined {
	j := Joined{
		Ref: ref, MemberID: m.ID, Generation: s.Generation,
		ProtocolType: s.ProtocolType, Protocol: s.Protocol, Leader: s.Leader,
	}
	if m.ID == s.Leader {
		for _, id := range s.memberIDs() {
			other := s.Members[id]
			j.Members = append(j.Members, JoinedMember{ID: id, InstanceID: other.InstanceID, Metadata: other.metadata(s.Protocol)})
		}
	}
	return j
}

// forget takes a member off the lists, answering what it waits for.
func (s *step) forget(m *Member) {
	if m.joining != 0 {
		s.out = append(s.out, Joined{Ref: m.joining, Code: kerr.UnknownMemberID.Code, MemberID: m.ID, Generation: -1})
	}
	if m.syncing != 0 {
		s.out = append(s.out, Synced{Ref: m.syncing, Code: kerr.UnknownMemberID.Code})
	}
	delete(s.Members, m.ID)
	if m.InstanceID != "" {
		delete(s.instances, m.InstanceID)
	}
	if s.Leader == m.ID {
		s.Leader = ""
		for _, id := range s.memberIDs() {
			s.Leader = id
			break
		}
	}
}

// missed goes on after members have been forgotten.
func (s *step) missed() {
	switch {
	case s.State == Preparing && len(s.Members) == 0 && len(s.pending) == 0:
		s.begin() // nobody is left to wait for
	case s.State == Stable, s.State == Completing, s.State == Preparing:
		s.rebalance()
	}
}

func (s *step) sync(in Sync) {
	refuse := func(code int16) { s.out = append(s.out, Synced{Ref: in.Ref, Code: code}) }
	m, code := s.member(in.MemberID, in.InstanceID)
	switch {
	case code != 0:
		refuse(code)
		return
	case in.Generation != s.Generation && !planted.Is("sync-of-any-generation"):
		refuse(kerr.IllegalGeneration.Code)
		return
	case in.ProtocolType != "" && in.ProtocolType != s.ProtocolType, in.Protocol != "" && in.Protocol != s.Protocol:
		refuse(kerr.InconsistentGroupProtocol.Code)
		return
	}
	s.touch(m)
	switch s.State {
	case Preparing:
		refuse(kerr.RebalanceInProgress.Code)
	case Stable:
		s.answerSync(m, in.Ref)
	case Completing:
		if m.syncing != 0 {
			s.out = append(s.out, Synced{Ref: m.syncing, Code: kerr.UnknownMemberID.Code})
		}
		m.syncing = in.Ref
		if m.ID == s.Leader && s.storing == 0 {
			for _, id := range s.memberIDs() {
				s.Members[id].Assignment = in.Assignments[id]
			}
			s.storing = s.store(s.value())
		}
	default:
		refuse(kerr.UnknownMemberID.Code)
	}
}

func (s *step) answerSync(m *Member, ref Ref) {
	s.out = append(s.out, Synced{Ref: ref, ProtocolType: s.ProtocolType, Protocol: s.Protocol, Assignment: m.Assignment})
}

// stored goes on once the assignment is in the log: only then may a member
// act on it, or a new coordinator would not know of it.
func (s *step) stored(in Stored) {
	if r := s.replaced[in.Seq]; r != nil {
		delete(s.replaced, in.Seq)
		s.replacementStored(r, in)
		return
	}
	if s.storing != in.Seq || s.State != Completing {
		return
	}
	s.storing = 0
	if in.Code != 0 {
		s.failSyncs(in.Code)
		s.rebalance()
		return
	}
	s.State = Stable
	for _, id := range s.memberIDs() {
		if m := s.Members[id]; m.syncing != 0 {
			ref := m.syncing
			m.syncing = 0
			s.touch(m)
			s.answerSync(m, ref)
		}
	}
}

// dropUnsynced removes the members that joined a generation and then did not
// ask for their part of it in time.
func (s *step) dropUnsynced() {
	if s.storing != 0 {
		s.deadline = s.now + s.rebalanceTimeout()
		return
	}
	var late []*Member
	for _, id := range s.memberIDs() {
		if m := s.Members[id]; m.syncing == 0 {
			late = append(late, m)
		}
	}
	for _, m := range late {
		s.forget(m)
	}
	s.rebalance()
}
