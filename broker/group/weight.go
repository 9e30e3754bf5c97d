package group

import "github.com/twmb/franz-go/pkg/kerr"

// What members say of themselves is kept as long as their sessions last, which
// they choose. So that strangers cannot fill the memory, it is bounded.
const (
	// maxMembersBytes bounds what the members of all groups of one partition of
	// __consumer_offsets may hold: subscriptions, assignments, and what there is
	// to any member. Who would exceed it is told to come back later.
	maxMembersBytes = 32 << 20

	// maxProtocols bounds the protocols of a member, since those of all are
	// compared. Clients have as many as they have assignors.
	maxProtocols = 100

	memberBytes   = 500 // that a member takes at least
	pendingBytes  = 200 // that a member ID takes that was given out
	protocolBytes = 64
)

// weight is what the group's members hold, in bytes.
func (g *Group) weight() (n int64) {
	for id := range g.pending { //weir:ordered a sum
		n += pendingBytes + int64(len(id))
	}
	for _, m := range g.Members { //weir:ordered a sum
		n += m.weight()
	}
	if g.consumer != nil {
		n += g.consumer.Weight()
	}
	return n
}

func (m *Member) weight() int64 {
	return memberBytes + int64(len(m.ID)+len(m.ClientID)+len(m.InstanceID)+len(m.Assignment)) + weightOf(m.Protocols)
}

func weightOf(protocols []Protocol) (n int64) {
	for i := range protocols {
		n += protocolBytes + int64(len(protocols[i].Name)+len(protocols[i].Metadata))
	}
	return n
}

// weigh keeps the sum of the weights of all groups after a change of one. A
// group that is forgotten has none.
func (m *machine) weigh(g *Group) {
	weight := g.weight()
	m.weight += weight - g.weighed
	g.weighed = weight
}

// tooHeavy is the code for an input that would make the groups exceed their
// bound, 0 if it does not.
func (m *machine) tooHeavy(g *Group, in Input) int16 {
	var adds int64
	switch in := in.(type) {
	case Join:
		adds = memberBytes + int64(len(in.NewMemberID)+len(in.ClientID)+len(in.InstanceID)) + weightOf(in.Protocols)
		if old := g.Members[in.MemberID]; old != nil {
			adds -= old.weight()
		}
	case Sync:
		for _, assignment := range in.Assignments { //weir:ordered a sum
			adds += int64(len(assignment))
		}
	}
	if m.exceeds(adds) {
		return kerr.CoordinatorNotAvailable.Code
	}
	return 0
}

// exceeds reports whether the groups would exceed their bound with so much more.
// Who adds nothing never does.
func (m *machine) exceeds(adds int64) bool { return adds > 0 && m.weight+adds > maxMembersBytes }
