package target

import (
	"context"
	"fmt"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/sim"
)

// Cluster is the brokers that a scenario asks for, on some target, and the
// time they live in. Brokers are numbered from 0 here; their node.id is one
// more. Methods that take an env.Env are called from tasks of the program that
// Direct runs, and may block.
type Cluster interface {
	faults.Machines

	// Bootstrap lists the brokers' addresses for clients.
	Bootstrap() []string

	// Direct starts the brokers and runs lead next to them as a task, to its
	// end. It returns early, saying why, if ctx is canceled or the cluster's
	// world stands still. An error means that Weir itself failed.
	Direct(ctx context.Context, lead func(env.Env)) (interrupted string, err error)

	// StartClient runs fn as a client on a machine of its own, as far as the
	// target has machines.
	StartClient(name string, fn func(env.Env)) env.Task

	// Partitions is the state of every partition of the topics that are judged
	// (see JudgedTopics) as the cluster has committed it, in order; nil if it
	// cannot be had now. The same slice again says that nothing has changed.
	Partitions(e env.Env) []linearizability.PartitionState

	// ObserveEvery is how often it is worth asking for the partitions.
	ObserveEvery() time.Duration

	// Controller is the active controller, false if none is known.
	Controller(e env.Env) (broker int, ok bool)

	// LoadBegins tells that the clients are about to start.
	LoadBegins()

	// Usage is what every machine did since the run began, as far as the
	// target can see.
	Usage(e env.Env) []Usage

	// Unready says which broker has not joined yet, "" if all have.
	Unready(e env.Env) string

	// Unsettled says what is not yet as it should be in a healthy cluster, ""
	// if nothing is.
	Unsettled(e env.Env) string

	// Tells reports whether the target sees events of that kind, and tells its
	// Listener.
	Tells(faults.Event) bool

	// Soon has fn called soon, by nobody's task. It may be called from within
	// whatever a Listener is told.
	Soon(fn func())

	// Struck tells of a fault that has begun and, with its end, when it is over.
	Struck(linearizability.Fault)

	// Lost is what the last fault on brokers, which has just struck, took from
	// their logs. exact says that this is all; if it is not, nobody knows.
	Lost(ids []int32) (what []linearizability.Recovered, exact bool)

	// Committed tells that a client has learned at time at that every record
	// below next is committed; see linearizability.Log.OnCommitted.
	Committed(tp linearizability.TopicPartition, next int64, epoch int32, at time.Duration)

	// Facts are those that the target gives to the judge.
	Facts() []linearizability.Fact

	// Remains ends the brokers, if that is what it takes to read their logs,
	// and says what is left when Direct has returned. Only if whole is set are
	// the logs read. from and to bound what the machines' use counts.
	Remains(whole bool, from, to time.Duration, used []Usage) (Remains, error)

	// Close frees what the cluster holds. Brokers that still run are killed.
	Close()
}

// Listener is told of a cluster while it lives. Times count from the start of
// the cluster. A cluster of real processes calls it from many goroutines.
type Listener interface {
	// Event is something a broker told.
	Event(node string, at time.Duration, name string, attrs []env.Attr)
	// Happened is something that a fault may wait for, other than what is read
	// off Cluster.Partitions, at the moment it happens or shortly after. It may
	// be called from within a broker's task, which must not be kept.
	Happened(faults.Occurrence)
	// Row is what the brokers' machines did since the row before, in order of
	// broker id; empty where they cannot be seen.
	Row(at time.Duration, brokers []BrokerRow)
	// Fault is what befell brokers without the injector's doing.
	Fault(linearizability.Fault)
	// HighWatermark is an advance of a leader's high watermark.
	HighWatermark(linearizability.HighWatermark)
	// Progress is called a few times per second of real time; events counts
	// the simulator's.
	Progress(at time.Duration, events int64)
}

// Remains is what a cluster leaves behind.
type Remains struct {
	Now time.Duration // that passed for the cluster
	// Running says that clients could not be stopped: what they did is not
	// known to the end, and cannot be judged.
	Running bool

	Scans  []linearizability.Scan
	Epochs []linearizability.EpochStart
	// Watched is the verdict of whoever looked at the brokers while they ran.
	Watched linearizability.Verdict
	// Findings are promises that the target saw broken outside of clients.
	Findings []linearizability.Finding
	// Blind says what the target could not look at, "" if nothing.
	Blind string

	// Of a simulation.
	Trace    sim.Trace
	Stats    sim.Stats
	Failures []sim.Failure
	Points   []sim.Point
	States   []sim.State
}

// BrokerRow counts what one broker's machine did between two times.
type BrokerRow struct {
	DiskWrittenBytes, DiskSyncs, NetSentBytes int64
	CPU                                       time.Duration

	// CreditsPPM is what is left of the burst credits of its storage of which
	// the least is left, in millionths, if HasCredits. Unlike the others it is
	// the state at the end.
	CreditsPPM int64
	HasCredits bool

	// FollowerLag is how many records the broker's replicas lack that their leaders
	// have, over all topics of the load, at the end; 0 where it cannot be seen.
	FollowerLag int64 `json:",omitempty"`
}

// LoggedEvent is one line that "weir broker --events" writes.
type LoggedEvent struct {
	Wall  time.Time  `json:"wall"`
	Node  string     `json:"node"`
	Name  string     `json:"name"`
	Attrs []env.Attr `json:"attrs,omitempty"`
}

// Codes of findings that a run makes itself; the others are the judge's.
const (
	CodeProgress = "K10"   // no progress in bounded time after healing
	CodePanic    = "PANIC" // a task of a broker or client panicked

	CodeProgram = "PROGRAM" // a program of the caller's own ended with an error
)

// BrokerName is what a broker is called, and its host in simulation.
func BrokerName(broker int) string { return fmt.Sprintf("broker-%d", broker+1) }

// Unreadable is the finding that a replica could not be read after the run.
func Unreadable(err error, at time.Duration) linearizability.Finding {
	return linearizability.Finding{Code: "K11", Sentence: err.Error(), Offset: linearizability.None, Time: at, Count: 1}
}
