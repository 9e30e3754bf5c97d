package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/broker/coordinator"
	"github.com/weirlab/weir/broker/group/consumer"
	"github.com/weirlab/weir/env"
)

// State is where a group is in its life.
type State int8

// The states of the classic protocol.
const (
	Empty      State = iota // no members; offsets may remain
	Preparing               // waiting for members to join the next generation
	Completing              // waiting for the leader's assignment
	Stable                  // every member has its assignment
	Dead                    // deleted
)

// String is the name that DescribeGroups and ListGroups report.
func (s State) String() string {
	return [...]string{"Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Dead"}[s]
}

// Config are the settings of every group of a coordinator.
type Config struct {
	InitialRebalanceDelay time.Duration // group.initial.rebalance.delay.ms
	MinSessionTimeout     time.Duration // group.min.session.timeout.ms
	MaxSessionTimeout     time.Duration // group.max.session.timeout.ms
	MaxSize               int           // group.max.size; 0 is no limit
	OffsetsRetention      time.Duration // offsets.retention.minutes; 0 keeps them for ever
	OffsetsRetentionCheck time.Duration // offsets.retention.check.interval.ms
	OffsetMetadataMax     int           // offset.metadata.max.bytes
	CommitTimeout         time.Duration // offsets.commit.timeout.ms

	Consumer consumer.Config // of groups under the consumer protocol
	Share    consumer.Config // of share groups

	Static config.Static // what a group has that does not set it itself
}

// ConfigOf takes the settings of groups from those of a broker.
func ConfigOf(b config.Broker) Config {
	return Config{
		InitialRebalanceDelay: b.GroupInitialRebalanceDelay,
		MinSessionTimeout:     b.GroupMinSession,
		MaxSessionTimeout:     b.GroupMaxSession,
		MaxSize:               int(b.GroupMaxSize),
		OffsetsRetention:      b.OffsetsRetention,
		OffsetsRetentionCheck: b.OffsetsRetentionCheck,
		OffsetMetadataMax:     int(b.OffsetMetadataMax),
		CommitTimeout:         b.OffsetsCommitTimeout,
		Consumer: consumer.Config{
			SessionTimeout:     b.GroupConsumerSession,
			HeartbeatInterval:  b.GroupConsumerHeartbeat,
			AssignmentInterval: b.GroupConsumerAssignment,
			MaxSize:            int(b.GroupConsumerMaxSize),
			Assignors:          config.Words(b.GroupConsumerAssignors),
		},
		Share: consumer.Config{
			SessionTimeout:     b.GroupShareSession,
			HeartbeatInterval:  b.GroupShareHeartbeat,
			AssignmentInterval: b.GroupShareAssignment,
			MaxSize:            int(b.GroupShareMaxSize),
		},
	}
}

// DefaultConfig has the defaults of the registry of settings.
func DefaultConfig() Config { return ConfigOf(config.DefaultBroker()) }

// Protocol is one way of assigning partitions that a member supports.
type Protocol struct {
	Name     string
	Metadata []byte
}

// Ref names a waiting request; the answer carries it. 0 waits for nothing.
type Ref = coordinator.Ref

// Member is one member of a group.
type Member struct {
	ID, ClientID, ClientHost string
	InstanceID               string // group.instance.id, "" for a dynamic member
	SessionTimeout           time.Duration
	RebalanceTimeout         time.Duration
	Protocols                []Protocol // by preference
	Assignment               []byte

	expires time.Duration // when the session ends unless heard of
	joining Ref           // JoinGroup that waits, 0 if none
	syncing Ref           // SyncGroup that waits, 0 if none
	storing bool          // its JoinGroup waits until its new ID is in the log
}

// metadata is the member's subscription under the named protocol.
func (m *Member) metadata(protocol string) []byte {
	for _, p := range m.Protocols {
		if p.Name == protocol {
			return p.Metadata
		}
	}
	return nil
}

// Group is the state machine of one consumer group. It is pure: it does no
// I/O, reads no clock and draws nothing at random.
type Group struct {
	ID           string
	State        State
	Generation   int32
	ProtocolType string // "" until the first member came
	Protocol     string // chosen for this generation
	Leader       string // member ID, "" if there is none
	Members      map[string]*Member
	Offsets      map[TopicPartition]Offset

	// consumer is the group under the consumer protocol (KIP-848), or the share group
	// (KIP-932), nil under the classic one. All else here but offsets is then as of an empty group.
	consumer *consumer.Group

	unstable map[TopicPartition]int // how many transactions have brought an offset and have not ended

	cfg        *Config
	instances  map[string]string        // group.instance.id → member ID
	pending    map[string]time.Duration // member IDs given out but not used yet → when they lapse
	deadline   time.Duration            // of the rebalance, while Preparing or Completing
	joinUntil  time.Duration            // latest end of the initial delay
	initial    bool                     // in the initial delay: joining does not end it
	grew       bool                     // somebody joined since the initial delay was last extended
	emptySince int64                    // wall clock ms at which the group became empty, 0 if it is not

	lastStore uint64                  // sequence number of the last Store
	storing   uint64                  // Store of the assignment that is on its way to the log, 0 if none is
	replaced  map[uint64]*replacement // static members whose new IDs are on their way to the log, by Store

	// Kept by the machine: what the newest record in the log says, and where
	// that record ends.
	durable  *kmsg.GroupMetadataValue
	recorded int64
	weighed  int64 // what the machine took its weight for
}

// replacement is a static member that has come back under a new member ID.
type replacement struct {
	answer Joined  // once the new ID is in the log, if nothing else has happened
	old    Member  // what it replaced
	led    bool    // the old one led the group
	member *Member // the new one
}

// New returns an empty group.
func New(id string, cfg *Config) *Group {
	return &Group{
		ID:        id,
		cfg:       cfg,
		Members:   make(map[string]*Member),
		Offsets:   make(map[TopicPartition]Offset),
		unstable:  make(map[TopicPartition]int),
		instances: make(map[string]string),
		pending:   make(map[string]time.Duration),
		replaced:  make(map[uint64]*replacement),
	}
}

// Input is something that happens to a group: Join, Sync, Heartbeat, Leave,
// Stored or Tick.
type Input interface{ input() }

// Join is a JoinGroup request.
type Join struct {
	Ref              Ref
	MemberID         string // "" for a newcomer
	NewMemberID      string // what a newcomer is called
	InstanceID       string
	ClientID         string
	ClientHost       string
	SessionTimeout   time.Duration
	RebalanceTimeout time.Duration
	ProtocolType     string
	Protocols        []Protocol

	// RequireMemberID makes a dynamic newcomer come back with its new ID
	// before it counts (KIP-394, v4 on).
	RequireMemberID bool
	// CanSkipAssignment says that the client understands being leader of a
	// generation that has its assignment already (KIP-814, v9 on).
	CanSkipAssignment bool
}

// Sync is a SyncGroup request.
type Sync struct {
	Ref          Ref
	MemberID     string
	InstanceID   string
	Generation   int32
	ProtocolType string // "" if not given
	Protocol     string // "" if not given
	Assignments  map[string][]byte
}

// Heartbeat is a Heartbeat request.
type Heartbeat struct {
	Ref        Ref
	MemberID   string
	InstanceID string
	Generation int32
}

// Leave takes members out, all in one rebalance.
type Leave struct {
	Ref     Ref
	Members []Leaver
}

// Leaver names a member that leaves.
type Leaver struct {
	MemberID   string
	InstanceID string // names the member if MemberID is ""
}

// Stored reports what became of a Store.
type Stored struct {
	Seq  uint64
	Code int16 // 0 once it is committed, else a Kafka error code as the client is to see it

	// Appended says that the record is in the log in spite of Code, and may be
	// committed yet.
	Appended bool
}

// Tick reports that time has passed.
type Tick struct{}

func (Join) input()      {}
func (Sync) input()      {}
func (Heartbeat) input() {}
func (Leave) input()     {}
func (Stored) input()    {}
func (Tick) input()      {}

// Output is something the group wants done: Joined, Synced, Left, Done or Store.
type Output interface{ output() }

// Joined answers a Join.
type Joined struct {
	Ref            Ref
	Code           int16
	MemberID       string
	Generation     int32 // -1 on error
	ProtocolType   string
	Protocol       string
	Leader         string
	SkipAssignment bool
	Members        []JoinedMember // for the leader only
}

// JoinedMember is a member as the leader sees it.
type JoinedMember struct {
	ID, InstanceID string
	Metadata       []byte
}

// Synced answers a Sync.
type Synced struct {
	Ref          Ref
	Code         int16
	ProtocolType string
	Protocol     string
	Assignment   []byte
}

// Left answers a Leave with a code for each of its members.
type Left struct {
	Ref   Ref
	Codes []int16
}

// Done answers anything by a code alone.
type Done struct {
	Ref  Ref
	Code int16
}

// Store asks for a record of the group to be written to the log, and for a
// Stored with the same sequence number when that is done or cannot be.
type Store struct {
	Seq   uint64
	Value *kmsg.GroupMetadataValue // without a timestamp
}

func (Joined) output() {}
func (Synced) output() {}
func (Left) output()   {}
func (Done) output()   {}
func (Store) output()  {}

// NextDeadline is when the group wants its next Tick; ok is false if it waits
// for nothing.
func (g *Group) NextDeadline() (at time.Duration, ok bool) {
	earlier := func(t time.Duration) {
		if !ok || t < at {
			at, ok = t, true
		}
	}
	for _, m := range g.Members { //weir:ordered a minimum
		if !m.waiting() {
			earlier(m.expires)
		}
	}
	for _, t := range g.pending { //weir:ordered a minimum
		earlier(t)
	}
	if g.consumer != nil {
		if t, any := g.consumer.NextDeadline(); any {
			earlier(t)
		}
	}
	if g.State == Preparing || g.State == Completing {
		earlier(g.deadline)
	}
	return at, ok
}

// waiting reports whether a request of the member is open, which keeps it alive.
func (m *Member) waiting() bool { return m.joining != 0 || m.syncing != 0 || m.storing }

// memberIDs lists the members in a fixed order.
func (g *Group) memberIDs() []string { return env.SortedKeys(g.Members) }

// traceless reports whether the group is as if it had never been.
func (g *Group) traceless() bool {
	return g.State == Empty && len(g.pending) == 0 && len(g.Offsets) == 0 && len(g.unstable) == 0 && g.Generation == 0 && g.durable == nil && g.consumer == nil
}
