package replication

import (
	"slices"
	"time"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env/planted"
)

// Role is what a replica is for its partition.
type Role uint8

// The roles.
const (
	RoleNone     Role = iota // has heard of no leader yet
	RoleFollower             // copies from the leader, or waits for one
	RoleLeader               // serves clients and followers
)

func (r Role) String() string {
	return [...]string{"none", "follower", "leader"}[r]
}

const (
	noLeader      int32 = -1
	unknownOffset int64 = -1
	unknownEpoch  int64 = -1
)

// State is one replica's part in replicating one partition: a pure step
// function. Its inputs are its methods (metadata, fetches, answers, appends,
// time), each of which appends to a list of outputs what the replica must do.
// It never blocks, reads no clock and touches no log: the caller owns the log
// and tells the State how it stands.
//
// A State is not safe for concurrent use.
type State struct {
	self     int32
	lagMax   time.Duration
	without  Guard
	decided  Guard // since Decided was called last
	log      LogEnds
	hw       int64
	role     Role
	leader   int32
	epoch    int32 // leader epoch
	version  int32 // partition epoch
	replicas []int32
	adding   []int32 // of replicas: a reassignment brings them
	isr      []int32
	minISR   int

	// Leader only.
	rack       string
	epochStart int64
	followers  []progress // by ascending broker ID
	pending    *Proposal
	doubtful   []int32       // of refused proposals that may yet be applied to this partition epoch
	joinAfter  time.Duration // no expansion is proposed before this instant
}

// LogEnds is how the replica's log stands.
type LogEnds struct {
	Start int64
	End   int64
	Epoch int32 // of the last batch or of a leadership begun; -1 if none
}

// NewState is a replica that has heard of no leader. highWatermark is what a
// checkpoint remembers; it is brought within the log. lagMax is
// replica.lag.time.max.ms.
func NewState(self int32, lagMax time.Duration, log LogEnds, highWatermark int64) *State {
	return &State{
		self: self, lagMax: lagMax, log: log, hw: min(max(highWatermark, log.Start), log.End),
		leader: noLeader, epoch: -1, version: -1, epochStart: unknownOffset,
	}
}

// Without makes the State disregard some rules. Tests use it to show that the
// rules are needed; planted bugs disregard them too.
func (s *State) Without(g Guard) *State {
	s.without = g
	return s
}

// obeys is asked where disregarding the rule would change what is done.
func (s *State) obeys(g Guard) bool {
	s.decided |= g
	return s.without&g == 0 && !g.leftOut()
}

// Decided are the rules that decided something since it was called last.
func (s *State) Decided() Guard {
	g := s.decided
	s.decided = 0
	return g
}

// Broker is what metadata says of a broker.
type Broker struct {
	ID     int32
	Epoch  int64  // of its registration
	Active bool   // neither fenced nor shutting down
	Rack   string // "" for none
}

// Assignment is what metadata says of the partition.
type Assignment struct {
	Leader         int32 // -1 if there is none
	LeaderEpoch    int32
	PartitionEpoch int32
	Replicas       []int32
	Adding         []int32 // those of Replicas that a reassignment is adding
	ISR            []int32
	MinISR         int32 // min.insync.replicas as of PartitionEpoch; more than there are replicas counts as all

	// Brokers holds the replicas' registrations, in any order.
	Brokers []Broker
}

// OutputKind says what an Output asks for.
type OutputKind uint8

// The outputs.
const (
	// OutLead: the replica leads Epoch from Offset on; the log must assign the epoch.
	OutLead OutputKind = iota + 1
	// OutFollow: the replica follows Leader in Epoch, or nobody if Leader is
	// -1. Who waits for it as a leader is told so.
	OutFollow
	// OutStartFetch: fetch from Leader in Epoch, at the log's end. An earlier
	// fetch from any leader is at an end.
	OutStartFetch
	// OutStopFetch: fetch from nobody.
	OutStopFetch
	// OutTruncate: cut the log to Offset and report with LogChanged.
	OutTruncate
	// OutRestartAt: empty the log, let it start at Offset, report with LogChanged.
	OutRestartAt
	// OutAppend: append the answer's records and report with Appended.
	OutAppend
	// OutTrimTo: move the log's start to Offset and report with LogChanged.
	OutTrimTo
	// OutHighWatermark: the high watermark is now Offset.
	OutHighWatermark
	// OutISR: the committed ISR changed.
	OutISR
	// OutPropose: send Proposal to the controller and bring its answer.
	OutPropose
	// OutRetry: send the pending Proposal again, after a pause.
	OutRetry
	// OutServe: the fetch is in order; give it records up to the log's end.
	OutServe
	// OutDiverging: answer that the logs differ after (Epoch, Offset).
	OutDiverging
	// OutReject: refuse with Code.
	OutReject
	// OutIgnore: the input is out of date.
	OutIgnore
	// OutBackOff: fetch again after a pause.
	OutBackOff
)

// outputNames are the outputs' names, from OutLead on.
var outputNames = [...]string{
	"lead", "follow", "start-fetch", "stop-fetch", "truncate", "restart-at", "append", "trim-to", "high-watermark",
	"isr", "propose", "retry", "serve", "diverging", "reject", "ignore", "back-off",
}

// String names the kind.
func (k OutputKind) String() string { return outputNames[k-OutLead] }

// OutputKinds lists the names of all.
func OutputKinds() []string { return slices.Clone(outputNames[:]) }

// Output is one thing the replica must do. Outputs are carried out in order.
type Output struct {
	Kind     OutputKind
	Leader   int32
	Epoch    int32
	Offset   int64
	Code     int16
	Proposal *Proposal
}

// Proposal is an ISR that a leader asks the controller for (KIP-497). It is
// immutable.
type Proposal struct {
	LeaderEpoch    int32
	PartitionEpoch int32 // that the proposal starts from
	ISR            []Member
}

// Member is a broker in a proposed ISR.
type Member struct {
	ID    int32
	Epoch int64 // broker epoch of the fetch that qualified it; -1 if there was none in this leader epoch, or for the leader itself
}

func (p *Proposal) has(id int32) bool {
	return slices.ContainsFunc(p.ISR, func(m Member) bool { return m.ID == id })
}

// within reports whether the proposal adds nobody to an ISR.
func (p *Proposal) within(isr []int32) bool {
	return !slices.ContainsFunc(p.ISR, func(m Member) bool { return !slices.Contains(isr, m.ID) })
}

// Metadata takes in what the controller decided about the partition.
func (s *State) Metadata(now time.Duration, a *Assignment, out []Output) []Output {
	if (a.PartitionEpoch < s.version || a.LeaderEpoch < s.epoch) && s.obeys(GuardFreshMetadata) {
		return append(out, Output{Kind: OutIgnore})
	}
	newEpoch := a.LeaderEpoch != s.epoch || s.role == RoleNone
	changed := a.PartitionEpoch != s.version
	if minISR := min(int(a.MinISR), len(a.Replicas)); newEpoch || changed || minISR != s.minISR && !s.obeys(GuardMinISREpoch) {
		s.minISR = minISR
	}
	if !newEpoch && !changed {
		return s.Brokers(now, a.Brokers, out)
	}
	oldISR := s.isr
	if newEpoch && s.role == RoleFollower && a.Leader == s.leader && planted.Is("same-leader-same-log") {
		s.log.Epoch = -1 // which asks the leader for no comparison
	}
	s.version, s.epoch, s.leader = a.PartitionEpoch, a.LeaderEpoch, a.Leader
	s.replicas, s.adding, s.isr = slices.Clone(a.Replicas), slices.Clone(a.Adding), slices.Clone(a.ISR)
	s.pending, s.doubtful = nil, nil
	if a.Leader == s.self {
		return s.lead(now, a, newEpoch, oldISR, out)
	}
	return s.follow(a, newEpoch, out)
}

// Appended says that the log has grown, by a leader's append or by an answer
// just taken.
func (s *State) Appended(now time.Duration, log LogEnds, out []Output) []Output {
	s.log = log
	if s.role == RoleLeader {
		return s.advance(now, out)
	}
	return out
}

// LogChanged says how the log stands after a truncation or trim.
func (s *State) LogChanged(log LogEnds, out []Output) []Output {
	s.log = log
	if hw := min(max(s.hw, log.Start), log.End); hw != s.hw {
		s.hw = hw
		out = append(out, Output{Kind: OutHighWatermark, Offset: hw})
	}
	return out
}

// Role is what the replica is.
func (s *State) Role() Role { return s.role }

// Leader is the broker that leads, -1 if there is none.
func (s *State) Leader() int32 { return s.leader }

// LeaderEpoch is the leader epoch the replica is in, -1 before the first.
func (s *State) LeaderEpoch() int32 { return s.epoch }

// PartitionEpoch is the version of the partition's metadata the replica acts on.
func (s *State) PartitionEpoch() int32 { return s.version }

// HighWatermark is the offset below which the replica knows everything to be
// committed. It never goes back within a leader epoch but when the log is cut
// below it, which takes lost disks or an unclean election.
func (s *State) HighWatermark() int64 { return s.hw }

// Log is how the log stands, as the State was told.
func (s *State) Log() LogEnds { return s.log }

// EpochStart is the log's end when the replica began to lead in this epoch,
// -1 unless it leads.
func (s *State) EpochStart() int64 { return s.epochStart }

// ISR is the committed ISR. The caller must not change it.
func (s *State) ISR() []int32 { return s.isr }

// Replicas are the partition's replicas. The caller must not change them.
func (s *State) Replicas() []int32 { return s.replicas }

// MinISR is the effective min.insync.replicas.
func (s *State) MinISR() int32 { return int32(s.minISR) }

// BelowMinISR reports whether the committed ISR is too small for acks=all. The
// replicas that a reassignment is adding do not count: see metadata.Partition.Counted.
func (s *State) BelowMinISR() bool {
	counted := metadata.Counted(s.isr, s.adding)
	if counted < len(s.isr) && planted.Is("adding-counts-for-min-isr") {
		counted = len(s.isr)
	}
	return counted < s.minISR
}

// MaximalISR is every broker that may be in the ISR once the controller has
// decided on all that was ever proposed from this partition epoch (KIP-497),
// nil unless the replica leads. The caller must not change it.
func (s *State) MaximalISR() []int32 {
	switch {
	case s.role != RoleLeader:
		return nil
	case s.pending == nil && len(s.doubtful) == 0:
		return s.isr
	}
	maximal := slices.Concat(s.isr, s.doubtful)
	if s.pending != nil {
		for _, m := range s.pending.ISR {
			if !slices.Contains(maximal, m.ID) {
				maximal = append(maximal, m.ID)
			}
		}
	}
	return maximal
}

// Pending is the proposal the controller has not answered, nil if there is none.
func (s *State) Pending() *Proposal { return s.pending }
