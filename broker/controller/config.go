package controller

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/broker/metadata"
)

// Voter is a member of the metadata quorum.
type Voter struct {
	ID   int32
	Host string
	Port int32
}

// Config says how a Node takes part in the quorum. Durations of zero stand for
// their defaults. Where a field stands for a Kafka setting, its comment names it.
type Config struct {
	NodeID    int32   // node.id
	ClusterID string  // requests that name another cluster are refused; empty for a name that the quorum makes
	Voters    []Voter // controller.quorum.voters; a node not among them is an observer

	ElectionTimeout      time.Duration // controller.quorum.election.timeout.ms: elections start after 1 to 2 times this; default 1 s
	FetchTimeout         time.Duration // controller.quorum.fetch.timeout.ms: a follower without its leader, or a leader without a majority, gives up; default 2 s
	FetchMaxWait         time.Duration // how long the leader holds a fetch that finds nothing; default 500 ms
	RequestTimeout       time.Duration // controller.quorum.request.timeout.ms; default 2 s
	SnapshotBytes        int64         // metadata.log.max.record.bytes.between.snapshots; default 20 MiB
	SnapshotInterval     time.Duration // metadata.log.max.snapshot.interval.ms: what is older is in a snapshot; 0 for no limit
	RetryBackoff         time.Duration // controller.quorum.retry.backoff.ms; default 50 ms
	BrokerSessionTimeout time.Duration // broker.session.timeout.ms: a broker silent for longer is fenced; default 9 s
	ApplyWait            time.Duration // how long creators of partitions wait for a broker that is stuck; default 5 s

	BalanceLeaders  bool          // auto.leader.rebalance.enable
	BalanceInterval time.Duration // leader.imbalance.check.interval.seconds; default 5 min

	DefaultPartitions        int32 // num.partitions; default 1
	DefaultReplicationFactor int16 // default.replication.factor; default 1

	Settings config.Static // what topics have that do not set it themselves

	// OnLeader, if set, is told whenever another node leads the quorum, or none.
	// It must not block.
	OnLeader func()
	// OnFatal, if set, is told of the disk error after which the node takes no
	// further part: it can no longer keep what it promises. The process should end.
	OnFatal func(error)
}

func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&c.ElectionTimeout, time.Second)
	def(&c.FetchTimeout, 2*time.Second)
	def(&c.FetchMaxWait, 500*time.Millisecond)
	def(&c.RequestTimeout, 2*time.Second)
	def(&c.RetryBackoff, 50*time.Millisecond)
	def(&c.BrokerSessionTimeout, 9*time.Second)
	def(&c.ApplyWait, 5*time.Second)
	def(&c.BalanceInterval, 5*time.Minute)
	if c.SnapshotBytes <= 0 {
		c.SnapshotBytes = 20 << 20
	}
	// A held fetch must come back well before the follower gives the leader up.
	c.FetchMaxWait = min(c.FetchMaxWait, c.FetchTimeout/3)
	c.DefaultPartitions = max(c.DefaultPartitions, 1)
	c.DefaultReplicationFactor = max(c.DefaultReplicationFactor, 1)
	return c
}

func (c Config) check() error {
	if c.NodeID < 0 {
		return fmt.Errorf("controller: node.id is %d; it must not be negative", c.NodeID)
	}
	if len(c.Voters) == 0 {
		return fmt.Errorf("controller: controller.quorum.voters is empty; name at least one voter")
	}
	seen := map[int32]bool{}
	for _, v := range c.Voters {
		if v.ID < 0 || seen[v.ID] {
			return fmt.Errorf("controller: controller.quorum.voters lists node %d twice or negative; every voter needs an id of its own", v.ID)
		}
		seen[v.ID] = true
	}
	return nil
}

// Send delivers a request to a voter and returns its answer, or an error after
// at most timeout. Tasks call it at the same time; a fetch may take as long as
// Config.FetchMaxWait and must not hold up the others, so it needs a
// connection of its own.
type Send func(to Voter, req kmsg.Request, timeout time.Duration) (kmsg.Response, error)

// Subscriber is told of every new committed image with what changed since the
// one before.
type Subscriber func(*metadata.Image, metadata.Delta)

// API is a request kind that Node.Handle or Node.HandleFetch answers.
type API struct {
	Key, MinVersion, MaxVersion int16
}

// APIs are the request kinds that Node.Handle answers, by ascending key.
// Requests between quorum members are among them.
func APIs() []API {
	return []API{
		{int16(kmsg.CreateTopics), 2, 7},
		{int16(kmsg.DeleteTopics), 1, 6},
		{int16(kmsg.AlterConfigs), 0, 2},
		{int16(kmsg.CreatePartitions), 0, 3},
		{int16(kmsg.ElectLeaders), 0, 2},
		{int16(kmsg.IncrementalAlterConfigs), 0, 1},
		{int16(kmsg.AlterPartitionAssignments), 0, 1},
		{int16(kmsg.ListPartitionReassignments), 0, 0},
		{int16(kmsg.Vote), 0, 2},
		{int16(kmsg.BeginQuorumEpoch), 0, 1},
		{int16(kmsg.EndQuorumEpoch), 0, 1},
		{int16(kmsg.FetchSnapshot), 0, 1},
		{int16(kmsg.DescribeQuorum), 0, 2},
		{int16(kmsg.AlterPartition), 2, 3},
		{int16(kmsg.UpdateFeatures), 0, 2},
		{int16(kmsg.BrokerRegistration), 0, 4},
		{int16(kmsg.BrokerHeartbeat), 0, 1},
		{int16(kmsg.UnregisterBroker), 0, 0},
		{int16(kmsg.AllocateProducerIDs), 0, 0},
		{int16(kmsg.AssignReplicasToDirs), 0, 0},
	}
}
