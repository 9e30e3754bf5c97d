package consumer

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/weirlab/weir/broker/metadata"
)

// Partition names a partition of a topic that may be deleted and created again.
type Partition struct {
	Topic  metadata.TopicID
	Number int32
}

// Compare orders by topic id, then by number.
func (p Partition) Compare(o Partition) int {
	if c := bytes.Compare(p.Topic[:], o.Topic[:]); c != 0 {
		return c
	}
	return cmp.Compare(p.Number, o.Number)
}

// Owned is a partition that a member owns, since the target assignment of an epoch.
type Owned struct {
	Partition
	Since int32
}

// contains reports whether a sorted list has a partition.
func contains(list []Partition, p Partition) bool {
	_, found := slices.BinarySearchFunc(list, p, Partition.Compare)
	return found
}

// ownedAt finds a partition in a sorted list of owned ones.
func ownedAt(list []Owned, p Partition) (Owned, bool) {
	i, found := slices.BinarySearchFunc(list, p, func(o Owned, p Partition) int { return o.Compare(p) })
	if !found {
		return Owned{}, false
	}
	return list[i], true
}

func sortOwned(list []Owned) {
	slices.SortFunc(list, func(a, b Owned) int { return a.Compare(b.Partition) })
}

// PartitionsOf are the partitions of a list of owned ones.
func PartitionsOf(list []Owned) []Partition {
	out := make([]Partition, len(list))
	for i, o := range list {
		out[i] = o.Partition
	}
	return out
}

// MemberState says how far a member is on its way to the target assignment. The
// numbers are those of Kafka's records.
type MemberState int8

// The states of a member.
const (
	Stable     MemberState = 0 // it owns what the target of its epoch gives it
	Unrevoked  MemberState = 1 // it has to give up partitions before it goes on
	Unreleased MemberState = 2 // it is in the newest epoch, and others own what it is to get
)

// String is Kafka's name of the state.
func (s MemberState) String() string {
	switch s {
	case Stable:
		return "STABLE"
	case Unrevoked:
		return "UNREVOKED_PARTITIONS"
	case Unreleased:
		return "UNRELEASED_PARTITIONS"
	}
	return "UNKNOWN"
}

// What members say in place of an epoch.
const (
	JoinEpoch        = 0  // that they join
	LeaveEpoch       = -1 // that they leave
	StaticLeaveEpoch = -2 // that they will be back, as static members (KIP-345)
)

// Metadata is what a member has said of itself.
type Metadata struct {
	InstanceID string // group.instance.id, "" for a dynamic member
	RackID     string // client.rack, "" if unknown
	ClientID   string
	ClientHost string
	Topics     []string // subscribed by name: sorted, each once
	Expression string   // subscribed by regular expression, "" for none

	RebalanceTimeoutMillis int32  // how long it may take to give partitions up
	Assignor               string // that it prefers, "" for any

	Classic *Classic // of a member that speaks the classic protocol, else nil
}

// Classic is what there is to a member that speaks the classic protocol.
type Classic struct {
	SessionTimeoutMillis int32
	Protocols            []Protocol // by preference
}

// Protocol is one of the ways of assigning partitions that a classic member knows,
// with its subscription.
type Protocol struct {
	Name     string
	Metadata []byte
}

func (m *Metadata) equal(o *Metadata) bool {
	return m.InstanceID == o.InstanceID && m.RackID == o.RackID && m.ClientID == o.ClientID && m.ClientHost == o.ClientHost &&
		slices.Equal(m.Topics, o.Topics) && m.Expression == o.Expression &&
		m.RebalanceTimeoutMillis == o.RebalanceTimeoutMillis && m.Assignor == o.Assignor && m.Classic.equal(o.Classic)
}

func (c *Classic) equal(o *Classic) bool {
	if c == nil || o == nil {
		return c == o
	}
	return c.SessionTimeoutMillis == o.SessionTimeoutMillis && slices.EqualFunc(c.Protocols, o.Protocols, func(a, b Protocol) bool {
		return a.Name == b.Name && bytes.Equal(a.Metadata, b.Metadata)
	})
}

// Current is how far a member is.
type Current struct {
	Epoch    int32
	Previous int32 // the epoch before: who did not hear of the newest one still says it
	State    MemberState
	Assigned []Owned // that it may use, sorted
	Revoking []Owned // that it is to give up, sorted
}

func (c *Current) equal(o *Current) bool {
	return c.Epoch == o.Epoch && c.Previous == o.Previous && c.State == o.State &&
		slices.Equal(c.Assigned, o.Assigned) && slices.Equal(c.Revoking, o.Revoking)
}

// at returns the state in an epoch, which makes the present one the one before.
func (c Current) at(epoch int32) Current {
	c.Epoch, c.Previous = epoch, c.Epoch
	return c
}

// Member is one member of a group. One that belongs to a group is never changed,
// only replaced.
type Member struct {
	ID string
	Metadata
	Current
}

// newMember is a member as it is before it has joined.
func newMember(id string) *Member {
	return &Member{ID: id, Current: Current{Epoch: JoinEpoch, Previous: -1}}
}

// Resolved are the topics that a regular expression matches.
type Resolved struct {
	Topics         []string // sorted
	Version        int64    // of the metadata, as of which they are
	TimestampMilli int64    // of the look at the metadata, ms since 1970
}
