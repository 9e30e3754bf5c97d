package program

import (
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/client"
)

// Config says what the clients of a run do. Times count from the origin given
// to Begin.
type Config struct {
	// Client is the settings common to all clients. ClientID is a prefix.
	Client client.Config

	// Topic is written and read; it must exist with this many partitions
	// before the programs run (see Workload.CreateTopics).
	Topic             string
	Partitions        int32
	ReplicationFactor int16
	TopicConfigs      []client.TopicConfig

	// Producers share RatePerSecond records of RecordBytes (value size; at
	// least linearizability.MinPayload).
	Producers     int
	RatePerSecond int64
	RecordBytes   int
	Producer      client.ProducerConfig

	// Consumers read the topic: as members of Group if it is set, else each
	// reads the partitions p with p mod Consumers equal to its number.
	Consumers int
	Group     string
	Consumer  client.ConsumerConfig
	// ListOffsetsEvery is the pause between ListOffsets(latest) probes of a
	// consumer. 0: none.
	ListOffsetsEvery time.Duration

	// Registers clients commit and fetch the offset of RegisterPartitions
	// partitions in RegisterGroup ("weir-register" if empty), one operation
	// each RegisterEvery (default 100 ms).
	Registers          int
	RegisterGroup      string
	RegisterPartitions int32
	RegisterEvery      time.Duration

	// Start and Duration bound the load.
	Start    time.Duration
	Duration time.Duration
	// Drain bounds the time after the load in which producers wait for
	// answers and consumers read to the end. Default 60 s.
	Drain time.Duration
}

// Program is what one client does. Run blocks until it is done.
type Program struct {
	// Name is unique in the run: "producer-3", "consumer-0", "register-1".
	Name string
	Run  func(e env.Env) error
}

// Meter takes measurements as they happen. Times count from the origin. It is
// called from any task and must not block.
type Meter interface {
	// Produced tells of a record that has its result: when it was to be sent,
	// when it was handed to the client, and when the result came.
	Produced(intended, sent, done time.Duration, bytes int, outcome client.Outcome)
	// Consumed tells of a record read: when it was to be sent and when it was
	// read.
	Consumed(intended, read time.Duration, bytes int)
	// Operated tells of a register operation ("commit", "fetch-offset").
	Operated(name string, started, done time.Duration, outcome client.Outcome)
}

// Workload is a configured workload, to be run once.
type Workload struct{}

// New checks cfg and makes the workload. meter may be nil.
func New(cfg Config, rec linearizability.Recorder, meter Meter) (*Workload, error) { panic("not yet") }

// Begin fixes the origin: the reading of env.Clock.Now that all times of the
// history, the schedule and the meter count from. Call it before any program
// runs. All programs must share one clock.
func (w *Workload) Begin(origin time.Duration) { panic("not yet") }

// CreateTopics creates the topic, waits until it and the group coordinator
// are ready, and is done by timeout.
func (w *Workload) CreateTopics(e env.Env, timeout time.Duration) error { panic("not yet") }

// Programs lists the clients, in a fixed order.
func (w *Workload) Programs() []Program { panic("not yet") }

// Stop asks all programs to end early: nothing new is sent, answers are
// awaited for at most Drain.
func (w *Workload) Stop() { panic("not yet") }

// Scan reads every partition of the topic from its log start to its end
// through its leader. Run it when the cluster is healthy and all programs
// have ended.
func (w *Workload) Scan(e env.Env, timeout time.Duration) ([]linearizability.Scan, error) {
	panic("not yet")
}

// Progress is what has happened so far, for a progress display. It may be
// called from outside the world.
type Progress struct {
	Sent, Acked, Failed, Unknown int64 // records
	Consumed                     int64 // records
	Running                      int   // programs not yet ended
}

// Progress reads the counters.
func (w *Workload) Progress() Progress { panic("not yet") }
