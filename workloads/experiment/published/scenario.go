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
		Cluster:  r.cluster(costs, cache),
		Topic: scenario.Topic{
			Name: "bench", Partitions: scenario.Exactly(r.Partitions), ReplicationFactor: scenario.Exactly(int64(r.ReplicationFactor)),
			Configs: scenario.Properties{"min.insync.replicas": fmt.Sprint(min(2, r.ReplicationFactor))},
		},
		Load: scenario.Load{
			Duration: scenario.ExactSpan(w.WarmUp + w.Measured), WarmUp: w.WarmUp,
			History: scenario.HistoryBatches,
			Producers: scenario.Producers{
				Count: scenario.Exactly(int64(r.Producers)), Partitioner: r.partitioner(),
				RecordSize: scenario.Exactly(r.RecordBytes),
				Properties: scenario.Properties{
					"acks": r.Acks, "enable.idempotence": "false",
					"linger.ms":     fmt.Sprint(r.LingerMillis),
					"batch.size":    fmt.Sprint(r.BatchBytes),
					"buffer.memory": fmt.Sprint(r.bufferMemory()), "max.request.size": fmt.Sprint(int64(maxRequestBytes)),
					"max.in.flight.requests.per.connection": fmt.Sprint(r.maxInFlight()),
				},
			},
			Consumers: r.group(),
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
	if r.Groups > 1 { // which the short form of a load has no place for
		producers := s.Load.Producers
		s.Load.Programs = []scenario.Program{{Producers: &producers}}
		for range r.Groups {
			group := r.group()
			s.Load.Programs = append(s.Load.Programs, scenario.Program{Consumers: &group})
		}
		s.Load.Producers, s.Load.Consumers = scenario.Producers{}, scenario.Consumers{}
	}
	return s
}

// partitioner is where records without keys go: before Kafka 2.4 to one
// partition after the other, since then to one until its batch is full (KIP-480).
func (r Row) partitioner() string {
	if r.Date < "2019-12" {
		return scenario.PartitionerRoundRobin
	}
	return scenario.PartitionerSticky
}

// maxInFlight is how many requests a producer has under way to a broker. That of
// 2014 had no such setting: it sent on as soon as the one before had left it
// (Sender.InFlightRequests.canSendMore in Kafka's repository of April 2014).
func (r Row) maxInFlight() int {
	if r.Lab == LinkedIn {
		return unlimitedInFlight
	}
	return maxInFlight
}

func (r Row) bufferMemory() int64 {
	if r.Lab == LinkedIn {
		return linkedInBufferMemory
	}
	return bufferMemory
}

// group is one group of consumers, each of which reads all partitions.
func (r Row) group() scenario.Consumers {
	return scenario.Consumers{
		Count:      scenario.Exactly(int64(min(r.Consumers/r.Groups, int(r.Partitions)))),
		Properties: scenario.Properties{"max.partition.fetch.bytes": fmt.Sprint(r.partitionFetchBytes())},
	}
}

// cluster is the brokers with their machines.
func (r Row) cluster(costs string, cache pageCache) scenario.Cluster {
	c := scenario.Cluster{
		Brokers: scenario.Exactly(int64(r.Brokers)), Machine: r.machineType(), Storage: scenario.InstanceStore, Costs: costs,
		DirtyPercent: int(cache),
		Properties: scenario.Properties{
			"num.replica.fetchers": "8", "message.max.bytes": "10485760", "replica.fetch.max.bytes": "10485760",
		},
	}
	switch r.Lab {
	case AWS:
		c.Storage, c.Volume.SizeGiB = gp2, mskGiB
		c.Racks, c.BetweenRacks = scenario.Exactly(3), scenario.CrossZone
		c.Properties = scenario.Properties{"num.replica.fetchers": "2"} // MSK's default configuration
	case LinkedIn:
		c.Storage, c.Properties = scenario.MachineStorage, nil
	case ElasticStream, Kesque:
		c.Properties = scenario.Properties{"num.replica.fetchers": "8"} // OMB's driver
	}
	return c
}

// partitionFetchBytes is max.partition.fetch.bytes of the drivers.
func (r Row) partitionFetchBytes() int64 {
	switch {
	case r.Lab == Confluent:
		return 10 << 20
	case r.Lab != StreamNative:
		return 1 << 20 // Kafka's default
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
		{"records without keys go to one partition until their batch is full (KIP-480), before Kafka 2.4 to one after the other", "OMB's NO_KEY distribution; the default partitioner of the time"},
		{"a broker's two disks are one stripe", "the labs gave Kafka two log.dirs; with 50 replicas on each the loads of the two are nearly equal"},
		{"num.replica.fetchers is 8, message.max.bytes and replica.fetch.max.bytes are 10 MiB", "the server.properties of StreamNative's repository; Confluent's notes say the same of the fetchers"},
		{"saturated runs without fsync begin with page caches of two seconds of writing, as dirty as Linux holds them in the long run (87% of the limit)",
			"the labs' runs lasted long enough for that; it was chosen while the errors of these rows were known, so what they are held out of is the fit of the costs"},
		{"every client has a machine that never lacks a core", "the labs had a few clients on each of four machines of eight cores"},
		{"brokers of AWS are spread over three zones, and so are the clients; two replica fetchers; MSK's heap is taken for a quarter of the memory",
			"the blog says three zones; the fetchers are in MSK's default configuration; the rest is not stated"},
		{"AWS's row states no record size but what the tool's example has (1 KiB), and the rates are as requested", "the chart's axis is the requested rate"},
		{"elastic-stream's runs have four producers and consumers, 1 KiB records, acks=all on the one replica, and the instance store", "none is stated; the publication says 64 KiB batches and i4i.2xlarge"},
		{"elastic-stream's throughputs are load points and no maximum: they are offered, and its latencies compared", "the publication says that clients and their concurrency were adjusted, and that Kafka does not get further with a 99th percentile of about 20 ms; it used one core of eight. Until 2026-11-28 they were compared as maxima, and missed by 28% to 290%"},
		{"LinkedIn's producer has buffer.memory of 64 MiB and no bound on requests under way", "its commands, and Kafka's repository of April 2014: a connection takes the next request when the one before has been written"},
		{"a broker does one request of a connection at a time, and connections have the buffers of Kafka's settings", "Kafka's code and defaults, looked for because StreamNative's rows with acks=all were missed; nothing of the two is fitted"},
		{"Kesque's runs are on i3.4xlarge", "the publication says so of the benchmark's defaults and does not confirm it"},
		{"LinkedIn's machines of 2014: 6 cores, 32 GB, 1 Gbit/s, disks of 822 MB/s together", "the publication; disk latency is that of a 7,200 rpm drive with its cache on, an assumption"},
	}
}
