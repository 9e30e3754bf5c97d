package state

import (
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/broker/coordinator"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/share"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
)

// Config are the settings of a coordinator.
type Config struct {
	UpdatesPerSnapshot int           // share.coordinator.snapshot.update.records.per.snapshot
	WriteTimeout       time.Duration // share.coordinator.write.timeout.ms
	PruneInterval      time.Duration // share.coordinator.state.topic.prune.interval.ms
	ColdInterval       time.Duration // share.coordinator.cold.partition.snapshot.interval.ms
}

// ConfigOf takes the settings of share coordinators from those of a broker.
func ConfigOf(b config.Broker) Config {
	return Config{
		UpdatesPerSnapshot: int(b.ShareStateUpdates),
		WriteTimeout:       b.ShareStateWriteTimeout,
		PruneInterval:      b.ShareStatePruneInterval,
		ColdInterval:       b.ShareStateColdInterval,
	}
}

// DefaultConfig has the defaults of the registry of settings.
func DefaultConfig() Config { return ConfigOf(config.DefaultBroker()) }

// Deps is what a Coordinator needs from the broker around it.
type Deps struct {
	Log coordinator.Log // __share_group_state

	// Image is the newest metadata that the broker has.
	Image func() *metadata.Image

	// Prune deletes the records of a partition of the log before an offset that is
	// committed, if this broker leads it. It may block.
	Prune func(partition int32, before int64)
}

// Coordinator keeps the states whose partitions of __share_group_state this broker
// leads.
type Coordinator struct {
	e          env.Env
	cfg        Config
	deps       Deps
	lab        *env.Lab
	shards     *coordinator.Runtime[*machine, output]
	partitions atomic.Int32 // of __share_group_state, 0 until known

	stopping env.Signal
	mu       env.Mutex
	task     env.Task // upkeep, nil before anything is led
}

// NewCoordinator returns a coordinator of no partition yet.
func NewCoordinator(e env.Env, cfg Config, deps Deps) *Coordinator {
	c := &Coordinator{e: e, cfg: cfg, deps: deps, lab: e.Lab(), stopping: e.NewSignal(), mu: e.NewMutex()}
	c.shards = coordinator.New(e, coordinator.Config[*machine, output]{
		Name: "share state",
		Machine: func(_, _ int32) *machine {
			m := newMachine(&c.cfg, deps.Image)
			m.lab = c.lab
			return m
		},
		Barrier:       func(wallMillis int64) storage.Record { return record(snapshotKind, barrierKey, nil, wallMillis) },
		AnswerTimeout: cfg.WriteTimeout,
	}, deps.Log)
	return c
}

// SetPartitions says how many partitions __share_group_state has, which decides where a
// key belongs. Until it is called, with 1 or more, every request is answered
// COORDINATOR_NOT_AVAILABLE.
func (c *Coordinator) SetPartitions(n int32) { c.partitions.Store(n) }

// Lead begins to keep the states of a partition: this broker became its leader in epoch.
func (c *Coordinator) Lead(partition, epoch int32) {
	c.shards.Lead(partition, epoch)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.task == nil && !c.stopping.IsSet() {
		c.task = c.e.Go("share state: upkeep", c.upkeep)
	}
}

// Resign ceases to keep the states of a partition: this broker no longer leads it in
// epoch.
func (c *Coordinator) Resign(partition, epoch int32) { c.shards.Resign(partition, epoch) }

// TopicsDeleted deletes the states of topics that are gone.
func (c *Coordinator) TopicsDeleted(topics []metadata.DeletedTopic) {
	gone := map[metadata.TopicID]bool{}
	for _, t := range topics {
		gone[t.ID] = true
	}
	c.shards.Each(func(m *machine, at at) turn { return m.forget(at, func(id metadata.TopicID) bool { return gone[id] }) })
}

// Stop ceases to keep anything, and answers everyone who waits.
func (c *Coordinator) Stop() {
	c.mu.Lock()
	c.stopping.Set()
	c.mu.Unlock()
	c.shards.Stop()
}

// Wait waits, after Stop and once the log lets everyone go, for the coordinator's tasks
// to end.
func (c *Coordinator) Wait() {
	c.shards.Wait()
	c.mu.Lock()
	task := c.task
	c.mu.Unlock()
	if task != nil {
		task.Wait()
	}
}

// begin takes a step on the machine that has a key, among all others in the order of
// the calls; what it returns waits for the answer.
func (c *Coordinator) begin(key share.Key, step step) func() output {
	partition, code := c.partitionOf(key)
	if code != 0 {
		return func() output { return refused(code) }
	}
	wait := c.shards.Begin(partition, step)
	return func() output {
		out, code := wait()
		if code != 0 {
			return refused(coordinator.ClientCode(code))
		}
		return out
	}
}

// partitionOf is where a key belongs.
func (c *Coordinator) partitionOf(key share.Key) (int32, int16) {
	n := c.partitions.Load()
	// As before the first metadata: brokers ask again.
	if n < 1 || c.lab.Rare("state/unavailable") {
		return -1, kerr.CoordinatorNotAvailable.Code
	}
	return coordinator.PartitionFor(key.String(), n), 0
}

func refused(code int16) output {
	out := output{code: code}
	if err := kerr.TypedErrorForCode(code); err != nil {
		out.message = err.Description
	}
	return out
}
