package workloads

import (
	"io"
	"time"

	"github.com/weirlab/weir/broker/brokertest/apachekafka"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/workloads/program"
	"github.com/weirlab/weir/workloads/scenario"
	"github.com/weirlab/weir/workloads/target"
	simtarget "github.com/weirlab/weir/workloads/target/sim"
)

// Options say what to run and who is told about it.
type Options struct {
	// Scenario must be explicit; see scenario.Resolve.
	Scenario *scenario.Scenario

	// Programs, if set, makes programs that run beside those of the scenario. It is
	// called for every run, since a program serves one.
	Programs func() []program.Program

	// Sink is told what happens; nil if nobody listens.
	Sink Sink

	// History receives what clients did, as JSON lines; nil keeps it in memory
	// only.
	History io.Writer

	// Progress, if set, is called a few times per second of real time, from
	// the goroutine that called Run.
	Progress func(Progress)

	// Unjudged leaves out the judge, for those who only want the trace of a
	// simulation. The verdict is then unknown.
	Unjudged bool

	// Brief ends the run when the clients are done, for those who only want
	// to know how fast it is: nothing is read back or judged, and the inner
	// state of simulated brokers is not watched for broken invariants.
	Brief bool

	// Window, if set, receives the trace of a range of simulated steps.
	Window *sim.Window

	// Tape, if set, receives every choice of the simulator's scheduler. A
	// scenario with that tape and schedule: tape has the same run.
	Tape *sim.Tape

	// Fork has a simulation draw everything anew from a time on.
	Fork sim.Fork

	// Probe, if set, looks closely at one partition of a simulation.
	Probe *simtarget.Probe

	// Watchdog is how long, of real time, one task may hold a simulation up before
	// the run is abandoned. 0 means a minute, negative is for ever.
	Watchdog time.Duration

	// Machine is what simulated brokers run on, if it is in no file that the
	// scenario could name.
	Machine *machine.Profile

	// Clients, if set, is what each simulated client runs on; otherwise clients
	// are as fast as they like, unless they share the brokers' machine.
	Clients *machine.Profile

	// Broker is how the local target starts a broker process: the command and
	// its first arguments, to which those of "weir broker" are appended.
	Broker []string

	// Dir is where brokers that are processes of this machine keep data and logs.
	Dir string

	// Kafka is the jars of Apache Kafka, if that is the target.
	Kafka apachekafka.Jars

	// Bootstrap are brokers of the cluster that somebody else runs, if that is
	// the target.
	Bootstrap []string
}

// Sink is told of a run while it goes on. Times count from the start of the
// run, not of the workload. The local target calls it from many goroutines.
type Sink interface {
	// Latency is n equal measurements of a kind named by tag, which ended at
	// time at.
	Latency(tag string, at, d time.Duration, n int64)

	// Row is what happened since the row before it and until time at: a second,
	// but for the last row of a run, which is shorter.
	Row(at time.Duration, r Row)

	// Event is something a broker or the injector told.
	Event(node string, at time.Duration, name string, attrs []env.Attr)

	// PartitionState is a committed change of a partition's leader, ISR or ELR.
	PartitionState(linearizability.PartitionState)
}

// Row counts what happened between two times, mostly a second. Lag is the state at its end.
type Row struct {
	Offered, Acked, Failed, Unknown, Consumed int64 // records
	AckedBytes, ConsumedBytes                 int64
	Lag                                       int64 // records acknowledged that consumers have yet to read

	Brokers []target.BrokerRow // in order of broker id; empty where they cannot be seen
}

// EventLoadBegins is told by the director when the clients are about to
// start. The load's duration and its warm-up count from then.
const EventLoadBegins = "load-begins"

// Tags of Sink.Latency.
const (
	TagProduce            = "produce"             // from the intended sending of a record to its acknowledgement
	TagProduceUncorrected = "produce-uncorrected" // from the actual sending
	TagEndToEnd           = "end-to-end"          // from the intended sending to the arrival at a consumer
	TagRegister           = "register"            // an offset commit or fetch
)

// Progress is how far a run is.
type Progress struct {
	Phase  string        // what it is doing
	Now    time.Duration // time that has passed for the cluster
	Total  time.Duration // when the load ends
	Acked  int64         // records
	Events int64         // of the simulator
}

// Throughput counts the records that were meant to be sent while load was
// offered after the warm-up, between two times since the run began, and were
// acknowledged. Late are those of them whose acknowledgement came after To.
type Throughput struct {
	From       time.Duration `json:"from"`
	To         time.Duration `json:"to"`
	Acked      int64         `json:"acked_records"`
	AckedBytes int64         `json:"acked_bytes"`
	Late       int64         `json:"late_records"`
}

// Outcome is what a run came to.
type Outcome struct {
	Verdict linearizability.Verdict

	// Complete is false if the run was cut short; Interrupted says why.
	Complete    bool
	Interrupted string

	// Abandoned says that a task never gave the processor back: the run was given
	// up after real time, not at a time of its own, and a goroutine of it goes on.
	// The verdict has nothing but that. Running it again costs another goroutine.
	Abandoned bool

	// Faults are those that happened, with what they were seen to do.
	Faults []linearizability.Fault

	ClusterTime time.Duration // that passed for the cluster
	LoadStart   time.Duration // since the run began
	LoadEnd     time.Duration

	// Of a simulation.
	Trace    sim.Trace
	Stats    sim.Stats
	Failures []sim.Failure
	Points   []sim.Point // where rare things could happen
	States   []sim.State // that the brokers were in

	// Missed are the faults of the plan that did not happen, and why.
	Missed []string
	// Blind says what the target could not look at, "" if nothing.
	Blind string

	Acked, Failed, Unknown, Consumed int64 // records
	Throughput                       Throughput
	Operations                       int64 // in the history
	LateBy                           time.Duration

	// Usage is what the machines were busy with between the end of the warm-up
	// and the end of the load.
	Usage []target.Usage
}

// Liveness reports whether the only promise broken is that of progress after
// healing.
func (o *Outcome) Liveness() bool {
	if o.Verdict.Status != linearizability.Failed {
		return false
	}
	for _, f := range o.Verdict.Findings {
		if f.Code != target.CodeProgress {
			return false
		}
	}
	return len(o.Verdict.Findings) > 0
}
