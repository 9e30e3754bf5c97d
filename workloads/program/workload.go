package program

import (
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
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
	// LogAppendTime says that the topic's timestamps are the broker's.
	LogAppendTime bool

	// Producers share RatePerSecond records of RecordBytes (value size; at
	// least linearizability.MinPayload, or linearizability.MinTimedPayload where the schedule
	// cannot be computed from a record's number or History is not of records).
	Producers     int
	RatePerSecond int64
	RecordBytes   int
	Producer      client.ProducerConfig
	// Arrivals is how the records are spread over time. ArrivalsSaturate has
	// no rate; ArrivalsRamp goes from RampFrom records/s to RatePerSecond.
	Arrivals Arrivals
	RampFrom int64
	// Sticky leaves records to the client's partitioner (without keys: batch
	// by batch, KIP-480) instead of giving each partition its turn.
	Sticky bool

	// History is how much of what clients do is recorded.
	History linearizability.Recording

	// Consumers read the topic: as members of Group if it is set, else each
	// reads the partitions p with p mod Consumers equal to its number.
	Consumers int
	Group     string
	Consumer  client.ConsumerConfig
	// ListOffsetsEvery is the pause between ListOffsets(latest) probes of a
	// consumer. 0: none.
	ListOffsetsEvery time.Duration

	// Registers clients commit and fetch the offset of RegisterPartitions
	// partitions (default 1) in RegisterGroup (default "weir-register"), each
	// one operation every RegisterEvery (default 100 ms).
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

// Arrivals is how a load's records are spread over time.
type Arrivals int8

// The ways of arriving. Latency counts from a record's arrival in each.
const (
	// ArrivalsConstant: evenly spaced, the producers taking turns.
	ArrivalsConstant Arrivals = iota
	// ArrivalsPoisson: each producer's records arrive independently of each
	// other, at RatePerSecond on average over all producers.
	ArrivalsPoisson
	// ArrivalsRamp: evenly spaced at a rate that grows (or falls) steadily from
	// RampFrom at the start of the load to RatePerSecond at its end.
	ArrivalsRamp
	// ArrivalsSaturate: no schedule; each producer sends whenever buffer.memory
	// has room. A record arrives when it is handed to the client.
	ArrivalsSaturate
)

// Program is what one client does. Run blocks until it is done.
type Program struct {
	// Name is unique in the run: "producer-3", "consumer-0", "register-1".
	Name string
	Run  func(e env.Env) error
}

// Meter takes measurements as they happen. Times count from the origin. It is
// called from any task and must not block.
type Meter interface {
	// Offered tells of n records whose time to be sent has come.
	Offered(n int64)
	// Produced tells of a record that has its result: when it was to be sent,
	// when it was handed to the client, and when the result came.
	Produced(intended, sent, done time.Duration, bytes int, outcome client.Outcome)
	// Consumed tells of a record read: when it was to be sent and when it was
	// read.
	Consumed(intended, read time.Duration, bytes int)
	// ProducedBatch tells of records that have one result together: when each
	// was to be sent and was handed to the client, when the result came, and
	// the bytes of all. The slice is the caller's and valid during the call.
	ProducedBatch(records []Times, done time.Duration, bytes int64, outcome client.Outcome)
	// ConsumedBatch tells of records read together: when each was to be sent,
	// when they were read, and the bytes of all. The slice is the caller's.
	ConsumedBatch(intended []time.Duration, read time.Duration, bytes int64)
	// Operated tells of a register operation ("commit", "fetch-offset").
	Operated(name string, started, done time.Duration, outcome client.Outcome)
}

// Times is when a record was to be sent and when it was handed to the client.
type Times = client.Times

// Workload is a configured workload, to be run once.
type Workload struct {
	cfg    Config
	rec    linearizability.Recorder
	meter  Meter
	origin time.Duration

	// Shared by the programs, and read from outside while they run.
	stop                         atomic.Bool
	running, producing           atomic.Int64
	sent, acked, failed, unknown atomic.Int64
	consumed                     atomic.Int64
}

// Limits of a value: the producer's number above, the record's below, in less
// than the 53 bits that every reader of JSON keeps.
const (
	valueBits    = 32
	maxProducers = 1 << 20
)

// New checks cfg and makes the workload. rec and meter may be nil.
func New(cfg Config, rec linearizability.Recorder, meter Meter) (*Workload, error) {
	cfg.RegisterPartitions = max(cfg.RegisterPartitions, 1)
	if cfg.RegisterGroup == "" {
		cfg.RegisterGroup = "weir-register"
	}
	if cfg.RegisterEvery == 0 {
		cfg.RegisterEvery = 100 * time.Millisecond
	}
	if cfg.Drain == 0 {
		cfg.Drain = time.Minute
	}
	if cfg.Client.ClientID == "" {
		cfg.Client.ClientID = "weir"
	}
	if rec == nil {
		rec = linearizability.Discard
	}
	if meter == nil {
		meter = noMeter{}
	}
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("workload: %w", err)
	}
	w := &Workload{cfg: cfg, rec: rec, meter: meter}
	if l, ok := rec.(interface {
		SetRecording(linearizability.Recording)
	}); ok {
		l.SetRecording(cfg.History)
	}
	w.running.Store(int64(cfg.Producers + cfg.Consumers + cfg.Registers))
	w.producing.Store(int64(cfg.Producers))
	return w, nil
}

func (cfg *Config) check() error {
	switch {
	case cfg.Topic == "":
		return errors.New("no Topic is named")
	case cfg.Partitions < 1:
		return fmt.Errorf("topic %q needs at least one partition, not %d", cfg.Topic, cfg.Partitions)
	case cfg.Producers < 0 || cfg.Producers > maxProducers || cfg.Consumers < 0 || cfg.Registers < 0:
		return fmt.Errorf("%d producers, %d consumers and %d register clients: each must be at least 0, and producers at most %d", cfg.Producers, cfg.Consumers, cfg.Registers, maxProducers)
	case cfg.Arrivals < ArrivalsConstant || cfg.Arrivals > ArrivalsSaturate:
		return fmt.Errorf("arrivals %d are none of the four known", cfg.Arrivals)
	case cfg.Producers > 0 && cfg.Arrivals == ArrivalsSaturate && cfg.RatePerSecond != 0:
		return fmt.Errorf("producers that saturate have no rate, but %d records/s are given", cfg.RatePerSecond)
	case cfg.Producers > 0 && cfg.Arrivals == ArrivalsRamp && cfg.RampFrom < 1:
		return fmt.Errorf("a ramp starts at 1 record/s or more, not %d", cfg.RampFrom)
	case cfg.Producers > 0 && cfg.RatePerSecond < 1 && cfg.Arrivals != ArrivalsSaturate:
		return fmt.Errorf("producers need a rate of at least 1 record/s, not %d", cfg.RatePerSecond)
	case cfg.Producers > 0 && cfg.RecordBytes < linearizability.MinPayload:
		return fmt.Errorf("records need at least %d bytes to carry their identity, not %d", linearizability.MinPayload, cfg.RecordBytes)
	case cfg.Producers > 0 && cfg.timed() && cfg.RecordBytes < linearizability.MinTimedPayload:
		return fmt.Errorf("records need at least %d bytes to carry their identity and time, not %d", linearizability.MinTimedPayload, cfg.RecordBytes)
	case cfg.History.Check() != nil:
		return cfg.History.Check()
	case cfg.Start < 0 || cfg.Duration <= 0 || cfg.Drain < 0 || cfg.RegisterEvery < 0 || cfg.ListOffsetsEvery < 0:
		return fmt.Errorf("start %s, duration %s, drain %s: durations must not be negative, nor the duration zero", cfg.Start, cfg.Duration, cfg.Drain)
	case cfg.RegisterPartitions > cfg.Partitions && cfg.Registers > 0:
		return fmt.Errorf("registers on %d partitions of a topic that has %d", cfg.RegisterPartitions, cfg.Partitions)
	case cfg.RatePerSecond > 0 && cfg.Duration/time.Second >= 1<<valueBits/time.Duration(cfg.RatePerSecond):
		return fmt.Errorf("%s at %d records/s are more records than can be told apart (2^%d)", cfg.Duration, cfg.RatePerSecond, valueBits)
	}
	return nil
}

// timed says that records carry the time at which they were to be sent: it
// does not follow from their number, or it is not worth working out.
func (cfg *Config) timed() bool { return cfg.Arrivals != ArrivalsConstant || cfg.bulk() }

// streams says that records are sent by the batch: because that is how they are
// recorded, or because only the client knows where each one goes.
func (cfg *Config) streams() bool {
	return cfg.bulk() || cfg.Sticky || cfg.Arrivals == ArrivalsSaturate
}

// bulk says that records are read, and what is read is recorded, by the batch.
func (cfg *Config) bulk() bool {
	return cfg.History.Mode == linearizability.RecordBatches || cfg.History.Mode == linearizability.RecordSampled
}

// Begin fixes the origin: the reading of env.Clock.Now that the schedule and
// the meter count from. Call it before any program runs.
func (w *Workload) Begin(origin time.Duration) { w.origin = origin }

// Programs lists the clients, in a fixed order.
func (w *Workload) Programs() []Program {
	var all []Program
	add := func(kind string, i int, run func(e env.Env, name string, i int) error) {
		name := kind + "-" + strconv.Itoa(i)
		all = append(all, Program{Name: name, Run: func(e env.Env) error {
			defer w.running.Add(-1)
			return run(e, name, i)
		}})
	}
	for i := range w.cfg.Producers {
		add("producer", i, w.produce)
	}
	for i := range w.cfg.Consumers {
		add("consumer", i, w.consume)
	}
	for i := range w.cfg.Registers {
		add("register", i, w.register)
	}
	return all
}

// Manifest is what the programs take down, for [linearizability.Log.Begin].
func (w *Workload) Manifest() linearizability.Manifest {
	return linearizability.Manifest{
		Producers: w.cfg.Producers, Consumers: w.cfg.Consumers, Registers: w.cfg.Registers,
		Probes: w.cfg.ListOffsetsEvery > 0, Dressed: !w.cfg.streams(), Group: w.cfg.Group != "",
	}
}

// Processes of the history: producers, then register clients, then the ListOffsets
// probes of the consumers, then each consumer's partitions.
func (w *Workload) registerProcess(i int) int64 { return int64(w.cfg.Producers + i) }

func (w *Workload) probeProcess(consumer int) int64 {
	return int64(w.cfg.Producers + w.cfg.Registers + consumer)
}

func (w *Workload) pollProcess(consumer int, partition int32) int64 {
	first := int64(w.cfg.Producers + w.cfg.Registers + w.cfg.Consumers)
	return first + int64(consumer)*int64(w.cfg.Partitions) + int64(partition)
}

// Stop asks all programs to end early: nothing new is sent, answers are
// awaited for at most Drain. It may be called from outside the world.
func (w *Workload) Stop() { w.stop.Store(true) }

// Progress is what has happened so far, for a progress display.
type Progress struct {
	Sent, Acked, Failed, Unknown int64 // records
	Consumed                     int64 // records
	Running                      int   // programs not yet ended
}

// Progress reads the counters. It may be called from outside the world.
func (w *Workload) Progress() Progress {
	return Progress{
		Sent: w.sent.Load(), Acked: w.acked.Load(), Failed: w.failed.Load(), Unknown: w.unknown.Load(),
		Consumed: w.consumed.Load(), Running: int(w.running.Load()),
	}
}

// now is the time since the origin.
func (w *Workload) now(e env.Env) time.Duration { return e.Now() - w.origin }

// end is when the load ends, since the origin.
func (w *Workload) end() time.Duration { return w.cfg.Start + w.cfg.Duration }

// over reports whether a program with nothing else to wait for should end.
func (w *Workload) over(e env.Env) bool { return w.stop.Load() || w.now(e) >= w.end() }

// connect makes the client of one program.
func (w *Workload) connect(e env.Env, name string) (*client.Client, error) {
	cfg := w.cfg.Client
	cfg.ClientID += "-" + name
	return client.New(e, cfg)
}

// requestTimeout is the client's, its default included.
func (w *Workload) requestTimeout() time.Duration {
	if t := w.cfg.Client.RequestTimeout; t > 0 {
		return t
	}
	return 30 * time.Second
}

// ended is the type of the completion that a client's outcome stands for.
func ended(o client.Outcome) linearizability.Type {
	switch o {
	case client.OutcomeOK:
		return linearizability.OK
	case client.OutcomeFail:
		return linearizability.Fail
	}
	return linearizability.Info
}

// reason is an error in the words of a history: Kafka's name of an error code,
// or one word for what is none.
func reason(err error) string {
	var kafka *kerr.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &kafka):
		return kafka.Message
	case errors.Is(err, client.ErrClosed):
		return "stopped"
	case errors.Is(err, client.ErrDeliveryTimeout):
		return "delivery-timeout"
	case errors.Is(err, client.ErrRequestTimeout):
		return "timeout"
	case errors.Is(err, client.ErrMaxBlock):
		return "buffer-full"
	case errors.Is(err, client.ErrDisconnected):
		return "disconnected"
	}
	return err.Error()
}

type noMeter struct{}

func (noMeter) Offered(int64)                                               {}
func (noMeter) Produced(_, _, _ time.Duration, _ int, _ client.Outcome)     {}
func (noMeter) Consumed(_, _ time.Duration, _ int)                          {}
func (noMeter) ProducedBatch([]Times, time.Duration, int64, client.Outcome) {}
func (noMeter) ConsumedBatch([]time.Duration, time.Duration, int64)         {}
func (noMeter) Operated(_ string, _, _ time.Duration, _ client.Outcome)     {}
