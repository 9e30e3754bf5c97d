package broker

import (
	"fmt"
	"math"
	"net"
	"time"

	"github.com/weirlab/weir/broker/controller"

	"github.com/weirlab/weir/broker/metadata"
)

// Voter is a member of the metadata quorum.
type Voter = controller.Voter

// Config says how one broker runs. Where a field stands for a Kafka setting,
// its comment names it.
type Config struct {
	NodeID    int32   // node.id
	ClusterID string  // must be the same on every node
	Listen    string  // listeners: "host:port" to bind
	Advertise string  // advertised.listeners: "host:port" for clients and peers; Listen if empty
	Voters    []Voter // controller.quorum.voters
	Dir       string  // log.dirs: directory, relative to the root of the node's file system
	Rack      string  // broker.rack

	AutoCreateTopics         bool  // auto.create.topics.enable
	DefaultPartitions        int32 // num.partitions
	DefaultReplicationFactor int16 // default.replication.factor
	MinInsyncReplicas        int32 // min.insync.replicas, the default for topics without their own

	OffsetsPartitions        int32 // offsets.topic.num.partitions
	OffsetsReplicationFactor int16 // offsets.topic.replication.factor

	SegmentBytes       int64         // log.segment.bytes
	IndexIntervalBytes int64         // log.index.interval.bytes
	FlushMessages      int64         // log.flush.interval.messages; 0 leaves flushing to the operating system
	RetentionBytes     int64         // log.retention.bytes; -1 keeps everything
	RetentionTime      time.Duration // log.retention.ms; negative keeps everything
	MaxMessageBytes    int32         // message.max.bytes
	MaxRequestBytes    int32         // socket.request.max.bytes

	MaxConnections      int           // max.connections; further ones wait to be accepted
	MaxConnectionsPerIP int           // max.connections.per.ip; further ones are closed at once
	ConnectionsMaxIdle  time.Duration // connections.max.idle.ms

	ReplicaLagTimeMax   time.Duration // replica.lag.time.max.ms
	ReplicaFetchers     int           // num.replica.fetchers
	ReplicaFetchBytes   int32         // replica.fetch.max.bytes
	ReplicaFetchWaitMax time.Duration // replica.fetch.wait.max.ms
	BrokerSession       time.Duration // broker.session.timeout.ms
	BrokerHeartbeat     time.Duration // broker.heartbeat.interval.ms
	ElectionTimeout     time.Duration // controller.quorum.election.timeout.ms
	QuorumFetchTimeout  time.Duration // controller.quorum.fetch.timeout.ms
	ControlledShutdown  time.Duration // how long a clean stop waits for leaders to move away

	GroupInitialRebalanceDelay time.Duration // group.initial.rebalance.delay.ms

	// OnHighWatermark, if set, hears of every advance of the high watermark of
	// a partition that this broker leads. It must not block. Simulations check
	// with it that nothing is read above the high watermark.
	OnHighWatermark func(tp metadata.TopicPartition, leaderEpoch int32, offset int64)
}

// DefaultConfig is a single node with Kafka's defaults, except that internal
// topics have as many replicas as fit the cluster and flushing is left to the
// operating system.
func DefaultConfig() Config {
	return Config{
		NodeID:                     1,
		ClusterID:                  "weir",
		Listen:                     "127.0.0.1:9092",
		Dir:                        ".",
		AutoCreateTopics:           true,
		DefaultPartitions:          1,
		DefaultReplicationFactor:   1,
		MinInsyncReplicas:          1,
		OffsetsPartitions:          8,
		OffsetsReplicationFactor:   3,
		SegmentBytes:               1 << 30,
		IndexIntervalBytes:         4096,
		RetentionBytes:             -1,
		RetentionTime:              7 * 24 * time.Hour,
		MaxMessageBytes:            1048588,
		MaxRequestBytes:            100 << 20,
		MaxConnections:             math.MaxInt32,
		MaxConnectionsPerIP:        math.MaxInt32,
		ConnectionsMaxIdle:         10 * time.Minute,
		ReplicaLagTimeMax:          30 * time.Second,
		ReplicaFetchers:            1,
		ReplicaFetchBytes:          1 << 20,
		ReplicaFetchWaitMax:        500 * time.Millisecond,
		BrokerSession:              9 * time.Second,
		BrokerHeartbeat:            2 * time.Second,
		ElectionTimeout:            time.Second,
		QuorumFetchTimeout:         2 * time.Second,
		ControlledShutdown:         10 * time.Second,
		GroupInitialRebalanceDelay: 3 * time.Second,
	}
}

// Check reports the first setting that cannot work, by its Kafka name.
func (c Config) Check() error {
	switch {
	case c.NodeID < 0:
		return fmt.Errorf("broker: node.id is %d; it must not be negative", c.NodeID)
	case len(c.Voters) == 0:
		return fmt.Errorf("broker: controller.quorum.voters is empty; name at least one voter as id@host:port")
	case c.DefaultPartitions < 1:
		return fmt.Errorf("broker: num.partitions is %d; it must be at least 1", c.DefaultPartitions)
	case c.DefaultReplicationFactor < 1:
		return fmt.Errorf("broker: default.replication.factor is %d; it must be at least 1", c.DefaultReplicationFactor)
	case c.OffsetsPartitions < 1 || c.OffsetsReplicationFactor < 1:
		return fmt.Errorf("broker: offsets.topic.num.partitions and offsets.topic.replication.factor must be at least 1")
	case c.ReplicaFetchers < 1 || c.ReplicaFetchBytes < 1:
		return fmt.Errorf("broker: num.replica.fetchers and replica.fetch.max.bytes must be at least 1")
	case c.MaxConnections < 1 || c.MaxConnectionsPerIP < 1:
		return fmt.Errorf("broker: max.connections and max.connections.per.ip must be at least 1")
	case c.ConnectionsMaxIdle <= 0:
		return fmt.Errorf("broker: connections.max.idle.ms is %v; it must be positive", c.ConnectionsMaxIdle)
	case c.MinInsyncReplicas < 1:
		return fmt.Errorf("broker: min.insync.replicas is %d; it must be at least 1", c.MinInsyncReplicas)
	case c.BrokerHeartbeat >= c.BrokerSession:
		return fmt.Errorf("broker: broker.heartbeat.interval.ms (%v) must be below broker.session.timeout.ms (%v)", c.BrokerHeartbeat, c.BrokerSession)
	}
	seen := map[int32]bool{}
	for _, v := range c.Voters {
		if seen[v.ID] {
			return fmt.Errorf("broker: controller.quorum.voters lists node %d twice", v.ID)
		}
		seen[v.ID] = true
	}
	for _, addr := range []string{c.Listen, c.advertised()} {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return fmt.Errorf("broker: listener %q is not host:port: %w", addr, err)
		}
	}
	return nil
}

func (c Config) advertised() string {
	if c.Advertise != "" {
		return c.Advertise
	}
	return c.Listen
}
