package program

import (
	"errors"
	"fmt"
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

	// Topics are those that programs work on.
	Topics []Topic

	// Programs are what clients do, all at once.
	Programs []Program

	// History is how much of what clients do is recorded.
	History linearizability.Recording

	// Start and Duration bound the load.
	Start    time.Duration
	Duration time.Duration
	// Drain bounds the time after the load in which clients wait for answers
	// and read to the end. Default 60 s.
	Drain time.Duration
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

	topics    []*topic
	producers int        // of all programs so far
	authors   []*Produce // in order of their producers' numbers, without a gap
	stamped   bool       // every author's records carry their time
	processes int64      // of the history, claimed so far
	// Clients whose transactions send records, so far.
	transacting int64

	// Shared by the programs, and read from outside while they run.
	stop                         atomic.Bool
	running, producing           atomic.Int64
	piping                       atomic.Int64 // clients that make records of what they read
	sent, acked, failed, unknown atomic.Int64
	consumed                     atomic.Int64
	due, read                    atomic.Int64 // records that consumers have yet to be given, and were, once per reading program
}

// New checks cfg and makes the workload. rec and meter may be nil.
func New(cfg Config, rec linearizability.Recorder, meter Meter) (*Workload, error) {
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
	w := &Workload{cfg: cfg, rec: rec, meter: meter, stamped: true}
	for _, t := range cfg.Topics {
		w.topics = append(w.topics, &topic{Topic: t})
	}
	if err := w.join(cfg.Programs); err != nil {
		return nil, fmt.Errorf("workload: %w", err)
	}
	if l, ok := rec.(interface {
		SetRecording(linearizability.Recording)
	}); ok {
		l.SetRecording(cfg.History)
	}
	return w, nil
}

func (cfg *Config) check() error {
	if len(cfg.Topics) == 0 {
		return errors.New("no topic is named")
	}
	seen := map[string]bool{}
	for _, t := range cfg.Topics {
		switch {
		case t.Name == "":
			return errors.New("a topic has no name")
		case seen[t.Name]:
			return fmt.Errorf("topic %q is given twice", t.Name)
		case t.Partitions < 1:
			return fmt.Errorf("topic %q needs at least one partition, not %d", t.Name, t.Partitions)
		}
		seen[t.Name] = true
	}
	if err := cfg.History.Check(); err != nil {
		return err
	}
	if cfg.Start < 0 || cfg.Duration <= 0 || cfg.Drain < 0 {
		return fmt.Errorf("start %s, duration %s, drain %s: durations must not be negative, nor the duration zero", cfg.Start, cfg.Duration, cfg.Drain)
	}
	return nil
}

// bulk says that records are read, and what is read is recorded, by the batch.
func (cfg *Config) bulk() bool {
	return cfg.History.Mode == linearizability.RecordBatches || cfg.History.Mode == linearizability.RecordSampled
}

// Begin fixes the origin: the reading of env.Clock.Now that the schedule and
// the meter count from. Call it before any client runs.
func (w *Workload) Begin(origin time.Duration) { w.origin = origin }

// Stop asks all programs to end early: nothing new is sent, answers are
// awaited for at most Drain. It may be called from outside the world.
func (w *Workload) Stop() { w.stop.Store(true) }

// Progress is what has happened so far, for a progress display.
type Progress struct {
	Sent, Acked, Failed, Unknown int64 // records
	Consumed                     int64 // records
	Running                      int   // clients not yet ended
}

// Progress reads the counters. It may be called from outside the world.
func (w *Workload) Progress() Progress {
	return Progress{
		Sent: w.sent.Load(), Acked: w.acked.Load(), Failed: w.failed.Load(), Unknown: w.unknown.Load(),
		Consumed: w.consumed.Load(), Running: int(w.running.Load()),
	}
}

// Lag is how many acknowledged records consumers have yet to read, each counted
// once for every program that reads its topic. It may be called from outside
// the world.
func (w *Workload) Lag() int64 { return max(0, w.due.Load()-w.read.Load()) }

// now is the time since the origin.
func (w *Workload) now(e env.Env) time.Duration { return e.Now() - w.origin }

// end is when the load ends, since the origin.
func (w *Workload) end() time.Duration { return w.cfg.Start + w.cfg.Duration }

// over reports whether a program with nothing else to wait for should end.
func (w *Workload) over(e env.Env) bool { return w.stop.Load() || w.now(e) >= w.end() }

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
