package quorum

import (
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// None stands for "no node" in leader and vote fields.
const None int32 = -1

// Role is what a node is doing in the present epoch.
type Role uint8

// The roles; see the package comment.
const (
	Unattached Role = iota
	Follower
	Prospective
	Candidate
	Leader
	Resigned
)

// String is the role's name in lower case.
func (r Role) String() string {
	return [...]string{"unattached", "follower", "prospective", "candidate", "leader", "resigned"}[r]
}

// Config is one node's view of the quorum.
type Config struct {
	ID     int32
	Voters []int32 // an ID not among them is an observer

	// ElectionTimeout: elections start, and are given up, after a random time
	// between once and twice this.
	ElectionTimeout time.Duration
	// FetchTimeout is how long a follower waits for a successful fetch before
	// it stands for election. A leader resigns after one and a half times this
	// without a majority.
	FetchTimeout time.Duration
	// FetchMaxWait is how long a leader holds a fetch that finds nothing new.
	FetchMaxWait time.Duration
	// RetryBackoff is the pause before a failed request is sent again.
	RetryBackoff time.Duration
}

// HardState is what must be durable before anything depends on it.
type HardState struct {
	Epoch    int32
	Leader   int32 // of Epoch, None if not known
	VotedFor int32 // in Epoch, None if no vote was given
}

// EpochStart is the first offset of a leader epoch in the log.
type EpochStart struct {
	Epoch       int32
	StartOffset int64
}

// Batch is a record batch: offsets [Base, Next) of one leader epoch.
type Batch struct {
	Base, Next int64
	Epoch      int32
	// LeaderChange marks the batch that begins an epoch; the driver encodes it.
	LeaderChange bool
	Data         []byte
}

// Kind is the kind of a Message.
type Kind uint8

// The messages of the protocol, each a request and its response.
const (
	VoteRequest Kind = iota
	VoteResponse
	BeginRequest
	BeginResponse
	EndRequest
	EndResponse
	FetchRequest
	FetchResponse
	FetchSnapshotRequest
	FetchSnapshotResponse
)

// String is the kind's name.
func (k Kind) String() string {
	return [...]string{"Vote", "VoteResponse", "BeginQuorumEpoch", "BeginQuorumEpochResponse",
		"EndQuorumEpoch", "EndQuorumEpochResponse", "Fetch", "FetchResponse",
		"FetchSnapshot", "FetchSnapshotResponse"}[k]
}

// IsRequest reports whether messages of this kind want a response.
func (k Kind) IsRequest() bool { return k%2 == 0 }

// Message is a request or response between two nodes. A response repeats ID,
// PreVote, Offset, Snapshot and Position of its request.
type Message struct {
	Kind     Kind
	From, To int32
	ID       uint64 // names a request of From; 0 in none
	Epoch    int32  // the sender's epoch; in a vote request the epoch voted on
	Leader   int32  // of Epoch, as far as the sender knows; None otherwise
	Err      int16  // Kafka error code, 0 for none

	// Vote
	PreVote bool
	Granted bool

	// EndQuorumEpoch: who should stand for election, the first soonest.
	Successors []int32

	// Fetch; LastEpoch and Offset also describe the candidate's log in a vote.
	LastEpoch     int32 // epoch of the record before Offset, -1 if there is none
	Offset        int64
	MaxWait       time.Duration
	HighWatermark int64 // in a request: the requester's, if TellsHW (KIP-1166)
	TellsHW       bool
	Diverging     bool // the requester's log differs from the leader's …
	DivergeEpoch  int32
	DivergeEnd    int64 // … above the end of this epoch
	Batches       []Batch

	// In a FetchResponse: the requester must fetch this snapshot first. In
	// FetchSnapshot: the one asked for, from which byte on, how many it has, and
	// some of them.
	Snapshot SnapshotID
	Position int64
	Size     int64
	Data     []byte
}

// String is one line for traces.
func (m Message) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d->%d ", m.From, m.To)
	if m.PreVote {
		b.WriteString("Pre")
	}
	fmt.Fprintf(&b, "%v epoch=%d", m.Kind, m.Epoch)
	if !m.Kind.IsRequest() {
		if m.Leader != None {
			fmt.Fprintf(&b, " leader=%d", m.Leader)
		}
		if m.Err != 0 {
			fmt.Fprintf(&b, " %s", errorName(m.Err))
		}
	}
	switch m.Kind {
	case VoteRequest:
		fmt.Fprintf(&b, " log=%d@%d", m.Offset, m.LastEpoch)
	case VoteResponse:
		fmt.Fprintf(&b, " granted=%v", m.Granted)
	case EndRequest:
		fmt.Fprintf(&b, " successors=%v", m.Successors)
	case FetchRequest:
		fmt.Fprintf(&b, " log=%d@%d", m.Offset, m.LastEpoch)
	case FetchResponse:
		if m.Err == 0 {
			fmt.Fprintf(&b, " at=%d hw=%d", m.Offset, m.HighWatermark)
		}
		if m.Snapshot.End > 0 {
			fmt.Fprintf(&b, " snapshot=%d@%d", m.Snapshot.End, m.Snapshot.Epoch)
		}
		if m.Diverging {
			fmt.Fprintf(&b, " diverging=%d@%d", m.DivergeEnd, m.DivergeEpoch)
		}
		for _, batch := range m.Batches {
			fmt.Fprintf(&b, " [%d,%d)@%d", batch.Base, batch.Next, batch.Epoch)
		}
	case FetchSnapshotRequest:
		fmt.Fprintf(&b, " snapshot=%d@%d from %d", m.Snapshot.End, m.Snapshot.Epoch, m.Position)
	case FetchSnapshotResponse:
		if m.Err == 0 {
			fmt.Fprintf(&b, " snapshot=%d@%d bytes [%d,%d) of %d", m.Snapshot.End, m.Snapshot.Epoch, m.Position, m.Position+int64(len(m.Data)), m.Size)
		}
	}
	return b.String()
}

func errorName(code int16) string {
	if e, ok := kerr.ErrorForCode(code).(*kerr.Error); ok && e != nil {
		return e.Message
	}
	return fmt.Sprintf("error %d", code)
}

// Input is something that happened: a Tick, Request, Response, SendFailed,
// Propose, Flushed, Snapshotted, Installed, Resign or Stand.
type Input interface{ input() }

// Tick says that time has passed; due at the latest at Core.Deadline.
type Tick struct{}

// Request is a request from another node. Its answer is the Reply with the
// same Token, in this step or a later one.
type Request struct {
	Token uint64
	Msg   Message
}

// Response is the answer to a Send.
type Response struct{ Msg Message }

// SendFailed says that a Send will have no answer. Msg is the request.
type SendFailed struct{ Msg Message }

// Propose asks the leader to append a batch of Records records. On any other
// node it does nothing.
type Propose struct {
	Records int64
	Data    []byte
}

// Flushed says that everything below End is durable in the local log.
type Flushed struct{ End int64 }

// Snapshotted says that this node has a durable snapshot of what was committed
// when it was at ID.End.
type Snapshotted struct{ ID SnapshotID }

// Installed says how InstallSnapshot came out. If OK, the log is empty and
// begins at ID.End, durably, and what is committed is what the snapshot says.
type Installed struct {
	ID SnapshotID
	OK bool
}

// Resign asks a leader to give up leadership.
type Resign struct{}

// Stand says that the leader followed, if there is one, does not lead any more,
// and asks a voter to stand for election After so much time.
type Stand struct{ After time.Duration }

func (Tick) input()        {}
func (Request) input()     {}
func (Response) input()    {}
func (SendFailed) input()  {}
func (Propose) input()     {}
func (Flushed) input()     {}
func (Snapshotted) input() {}
func (Installed) input()   {}
func (Resign) input()      {}
func (Stand) input()       {}

// Output is something to do: Persist, Send, Reply, Append, Truncate, Commit,
// StoreSnapshot, InstallSnapshot, DropBefore, RoleChange, Contradiction or
// Violation. Outputs are carried out in order, each completely
// before the next.
type Output interface{ output() }

// Persist makes the state durable. Nothing after it may happen before it has.
type Persist struct{ State HardState }

// Send sends a request; Response or SendFailed must follow some time.
type Send struct{ Msg Message }

// Reply answers the request with the Token. If ReadTo > Msg.Offset, the answer
// carries records of the local log from Msg.Offset, none at or above ReadTo. An
// answer to FetchSnapshot without error carries Size and Data of that snapshot.
type Reply struct {
	Token  uint64
	Msg    Message
	ReadTo int64
}

// Append appends the batch to the local log. Flushed must follow once it is
// durable; several appends may share one flush.
type Append struct {
	Batch Batch
	// Local says that the batch was made here, by the leader, and that its
	// bytes do not carry offsets and epoch yet.
	Local bool
}

// Truncate removes everything at or above To from the local log, durably.
type Truncate struct{ To int64 }

// Commit says that everything below HighWatermark is committed.
type Commit struct{ HighWatermark int64 }

// StoreSnapshot writes part of a snapshot to a file that counts for nothing yet.
type StoreSnapshot struct {
	ID       SnapshotID
	Position int64
	Data     []byte
}

// InstallSnapshot makes what was stored the snapshot from which the log goes on:
// first the file, durably, then the log is emptied and begins at ID.End. The
// Installed input must follow at once.
type InstallSnapshot struct{ ID SnapshotID }

// DropBefore removes the log's records, and the snapshots, before Base.
type DropBefore struct{ Base SnapshotID }

// RoleChange says that role, epoch or leader changed.
type RoleChange struct {
	Role   Role
	Epoch  int32
	Leader int32
}

// Contradiction says that a voter reports what cannot be beside what this node
// knows, and that nothing came of it. Strangers who speak in the names of voters
// can bring it about.
type Contradiction struct{ Reason string }

// Violation says that the protocol's own invariants do not hold: disks lost
// what they had confirmed, or there is a bug. The node must stop.
type Violation struct{ Reason string }

func (Persist) output()         {}
func (Send) output()            {}
func (Reply) output()           {}
func (Append) output()          {}
func (Truncate) output()        {}
func (Commit) output()          {}
func (StoreSnapshot) output()   {}
func (InstallSnapshot) output() {}
func (DropBefore) output()      {}
func (RoleChange) output()      {}
func (Contradiction) output()   {}
func (Violation) output()       {}
