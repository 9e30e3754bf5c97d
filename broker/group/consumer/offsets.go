package consumer

import (
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/env/planted"
)

// CheckCommit decides whether offsets may be committed: the code for the client, 0
// if they may. A member may in its own epoch and, for a partition that it owns, in
// any since it got it (KIP-1251): what it has read is its own. Who is no member may
// while there are none.
func (g *Group) CheckCommit(id string, epoch int32, partitions []Partition) int16 {
	if epoch < 0 && len(g.Members) == 0 {
		return 0
	}
	m := g.Members[id]
	switch {
	case m == nil:
		return kerr.UnknownMemberID.Code
	case epoch == m.Epoch || planted.Is("commit-of-any-epoch"):
		return 0
	case epoch > m.Epoch:
		return m.stale()
	}
	for _, p := range partitions {
		o, has := ownedAt(m.Assigned, p)
		if !has {
			o, has = ownedAt(m.Revoking, p)
		}
		if !has || epoch < o.Since {
			return m.stale()
		}
	}
	return 0
}

// CheckFetch decides whether a member may fetch offsets: only in its own epoch. Who
// does not say who it is always may.
func (g *Group) CheckFetch(id *string, epoch int32) int16 {
	if id == nil && epoch < 0 {
		return 0
	}
	var m *Member
	if id != nil {
		m = g.Members[*id]
	}
	switch {
	case m == nil:
		return kerr.UnknownMemberID.Code
	case epoch != m.Epoch:
		return m.stale()
	}
	return 0
}

// stale is what a member is told in whose epoch something cannot be done.
func (m *Member) stale() int16 {
	if m.Classic != nil {
		return kerr.IllegalGeneration.Code
	}
	return kerr.StaleMemberEpoch.Code
}

// Weight is about what the group's members hold, in bytes.
func (g *Group) Weight() (n int64) {
	for _, m := range g.Members { //weir:ordered a sum
		n += m.weight() + int64(len(g.Targets[m.ID]))*partitionBytes
	}
	for e, r := range g.Expressions { //weir:ordered a sum
		n += int64(len(e)) + int64(len(r.Topics))*partitionBytes
	}
	return n
}

const (
	memberBytes    = 700 // that a member takes at least
	partitionBytes = 60  // that a partition takes in an assignment, with who owns it
)

func (m *Member) weight() int64 {
	n := memberBytes + int64(len(m.ID)+len(m.Expression)) + int64(len(m.Assigned)+len(m.Revoking))*partitionBytes
	n += int64(len(m.InstanceID) + len(m.RackID) + len(m.ClientID) + len(m.ClientHost) + len(m.Assignor))
	for _, t := range m.Topics {
		n += 16 + int64(len(t))
	}
	if m.Classic != nil {
		for _, p := range m.Classic.Protocols {
			n += 64 + int64(len(p.Name)+len(p.Metadata))
		}
	}
	return n
}

// Adds is about by how much a heartbeat makes the group heavier: less than nothing
// if the member has said more before.
func (g *Group) Adds(h *Heartbeat) int64 {
	before := int64(0)
	next := *newMember(h.MemberID)
	if m := g.Members[h.MemberID]; m != nil {
		before, next = m.weight(), *m
	}
	h.update(&next.Metadata)
	return next.weight() - before
}

// AddsResolved is the same of what expressions match.
func (g *Group) AddsResolved(matched map[string][]string) (n int64) {
	for e, topics := range matched { //weir:ordered a sum
		n += int64(len(topics)) * partitionBytes
		if old := g.Expressions[e]; old != nil {
			n -= int64(len(old.Topics)) * partitionBytes
		}
	}
	return n
}
