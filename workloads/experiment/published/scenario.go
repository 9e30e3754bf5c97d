package published

import (
	"fmt"
	"time"

	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/workloads/scenario"
)

// Windows are how much of a run is simulated.
type Windows struct {
	WarmUp   time.Duration // left out of the figures
	Measured time.Duration
}

// Default windows. A saturated cluster fills its producers' buffers within
// 200 ms; the rest of the warm-up lets the queues between the brokers settle,
// and the rates that the page cache holds its writers to.
var (
	ThroughputWindows = Windows{WarmUp: 2 * time.Second, Measured: 2 * time.Second}
	LatencyWindows    = Windows{WarmUp: time.Second, Measured: 4 * time.Second}
)

// pageCache is how dirty page caches are when a run begins, in percent of the
// dirty limit.
type pageCache int

const (
	// clean is for runs that sync every batch.
	clean pageCache = 0
	// writtenBack is where a load below the disk's bandwidth leaves the cache:
	// at the background limit, which is half of the dirty limit.
	writtenBack pageCache = 50
	// throttled is where a load above it does: Linux then holds writers to the
	// disk's rate, in the long run where dirty pages are half way between the
	// free run, which ends at 75% with the default ratios, and the limit.
	throttled pageCache = machine.SetPoint
)

// Scenario is the row as a scenario under a table of processor costs. Page
// caches begin as a load leaves them that the disks can follow.
func (r Row) Scenario(seed scenario.Seed, costs string, w Windows) *scenario.Scenario {
	cache := writtenBack
	if r.Fsync {
		cache = clean
	}
	return r.scenario(seed, costs, w, cache)
}

func (r Row) scenario(seed scenario.Seed, costs string, w Windows, cache pageCache) *scenario.Scenario {
	s := &scenario.Scenario{
		Name:     r.Slug(),
		Question: fmt.Sprintf("What %s published as %s, on simulated machines", r.Lab, r.ID),
		Seed:     seed,
		Cluster: scenario.Cluster{
			Brokers: scenario.Exactly(int64(r.Brokers)), Machine: r.Instance, Storage: scenario.InstanceStore, Costs: costs,
			DirtyPercent: int(cache),
			Properties: scenario.Properties{
				"num.replica.fetchers": "8", "message.max.bytes": "10485760", "replica.fetch.max.bytes": "10485760",
			},
		},
		Topic: scenario.Topic{
			Name: "bench", Partitions: scenario.Exactly(r.Partitions), ReplicationFactor: scenario.Exactly(int64(r.ReplicationFactor)),
			Configs: scenario.Properties{"min.insync.replicas": "2"},
		},
		Load: scenario.Load{
			Duration: scenario.ExactSpan(w.WarmUp + w.Measured), WarmUp: w.WarmUp,
			History: scenario.HistoryBatches,
			Producers: scenario.Producers{
				Count: scenario.Exactly(int64(r.Producers)), Partitioner: scenario.PartitionerSticky,
				RecordSize: scenario.Exactly(r.RecordBytes),
				Properties: scenario.Properties{
					"acks": r.Acks, "enable.idempotence": "false",
					"linger.ms":     fmt.Sprint(r.LingerMillis),
					"batch.size":    fmt.Sprint(r.BatchBytes),
					"buffer.memory": fmt.Sprint(int64(bufferMemory)), "max.request.size": fmt.Sprint(int64(maxRequestBytes)),
					"max.in.flight.requests.per.connection": fmt.Sprint(maxInFlight),
				},
			},
			Consumers: scenario.Consumers{
				Count:      scenario.Exactly(int64(r.Consumers)),
				Properties: scenario.Properties{"max.partition.fetch.bytes": fmt.Sprint(r.partitionFetchBytes())},
			},
		},
		Recovery: time.Minute,
	}
	if r.Fsync {
		s.Topic.Configs["flush.messages"] = "1"
	}
	if r.Saturated() {
		s.Load.Producers.Arrivals = scenario.ArrivalsSaturate
	} else {
		s.Load.Producers.Arrivals = scenario.ArrivalsConstant
		s.Load.Producers.Rate = scenario.Exactly(int64(r.OfferedPerSecond))
	}
	return s
}

// partitionFetchBytes is max.partition.fetch.bytes of the drivers.
func (r Row) partitionFetchBytes() int64 {
	switch {
	case r.Lab == Confluent:
		return 10 << 20
	case r.Acks == "all":
		return 128 << 10
	default:
		return 1 << 20
	}
}

// Assumption is something that the publications leave open, or that the
// simulation does differently.
type Assumption struct {
	What, Why string
}

// Assumptions are what was assumed where the publications leave something
// open, and where the simulated cluster is not what the labs ran.
func Assumptions() []Assumption {
	return []Assumption{
		{"buffer.memory, max.request.size and max.in.flight.requests.per.connection are Kafka 2.6's defaults (32 MiB, 1 MiB, 5)",
			"neither lab's drivers set them; the published mean latencies of the saturated rows are what a full buffer of 32 MiB per producer gives"},
		{"producers are not idempotent", "the default of Kafka 2.6"},
		{"max.partition.fetch.bytes is 10 MiB for Confluent; 1 MiB (acks=1) and 128 KiB (acks=all) for StreamNative",
			"the drivers in the labs' repositories; a batch larger than that is still fetched, but only one per request"},
		{"records without keys go to one partition until their batch is full (KIP-480)", "OMB's NO_KEY distribution on Kafka 2.4 and later"},
		{"a broker's two disks are one stripe", "the labs gave Kafka two log.dirs; with 50 replicas on each the loads of the two are nearly equal"},
		{"num.replica.fetchers is 8, message.max.bytes and replica.fetch.max.bytes are 10 MiB", "the server.properties of StreamNative's repository; Confluent's notes say the same of the fetchers"},
		{"saturated runs without fsync begin with page caches of two seconds of writing, as dirty as Linux holds them in the long run (87% of the limit)",
			"the labs' runs lasted long enough for that; it was chosen while the errors of these rows were known, so what they are held out of is the fit of the costs"},
		{"the clients' processors are free", "what a request takes in the JVM of a client is in the fitted cost of a client's request"},
		{"no garbage collection", "both labs ran G1 with a pause target of 10 ms; Weir's table of costs has means only, so pauses are missing above the 99th percentile"},
		{"requests are not handed from thread to thread",
			"Kafka hands each from a network thread to a request thread and back; what that takes is in the fitted cost of a call"},
	}
}
