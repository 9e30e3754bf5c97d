package group

import (
	"bytes"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/planted"
)

// Step takes one input at monotonic time now and returns what is to be done,
// in order.
func (g *Group) Step(now time.Duration, in Input) []Output {
	s := step{Group: g, now: now}
	switch in := in.(type) {
	case Join:
		s.join(in)
	case Sync:
		s.sync(in)
	case Heartbeat:
		s.reply(in.Ref, s.heartbeat(in))
	case Leave:
		s.out = append(s.out, Left{Ref: in.Ref, Codes: s.leave(in.Members)})
	case Stored:
		s.stored(in)
	case Tick:
		s.tick()
	}
	return s.out
}

// step is one input being taken.
type step struct {
	*Group
	now time.Duration
	out []Output
}

func (s *step) reply(ref Ref, code int16) { s.out = append(s.out, Done{Ref: ref, Code: code}) }

func (s *step) refuseJoin(in Join, code int16) {
	s.out = append(s.out, Joined{Ref: in.Ref, Code: code, MemberID: in.MemberID, Generation: -1})
}

func (s *step) join(in Join) {
	switch {
	case s.State == Dead:
		s.refuseJoin(in, kerr.CoordinatorNotAvailable.Code)
	case in.SessionTimeout < s.cfg.MinSessionTimeout || in.SessionTimeout > s.cfg.MaxSessionTimeout:
		s.refuseJoin(in, kerr.InvalidSessionTimeout.Code)
	case !s.compatible(in):
		s.refuseJoin(in, kerr.InconsistentGroupProtocol.Code)
	case in.MemberID == "":
		s.joinNew(in)
	default:
		s.joinKnown(in)
	}
}

// compatible reports whether the member could take part in the group: some
// protocol of it is supported by all other members.
func (s *step) compatible(in Join) bool {
	if in.ProtocolType == "" || len(in.Protocols) == 0 || len(in.Protocols) > maxProtocols {
		return false
	}
	others := 0
	for id := range s.Members { //weir:ordered a count
		if id != in.MemberID && (in.InstanceID == "" || s.instances[in.InstanceID] != id) {
			others++
		}
	}
	if others == 0 {
		return true
	}
	if in.ProtocolType != s.ProtocolType {
		return false
	}
	for _, p := range in.Protocols {
		supporters := 0
		for id, m := range s.Members { //weir:ordered a count
			if id != in.MemberID && (in.InstanceID == "" || s.instances[in.InstanceID] != id) && supports(m, p.Name) {
				supporters++
			}
		}
		if supporters == others {
			return true
		}
	}
	return false
}

func supports(m *Member, protocol string) bool {
	return slices.ContainsFunc(m.Protocols, func(p Protocol) bool { return p.Name == protocol })
}

func (s *step) joinNew(in Join) {
	if old, known := s.instances[in.InstanceID]; in.InstanceID != "" && known {
		s.replaceStatic(in, s.Members[old])
		return
	}
	if s.cfg.MaxSize > 0 && len(s.Members)+len(s.pending) >= s.cfg.MaxSize {
		s.refuseJoin(in, kerr.GroupMaxSizeReached.Code)
		return
	}
	if in.InstanceID == "" && in.RequireMemberID {
		s.pending[in.NewMemberID] = s.now + in.SessionTimeout
		s.out = append(s.out, Joined{Ref: in.Ref, Code: kerr.MemberIDRequired.Code, MemberID: in.NewMemberID, Generation: -1})
		return
	}
	s.addMember(in, in.NewMemberID)
}

func (s *step) joinKnown(in Join) {
	if _, given := s.pending[in.MemberID]; given && in.InstanceID == "" {
		delete(s.pending, in.MemberID)
		s.addMember(in, in.MemberID)
		return
	}
	m, code := s.member(in.MemberID, in.InstanceID)
	if code != 0 {
		s.refuseJoin(in, code)
		return
	}
	changed := !sameProtocols(m.Protocols, in.Protocols)
	switch {
	case s.State == Preparing:
	case s.State == Completing && !changed:
		// The answer to its join was lost; the generation is still right.
		s.touch(m)
		s.answerJoin(m, in.Ref)
		return
	case s.State == Stable && !changed && m.ID != s.Leader:
		s.touch(m)
		s.answerJoin(m, in.Ref)
		return
	}
	s.update(m, in)
	s.rebalance()
}

// addMember takes a newcomer in under the given member ID.
func (s *step) addMember(in Join, id string) {
	m := &Member{ID: id, InstanceID: in.InstanceID}
	s.Members[id] = m
	s.emptySince = 0
	if in.InstanceID != "" {
		s.instances[in.InstanceID] = id
	}
	if s.Leader == "" {
		s.Leader = id
	}
	s.grew = true
	s.update(m, in)
	s.rebalance()
}

// update takes over what a join says and lets it wait for the generation.
func (s *step) update(m *Member, in Join) {
	if m.joining != 0 {
		// The earlier request of the same member can only be a lost one.
		s.out = append(s.out, Joined{Ref: m.joining, Code: kerr.UnknownMemberID.Code, MemberID: m.ID, Generation: -1})
	}
	m.ClientID, m.ClientHost = in.ClientID, in.ClientHost
	m.SessionTimeout, m.RebalanceTimeout = in.SessionTimeout, in.RebalanceTimeout
	m.Protocols = in.Protocols
	m.joining = in.Ref
	s.ProtocolType = in.ProtocolType
	s.touch(m)
}

// replaceStatic lets a static member come back under a new member ID
// (KIP-345). If nothing it said has changed the generation goes on.
func (s *step) replaceStatic(in Join, m *Member) {
	before, old := *m, m.ID
	if m.joining != 0 {
		s.out = append(s.out, Joined{Ref: m.joining, Code: kerr.FencedInstanceID.Code, MemberID: old, Generation: -1})
		m.joining = 0
	}
	if m.syncing != 0 {
		s.out = append(s.out, Synced{Ref: m.syncing, Code: kerr.FencedInstanceID.Code})
		m.syncing = 0
	}
	for _, seq := range env.SortedKeys(s.replaced) {
		// The one that came between the two.
		if r := s.replaced[seq]; r.member == m {
			s.out = append(s.out, Joined{Ref: r.answer.Ref, Code: kerr.FencedInstanceID.Code, MemberID: old, Generation: -1})
			delete(s.replaced, seq)
		}
	}
	same := bytes.Equal(m.metadata(s.Protocol), protocolMetadata(in.Protocols, s.Protocol)) && sameProtocols(m.Protocols, in.Protocols)
	led := s.Leader == old
	delete(s.Members, old)
	m.ID = in.NewMemberID
	s.Members[m.ID] = m
	s.instances[in.InstanceID] = m.ID
	if led {
		s.Leader = m.ID
	}
	if s.State != Stable || !same {
		s.rename(old, m.ID)
		s.update(m, in)
		s.rebalance()
		return
	}
	m.ClientID, m.ClientHost = in.ClientID, in.ClientHost
	m.SessionTimeout, m.RebalanceTimeout = in.SessionTimeout, in.RebalanceTimeout
	m.Protocols = in.Protocols
	s.touch(m)
	answer := s.joined(m, in.Ref)
	if led && in.CanSkipAssignment {
		answer.SkipAssignment = true
	} else if led {
		// An older client that heard it leads would assign anew; one that
		// hears of another leader takes the assignment that there is.
		answer.Leader, answer.Members = old, nil
	}
	seq := s.store(s.value())
	before.joining, before.syncing, before.storing = 0, 0, false
	m.storing = true
	s.replaced[seq] = &replacement{answer: answer, old: before, led: led, member: m}
}

// rename gives the static member its new ID in the generation that is in the
// log, though that is about to end: until the next one is there, a new
// coordinator would take the old ID for the right one and fence the new.
func (s *step) rename(old, now string) {
	if s.durable == nil {
		return
	}
	v := *s.durable
	v.Members = slices.Clone(v.Members)
	for i := range v.Members {
		if v.Members[i].MemberID != old {
			continue
		}
		v.Members[i].MemberID = now
		if v.Leader != nil && *v.Leader == old {
			v.Leader = &now
		}
		s.store(&v)
		return
	}
}

// store asks for a record to be written.
func (s *step) store(v *kmsg.GroupMetadataValue) uint64 {
	s.lastStore++
	s.out = append(s.out, Store{Seq: s.lastStore, Value: v})
	return s.lastStore
}

// replacementStored lets the new member go on under an ID that every later
// coordinator will know, or puts the old one back if that is not in the log.
func (s *step) replacementStored(r *replacement, in Stored) {
	answer, m := r.answer, r.member
	present := s.Members[m.ID] == m
	if present {
		m.storing = false
		s.touch(m)
	}
	refuse := func(code int16) {
		s.out = append(s.out, Joined{Ref: answer.Ref, Code: code, MemberID: answer.MemberID, Generation: -1})
	}
	switch {
	case in.Code != 0:
		refuse(in.Code)
	case !present:
		refuse(kerr.UnknownMemberID.Code)
	case s.State == Preparing:
		m.joining = answer.Ref // it is here, and takes part in the next generation
		s.tryComplete()
	case s.State == Stable && s.Generation == answer.Generation:
		s.out = append(s.out, answer)
	default:
		s.answerJoin(m, answer.Ref)
	}
	if in.Code == 0 || in.Appended || !present {
		return
	}
	delete(s.Members, m.ID)
	if s.Leader == m.ID {
		s.Leader = r.old.ID
	}
	*m = r.old
	s.Members[m.ID] = m
	s.instances[m.InstanceID] = m.ID
	s.touch(m)
}

func protocolMetadata(list []Protocol, name string) []byte {
	return (&Member{Protocols: list}).metadata(name)
}

func sameProtocols(a, b []Protocol) bool {
	return slices.EqualFunc(a, b, func(x, y Protocol) bool {
		return x.Name == y.Name && bytes.Equal(x.Metadata, y.Metadata)
	})
}

// member finds the member that a request speaks for.
func (g *Group) member(id, instance string) (*Member, int16) {
	if instance != "" {
		current, known := g.instances[instance]
		if !known {
			return nil, kerr.UnknownMemberID.Code
		}
		if current != id && !planted.Is("replaced-member-lives") {
			return nil, kerr.FencedInstanceID.Code
		}
	}
	m := g.Members[id]
	if m == nil || g.State == Dead {
		return nil, kerr.UnknownMemberID.Code
	}
	return m, 0
}

// touch renews the member's session.
func (s *step) touch(m *Member) { m.expires = s.now + m.SessionTimeout }

func (s *step) heartbeat(in Heartbeat) int16 {
	m, code := s.member(in.MemberID, in.InstanceID)
	if code != 0 {
		return code
	}
	if in.Generation != s.Generation && !planted.Is("heartbeat-of-any-generation") {
		return kerr.IllegalGeneration.Code
	}
	s.touch(m)
	if s.State == Preparing {
		return kerr.RebalanceInProgress.Code
	}
	return 0
}

func (s *step) leave(leavers []Leaver) (codes []int16) {
	left := false
	for _, l := range leavers {
		if l.MemberID == "" && l.InstanceID != "" {
			l.MemberID = s.instances[l.InstanceID]
		}
		if _, given := s.pending[l.MemberID]; given {
			delete(s.pending, l.MemberID)
			codes = append(codes, 0)
			continue
		}
		m, code := s.member(l.MemberID, l.InstanceID)
		if code == 0 {
			s.forget(m)
			left = true
		}
		codes = append(codes, code)
	}
	if left {
		s.missed()
	} else {
		s.tryComplete()
	}
	return codes
}

// never is how far off a planted bug puts a deadline that it does not keep.
const never = 365 * 24 * time.Hour

func (s *step) tick() {
	for _, id := range env.SortedKeys(s.pending) {
		switch {
		case s.pending[id] > s.now:
		case planted.Is("pending-members-stay"):
			s.pending[id] = s.now + never
		default:
			delete(s.pending, id)
		}
	}
	gone := false
	for _, id := range s.memberIDs() {
		switch m := s.Members[id]; {
		case m.waiting() || m.expires > s.now:
		case planted.Is("sessions-never-end"):
			m.expires = s.now + never
		default:
			s.forget(m)
			gone = true
		}
	}
	if gone {
		s.missed()
	}
	switch {
	case s.State == Preparing && s.deadline <= s.now:
		s.deadlinePassed()
	case s.State == Preparing:
		s.tryComplete()
	case s.State == Completing && s.deadline <= s.now && planted.Is("await-assignment-for-ever"):
		s.deadline = s.now + never
	case s.State == Completing && s.deadline <= s.now:
		s.dropUnsynced()
	}
}
