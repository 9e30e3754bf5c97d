package transaction

import (
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/broker/coordinator"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
)

// Config are the settings of a coordinator.
type Config struct {
	MaxTimeout     time.Duration // transaction.max.timeout.ms
	AbortInterval  time.Duration // transaction.abort.timed.out.transaction.cleanup.interval.ms
	ExpireAfter    time.Duration // transactional.id.expiration.ms
	ExpireInterval time.Duration // transaction.remove.expired.transaction.cleanup.interval.ms
}

// ConfigOf takes the settings of transactions from those of a broker.
func ConfigOf(b config.Broker) Config {
	return Config{
		MaxTimeout:     b.TransactionMaxTimeout,
		AbortInterval:  b.TransactionAbortInterval,
		ExpireAfter:    b.TransactionalIDExpiration,
		ExpireInterval: b.TransactionExpireInterval,
	}
}

// DefaultConfig has the defaults of the registry of settings.
func DefaultConfig() Config { return ConfigOf(config.DefaultBroker()) }

// answerTimeout is how long an answer waits for the log to be committed.
const answerTimeout = 5 * time.Second

// Deps is what a Coordinator needs from the broker around it.
type Deps struct {
	BrokerID int32
	Log      coordinator.Log // __transaction_state

	// Image is the newest metadata that the broker has.
	Image func() *metadata.Image

	// Version is the level of the feature transaction.version that is in force.
	Version func() int16

	// NewID is a producer id that nobody has had. It may wait for the controller;
	// SpareID does not, and is -1 if none is at hand.
	NewID   func() (int64, error)
	SpareID func() int64

	// WriteMarkers sends a broker a request and waits for the answer.
	WriteMarkers func(to *metadata.Broker, req *kmsg.WriteTxnMarkersRequest) (*kmsg.WriteTxnMarkersResponse, error)
}

// Coordinator coordinates the transactional ids whose partitions of
// __transaction_state this broker leads.
type Coordinator struct {
	cfg        Config
	deps       Deps
	lab        *env.Lab
	shards     *coordinator.Runtime[*machine, output]
	sender     *sender
	partitions atomic.Int32 // of __transaction_state, 0 until known

	views views
}

// NewCoordinator returns a coordinator of no partition yet.
func NewCoordinator(e env.Env, cfg Config, deps Deps) *Coordinator {
	c := &Coordinator{cfg: cfg, deps: deps, lab: e.Lab(), sender: newSender(e), views: newViews(e)}
	w := world{
		version: deps.Version,
		spareID: deps.SpareID,
		send:    c.sender.send,
		tell:    func(name string, attrs []env.Attr) { e.Event(name, attrs...) },
	}
	c.shards = coordinator.New(e, coordinator.Config[*machine, output]{
		Name: "transaction",
		Machine: func(partition, epoch int32) *machine {
			m := newMachine(&c.cfg, partition, epoch, w)
			m.lab, m.view = c.lab, c.views.open(partition, epoch)
			return m
		},
		Barrier:       func(wallMillis int64) storage.Record { return barrierRecord(wallMillis) },
		AnswerTimeout: answerTimeout,
	}, deps.Log)
	c.sender.image, c.sender.write, c.sender.done = deps.Image, deps.WriteMarkers, c.confirm
	return c
}

// confirm tells the machine of a marker that the partition has it.
func (c *Coordinator) confirm(m Marker) {
	c.shards.Tell(m.Coordinator, func(machine *machine, at at) turn { return machine.marked(at, m) })
}

// SetPartitions says how many partitions __transaction_state has, which decides
// where a transactional id belongs. Until it is called, with 1 or more, every
// request is answered COORDINATOR_NOT_AVAILABLE.
func (c *Coordinator) SetPartitions(n int32) { c.partitions.Store(n) }

// Lead begins to coordinate the transactional ids of a partition: this broker
// became its leader in epoch.
func (c *Coordinator) Lead(partition, epoch int32) {
	c.sender.lead(partition, epoch)
	c.shards.Lead(partition, epoch)
}

// Resign ceases to coordinate the transactional ids of a partition: this broker
// no longer leads it in epoch.
func (c *Coordinator) Resign(partition, epoch int32) {
	c.shards.Resign(partition, epoch)
	c.sender.resign(partition, epoch)
	c.views.close(partition, epoch)
}

// Stop ceases to coordinate anything, and answers everyone who waits.
func (c *Coordinator) Stop() {
	c.shards.Stop()
	c.sender.stop()
}

// Wait waits, after Stop and once the log and WriteMarkers let everyone go, for
// the coordinator's tasks to end.
func (c *Coordinator) Wait() {
	c.shards.Wait()
	c.sender.wait()
}

// partitionOf is where a transactional id belongs.
func (c *Coordinator) partitionOf(id string) (int32, int16) {
	if id == "" {
		return -1, kerr.InvalidRequest.Code
	}
	n := c.partitions.Load()
	// As before the first metadata: all clients ask again.
	if n < 1 || c.lab.Rare("transaction/unavailable") {
		return -1, kerr.CoordinatorNotAvailable.Code
	}
	return coordinator.PartitionFor(id, n), 0
}

// do takes a step on the machine that has a transactional id, and waits for the
// answer. The code is what the client is to see.
func (c *Coordinator) do(id string, step func(m *machine, at at, ref Ref) turn) (output, int16) {
	partition, code := c.partitionOf(id)
	if code != 0 {
		return output{}, code
	}
	out, code := c.shards.Do(partition, step)
	if code != 0 {
		return output{}, coordinator.ClientCode(code)
	}
	return out, out.code
}

// decide is do for what a [Decision] comes of, which is asked for again with a
// producer id if it needs one. what names the request for a laboratory.
func (c *Coordinator) decide(id, what string, step func(m *machine, at at, newID int64) Decision) (output, int16) {
	for newID := int64(none); ; {
		out, code := c.do(id, func(m *machine, at at, ref Ref) turn {
			return m.decide(at, ref, id, what, step(m, at, newID))
		})
		if !out.needsID {
			return out, code
		}
		var err error
		if newID, err = c.deps.NewID(); err != nil {
			return output{}, kerr.CoordinatorNotAvailable.Code
		}
	}
}
