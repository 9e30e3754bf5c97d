package size

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirlab/weir/sim/ec2"
	"github.com/weirlab/weir/workloads/scenario"
)

// Need is a load and what must hold of the cluster that carries it.
type Need struct {
	// PeakBytesPerSecond is what producers send at most, in bytes of record
	// values; AverageBytesPerSecond is what retention fills disks with, and what
	// transfer costs.
	PeakBytesPerSecond    int64 `json:"peak_bytes_per_s"`
	AverageBytesPerSecond int64 `json:"average_bytes_per_s"`
	// GrowthPercent is by how much both have grown when the cluster is full.
	GrowthPercent int64 `json:"growth_percent"`

	RecordBytes int64         `json:"record_bytes"`
	BatchBytes  int64         `json:"batch_bytes"` // batch.size of producers
	Linger      time.Duration `json:"linger"`
	Partitions  int           `json:"partitions"`
	Retention   time.Duration `json:"retention"`
	// Groups are the consumer groups, each of which reads everything.
	Groups            int  `json:"consumer_groups"`
	ReplicationFactor int  `json:"replication_factor"`
	MinISR            int  `json:"min_insync_replicas"`
	Fsync             bool `json:"fsync"` // flush.messages=1

	// Zones are 1, or as many as replicas are spread over: brokers are a
	// multiple of it, and what passes between zones is paid for. FollowerFetch
	// lets consumers read in their own zone (KIP-392).
	Zones         int  `json:"zones"`
	FollowerFetch bool `json:"follower_fetch"`

	// HeadroomPercent is what of every limit stays free while no broker is lost.
	HeadroomPercent int64 `json:"headroom_percent"`
	// Away is how long it takes until a machine runs in place of one that failed,
	// and RebuildWithin how long replicas may be missing then, its disks lost.
	Away          time.Duration `json:"away"`
	RebuildWithin time.Duration `json:"rebuild_within"`
	// Costs names the table of what requests cost a processor.
	Costs string `json:"costs"`

	// MostBrokers ends the search for one combination.
	MostBrokers int `json:"most_brokers"`
	// Instances and Classes limit the search; empty are all.
	Instances []string `json:"instances,omitempty"`
	Classes   []string `json:"classes,omitempty"`

	Seed scenario.Seed `json:"seed"`
}

// DefaultNeed is a load of 50 MB/s that is kept for three days in three zones.
func DefaultNeed() Need {
	return Need{
		PeakBytesPerSecond: 50_000_000, AverageBytesPerSecond: 25_000_000,
		RecordBytes: 1024, BatchBytes: 128 << 10, Linger: 5 * time.Millisecond, Partitions: 60, Retention: 72 * time.Hour,
		Groups: 2, ReplicationFactor: 3, MinISR: 2, Zones: 3,
		HeadroomPercent: 20, Away: 10 * time.Minute, RebuildWithin: 24 * time.Hour, Costs: "kafka-jvm", MostBrokers: 60, Seed: 1,
	}
}

// Check says what is wrong with n.
func (n Need) Check() error {
	switch {
	case n.RecordBytes < 24 || n.PeakBytesPerSecond < n.RecordBytes || n.AverageBytesPerSecond < 1 || n.AverageBytesPerSecond > n.PeakBytesPerSecond:
		return errors.New("size: records have 24 bytes or more, the peak is at least one of them a second, and the average is not above the peak")
	case n.GrowthPercent < 0 || n.GrowthPercent > 10_000:
		return fmt.Errorf("size: a growth of %d %% is not within 0 and 10,000", n.GrowthPercent)
	case n.Partitions < 1 || n.BatchBytes < n.RecordBytes || n.Linger < 0 || n.Retention <= 0 || n.Groups < 0:
		return errors.New("size: partitions and retention must be positive, and a batch holds a record at least")
	case n.ReplicationFactor < 2 || n.ReplicationFactor > 10:
		return fmt.Errorf("size: with a replication factor of %d no broker's loss is survived; use 2 to 10", n.ReplicationFactor)
	case n.MinISR < 1 || n.MinISR > n.ReplicationFactor-1:
		return fmt.Errorf("size: min.insync.replicas %d of %d replicas does not let a broker be lost; use %d at most", n.MinISR, n.ReplicationFactor, n.ReplicationFactor-1)
	case n.Zones < 1 || n.Zones > n.ReplicationFactor:
		return fmt.Errorf("size: %d replicas are spread over 1 to %d zones, not %d", n.ReplicationFactor, n.ReplicationFactor, n.Zones)
	case n.RebuildWithin <= n.Away:
		return fmt.Errorf("size: replicas cannot be in sync within %v if no machine runs for %v", n.RebuildWithin, n.Away)
	case n.HeadroomPercent < 0 || n.HeadroomPercent > 90 || n.Away < 0:
		return fmt.Errorf("size: a headroom of %d %% is not within 0 and 90, or the time away is negative", n.HeadroomPercent)
	case n.MostBrokers < n.ReplicationFactor || n.MostBrokers > 1000:
		return fmt.Errorf("size: at most %d brokers cannot hold %d replicas; use up to 1000", n.MostBrokers, n.ReplicationFactor)
	}
	for _, name := range n.Instances {
		if _, err := ec2.Default().Instance(name); err != nil {
			return fmt.Errorf("size: %w", err)
		}
	}
	for _, class := range n.Classes {
		if _, err := ec2.Default().Class(class); err != nil && class != InstanceStore {
			return fmt.Errorf("size: %w; the instance store is called %s", err, InstanceStore)
		}
	}
	return nil
}

// InstanceStore is what the instance store is called among the classes.
const InstanceStore = "instance-store"

// peak and average are the load when it has grown.
func (n Need) peak() int64    { return n.PeakBytesPerSecond * (100 + n.GrowthPercent) / 100 }
func (n Need) average() int64 { return n.AverageBytesPerSecond * (100 + n.GrowthPercent) / 100 }

// Overheads of Kafka's record batch format v2: a batch has a head of 61 bytes,
// a record its length, attributes, two deltas, and the lengths of key, value
// and headers, some 9 bytes as varints.
const (
	batchHead  = 61
	recordHead = 9
)

// onDisk is what value bytes come to in a log.
func (n Need) onDisk(values int64) int64 {
	perBatch := max(1, n.BatchBytes/(n.RecordBytes+recordHead))
	return int64(float64(values) * float64(n.RecordBytes+recordHead+(batchHead+perBatch-1)/perBatch) / float64(n.RecordBytes))
}
