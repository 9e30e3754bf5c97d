package consumer

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/planted"
)

// Leave takes a member out that says that it goes: for good (LeaveEpoch), or as a
// static member that will be back within its session (StaticLeaveEpoch) and whose
// partitions nobody else gets until then.
func (g *Group) Leave(at At, cfg *Config, id, instance string, epoch int32) Outcome {
	m := g.Members[id]
	if instance != "" {
		m = g.Members[g.instances[instance]]
	}
	switch {
	case m == nil && instance != "":
		return refused(id, kerr.UnknownMemberID, "Instance id %s is unknown.", instance)
	case m == nil:
		return refused(id, kerr.UnknownMemberID, "Member %s is not a member of group %s.", id, g.ID)
	case m.ID != id:
		return refused(id, kerr.FencedInstanceID, "Static member %s with instance id %s was fenced by member %s.", id, instance, m.ID)
	}
	s := g.begin(at, cfg)
	if instance != "" && epoch == StaticLeaveEpoch {
		c := m.Current
		c.Epoch, c.Assigned, c.Revoking = StaticLeaveEpoch, slices.Clone(c.Assigned), nil
		for i := range c.Assigned {
			c.Assigned[i].Since = 0 // who comes back has another member id, and has it from the beginning
		}
		s.write(Record{CurrentOfMember, m.ID, &c})
	} else {
		s.fence([]*Member{m})
	}
	return Outcome{Records: s.records, Answer: Answer{MemberID: m.ID, Epoch: epoch}}
}

// fence takes members out, which begins a new group epoch.
func (s *step) fence(members []*Member) {
	for _, m := range members {
		s.expel(m.ID)
	}
	for _, m := range members {
		s.forget(m.Expression)
	}
	s.rehash(true)
}

const (
	// never is how far off a planted bug puts a deadline that it does not keep.
	never = 365 * 24 * time.Hour

	// fenceAgain is after how long a member is fenced again if the log did not take it.
	fenceAgain = time.Second
)

// Tick takes out the members that were not heard of for a session, and those that
// have not given up in time what others wait for.
func (g *Group) Tick(at At, cfg *Config) Outcome {
	var late []*Member
	for _, id := range g.MemberIDs() {
		t := g.timers[id]
		expired, unrevoked := t.expires <= at.Now, t.revoke > 0 && t.revoke <= at.Now
		switch {
		case expired && planted.Is("silent-members-stay"):
			t.expires = at.Now + never
		case unrevoked && planted.Is("await-revocation-for-ever"):
			t.revoke = at.Now + never
		case expired || unrevoked:
			late = append(late, g.Members[id])
			t.expires = max(t.expires, at.Now+fenceAgain)
			if t.revoke > 0 {
				t.revoke = max(t.revoke, at.Now+fenceAgain)
			}
		}
		g.timers[id] = t
	}
	if len(late) == 0 {
		return Outcome{}
	}
	s := g.begin(at, cfg)
	s.fence(late)
	return Outcome{Records: s.records}
}

// Tombstones are the records that delete the group, in the order in which Kafka
// takes them.
func (g *Group) Tombstones() (list []Record) {
	ids := g.MemberIDs()
	if g.Sharing != nil {
		return g.shareTombstones(ids)
	}
	each := func(kind Kind, names []string) {
		for _, name := range names {
			list = append(list, Record{Kind: kind, Name: name})
		}
	}
	each(CurrentOfMember, ids)
	each(TargetOfMember, ids)
	list = append(list, Record{Kind: TargetEpoch})
	each(MemberMetadata, ids)
	each(RegularExpression, env.SortedKeys(g.Expressions))
	return append(list, Record{Kind: OldTopics}, Record{Kind: GroupEpoch})
}
