package group

import (
	"net"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/broker/coordinator"
	"github.com/weirlab/weir/broker/group/consumer"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
)

// Coordinator coordinates the groups whose partitions of __consumer_offsets
// this broker leads.
type Coordinator struct {
	cfg        Config
	lab        *env.Lab
	shards     *coordinator.Runtime[*machine, Output]
	image      func() *metadata.Image
	verify     Verify
	partitions atomic.Int32 // of __consumer_offsets, 0 until known

	consumers   atomic.Pointer[consumer.Config] // for groups that have no settings of their own
	sharing     atomic.Pointer[consumer.Config] // the same for share groups
	shares      ShareState
	initializer initializer
	matching    env.Mutex // held while regular expressions are matched: strangers may bring any number
}

// NewCoordinator returns a coordinator of no partition yet. image gives the
// newest metadata that the broker has, verify asks the transaction coordinator, shares
// are the share coordinators.
func NewCoordinator(e env.Env, cfg Config, log coordinator.Log, image func() *metadata.Image, verify Verify, shares ShareState) *Coordinator {
	c := &Coordinator{cfg: cfg, lab: e.Lab(), image: image, verify: verify, shares: shares, matching: e.NewMutex()}
	c.consumers.Store(&cfg.Consumer)
	c.sharing.Store(&cfg.Share)
	c.initializer = initializer{c: c, e: e, mu: e.NewMutex()}
	c.shards = coordinator.New(e, coordinator.Config[*machine, Output]{
		Name: "group",
		Machine: func(_, _ int32) *machine {
			m := newMachine(&c.cfg, c.image,
				func(name string, attrs []env.Attr) { e.Event(name, attrs...) })
			m.lab, m.settings, m.sharing = c.lab, c.consumerSettings, c.shareSettings
			return m
		},
		Barrier:       func(wallMillis int64) storage.Record { return barrierRecord(wallMillis) },
		AnswerTimeout: cfg.CommitTimeout,
	}, log)
	return c
}

// Configure takes over settings that changed at run time.
func (c *Coordinator) Configure(b config.Broker) {
	cfg := ConfigOf(b)
	c.consumers.Store(&cfg.Consumer)
	c.sharing.Store(&cfg.Share)
}

// consumerSettings are those of a group under the consumer protocol, now.
func (c *Coordinator) consumerSettings(group string) *consumer.Config {
	return c.settings(c.consumers.Load(), group, "consumer.")
}

// shareSettings are those of a share group, now.
func (c *Coordinator) shareSettings(group string) *consumer.Config {
	return c.settings(c.sharing.Load(), group, "share.")
}

// settings are cfg with those that the group has of its own, whose names begin with
// prefix.
func (c *Coordinator) settings(cfg *consumer.Config, group, prefix string) *consumer.Config {
	if c.image().GroupConfigs(group) == nil {
		return cfg
	}
	l := c.cfg.Static.GroupLayers(c.image(), group)
	next := *cfg
	next.SessionTimeout = l.GroupMillis(prefix + "session.timeout.ms")
	next.HeartbeatInterval = l.GroupMillis(prefix + "heartbeat.interval.ms")
	next.AssignmentInterval = l.GroupMillis(prefix + "assignment.interval.ms")
	return &next
}

// SetPartitions says how many partitions __consumer_offsets has, which decides
// where a group belongs. Until it is called, with 1 or more, every request is
// answered COORDINATOR_NOT_AVAILABLE.
func (c *Coordinator) SetPartitions(n int32) { c.partitions.Store(n) }

// Lead begins to coordinate the groups of a partition: this broker became its
// leader in epoch.
func (c *Coordinator) Lead(partition, epoch int32) { c.shards.Lead(partition, epoch) }

// Resign ceases to coordinate the groups of a partition: this broker no longer
// leads it in epoch.
func (c *Coordinator) Resign(partition, epoch int32) { c.shards.Resign(partition, epoch) }

// TopicsDeleted removes the offsets of all groups in topics that are gone, and their
// partitions from share groups.
func (c *Coordinator) TopicsDeleted(topics []metadata.DeletedTopic) {
	var names []string
	var ids []metadata.TopicID
	for _, t := range topics {
		names, ids = append(names, t.Name), append(ids, t.ID)
	}
	c.shards.Each(func(m *machine, at at) turn {
		return m.forgetTopics(at, ids, func(at coordinator.At) turn { return m.topicsDeleted(at, names) })
	})
}

// Stop ceases to coordinate anything, and answers everyone who waits.
func (c *Coordinator) Stop() {
	c.initializer.stop()
	c.shards.Stop()
}

// Wait waits, after Stop and once the log lets everyone go, for the
// coordinator's tasks to end.
func (c *Coordinator) Wait() {
	c.shards.Wait()
	c.initializer.wait()
}

// partitionOf is where a group belongs.
func (c *Coordinator) partitionOf(group string) (int32, int16) {
	if group == "" {
		return -1, kerr.InvalidGroupID.Code
	}
	n := c.partitions.Load()
	// As before the first metadata: all clients ask again.
	if n < 1 || c.lab.Rare("group/unavailable") {
		return -1, kerr.CoordinatorNotAvailable.Code
	}
	return coordinator.PartitionFor(group, n), 0
}

// do takes a step on the machine that has a group, and waits for the answer.
// The code is what the client is to see.
func (c *Coordinator) do(api kmsg.Key, group string, step func(m *machine, at at, ref Ref) turn) (Output, int16) {
	partition, code := c.partitionOf(group)
	if code != 0 {
		return nil, code
	}
	out, code := c.shards.Do(partition, step)
	if code = clientCode(api, code); code != 0 {
		return nil, code
	}
	if out == nil { // a heartbeat while the groups are loaded
		return Done{}, 0
	}
	if d, ok := out.(Done); ok {
		return d, d.Code
	}
	return out, 0
}

// clientCode is [coordinator.ClientCode] for an API. Whatever may pass is within what
// the handlers of Kafka's own clients (AbstractCoordinator, ConsumerCoordinator)
// take for a reason to try again; most other codes end a Java consumer.
func clientCode(api kmsg.Key, code int16) int16 {
	switch code {
	case kerr.CoordinatorLoadInProgress.Code:
		switch api {
		case kmsg.SyncGroup:
			// The rebalance that the member is in is forgotten.
			return kerr.RebalanceInProgress.Code
		case kmsg.Heartbeat:
			// It may well be a member; loading renews all sessions.
			return 0
		}
	case kerr.MessageTooLarge.Code, kerr.RecordListTooLarge.Code:
		if api == kmsg.OffsetCommit || api == kmsg.TxnOffsetCommit {
			return kerr.InvalidCommitOffsetSize.Code
		}
	case kerr.InvalidProducerEpoch.Code, kerr.InvalidTxnState.Code, kerr.TransactionAbortable.Code:
		return code // the producer's to see, whose transaction it is
	}
	return coordinator.ClientCode(code)
}

// hostOf is a client's address as Kafka writes it in DescribeGroups: a slash
// and the address without port (Java's InetAddress.toString).
func hostOf(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	return "/" + host
}
